package harness

import (
	"context"
	"fmt"
	"io"
	"maps"
	"math"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/record"
)

// tokenGap is the time of each of the four tokens of a talker.
const tokenGap = 40 * time.Millisecond

// talker gives four tokens, and notes when clients went away before it was done, by their request's id.
type talker struct {
	epoch time.Time
	mu    sync.Mutex
	left  map[string]int64
}

func (k *talker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	w.Header().Set("Content-Type", "text/event-stream")
	for range 4 {
		select {
		case <-time.After(tokenGap):
		case <-r.Context().Done():
			k.mu.Lock()
			defer k.mu.Unlock()
			k.left[r.Header.Get("X-Request-Id")] = time.Since(k.epoch).Nanoseconds()
			return
		}
		fmt.Fprint(w, oneChunk)
		_ = http.NewResponseController(w).Flush()
	}
	fmt.Fprint(w, endMark)
}

// gone returns which clients went away, and when, as far as is known now.
func (k *talker) gone() map[string]int64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return maps.Clone(k.left)
}

// chosen are the requests of seed 100 that are cancelled of 40, at 30 % of them, in level c3.
var chosen = []int{0, 1, 2, 4, 11, 13, 14, 15, 21, 30, 33, 37, 38, 39}

// slowly dials connections each of whose writes takes a time.
func slowly(dial func(ctx context.Context, network, address string) (net.Conn, error), takes time.Duration) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		return slowConn{c, takes}, err
	}
}

type slowConn struct {
	net.Conn
	takes time.Duration
}

func (c slowConn) Write(p []byte) (int, error) {
	time.Sleep(c.takes)
	return c.Conn.Write(p)
}

// TestCancelledByPlan: the seed says which requests' clients go away, to the nanosecond so long after they were fully sent; their slots go on at once,
// the server sees them go, and the level is as good as any.
func TestCancelledByPlan(t *testing.T) {
	for _, transport := range []string{"own", "nethttp", "http2"} {
		for _, writing := range []time.Duration{0, 3 * time.Millisecond} {
			t.Run(fmt.Sprint(transport, " ", writing), func(t *testing.T) {
				if transport == "http2" && writing > 0 {
					return // its writes are of many requests
				}
				server := &talker{left: map[string]int64{}}
				args := []string{"-concurrencies=3", "-request-count=40", "-cancel-rate=30", "-cancel-delay=100ms", "-transport=" + transport, "-max-error-rate=0"}
				perform(t, args, server.ServeHTTP, func(t *testing.T, s stage) {
					if writing > 0 {
						s.sweep.Dial = slowly(s.sweep.Dial, writing)
					}
					server.epoch = time.Now()
					l := s.run(t, 0)
					assert.Equal(t, record.Done, l.Status)
					assert.False(t, l.WasCancelled())
					assert.Equal(t, record.Counts{
						Planned: 40, Outcomes: map[record.Outcome]int{record.OK: 40 - len(chosen), record.Cancelled: len(chosen)},
						Reasons: map[record.Outcome]map[record.Reason]int{record.Cancelled: {record.ByPlan: len(chosen)}}, Chosen: len(chosen),
					}, l.Counts)
					assert.Contains(t, l.Warnings, fmt.Sprintf("%d of 40 requests cancelled by plan (-cancel-rate 30, -cancel-delay 100ms): they are no failures, and latency and throughput are of the others", len(chosen)))
					samples, left := s.byIndex(t, 0), server.gone()
					ends := map[int64]bool{}
					var cancelled []int
					for _, x := range samples {
						ends[x.EndNS] = true
						if x.Outcome == record.OK {
							assert.Len(t, x.ChunksNS, 4)
							assert.NotContains(t, left, x.RequestID)
							continue
						}
						cancelled = append(cancelled, x.Index)
						assert.True(t, x.ToCancel)
						assert.GreaterOrEqual(t, x.SentNS, x.StartNS+writing.Nanoseconds())
						assert.Equal(t, x.SentNS+100e6, x.EndNS)
						assert.Len(t, x.ChunksNS, 2, "what had come is kept")
						assert.Equal(t, &record.Error{Code: 499, Type: "RequestCancellationError", Message: "the client went away 100ms after the request was sent (-cancel-rate)"}, x.Error)
						assert.Equal(t, x.EndNS, left[x.RequestID], "the server saw it go")
					}
					assert.Equal(t, chosen, cancelled)
					assert.Len(t, left, len(chosen))
					for _, x := range samples[3:] {
						assert.True(t, ends[x.StartNS], "request %d starts when another ends", x.Index)
					}
				})
			})
		}
	}
}

