package record_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/record"
)

// TestLengthsInWords: two plans whose prompts differ do not read alike.
func TestLengthsInWords(t *testing.T) {
	for want, p := range map[string]record.Plan{
		"ISL 5 +/- 1, OSL 6":      {ISL: 5, StdDev: 1, OSL: 6},
		"ISL,OSL 5|1,6:40;7,8:60": {SeqDist: "5|1,6:40;7,8:60"},
		"ISL,OSL 5,6 (shared: one of 4 prefixes of 50 % of each prompt)":              {SeqDist: "5,6", Prefixes: record.Prefixes{Ratio: 0.5, Pool: 4}},
		"ISL 50 +/- 0 (shared: a system message of 7, one of 2 prefixes of 8), OSL 6": {ISL: 50, OSL: 6, Prefixes: record.Prefixes{System: 7, Length: 8, Pool: 2}},
		"ISL 50 +/- 0 (shared: a prefix of 8), OSL 6":                                 {ISL: 50, OSL: 6, Prefixes: record.Prefixes{Length: 8, Pool: 1}},
		"prompts of x.jsonl (single_turn, 3 records, shuffle), its OSL or 6":          {OSL: 6, Input: record.Input{File: "/a/x.jsonl", Format: "single_turn", Records: 3, Sampling: "shuffle"}},
	} {
		assert.Equal(t, want, p.Lengths())
	}
}

// TestPlanWithoutNewSettings: a plan that has none of them is stored as it was before there were any.
func TestPlanWithoutNewSettings(t *testing.T) {
	data, err := json.Marshal(record.Plan{ISL: 5})
	require.NoError(t, err)
	for _, key := range []string{"seq_dist", "prefixes"} {
		assert.NotContains(t, string(data), key)
	}
	var p record.Plan
	require.NoError(t, json.Unmarshal([]byte(`{"prefixes":{"ratio":0.5,"pool":3}}`), &p))
	assert.Equal(t, record.Prefixes{Ratio: 0.5, Pool: 3}, p.Prefixes)
}
