package mockserver_test

import (
	"flag"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/mockserver"
)

func TestOptionProblemsAreReportedTogether(t *testing.T) {
	t.Parallel()
	require.NoError(t, mockserver.DefaultOptions().Validate())
	o := mockserver.DefaultOptions()
	o.Model, o.MaxNumSeqs, o.BlockSize, o.MaxModelLen = " ", 0, -1, 1
	want := `model-name " ": must not be blank
max-num-seqs "0": must be at least 1
block-size "-1": must be at least 1
max-model-len "1": must be at least 2, or 0 for no limit`
	require.EqualError(t, o.Validate(), want)
	_, err := mockserver.New(o)
	require.EqualError(t, err, want)
}

func TestFlagsFillTheOptions(t *testing.T) {
	t.Parallel()
	o := mockserver.DefaultOptions()
	fs := flag.NewFlagSet("test", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	mockserver.RegisterFlags(fs, &o)
	require.NoError(t, fs.Parse(nil))
	assert.Equal(t, mockserver.DefaultOptions(), o)
	require.NoError(t, fs.Parse([]string{
		"-model-name=m", "-max-num-seqs=2", "-max-num-batched-tokens=3", "-num-gpu-blocks-override=4", "-block-size=5",
		"-max-model-len=6", "-speedup-ratio=7.5", "-decode-speedup-ratio=0", "-seed=-8",
	}))
	want := mockserver.DefaultOptions()
	want.Model, want.MaxNumSeqs, want.MaxNumBatchedTokens, want.NumGPUBlocks, want.BlockSize = "m", 2, 3, 4, 5
	want.MaxModelLen, want.SpeedupRatio, want.DecodeSpeedupRatio, want.Seed = 6, 7.5, 0, -8
	assert.Equal(t, want, o)
}