// TestCancellationIsTheWorkloads: the seed alone chooses the requests, each level and run its own; the fingerprint has them and the delay, and is what it
// was where nothing is cancelled.
func TestCancellationIsTheWorkloads(t *testing.T) {
	open := func(args ...string) *Sweep {
		s, err := resolveHere(t, append([]string{"-concurrencies=3,4", "-request-count=1000", "-warmup-requests=1000", "-nonce=1"}, args...)...)
		require.NoError(t, err)
		return s
	}
	which := func(s *Sweep, level int, phase record.Phase) (all []int) {
		for i := range 1000 {
			if r := s.levels[level].work.Render(phase, i); r.Cancelled {
				assert.Equal(t, s.Plan.CancelDelay, r.CancelDelay)
				all = append(all, i)
			}
		}
		return all
	}
	s := open("-cancel-rate=30", "-cancel-delay=1s")
	first := which(s, 0, record.Profiling)
	assert.Equal(t, chosen, first[:len(chosen)])
	assert.InDelta(t, 300, len(first), 4*math.Sqrt(1000*0.3*0.7))
	assert.Equal(t, len(first), s.levels[0].work.Cancelled())
	assert.NotEqual(t, first, which(s, 1, record.Profiling))
	assert.Empty(t, which(s, 0, record.Warmup))
	assert.Equal(t, first, which(open("-cancel-rate=30", "-cancel-delay=1s", "-nonce=2", "-osl=99"), 0, record.Profiling))
	assert.NotEqual(t, first, which(open("-cancel-rate=30", "-cancel-delay=1s", "-seed=1"), 0, record.Profiling))
	assert.Len(t, which(open("-cancel-rate=100"), 0, record.Profiling), 1000)
	assert.Subset(t, which(open("-cancel-rate=31"), 0, record.Profiling), first, "a higher rate takes more of them")
	assert.Equal(t, open().run.WorkloadSHA256, open("-cancel-rate=0").run.WorkloadSHA256)
	prints := map[string]bool{}
	for _, args := range [][]string{{}, {"-cancel-rate=30"}, {"-cancel-rate=30", "-cancel-delay=1s"}, {"-cancel-rate=31", "-cancel-delay=1s"}} {
		prints[open(args...).run.WorkloadSHA256] = true
	}
	assert.Len(t, prints, 4)
}

// TestEndedBeforeItsCancellation: a request whose answer is there before its client would go counts as what it was, and so does one that fails before.
func TestEndedBeforeItsCancellation(t *testing.T) {
	for delay, byPlan := range map[string]int{"160000001ns": 0, "159999999ns": len(chosen)} {
		server := &talker{left: map[string]int64{}}
		perform(t, []string{"-concurrencies=3", "-request-count=40", "-cancel-rate=30", "-cancel-delay=" + delay}, server.ServeHTTP, func(t *testing.T, s stage) {
			l := s.run(t, 0)
			assert.Equal(t, byPlan, l.Counts.ByPlan(), delay)
			assert.Equal(t, 40-byPlan, l.Counts.Outcomes[record.OK])
			assert.Equal(t, len(chosen), l.Counts.Chosen)
			assert.Len(t, server.gone(), byPlan)
			assert.Equal(t, byPlan == 0, strings.HasSuffix(l.Warnings[0], "; 14 more that were chosen had ended before, and count as what they were"), l.Warnings)
		})
	}
	busy := func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		time.Sleep(time.Millisecond)
		http.Error(w, "busy", http.StatusServiceUnavailable)
	}
	perform(t, []string{"-concurrencies=3", "-request-count=40", "-cancel-rate=100", "-cancel-delay=2ms"}, busy, func(t *testing.T, s stage) {
		l := s.run(t, 0)
		assert.Equal(t, record.Failed, l.Status)
		assert.Zero(t, l.Counts.ByPlan())
	})
}

