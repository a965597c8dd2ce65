package harness

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/instrument"
	"github.com/llmsweep/llmsweep/harness/openai"
	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/steady"
	"github.com/llmsweep/llmsweep/mockserver/memnet"
)

// lateReads delays one of fifty reads.
type lateReads struct {
	net.Conn
	random *rand.Rand
	delay  time.Duration
}

func (c *lateReads) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if c.random.IntN(50) == 0 && n > 0 {
		time.Sleep(c.delay)
	}
	return n, err
}

// injectLateReads delays reads of load and canaries alike.
func (s stage) injectLateReads(seed uint64, delay time.Duration) {
	dials := uint64(0)
	late := func(dial instrument.Dial) instrument.Dial {
		dials++
		var stream atomic.Uint64 // dials come side by side
		stream.Store(dials << 32)
		return func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dial(ctx, network, address)
			return &lateReads{conn, rand.New(rand.NewPCG(seed, stream.Add(1))), delay}, err
		}
	}
	s.sweep.Dial = late(s.sweep.Dial)
	s.sweep.Loopback = func() (net.Listener, instrument.Dial, error) {
		own := memnet.Listen("canary:80")
		return own, late(own.DialContext), nil
	}
}

// TestInjectedDelayIsFlagged delays one of fifty reads, at random: by nothing it is never flagged, by 5 ms always.
func TestInjectedDelayIsFlagged(t *testing.T) {
	seeds := uint64(200)
	if testing.Short() {
		seeds = 20
	}
	// 30 s at 50 chunks a second in three streams: the 99th percentile of 4,500 lies far from the 98th.
	args := []string{"-concurrencies=64", "-request-count=64"}
	flagged := map[time.Duration]int{}
	var mu sync.Mutex
	t.Run("seeds", func(t *testing.T) {
		for part := range uint64(runtime.GOMAXPROCS(0)) {
			t.Run(fmt.Sprint(part), func(t *testing.T) {
				t.Parallel()
				for seed := part; seed < seeds; seed += uint64(runtime.GOMAXPROCS(0)) {
					for _, delay := range []time.Duration{0, 5 * time.Millisecond} {
						perform(t, args, answerAfter(30*time.Second), func(t *testing.T, s stage) {
							s.injectLateReads(seed, delay)
							l := s.run(t, 0)
							require.GreaterOrEqual(t, l.Instrument.Canary.Chunks, 4400)
							require.Equal(t, l.Client() != record.ClientOK, len(l.Warnings) > 0)
							mu.Lock()
							defer mu.Unlock()
							if l.Client() != record.ClientOK {
								flagged[delay]++
							}
						})
					}
				}
			})
		}
	})
	assert.Equal(t, map[time.Duration]int{5 * time.Millisecond: int(seeds)}, flagged)
}

// TestWatchLeavesNoTrace: canaries enter no count, no log and no metric; warm-up is not watched.
func TestWatchLeavesNoTrace(t *testing.T) {
	perform(t, []string{"-concurrencies=3", "-request-count=9", "-warmup-requests=2"}, answerAfter(time.Second), func(t *testing.T, s stage) {
		s.injectLateReads(1, 0)
		l := s.run(t, 0)
		require.NotNil(t, l.Instrument)
		assert.Equal(t, 3000.000002, l.Instrument.MeasuredMS, "three requests in each slot, and no warm-up")
		assert.Equal(t, 150, l.Instrument.Canary.Chunks, "the last one 2 ns before the end")
		assert.Equal(t, &record.Lateness{Requests: 6}, l.Instrument.Lateness)
		assert.Equal(t, &record.InFlight{Mean: 3, Target: 3}, l.Instrument.InFlight)
		assert.Equal(t, record.ClientOK, l.Client())
		assert.Len(t, s.samples(t, 0), 11)
		assert.Equal(t, int64(9), s.sweep.progress.chunks.Load(), "chunks of the load alone")
		dir := s.sweep.LevelDir(s.sweep.Levels()[0])
		var stored record.Level
		require.NoError(t, record.ReadJSON(filepath.Join(dir, record.LevelFile), &stored))
		assert.Equal(t, l.Instrument, stored.Instrument)
		for _, name := range []string{record.LogFile, record.InputsFile} {
			data, err := os.ReadFile(filepath.Join(dir, name))
			require.NoError(t, err)
			assert.NotContains(t, string(data), "canary", name)
		}
		var text map[string]any
		data, err := os.ReadFile(filepath.Join(dir, record.LevelFile))
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(data, &text))
		for _, key := range []string{"probe", "gaps", "timer_floor", "runtime", "process"} {
			assert.NotContains(t, text["instrument"], key, "nothing of the machine")
		}
	})
}

