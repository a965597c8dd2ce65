package steady_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/steady"
)

// TestCacheHits: what is planned of a request's hits is what it shares on purpose and what the server's template adds; one request's lack of hits does
// not make up for another's excess.
func TestCacheHits(t *testing.T) {
	for name, c := range map[string]struct {
		isl, shared, prompt, hits, unplanned int
	}{
		"nothing":                        {100, 0, 110, 0, 0},
		"the template":                   {100, 0, 110, 10, 0},
		"one token more":                 {100, 0, 110, 11, 1},
		"all of it":                      {100, 0, 110, 104, 94},
		"as planned":                     {100, 50, 110, 60, 0},
		"less than planned":              {100, 50, 110, 48, 0},
		"more than planned":              {100, 50, 110, 64, 4},
		"a server that counts less":      {100, 50, 90, 45, 0},
		"that, and more than is planned": {100, 50, 90, 80, 30},
		"longer tokens shared":           {100, 50, 120, 60, 0},
	} {
		var cache steady.Cache
		for range 2 {
			cache.Add(&record.Sample{
				Phase: record.Profiling, Outcome: record.OK, SharedTokens: c.shared, Counted: record.Counted{ISL: c.isl},
				Usage: &record.Usage{PromptTokens: c.prompt, CachedTokens: &c.hits},
			})
		}
		assert.Equal(t, steady.Cache{Requests: 2, Prompt: 2 * c.prompt, Hits: 2 * c.hits, Shared: 2 * c.shared, Unplanned: 2 * c.unplanned}, cache, name)
	}

	var cache steady.Cache
	hits := 5
	for _, s := range []*record.Sample{
		{Phase: record.Warmup, Outcome: record.OK, Usage: &record.Usage{PromptTokens: 10, CachedTokens: &hits}},
		{Phase: record.Profiling, Outcome: record.Cut, Usage: &record.Usage{PromptTokens: 10, CachedTokens: &hits}},
		{Phase: record.Profiling, Outcome: record.OK, Usage: &record.Usage{PromptTokens: 10}},
		{Phase: record.Profiling, Outcome: record.OK, Usage: &record.Usage{CachedTokens: &hits}},
		{Phase: record.Profiling, Outcome: record.OK},
	} {
		cache.Add(s)
	}
	assert.Zero(t, cache, "only measured requests of which the server told")
	assert.Zero(t, cache.Percent(0))

	all := steady.Cache{Requests: 1, Prompt: 200, Hits: 3, Shared: 4, Unplanned: 5}
	assert.Equal(t, steady.Cache{Requests: 2, Prompt: 400, Hits: 6, Shared: 8, Unplanned: 10}, all.With(all))
	assert.InDelta(t, 1.5, all.Percent(all.Hits), 1e-12)
}

// TestCacheHitsAreJudged: 1 % of unplanned hits is within the limit, more is not; a server that does not tell has no such reading.
func TestCacheHitsAreJudged(t *testing.T) {
	for unplanned, want := range map[int]string{0: "", 10: "", 11: "unplanned cache hits 1.1 %, limit at most 1 %"} {
		f := sound()
		f.Cache = steady.Cache{Requests: 5, Prompt: 1000, Hits: 500, Shared: 489, Unplanned: unplanned}
		v := steady.Judge(f)
		assert.Equal(t, want, v.Broken(true))
		r, ok := v.Reading(steady.CacheReading)
		assert.True(t, ok)
		assert.InDelta(t, float64(unplanned)/10, r.Value, 1e-12)
	}
	_, ok := steady.Judge(sound()).Reading(steady.CacheReading)
	assert.False(t, ok)
}
