package mockserver_test

import (
	"testing"

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
