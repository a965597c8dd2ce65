package results

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/scrape"
	"github.com/llmsweep/llmsweep/harness/steady"
)

// toldBy reads a level's file of scrapes of these lines.
func toldBy(t *testing.T, lines ...string) (l *Level, warnings []string) {
	t.Helper()
	l = &Level{Dir: t.TempDir(), Record: new(record.Level)}
	require.NoError(t, os.WriteFile(filepath.Join(l.Dir, record.ServerMetricsFile), []byte(strings.Join(lines, "\n")), 0o600))
	return l, l.readTold()
}

const (
	sourcesLine = `{"schema_version":"1","sources":["http://s/metrics"]}`
	firstRound  = `{"at_ns":0,"edge":"measure","pages":[{"took_ns":1,"new":["vllm:num_requests_running","vllm:generation_tokens_total"],"values":{"0":0,"1":100}}]}`
)

// TestTolerantReading: a torn line, hostile ones, another's file and one that is no file take nothing with them that can be read.
func TestTolerantReading(t *testing.T) {
	l, warnings := toldBy(t, sourcesLine, firstRound, `{"at_ns":1000000000,"pages":[{"took_ns":1,"values":{"0":4,"1":150}}]}`, `{"at_ns":2000000000,"pa`)
	require.NotNil(t, l.Server)
	assert.Equal(t, 50.0, l.Server.Figures.Counters[scrape.Generated])
	require.Len(t, warnings, 1)
	assert.Contains(t, warnings[0], "server_metrics.jsonl: 1 lines skipped, the first: line 4: no round of scrapes")
	require.Len(t, l.Server.Tracks, 2)
	assert.Equal(t, []scrape.Point{{AtNS: 0, Value: 0, Edge: true}, {AtNS: 1e9, Value: 4}}, l.Server.Tracks[0].Points)

	for _, lines := range [][]string{
		{`{"at_ns":0,"pages":[{}]}`}, {"<script>"}, {`{}`}, {sourcesLine, `{"at_ns":0,"pages":[{},{}]}`}, {sourcesLine, `{"at_ns":0,"pages":[{"values":{"x":1}}]}`},
		{sourcesLine, `{"at_ns":0,"pages":[{"values":{"0":"NaN","99999999999":1,"7":[1]}}]}`}, {sourcesLine, `{"at_ns":0,"pages":[{"new":["a"],"values":{"0":1e999}}]}`},
		{sourcesLine, `{"at_ns":5,"pages":[{"new":["vllm:num_requests_running"],"values":{"0":"NaN"}}]}`}, {sourcesLine},
	} {
		l, _ := toldBy(t, lines...)
		assert.Nil(t, l.Server, lines)
	}
	l = &Level{Dir: t.TempDir(), Record: new(record.Level)}
	assert.Empty(t, l.readTold())
	require.NoError(t, os.Mkdir(filepath.Join(l.Dir, record.ServerMetricsFile), 0o700))
	assert.Len(t, l.readTold(), 1)
}

// TestNumbersBeyondMeasure: whatever numbers a file has, its figures can be written.
func TestNumbersBeyondMeasure(t *testing.T) {
	names := `"new":["vllm:num_requests_running","vllm:generation_tokens_total","vllm:time_to_first_token_seconds_sum","vllm:time_to_first_token_seconds_count","vllm:prefix_cache_hits_total","vllm:prefix_cache_queries_total"],`
	for _, values := range []string{
		`{"0":1e308,"1":1e308,"2":1e308,"3":1e-320,"4":1e308,"5":1e-320}`, `{"0":-1e308,"1":-1e308,"2":-1,"3":-1,"4":-1,"5":-1}`, `{"0":"+Inf","1":"-Inf","2":"NaN","3":1,"4":1e140,"5":1e-300}`,
		`{"0":1e149,"1":1e149,"2":1e149,"3":1e-149,"4":1e149,"5":1e-149}`,
	} {
		l, warnings := toldBy(t, sourcesLine, `{"at_ns":-9223372036854775808,"pages":[{}]}`, `{"at_ns":0,"edge":"measure","pages":[{`+names+`"values":{"0":1,"1":0,"2":0,"3":0,"4":0,"5":0}}]}`,
			`{"at_ns":1000000000,"pages":[{"values":`+values+`}]}`, `{"at_ns":9223372036854775807,"pages":[{"values":`+values+`}]}`)
		assert.Empty(t, warnings)
		require.NotNil(t, l.Server)
		_, err := json.Marshal(l.Server.Figures)
		assert.NoError(t, err, values)
		for _, track := range l.Server.Tracks {
			for _, p := range track.Points {
				assert.GreaterOrEqual(t, p.AtNS, int64(0))
			}
		}
		percent, _, _ := l.Server.Figures.HitRate()
		ttft, _ := l.Server.Figures.MeanOf(scrape.FirstTokenSum, scrape.FirstTokenCount)
		_, err = json.Marshal([]float64{percent, ttft})
		assert.NoError(t, err, values)
		_, err = json.Marshal(l.Server.with(l.Server).Figures)
		assert.NoError(t, err, values)
	}
}

