package harness

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/metric"
	"github.com/llmsweep/llmsweep/harness/record"
)

// ended is a request of 20 chunks with two tokens each, TTFT 100 ms and ITL 5 ms.
func ended() *record.Sample {
	s := &record.Sample{Phase: record.Profiling, Outcome: record.OK, HeadersNS: 1, Counted: record.Counted{ISL: 5, OSL: 40, Source: record.FromServer}}
	for i := range 20 {
		s.ChunksNS = append(s.ChunksNS, int64(100e6)+int64(i)*39*5e6/19)
	}
	return s
}

// TestLiveLine works the figures of the line out: tokens of unfinished requests count, at the rate of finished ones.
func TestLiveLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProgress(Output{})
		p.begin(Level{Name: "c250", Requests: 100})
		time.Sleep(10 * time.Second)
		assert.Equal(t, "c250  0/100  0 tok/s  TTFT -  ITL -", p.line())
		p.chunks.Add(50)
		assert.Equal(t, "c250  0/100  5 tok/s  TTFT -  ITL -", p.line(), "a chunk is taken for a token as long as nothing ended")
		s := ended()
		p.sample(s, metric.NewCalculator().Of(s), false)
		assert.Equal(t, "c250  1/100  10 tok/s  TTFT 100 ms  ITL 5 ms  ~6m30s left", p.line(), "100 of 4000 tokens in 10 s")
		s.Outcome, s.Error = record.Cut, &record.Error{Message: "cut"}
		p.sample(s, metric.NewCalculator().Of(s), false)
		assert.LessOrEqual(t, len(p.line()), 80)
		assert.Contains(t, p.line(), "2/100 (1 failed)")
		s.Outcome, s.Reason = record.Cancelled, record.ByPlan
		p.sample(s, metric.NewCalculator().Of(s), false)
		assert.Contains(t, p.line(), "3/100 (1 failed, 1 by plan)  ")
		warm := ended()
		warm.Phase = record.Warmup
		p.sample(warm, nil, false)
		assert.Contains(t, p.line(), "3/100", "warm-up is not counted")
	})
}

// TestLineOfALevelByTime: of a closed loop that runs for a time nobody knows how many requests there will be, and the line has the time in their place.
// Beside a number of requests the time bounds what is left.
func TestLineOfALevelByTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		p := newProgress(Output{Log: &log, Live: true})
		p.begin(Level{Name: "c250", Requests: 300_000, uncounted: true, lasts: time.Minute, Number: 2, Of: 7})
		assert.Equal(t, "c250  requests for 1m0s (level 2 of 7)\n", log.String())
		s := ended()
		p.sample(s, metric.NewCalculator().Of(s), false)
		p.chunks.Add(50)
		time.Sleep(9900 * time.Millisecond)
		assert.Equal(t, "c250  1  10 tok/s  TTFT 100 ms  ITL 5 ms  10s of 1m0s", p.line())
		s.Outcome, s.Error = record.Cut, &record.Error{Message: "cut"}
		p.sample(s, metric.NewCalculator().Of(s), false)
		time.Sleep(50100 * time.Millisecond)
		assert.Equal(t, "c250  2 (1 failed)  2 tok/s  TTFT 100 ms  ITL 5 ms  1m0s over", p.line())
		p.close()

		p.begin(Level{Name: "c250", Requests: 100, lasts: time.Minute})
		s = ended()
		p.sample(s, metric.NewCalculator().Of(s), false)
		p.chunks.Add(20)
		time.Sleep(10 * time.Second)
		assert.Equal(t, "c250  1/100  4 tok/s  TTFT 100 ms  ITL 5 ms  ~50s left", p.line())
		p.close()
	})
}

// TestPlainLinesEveryTenSeconds: without a terminal there is a line every ten seconds and one at the end.
func TestPlainLinesEveryTenSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		p := newProgress(Output{Log: &log, Live: true})
		p.begin(Level{Name: "c1", Requests: 4, Number: 2, Of: 7})
		time.Sleep(25 * time.Second)
		p.end("c1", &record.Level{Point: record.Point{Concurrency: 1}, Status: record.Failed, Reason: "why", EndedNS: 25e9, Counts: record.Counts{Planned: 4, Outcomes: map[record.Outcome]int{record.OK: 3}}})
		p.close()
		assert.Equal(t, []string{
			"c1    4 requests (level 2 of 7)", "c1    0/4  0 tok/s  TTFT -  ITL -", "c1    0/4  0 tok/s  TTFT -  ITL -", "c1    failed: 3 of 4 requests ok in 25.0 s", "",
		}, strings.Split(log.String(), "\n"))
	})
}

// TestProgressOfAWarmup: the line says that it is one, and how far; the measurement begins with nothing of it.
func TestProgressOfAWarmup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		p := newProgress(Output{Log: &log, Live: true})
		p.begin(Level{Name: "c1", Requests: 4, warmups: 40, warmupText: "40 requests or 30s", Number: 1, Of: 1})
		warm := ended()
		warm.Phase = record.Warmup
		p.chunks.Add(40)
		p.sample(warm, nil, false)
		time.Sleep(15 * time.Second)
		p.measure()
		time.Sleep(8 * time.Second)
		p.close()
		assert.Equal(t, []string{
			"c1    4 requests after a warm-up of 40 requests or 30s (level 1 of 1)", "c1    warm-up: 1 requests ended in 10 s", "c1    0/4  0 tok/s  TTFT -  ITL -", "",
		}, strings.Split(log.String(), "\n"))
	})
}

// TestTerminalLineIsRedrawn: on a terminal the line is redrawn four times a second, cut at its edge, and removed before a plain line.
func TestTerminalLineIsRedrawn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tty")
	synctest.Test(t, func(t *testing.T) {
		tty, err := os.Create(path)
		require.NoError(t, err)
		var log strings.Builder
		p := newProgress(Output{Log: &log, Terminal: tty, Live: true})
		p.begin(Level{Name: "c1", Requests: 4})
		time.Sleep(time.Second + 100*time.Millisecond)
		p.close()
		require.NoError(t, tty.Close())
	})
	drawn, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, clearLine+strings.Repeat(clearLine+"\x1b[?7lc1    0/4  0 tok/s  TTFT -  ITL -\x1b[?7h", 4)+clearLine, string(drawn))
}

func TestVerboseLine(t *testing.T) {
	s := ended()
	assert.Equal(t, "profiling 0: ok, time_to_first_token 100 ms, request_latency 295 ms, inter_token_latency 5 ms, 40 tokens", requestLine(s, metric.NewCalculator().Of(s)))
	s.Outcome, s.Error = record.Cut, &record.Error{Message: "cut"}
	assert.Equal(t, "profiling 0: cut, cut", requestLine(s, metric.NewCalculator().Of(s)))
}
