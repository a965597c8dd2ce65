package compare_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/llmsweep/llmsweep/harness/compare"
	"github.com/llmsweep/llmsweep/harness/record"
)

// FuzzParseRules: a gate that is accepted is accepted again, with the same rules, in the form that they have then.
func FuzzParseRules(f *testing.F) {
	f.Add([]byte("limits:\n  - {metric: time_to_first_token, statistic: p99, level: c50, max: 500}\n  - {metric: error_request_count, max: 0}\n"))
	f.Add([]byte("margins:\n  - {metric: output_token_throughput, margin: 5%}\n  - {metric: request_latency, margin: ' 0x1p2 %'}\n"))
	f.Add([]byte("limits: &a\n  - {metric: time_to_first_token, max: .nan, min: -.inf}\nmargins: *a\n"))
	f.Add([]byte("limits:\n  - {metric: request_latency}\n"))
	f.Add([]byte("margins:\n  - {metric: request_latency, margin: NaN%}\n"))
	f.Add([]byte("primaries:\n  - {metric: request_latency, statistic: p99, level: c10, margin: 5%}\n"))
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
		require.Len(t, again.Primaries, len(rules.Primaries))
		for i, p := range rules.Primaries {
			assert.Equal(t, p, again.Primaries[i])
			assert.True(t, 0 < p.Percent && p.Percent <= 1000 && p.Level != "all", "%+v", p)
		}
		if len(rules.Primaries) > 0 {
			assert.NoError(t, compare.Design{Primaries: rules.Primaries, Looks: compare.DefaultLooks()}.Validate())
		}
		for i, m := range rules.Margins {
			assert.Equal(t, m, again.Margins[i])
			assert.True(t, 0 <= m.Percent && m.Percent <= 1000, "%g", m.Percent)
		}
	})
}

// FuzzTrial: whatever figures come, a trial ends, with a verdict, and without a number that is none beside one that is.
func FuzzTrial(f *testing.F) {
	seed := make([]byte, 8*40)
	for i := range 40 {
		binary.LittleEndian.PutUint64(seed[8*i:], math.Float64bits(100+float64(i%7)))
	}
	f.Add(seed, byte(0))
	f.Add([]byte{}, byte(3))
	f.Add(bytes.Repeat([]byte{1, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 239, 127}, 20), byte(1)) // the smallest and the largest
	f.Add(bytes.Repeat([]byte{0, 0, 0, 0, 0, 0, 240, 127}, 4), byte(2))                                      // infinite
	f.Fuzz(func(t *testing.T, data []byte, client byte) {
		design := compare.Design{Primaries: compare.DefaultPrimaries("c1"), Looks: compare.DefaultLooks()}
		require.NoError(t, design.Validate())
		next := func() float64 {
			if len(data) < 8 {
				return 1
			}
			v := math.Float64frombits(binary.LittleEndian.Uint64(data))
			data = data[8:]
			return v
		}
		trial, runs := compare.NewTrial(design), 0
		for _, more := trial.Next(); more; _, more = trial.Next() {
			level := compare.Level{Name: "c1", Figures: compare.Figures{}}
			for _, p := range design.Primaries {
				level.Figures[p.Metric] = map[string]float64{"avg": next()}
			}
			if runs++; runs%4 == int(client) {
				level.Client, level.ErrorMS = record.ClientSuspect, 2
			}
			trial.Add(compare.Result{Levels: []compare.Level{level}})
			for _, e := range trial.Judge().Estimates {
				assert.False(t, e.Blocks > 0 && !(e.Low <= e.Change && e.Change <= e.High && e.Base >= 0 && e.Candidate >= 0 && 0 <= e.P && e.P <= e.Holm && e.Holm <= 1), "%+v", e)
			}
		}
		j := trial.Judge()
		assert.True(t, j.Final)
		assert.Contains(t, []compare.Verdict{compare.Pass, compare.Fail, compare.Inconclusive}, j.Verdict)
		assert.LessOrEqual(t, runs, 38)
		_, err := json.Marshal(trial.Sensitivity())
		assert.NoError(t, err)
	})
}
