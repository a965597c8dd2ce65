package scrape

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestParse: what Prometheus takes for a sample, and what it drops.
func TestParse(t *testing.T) {
	page, err := Parse([]byte(strings.Join([]string{
		"# HELP a_total What \\n it \\\\ is.",
		"# TYPE a_total counter",
		"a_total 1",
		"\t a_total { } 2.5e3 1700000000000",
		`b{x="y"} NaN`,
		`b{x="a \"q\" \\ \n",y="} 7 # {",} +Inf`,
		`b:c{ x = "ü" } -Inf -5`,
		"",
		"# a remark",
		"# TYPE h histogram",
		`h_bucket{le="0.5"} 3 # {trace_id="x"} 0.25 1.5`,
		`h_bucket{le="+Inf"} 4 1.5 # {} 1`,
		"_n 0",
	}, "\n") + "\n# EOF\nno metric at all\n"))
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"a_total": "counter", "h": "histogram"}, page.Types)
	var got []string
	for _, s := range page.Samples {
		got = append(got, fmt.Sprintf("%s = %v", s.Series, s.Value))
	}
	assert.Equal(t, []string{
		"a_total = 1", "a_total { } = 2500", `b{x="y"} = NaN`, `b{x="a \"q\" \\ \n",y="} 7 # {",} = +Inf`, `b:c{ x = "ü" } = -Inf`,
		`h_bucket{le="0.5"} = 3`, `h_bucket{le="+Inf"} = 4`, "_n = 0",
	}, got)
	name, labels := Split(page.Samples[3].Series)
	assert.Equal(t, "b", name)
	assert.Equal(t, map[string]string{"x": "a \"q\" \\ \n", "y": "} 7 # {"}, labels)
}

// TestParseRefuses pages of which one line is none, and names it.
func TestParseRefuses(t *testing.T) {
	for line, reason := range map[string]string{
		"1a 2":                      "does not begin with the name",
		"a":                         "no value",
		"a x":                       "no value",
		"a 0x10":                    "no value",
		"a 1_000":                   "no value",
		"a 1 2 3":                   "only a timestamp",
		"a 1 now":                   "only a timestamp",
		`a{x="1" 2`:                 "separated by commas",
		`a{x="1"`:                   "separated by commas",
		`a{x="1",,y="2"} 1`:         "NAME=",
		`a{,} 1`:                    "NAME=",
		`a{"x"} 1`:                  "NAME=",
		`a{x:y="1"} 1`:              "NAME=",
		`a{x=1} 1`:                  "double quotes",
		`a{x="1} 1`:                 "does not end",
		`a{x="\t"} 1`:               "backslash",
		"a{x=\"\xff\"} 1":           "UTF-8",
		`a 1 # b`:                   "exemplar",
		`a 1 # {x="1"}`:             "exemplar",
		`a 1 # {x="1"} 2 # {} 3`:    "exemplar",
		"<html>":                    "does not begin with the name",
		"\x00\x01\x02":              "does not begin with the name",
		`[{"iteration": 1}]`:        "does not begin with the name",
		"a 1\r":                     "no value",
		"a 1 2 # {a=\"1\"} 3 4 5 6": "exemplar",
	} {
		_, err := Parse([]byte("ok 1\n" + line + "\nok 2\n"))
		var syntax *SyntaxError
		if assert.ErrorAs(t, err, &syntax, line) {
			assert.Equal(t, 2, syntax.Line, line)
			assert.Contains(t, err.Error(), reason, line)
		}
	}
	_, err := Parse([]byte("ok 1\nok 23"))
	assert.ErrorContains(t, err, "line 2", "cut off within a number")
	_, err = Parse([]byte("a " + strings.Repeat("x", 1<<20) + "\n"))
	assert.Less(t, len(err.Error()), 400)
}

// vllmPage is one of some 60 KB, as vLLM's is: several engines with their histograms.
func vllmPage(tb testing.TB, scale float64) []byte {
	tb.Helper()
	var b bytes.Buffer
	buckets := []float64{.001, .005, .01, .02, .04, .06, .08, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640, 2560}
	for i := range 22 {
		name := fmt.Sprintf("vllm:some_quantity_%d_seconds", i)
		fmt.Fprintf(&b, "# HELP %s Histogram of something in seconds.\n# TYPE %s histogram\n", name, name)
		for k, le := range buckets {
			fmt.Fprintf(&b, "%s_bucket{engine=\"0\",le=\"%v\",model_name=\"meta-llama/Llama-3.1-8B-Instruct\"} %v\n", name, le, float64(k)*scale)
		}
		fmt.Fprintf(&b, "%s_sum{engine=\"0\",model_name=\"meta-llama/Llama-3.1-8B-Instruct\"} %v\n", name, 0.1*scale)
	}
	return b.Bytes()
}

func BenchmarkParse(b *testing.B) {
	page := vllmPage(b, 17)
	b.SetBytes(int64(len(page)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(page); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRound is what a page costs the client once a second: read, compared, and ready for the file.
func BenchmarkRound(b *testing.B) {
	pages := [][]byte{vllmPage(b, 17), vllmPage(b, 18)}
	var c Changes
	b.SetBytes(int64(len(pages[0])))
	b.ReportAllocs()
	k := 0
	for b.Loop() {
		page, err := Parse(pages[k%2])
		if err != nil {
			b.Fatal(err)
		}
		c.Of(page)
		k++
	}
}

// FuzzParse: no page breaks the parser; what it accepts is made of series that Split takes apart, and reads the same when it is written again.
func FuzzParse(f *testing.F) {
	pages, err := filepath.Glob("testdata/*.prom")
	require.NoError(f, err)
	require.NotEmpty(f, pages)
	for _, path := range pages {
		data, err := os.ReadFile(path)
		require.NoError(f, err)
		f.Add(data)
	}
	f.Add([]byte(`a{x="\\\"\n",} NaN 1 # {a="b"} 1` + "\n# EOF\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		page, err := Parse(data)
		if err != nil {
			assert.LessOrEqual(t, len(err.Error()), 1000)
			return
		}
		var again strings.Builder
		for _, s := range page.Samples {
			name, _ := Split(s.Series)
			require.NotEmpty(t, name)
			require.True(t, strings.HasPrefix(s.Series, name))
			require.NotContains(t, s.Series, "\n")
			fmt.Fprintf(&again, "%s %v\n", s.Series, s.Value)
		}
		twice, err := Parse([]byte(again.String()))
		require.NoError(t, err)
		require.Len(t, twice.Samples, len(page.Samples))
		for i, s := range page.Samples {
			require.Equal(t, s.Series, twice.Samples[i].Series)
			require.True(t, s.Value == twice.Samples[i].Value || math.IsNaN(s.Value))
		}
	})
}
