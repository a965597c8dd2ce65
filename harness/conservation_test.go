package harness

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/metric"
	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/steady"
)

// moody answers each request in one of the ways that servers have: well, in several chunks; with an error; cut; malformed; never.
func moody(random *rand.Rand) http.HandlerFunc {
	var mu sync.Mutex // requests come at once
	return func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		kind, chunks, wait := random.IntN(12), 1+random.IntN(6), time.Duration(random.IntN(40))*time.Millisecond
		mu.Unlock()
		_, _ = io.Copy(io.Discard, r.Body)
		switch kind {
		case 0:
			http.Error(w, "busy", http.StatusServiceUnavailable)
			return
		case 1:
			<-r.Context().Done()
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		for range chunks {
			select {
			case <-time.After(wait):
			case <-r.Context().Done():
				return
			}
			fmt.Fprint(w, oneChunk)
			_ = http.NewResponseController(w).Flush()
		}
		fmt.Fprint(w, map[int]string{2: "", 3: "data: {\n\n", 4: `data: {"error":{"message":"no"}}` + "\n\n"}[kind])
		if kind > 4 {
			fmt.Fprint(w, endMark)
		}
	}
}

// TestNothingIsLost runs random plans against a moody server, with caps, timeouts, error limits, and cancellations by plan and not, at random: what was planned
// is accounted for, in the counts and in the log, and what the log says of time adds up to the nanosecond.
func TestNothingIsLost(t *testing.T) {
	outcomes := map[record.Outcome]int{}
	statuses, byPlan := map[record.Status]int{}, map[bool]int{}
	for seed := range uint64(60) {
		random := rand.New(rand.NewPCG(seed, 2))
		c, n, warm := 1+random.IntN(15), 1+random.IntN(120), random.IntN(6)
		args := []string{
			fmt.Sprintf("-concurrencies=%d", c), fmt.Sprintf("-request-count=%d", n), fmt.Sprintf("-warmup-requests=%d", warm),
			"-request-timeout=150ms", fmt.Sprintf("-max-error-rate=%g", []float64{0, 0.3, 1, 1}[random.IntN(4)]),
			fmt.Sprintf("-max-duration=%dms", random.IntN(3)*(100+random.IntN(2000))), fmt.Sprintf("-max-tokens-total=%d", random.IntN(2)*random.IntN(600)),
		}
		if random.IntN(2) == 0 {
			args = append(args, fmt.Sprintf("-cancel-rate=%d", 1+random.IntN(100)), fmt.Sprintf("-cancel-delay=%dms", random.IntN(140)), fmt.Sprintf("-prefill-concurrency=%d", random.IntN(4)))
		}
		perform(t, args, moody(random), func(t *testing.T, s stage) {
			ctx, cancel := context.WithCancelCause(s.ctx)
			s.ctx = ctx
			if random.IntN(3) == 0 {
				time.AfterFunc(time.Duration(random.Int64N(int64(3*time.Second))), func() { cancel(errors.New("enough")) })
			}
			l := s.run(t, 0)
			cancel(nil)
			statuses[l.Status]++
			samples := s.samples(t, 0)
			adds(t, l.Counts, n, record.Profiling, samples)
			adds(t, l.Warmup, warm, record.Warmup, samples)
			conserved(t, samples, c)
			for _, x := range samples {
				outcomes[x.Outcome]++
				byPlan[x.Reason == record.ByPlan]++
				assert.True(t, x.ToCancel || x.Reason != record.ByPlan)
			}
		})
	}
	for _, o := range []record.Outcome{record.OK, record.Rejected, record.TimedOut, record.Cut, record.Malformed, record.StreamError, record.Cancelled} {
		assert.Positive(t, outcomes[o], "no request ended %s: %v", o, outcomes)
	}
	assert.Greater(t, byPlan[true], 100)
	for _, status := range []record.Status{record.Done, record.Failed, record.Capped, record.Interrupt} {
		assert.Positive(t, statuses[status], "no level ended %s: %v", status, statuses)
	}
}

