package dataset_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/workload/dataset"
)

// fuzz reads anything in one format. What is refused is refused with the name of the file; what is taken can be read again, record by record, and is
// what the naive twin reads.
func fuzz(f *testing.F, format dataset.Format) {
	f.Add(samples(f)[format])
	for record := range badRecords()[format] {
		f.Add([]byte(record))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		checkInvariants(t, content, format)
	})
}

func checkInvariants(t *testing.T, content []byte, format dataset.Format) {
	t.Helper()
	d, err := read(string(content), format)
	if err != nil {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			assert.True(t, strings.HasPrefix(line, "data.jsonl:"), "%q", line)
		}
		return
	}
	require.Positive(t, d.Len())
	all := entries(t, d)
	lines := make([]int, len(all))
	for i, e := range all {
		lines[i] = e.Line
	}
	assert.True(t, slices.IsSorted(lines), "lines %v", lines)
	assert.GreaterOrEqual(t, lines[0], 1)
	assert.LessOrEqual(t, lines[len(lines)-1], 1+strings.Count(string(content), "\n"))
	assert.Equal(t, naive(format, content), unlined(all))
}

func FuzzSingleTurn(f *testing.F) { fuzz(f, dataset.SingleTurn) }
func FuzzRandomPool(f *testing.F) { fuzz(f, dataset.RandomPool) }
func FuzzShareGPT(f *testing.F)   { fuzz(f, dataset.ShareGPT) }
func FuzzMooncake(f *testing.F)   { fuzz(f, dataset.Mooncake) }
func FuzzBurstGPT(f *testing.F)   { fuzz(f, dataset.BurstGPT) }
func FuzzInputs(f *testing.F)     { fuzz(f, dataset.Inputs) }
func FuzzRawPayload(f *testing.F) { fuzz(f, dataset.RawPayload) }

// FuzzDetect: what is detected in a file says why, and does not depend on what follows the first record.
func FuzzDetect(f *testing.F) {
	for _, content := range samples(f) {
		f.Add(content)
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		format, why, err := dataset.Detect(strings.NewReader(string(content)))
		if err != nil {
			return
		}
		assert.Contains(t, dataset.Formats(), format)
		assert.NotEmpty(t, why)
	})
}
