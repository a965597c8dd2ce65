package results

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/steady"
)

// lineOf is the time line of samples.
func lineOf(samples []*record.Sample) Timeline {
	var spans []steady.Span
	for _, s := range samples {
		if span, ok := steady.SpanOf(s); ok {
			spans = append(spans, span)
		}
	}
	t := newTimeline(spans)
	for _, s := range samples {
		t.add(s)
	}
	t.finish()
	return t
}

func TestTimelineOfFewRequests(t *testing.T) {
	const ms = int64(1e6)
	request := func(from, until int64, outcome record.Outcome, chunks ...int64) *record.Sample {
		return &record.Sample{Phase: record.Profiling, Outcome: outcome, StartNS: from, EndNS: until, ChunksNS: chunks, Counted: record.Counted{OSL: 2 * len(chunks)}}
	}
	warmup := request(0, 700*ms, record.OK, 1)
	warmup.Phase = record.Warmup
	document := request(2500*ms, 4500*ms, record.OK, 4500*ms)
	document.Unstreamed, document.Counted.OSL = true, 40
	line := lineOf([]*record.Sample{
		warmup, request(1000*ms, 2000*ms, record.OK, 1500*ms, 2000*ms), request(1500*ms, 402_000*ms, record.Cut, 5000*ms),
		request(1500*ms, 4000*ms, record.Cancelled, 1999*ms, 3999*ms), document,
	})
	assert.Equal(t, 5000*ms, line.WidthNS, "402 s are 201 bins of 2 s")
	assert.Zero(t, line.FirstNS)
	assert.Len(t, line.Bins, 81)
	s := 1e9
	assert.Equal(t, Bin{InFlightNS: 1*s + 3.5*s + 2.5*s + 2*s, InFlight: 4, Tokens: 4 + 4 + 40, Chunks: 5, Ended: 3}, line.Bins[0])
	assert.Equal(t, Bin{InFlightNS: 5 * s, InFlight: 1}, line.Bins[1])
	assert.Equal(t, Bin{InFlightNS: 2 * s, InFlight: 1, Ended: 1, Failed: 1}, line.Bins[80])

	short := lineOf([]*record.Sample{request(1000*ms, 1000*ms+3, record.OK, 1000*ms+2)})
	assert.Equal(t, []Bin{{InFlightNS: 3, InFlight: 1, Tokens: 2, Chunks: 1, Ended: 1}}, short.Bins)
	assert.Equal(t, [2]int64{ms, 1000 * ms}, [2]int64{short.WidthNS, short.FirstNS})
	edge := lineOf([]*record.Sample{request(2*ms, 3*ms, record.OK), request(3*ms, 4*ms, record.OK)})
	assert.Equal(t, []Bin{{InFlightNS: 1e6, InFlight: 1, Ended: 1}, {InFlightNS: 1e6, InFlight: 1, Ended: 1}}, edge.Bins, "a bin has its end's requests, and the next one its begin's")
	document.StartNS, document.EndNS = 2*ms, 6*ms
	assert.Equal(t, []Bin{{1e6, 1, 10, 0, 0, 0}, {1e6, 1, 10, 0, 0, 0}, {1e6, 1, 10, 0, 0, 0}, {1e6, 1, 10, 1, 1, 0}}, lineOf([]*record.Sample{document}).Bins)
	disordered := lineOf([]*record.Sample{request(0, 3*ms, record.OK, 2500_000, 500_000)})
	assert.Equal(t, []float64{2, 0, 2}, []float64{disordered.Bins[0].Tokens, disordered.Bins[1].Tokens, disordered.Bins[2].Tokens})
	assert.Empty(t, lineOf(nil).Bins)
	assert.Empty(t, lineOf([]*record.Sample{warmup}).Bins)
}

// TestTimelineTwin holds the time line of random levels against sums made bin by bin, and these against the requests' own.
func TestTimelineTwin(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for round := range 60 {
		scale := math.Pow(10, 5+6*r.Float64())
		var samples []*record.Sample
		for range 1 + r.IntN(80) {
			s := &record.Sample{Phase: record.Profiling, Outcome: record.Outcomes()[r.IntN(8)], StartNS: int64(scale * (2 + 100*r.Float64()))}
			if r.IntN(2) == 0 {
				s.Outcome = record.OK
			}
			at := s.StartNS
			for range r.IntN(20) {
				at += int64(scale * r.Float64())
				s.ChunksNS = append(s.ChunksNS, at)
			}
			s.EndNS = at + int64(r.IntN(3))
			s.Unstreamed = len(s.ChunksNS) > 0 && r.IntN(4) == 0
			s.Counted.OSL = 3 * len(s.ChunksNS)
			if r.IntN(5) == 0 {
				s.Phase = record.Warmup
			}
			samples = append(samples, s)
		}
		line := lineOf(samples)
		if len(line.Bins) == 0 {
			continue
		}
		assert.LessOrEqual(t, len(line.Bins), MaxBins)
		var inFlight, tokens, ownInFlight, ownTokens float64
		var endedAll, failed, ownEnded, ownFailed int
		for i, bin := range line.Bins {
			from, until := line.From(i), line.From(i)+line.WidthNS
			var want Bin
			for _, s := range samples {
				if s.Phase != record.Profiling {
					continue
				}
				end := max(s.EndNS, s.StartNS)
				want.InFlightNS += float64(max(0, min(end, until)-max(s.StartNS, from)))
				if s.StartNS < until && end > from || s.StartNS == end && s.StartNS >= from && s.StartNS < until {
					want.InFlight++
				}
				if end > from && end <= until || s.StartNS == end && end >= from && end < until {
					want.Ended++
					if s.Outcome != record.OK && s.Outcome != record.Cancelled {
						want.Failed++
					}
				}
				if s.Outcome != record.OK && s.Outcome != record.Cancelled {
					continue
				}
				for _, at := range s.ChunksNS {
					last := i == len(line.Bins)-1 && at == until
					if !s.Unstreamed && at >= from && (at < until || last) {
						want.Chunks++
						want.Tokens += 3
					}
				}
				if s.Unstreamed && len(s.ChunksNS) > 0 {
					want.Tokens += float64(s.Counted.OSL) * float64(max(0, min(end, until)-max(s.StartNS, from))) / float64(end-s.StartNS)
					if end > from && end <= until {
						want.Chunks++
					}
				}
			}
			assert.InDelta(t, want.Tokens, bin.Tokens, 1e-6, "round %d, bin %d", round, i)
			want.Tokens = bin.Tokens
			require.Equal(t, want, bin, "round %d, bin %d of %d", round, i, line.WidthNS)
			inFlight, tokens, endedAll, failed = inFlight+bin.InFlightNS, tokens+bin.Tokens, endedAll+bin.Ended, failed+bin.Failed
		}
		for _, s := range samples {
			if s.Phase != record.Profiling {
				continue
			}
			ownInFlight += float64(s.EndNS - s.StartNS)
			ownEnded++
			switch s.Outcome {
			case record.OK, record.Cancelled:
				ownTokens += float64(s.Counted.OSL)
			default:
				ownFailed++
			}
		}
		assert.Equal(t, ownInFlight, inFlight, "the integral is the sum of the requests' times")
		assert.InDelta(t, ownTokens, tokens, 1e-6)
		assert.Equal(t, [2]int{ownEnded, ownFailed}, [2]int{endedAll, failed})
	}
}

