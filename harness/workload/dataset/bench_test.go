package dataset_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/workload/dataset"
)

// BenchmarkRead is the first pass through files of 20 MB.
func BenchmarkRead(b *testing.B) {
	for _, format := range []dataset.Format{dataset.SingleTurn, dataset.ShareGPT, dataset.Inputs, dataset.BurstGPT} {
		b.Run(string(format), func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "file")
			writeLarge(b, path, format, 20<<20)
			content, err := os.ReadFile(path)
			require.NoError(b, err)
			b.SetBytes(int64(len(content)))
			b.ReportAllocs()
			for b.Loop() {
				_, err := read(string(content), format)
				require.NoError(b, err)
			}
		})
	}
}

// BenchmarkEntry is the second pass, record by record.
func BenchmarkEntry(b *testing.B) {
	for format, content := range samples(b) {
		b.Run(string(format), func(b *testing.B) {
			d, err := read(string(content), format)
			require.NoError(b, err)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				_, err := d.Entry(i % d.Len())
				require.NoError(b, err)
			}
		})
	}
}
