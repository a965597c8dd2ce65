package record_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/llmsweep/llmsweep/harness/record"
)

func TestExports(t *testing.T) {
	for text, want := range map[string]record.Exports{
		"": {Benchfmt: true, CSV: true}, " none ": {}, "vllm": {VLLM: true}, "csv, vllm,benchfmt": {Benchfmt: true, CSV: true, VLLM: true}, record.DefaultExports: {Benchfmt: true, CSV: true},
	} {
		got, err := record.ParseExports(text)
		assert.NoError(t, err, text)
		assert.Equal(t, want, got, text)
	}
	for _, text := range []string{"xml", "csv,", "none,csv", "CSV"} {
		got, err := record.ParseExports(text)
		assert.ErrorContains(t, err, "must be a list of benchfmt, csv and vllm, or none", text)
		assert.Zero(t, got)
	}
}