// TestWindowOfTheServer: its counters are interpolated at the window's edges.
func TestWindowOfTheServer(t *testing.T) {
	l, _ := toldBy(t, sourcesLine, firstRound, `{"at_ns":2000000000,"pages":[{"values":{"0":4,"1":200}}]}`, `{"at_ns":4000000000,"edge":"end","pages":[{"values":{"0":0,"1":400}}]}`)
	assert.Nil(t, l.Server.Window)
	l.Window = steady.Window{Verdict: steady.Steady, StartNS: 1e9, EndNS: 3.5e9}
	l.readTold()
	require.NotNil(t, l.Server.Window)
	assert.Equal(t, 50.0+150, l.Server.Window.Counters[scrape.Generated])
	assert.Equal(t, int64(1e9), l.Server.Window.EdgeNS)
	assert.Equal(t, scrape.Gauge{Mean: 4, Max: 4, Rounds: 1, Integral: 3 + (4+1)/2.*1.5}, l.Server.Window.Gauges[scrape.Running])
}

// TestTokensPerJoule: tokens of runs whose energy nobody told came of none that is known.
func TestTokensPerJoule(t *testing.T) {
	run := func(tokens int, f scrape.Figures) Level {
		return Level{Record: &record.Level{Status: record.Done}, GPU: &Told{Figures: f}, Tally: Tally{asked: asked{output: tokens}}}
	}
	counted := run(100, scrape.Figures{Counters: map[scrape.Quantity]float64{scrape.Energy: 40}})
	power := run(200, scrape.Figures{Gauges: map[scrape.Quantity]scrape.Gauge{scrape.Power: {Integral: 20}}})
	silent := run(1000, scrape.Figures{})
	silent.GPU = nil
	for _, c := range []struct {
		level Level
		want  float64
	}{{counted, 2.5}, {power, 10}, {silent, 0}, {Level{Runs: []Level{counted, silent, power}}, 5}, {Level{Runs: []Level{silent}}, 0}} {
		perJoule, ok := c.level.TokensPerJoule()
		assert.InDelta(t, c.want, perJoule, 1e-12)
		assert.Equal(t, c.want > 0, ok)
	}
}

// TestCacheByCounters: the server's counters stand in for silent answers only where they are of this load alone.
func TestCacheByCounters(t *testing.T) {
	of := func(change func(l *Level)) steady.Cache {
		l := &Level{Server: &Told{Figures: scrape.Figures{HitUnit: "tokens", Counters: map[scrape.Quantity]float64{scrape.Queries: 1100, scrape.Hits: 300, scrape.Completed: 10}}}}
		l.asked.requests, l.asked.prompt, l.asked.shared = 10, 1000, 150
		change(l)
		return l.cache()
	}
	assert.Equal(t, steady.Cache{Requests: 10, Prompt: 1100, Hits: 300, Shared: 150, Unplanned: 50}, of(func(*Level) {}))
	usage := steady.Cache{Requests: 1, Prompt: 7}
	assert.Equal(t, usage, of(func(l *Level) { l.Cache = usage }), "what answers tell is of single requests")
	for name, change := range map[string]func(l *Level){
		"other traffic": func(l *Level) { l.Server.Figures.Counters[scrape.Completed] = 11 },
		"not counted":   func(l *Level) { delete(l.Server.Figures.Counters, scrape.Completed) },
		"failures":      func(l *Level) { l.asked.others = 1 },
		"blocks":        func(l *Level) { l.Server.Figures.HitUnit = "blocks" },
		"no counters":   func(l *Level) { delete(l.Server.Figures.Counters, scrape.Queries) },
		"silent":        func(l *Level) { l.Server = nil },
	} {
		assert.Zero(t, of(change), name)
	}
}