// TestHostileStamps: no stamp that a file may hold breaks the bins.
func TestHostileStamps(t *testing.T) {
	stamps := []int64{math.MinInt64, -1, 0, 1, 5e17, math.MaxInt64 - 1, math.MaxInt64}
	var samples []*record.Sample
	for _, a := range stamps {
		for _, b := range stamps {
			for _, unstreamed := range []bool{true, false} {
				samples = append(samples, &record.Sample{Phase: record.Profiling, Outcome: record.OK, StartNS: a, EndNS: b, ChunksNS: stamps, Unstreamed: unstreamed, Counted: record.Counted{OSL: 7}})
			}
		}
	}
	for i := range samples {
		assert.NotEmpty(t, lineOf(samples[i:i+1]).Bins)
	}
	line := lineOf(samples)
	tokens := 0.0
	for _, b := range line.Bins {
		assert.False(t, math.IsNaN(b.InFlightNS) || b.InFlightNS < 0, b)
		tokens += b.Tokens
	}
	assert.LessOrEqual(t, len(line.Bins), MaxBins)
	assert.InDelta(t, 7*len(samples), tokens, 1e-6)
}

func TestDotsKeepTheExtremes(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, n := range []int{0, 1, maxDots - 1, maxDots, maxDots + 1, 1510, 4321, 100_000} {
		requests := make([]issued, n)
		values := make([]float64, n)
		for i := range requests {
			values[i] = math.Exp(r.NormFloat64())
			requests[i] = issued{startNS: int64(i), values: [perRequest]float64{math.NaN(), values[i]}}
		}
		shown, of := dots(requests, 1)
		assert.Equal(t, n, of)
		assert.LessOrEqual(t, len(shown), maxDots)
		if n <= maxDots {
			assert.Len(t, shown, n)
		} else {
			assert.Greater(t, len(shown), maxDots*2/3)
		}
		assert.True(t, slices.IsSortedFunc(shown, func(a, b Dot) int { return int(a.StartNS - b.StartNS) }))
		var kept []float64
		for i, d := range shown {
			assert.Equal(t, values[d.StartNS], d.TTFT)
			assert.True(t, i == 0 || shown[i-1].StartNS != d.StartNS, "none twice")
			kept = append(kept, d.TTFT)
		}
		if n > 0 {
			assert.Equal(t, [2]float64{slices.Min(values), slices.Max(values)}, [2]float64{slices.Min(kept), slices.Max(kept)})
		}
	}
	none, of := dots(make([]issued, 3), 1)
	assert.Len(t, none, 3)
	assert.Equal(t, 3, of)
}

// TestLevelsHaveTheirLines: what is read from a log is what its samples say, also of a level too small for anything else.
func TestLevelsHaveTheirLines(t *testing.T) {
	for _, n := range []int{1, 3, 300} {
		samples := answers(n)
		l, err := ReadLevel(recordLevel(t, samples))
		require.NoError(t, err)
		want := lineOf(samples)
		want.Requests = n
		for _, s := range samples {
			want.Dots = append(want.Dots, Dot{s.StartNS, float64(s.ChunksNS[0]-s.StartNS) / 1e6})
		}
		assert.Equal(t, want, l.Timeline)
		assert.Equal(t, n, l.Distributions["time_to_first_token"].Requests)
		assert.Equal(t, l.Figures["request_latency"]["max"], l.Distributions["request_latency"].Steps[len(l.Distributions["request_latency"].Steps)-1].Value)
		assert.NotContains(t, l.Distributions, "scheduled_request_latency")
	}
	warmup := answers(1)
	warmup[0].Phase = record.Warmup
	l, err := ReadLevel(recordLevel(t, warmup))
	require.NoError(t, err)
	assert.Empty(t, l.Timeline.Bins)
	assert.Empty(t, l.Distributions)
}