// TestCancelledAtOnce: without a delay the client goes as soon as it has asked, not before, and no answer, however fast, is there before.
func TestCancelledAtOnce(t *testing.T) {
	for _, transport := range []string{"own", "nethttp", "http2"} {
		var asked atomic.Int32
		chat := func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost {
				asked.Add(1)
			}
			answerAfter(time.Microsecond)(w, r)
		}
		perform(t, []string{"-concurrencies=1", "-request-count=50", "-cancel-rate=100", "-transport=" + transport}, chat, func(t *testing.T, s stage) {
			writing := time.Duration(0)
			if transport != "http2" { // which holds a lock while it writes: that stops virtual time
				writing = time.Millisecond
				s.sweep.Dial = slowly(s.sweep.Dial, writing)
			}
			l := s.run(t, 0)
			assert.Equal(t, record.Done, l.Status)
			assert.Equal(t, 50, l.Counts.ByPlan(), transport)
			for _, x := range s.byIndex(t, 0) {
				assert.Equal(t, x.SentNS, x.EndNS)
				assert.GreaterOrEqual(t, x.SentNS, x.StartNS+writing.Nanoseconds(), transport)
			}
		})
		assert.EqualValues(t, 50, asked.Load(), transport)
	}
}

// TestCancelledAfterTheLastTry: with -retry-429 the client's time begins anew with each sending, and waiting for the next is not in it.
func TestCancelledAfterTheLastTry(t *testing.T) {
	var mu sync.Mutex
	tries := map[string]int{}
	chat := func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		tries[r.Header.Get("X-Request-Id")]++
		first := tries[r.Header.Get("X-Request-Id")] == 1
		mu.Unlock()
		if first {
			_, _ = io.Copy(io.Discard, r.Body)
			time.Sleep(time.Millisecond)
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		answerAfter(time.Hour)(w, r)
	}
	for _, transport := range []string{"own", "nethttp"} {
		perform(t, []string{"-concurrencies=2", "-request-count=4", "-cancel-rate=100", "-cancel-delay=2s", "-retry-429", "-transport=" + transport}, chat, func(t *testing.T, s stage) {
			assert.Equal(t, 4, s.run(t, 0).Counts.ByPlan())
			for _, x := range s.byIndex(t, 0) {
				require.Len(t, x.Retries, 1)
				assert.Equal(t, x.StartNS+int64(7001e6), x.SentNS)
				assert.Equal(t, x.SentNS+int64(2e9), x.EndNS)
			}
		})
	}
}

// TestCancelledRequestsAreKept: a level that is continued sends none again that ended by plan, and the same are cancelled as in one piece.
func TestCancelledRequestsAreKept(t *testing.T) {
	args := []string{"-concurrencies=3", "-request-count=40", "-cancel-rate=30", "-cancel-delay=100ms"}
	server := &talker{left: map[string]int64{}}
	dir := killedAt(t, t.TempDir(), args, server.ServeHTTP, 1010*time.Millisecond)
	_, err := func() (*Sweep, error) {
		s, _, err := openIn(t, dir, append(args, "-resume", "-cancel-delay=50ms")...)
		return s, err
	}()
	require.ErrorContains(t, err, `cancel-delay: "100ms" in the run, "50ms" now`)
	performIn(t, dir, append(args, "-resume=request"), server.ServeHTTP, func(t *testing.T, s stage) {
		l := s.run(t, 0)
		assert.Equal(t, record.Done, l.Status)
		assert.Equal(t, len(chosen), l.Counts.ByPlan())
		assert.Equal(t, 40-len(chosen), l.Counts.Outcomes[record.OK])
		assert.Equal(t, len(chosen), l.Counts.Chosen)
		before := 0
		var cancelled []int
		for _, x := range s.byIndex(t, 0) {
			if x.Outcome == record.Cancelled {
				cancelled = append(cancelled, x.Index)
				if x.EndNS < l.Breaks[0].FromNS {
					before++
				}
			}
		}
		assert.Equal(t, chosen, cancelled)
		assert.Greater(t, before, 2, "some of them before the break")
		assert.LessOrEqual(t, l.Breaks[0].SentAgain, 3)
	})
}