// adds holds the counts of a phase against its plan and its log.
func adds(t *testing.T, counts record.Counts, planned int, phase record.Phase, samples []*record.Sample) {
	t.Helper()
	logged := map[record.Outcome]int{}
	reasons := map[record.Outcome]map[record.Reason]int{}
	for _, x := range samples {
		if x.Phase != phase {
			continue
		}
		if logged[x.Outcome]++; x.Outcome == record.OK {
			continue
		}
		if reasons[x.Outcome] == nil {
			reasons[x.Outcome] = map[record.Reason]int{}
		}
		reasons[x.Outcome][x.Reason]++
	}
	sum := counts.NotStarted
	for _, k := range counts.Outcomes {
		sum += k
	}
	assert.Equal(t, counts.Outcomes, logged, "%s", phase)
	if len(reasons) > 0 || counts.Reasons != nil {
		assert.Equal(t, counts.Reasons, reasons, "%s", phase)
	}
	for o, n := range counts.Outcomes {
		for _, k := range counts.Reasons[o] {
			n -= k
		}
		assert.True(t, n == 0 || o == record.OK, "%d %s without a reason", n, o)
	}
	assert.Equal(t, planned, counts.Planned)
	assert.Equal(t, planned, sum, "planned = outcomes + not started")
}

// conserved holds what a log says of time against itself: latency is the first token and the gaps, and what was in flight is the sum of
// all stays.
func conserved(t *testing.T, samples []*record.Sample, concurrency int) {
	t.Helper()
	stays := int64(0)
	for _, x := range samples {
		if x.Phase == record.Profiling {
			stays += x.EndNS - x.StartNS
		}
		values := map[string]record.MetricValue{}
		for _, v := range metric.NewCalculator().Of(x) {
			values[v.Tag] = v
		}
		if x.Outcome != record.OK {
			continue
		}
		sum := nanoseconds(values["time_to_first_token"].Value)
		for _, gap := range values["inter_chunk_latency"].List {
			sum += nanoseconds(gap)
		}
		require.Equal(t, nanoseconds(values["request_latency"].Value), sum)
		require.Equal(t, x.EndNS-x.StartNS, sum+nanoseconds(values["stream_drain_latency"].Value))
	}
	require.Equal(t, stays, load(samples, concurrency).InFlightNS)
}

func load(samples []*record.Sample, concurrency int) steady.Load {
	var spans []steady.Span
	for _, s := range samples {
		if span, ok := steady.SpanOf(s); ok {
			spans = append(spans, span)
		}
	}
	return steady.Measure(spans, concurrency, 0)
}

// nanoseconds takes a figure in ms back to the whole number that it was made from.
func nanoseconds(ms float64) int64 { return int64(math.Round(ms * 1e6)) }

// TestLittlesLaw: a long level of 20 slots against a server that takes 60 to 140 ms, 100 on average, has 20 in flight and ends 200 requests
// a second, each after 0.1 s; rate x latency is within the limit of what was in flight.
func TestLittlesLaw(t *testing.T) {
	waits := make(chan time.Duration, 4000)
	for i := range cap(waits) {
		waits <- time.Duration(60+i%81) * time.Millisecond
	}
	chat := func(w http.ResponseWriter, r *http.Request) { answerAfter(<-waits)(w, r) }
	perform(t, []string{"-concurrencies=20", "-request-count=4000"}, chat, func(t *testing.T, s stage) {
		s.run(t, 0)
		load := load(s.samples(t, 0), 20)
		require.True(t, load.HasPlateau)
		assert.InDelta(t, 20, load.Little.InFlight, 0.01)
		assert.InEpsilon(t, 200, load.Little.RatePerSecond, 0.01)
		assert.InEpsilon(t, 0.1, load.Little.LatencySeconds, 0.01)
		assert.Less(t, load.Little.Off(), steady.LittleLimit)
	})
}