// TestNoMeasurementNoVerdict: a level that is stopped before it measures, or has nothing to measure its stamps with, is not called good.
func TestNoMeasurementNoVerdict(t *testing.T) {
	perform(t, []string{"-concurrencies=1"}, answerAfter(time.Second), func(t *testing.T, s stage) {
		assert.Equal(t, record.ClientUnknown, s.run(t, 0).Client(), "a network of its own without a loopback of its own")
	})
}

func TestClientWarnings(t *testing.T) {
	assert.Empty(t, clientWarnings(nil))
	stolen := 0.031
	i := instrument.Judge(record.Readings{
		MeasuredMS: 60_000, Canary: &record.Canary{Chunks: 3000, DelayP99MS: 2.5, Failure: "canary 1 of 1: cut"},
		Process: &record.Process{StealShare: &stolen},
	}, instrument.Medians{ITL: 20})
	for k := range 5 {
		i.Gaps = append(i.Gaps, record.Gap{AtNS: int64(k) * 1e9, LengthNS: []int64{3e8, 1e8, 9e8, 2e8, 4e8}[k]})
	}
	assert.Equal(t, []string{
		"client suspect: canary delay p99 2.5 ms, limit 1 ms; stamps may be 2.5 ms late",
		"the process did not run for 0.9 s at 2.0 s (stopped, suspended or starved)",
		"4 more such pauses, of 1.0 s in all, are in level.json",
		"the hypervisor took 3 % of the machine's processor time",
		"the client was watched in part only: canary 1 of 1: cut",
	}, clientWarnings(i))
	i = instrument.Judge(record.Readings{Canary: &record.Canary{Chunks: 3000, DelayP99MS: 25}}, instrument.Medians{ITL: 20})
	assert.Len(t, clientWarnings(i), 1)
	const reason = "client limited: canary delay p99 25 ms, limit 5 ms"
	assert.Equal(t, []string{reason + "; the figures are the client's as much as the server's: leave the machine to the run, or take a larger one"}, clientWarnings(i))
	assert.Contains(t, steady.Judge(steady.Facts{Instrument: i}).Broken(true), "canary delay p99 25 ms, limit at most 5 ms", "one reading has one limit")
}

// TestCanariesOverHTTP2 speak it, too, and what they cannot see is said.
func TestCanariesOverHTTP2(t *testing.T) {
	const unseen = "the canaries have connections of their own: that the client reads streams which share one in turn is not in its verdict"
	for concurrency, warnings := range map[string][]string{"1": nil, "2": {unseen}} {
		perform(t, []string{"-concurrencies=" + concurrency, "-request-count=4", "-transport=http2"}, answerAfter(time.Second), func(t *testing.T, s stage) {
			s.injectLateReads(0, 0)
			l := s.run(t, 0)
			assert.Equal(t, record.Done, l.Status, l.Reason)
			assert.Equal(t, openai.HTTP2, l.Instrument.Canary.Transport)
			assert.Greater(t, l.Instrument.Canary.Chunks, 90)
			assert.Empty(t, l.Instrument.Canary.Failure)
			assert.Equal(t, warnings, l.Warnings)
			for _, x := range s.samples(t, 0) {
				assert.True(t, x.Conn.Reused, "the connection is there before the level")
			}
		})
	}
}

// TestCanariesTakeTheLevelsTransport: what was left to be chosen was chosen by the level's endpoint, of which a canary knows nothing.
func TestCanariesTakeTheLevelsTransport(t *testing.T) {
	for host, transport := range map[string]string{"server": openai.OwnTransport, "sérver": openai.NetHTTP} {
		perform(t, []string{"-concurrencies=2", "-request-count=2", "-endpoint=http://" + host + ":80"}, answerAfter(time.Second), func(t *testing.T, s stage) {
			s.injectLateReads(0, 0)
			l := s.run(t, 0)
			assert.Equal(t, transport, l.Transport)
			assert.Equal(t, transport, l.Instrument.Canary.Transport)
		})
	}
}

// TestProbesTakeTheLoadsWay: a proxy of the environment stands between a server and its probes where it stands before the load.
func TestProbesTakeTheLoadsWay(t *testing.T) {
	for transport, proxied := range map[string]bool{openai.AutoTransport: true, openai.NetHTTP: true, openai.OwnTransport: false} {
		s := &Sweep{Plan: &Plan{Plan: record.Plan{Transport: transport}}}
		prober, done := s.prober(&url.URL{Scheme: "http", Host: "server:80"})
		assert.Equal(t, proxied, prober.Transport.(*http.Transport).Proxy != nil, transport)
		done()
	}
}
