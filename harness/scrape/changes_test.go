package scrape

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/record"
)

// TestChangesSayWhatIsNew: the first page whole, then what is different.
func TestChangesSayWhatIsNew(t *testing.T) {
	c := Changes{Redact: func(s string) string { return strings.ReplaceAll(s, "secret", "[redacted]") }}
	told := func(text string) string {
		page, err := Parse([]byte(text))
		require.NoError(t, err)
		data, err := json.Marshal(c.Of(page))
		require.NoError(t, err)
		return string(data)
	}
	assert.Equal(t, `{"took_ns":0,"types":{"a":"gauge"},"new":["a{x=\"[redacted]\"}","b"],"values":{"0":1,"1":"NaN"}}`,
		told("# TYPE a gauge\na{x=\"secret\"} 1\nb NaN\n"))
	assert.Equal(t, `{"took_ns":0}`, told("# TYPE a gauge\na{x=\"secret\"} 1\nb NaN\n"), "NaN is no change of NaN")
	assert.Equal(t, `{"took_ns":0,"types":{"c":"counter"},"new":["c"],"values":{"1":2,"2":1e+21},"gone":[0]}`, told("b 2\nb 3\n# TYPE c counter\nc 1e21\n"), "the first of two counts")
	assert.Equal(t, `{"took_ns":0,"values":{"0":1}}`, told("a{x=\"secret\"} 1\nb 2\nc 1e21\n"), "it is back with the value that it had")
}

// TestHistoryIsWhatWasTold puts random pages through Changes, the file's form and History, and finds each value again.
func TestHistoryIsWhatWasTold(t *testing.T) {
	for seed := range uint64(50) {
		random := rand.New(rand.NewPCG(seed, 7))
		var c Changes
		h := NewHistory(func(string) bool { return true })
		h.Begin(&record.Sources{URLs: []string{"u"}})
		var pages []map[string]float64
		for round := range 20 {
			told := record.Told{Error: "silent"}
			pages = append(pages, nil)
			if random.IntN(5) > 0 {
				values := map[string]float64{}
				var text strings.Builder
				for k := range 6 {
					if name := fmt.Sprintf(`s{k="%d"}`, k); random.IntN(4) > 0 {
						values[name] = []float64{0, 1, 2.5, math.Inf(1)}[random.IntN(4)]
						fmt.Fprintf(&text, "%s %v\n", name, values[name])
					}
				}
				page, err := Parse([]byte(text.String()))
				require.NoError(t, err)
				told, pages[round] = c.Of(page), values
			}
			data, err := json.Marshal(record.Round{AtNS: int64(round), Pages: []record.Told{told}})
			require.NoError(t, err)
			var read record.Round
			require.NoError(t, json.Unmarshal(data, &read))
			h.Add(&read)
		}
		source := h.stretches[0].sources[0]
		for _, x := range source.order {
			got := source.values(x, -1)
			for round, page := range pages {
				want, there := page[x.name+`{k="`+x.labels["k"]+`"}`]
				switch {
				case page == nil:
					require.True(t, math.IsNaN(got[round]))
				case !there:
					require.Equal(t, -1.0, got[round])
				default:
					require.Equal(t, want, got[round], "seed %d, round %d, %v", seed, round, x.labels)
				}
			}
		}
	}
}

// TestChangesAreBounded: a source that never has the same series twice fills no memory.
func TestChangesAreBounded(t *testing.T) {
	var c Changes
	for round := range 3 {
		page := &Page{}
		for k := range MaxSeries/2 + 1 {
			page.Samples = append(page.Samples, Sample{fmt.Sprintf("s%d_%d", round, k), 1})
		}
		c.Of(page)
	}
	assert.Equal(t, MaxSeries/2+1, c.Left)
	assert.Len(t, c.number, MaxSeries)
}
