package compare_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/llmsweep/llmsweep/harness/compare"
)

// FuzzParseRules: a gate that is accepted is accepted again, with the same rules, in the form that they have then.
func FuzzParseRules(f *testing.F) {
	f.Add([]byte("limits:\n  - {metric: time_to_first_token, statistic: p99, level: c50, max: 500}\n  - {metric: error_request_count, max: 0}\n"))
	f.Add([]byte("margins:\n  - {metric: output_token_throughput, margin: 5%}\n  - {metric: request_latency, margin: ' 0x1p2 %'}\n"))
	f.Add([]byte("limits: &a\n  - {metric: time_to_first_token, max: .nan, min: -.inf}\nmargins: *a\n"))
	f.Add([]byte("limits:\n  - {metric: request_latency}\n"))
	f.Add([]byte("margins:\n  - {metric: request_latency, margin: NaN%}\n"))
	f.Add([]byte("limits: []\n---\nlimits: []\n"))
	f.Add([]byte("a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nlimits: [*b,*b,*b,*b,*b,*b]\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		rules, err := compare.ParseRules(data)
		if err != nil {
			assert.NotEmpty(t, err.Error())
			return
		}
		text, err := yaml.Marshal(rules)
		require.NoError(t, err)
		again, err := compare.ParseRules(text)
		require.NoError(t, err, "%s", text)
		require.Len(t, again.Limits, len(rules.Limits))
		require.Len(t, again.Margins, len(rules.Margins))
		for i, l := range rules.Limits {
			assert.Equal(t, l, again.Limits[i])
			assert.True(t, l.Max != nil || l.Min != nil)
		}
		for i, m := range rules.Margins {
			assert.Equal(t, m, again.Margins[i])
			assert.True(t, 0 <= m.Percent && m.Percent <= 1000, "%g", m.Percent)
		}
	})
}
