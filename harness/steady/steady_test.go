package steady_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/steady"
)

// measure does what reads a level: spans first, then tokens.
func measure(samples []*record.Sample, target int) steady.Load {
	var spans []steady.Span
	for _, s := range samples {
		if span, ok := steady.SpanOf(s); ok {
			spans = append(spans, span)
		}
	}
	l := steady.Measure(spans, target, 0)
	for _, s := range samples {
		l.Count(s)
	}
	return l
}

// twin is a level looked at instant by instant: inFlight[t] is what was in flight during [t, t+1) ns.
type twin struct {
	first, last int64
	inFlight    []int
}

func newTwin(samples []*record.Sample) twin {
	w := twin{first: 1 << 62}
	for _, s := range samples {
		w.first, w.last = min(w.first, s.StartNS), max(w.last, s.EndNS)
	}
	w.inFlight = make([]int, w.last+1)
	for _, s := range samples {
		for t := s.StartNS; t < s.EndNS; t++ {
			w.inFlight[t]++
		}
	}
	return w
}

// measure does by brute force what Measure does by events.
func (w twin) measure(samples []*record.Sample, target int) steady.Load {
	l := steady.Load{Peak: slices.Max(w.inFlight)}
	for t, n := range w.inFlight {
		if 20*n >= 19*target { // 95 % in whole numbers
			if !l.HasPlateau {
				l.HasPlateau, l.PlateauStartNS = true, int64(t)
			}
			l.PlateauEndNS = int64(t) + 1
		}
	}
	if l.HasPlateau {
		tokens := 0.0
		for _, s := range samples {
			claimed := 0
			for _, n := range s.ChunkTokens {
				claimed += n
			}
			for i, at := range s.ChunksNS {
				if s.Outcome == record.OK && at >= l.PlateauStartNS && at <= l.PlateauEndNS {
					if claimed > 0 {
						tokens += float64(s.ChunkTokens[i]*s.Counted.OSL) / float64(claimed)
					} else {
						tokens += float64(s.Counted.OSL) / float64(len(s.ChunksNS))
					}
				}
			}
		}
		span := float64(l.PlateauEndNS - l.PlateauStartNS)
		l.PlateauTokens, l.EdgeShare = tokens, 1-span/float64(w.last-w.first)
		l.Little = w.little(samples, l.PlateauStartNS, l.PlateauEndNS)
	}
	for _, n := range w.inFlight {
		l.InFlightNS += int64(n)
	}
	l.Reached = w.reached(samples, target)
	return l
}

func (w twin) little(samples []*record.Sample, from, until int64) steady.Little {
	var l steady.Little
	seconds := float64(until-from) / 1e9
	for _, n := range w.inFlight[from:until] {
		l.InFlight += float64(n) / float64(until-from)
	}
	ended := 0.0
	for _, s := range samples {
		if from < s.EndNS && s.EndNS <= until {
			ended++
			l.LatencySeconds += float64(s.EndNS-s.StartNS) / 1e9
		}
	}
	l.RatePerSecond = ended / seconds
	l.LatencySeconds /= max(ended, 1)
	return l
}

func (w twin) reached(samples []*record.Sample, target int) float64 {
	var starts []int64
	for _, s := range samples {
		starts = append(starts, s.StartNS)
	}
	slices.Sort(starts)
	from, until := starts[min(target, len(starts))-1], starts[len(starts)-1]
	if from == until {
		return float64(slices.Max(w.inFlight))
	}
	area := 0
	for t := from; t < until; t++ {
		area += w.inFlight[t]
	}
	return float64(area) / float64(until-from)
}

// closedLoop simulates c slots that send n requests, with pauses of up to gap ns between them.
func closedLoop(r *rand.Rand, c, n, gap int) []*record.Sample {
	free := make([]int64, c)
	for k := range free {
		free[k] = int64(k) * int64(r.IntN(3))
	}
	var samples []*record.Sample
	for range n {
		k := slices.Index(free, slices.Min(free))
		start := free[k] + int64(r.IntN(gap+1))
		s := &record.Sample{Phase: record.Profiling, Outcome: record.OK, StartNS: start, EndNS: start + 1 + int64(r.IntN(60))}
		if r.IntN(8) == 0 {
			s.Outcome = record.Cut
		}
		for at := start; at < s.EndNS; at += 1 + int64(r.IntN(9)) {
			s.ChunksNS = append(s.ChunksNS, at)
			s.ChunkTokens = append(s.ChunkTokens, r.IntN(4))
			s.Counted.OSL += 2
		}
		if r.IntN(2) == 0 {
			s.ChunkTokens = nil
		}
		free[k] = s.EndNS
		samples = append(samples, s)
	}
	return samples
}

func TestMeasureAgainstTwin(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 1500 {
		c := 1 + r.IntN(45)
		samples := closedLoop(r, c, 1+r.IntN(4*c), r.IntN(4))
		target := max(1, c+r.IntN(5)-2)
		want := newTwin(samples).measure(samples, target)
		r.Shuffle(len(samples), func(i, j int) { samples[i], samples[j] = samples[j], samples[i] })
		got := measure(samples, target)
		require.InDelta(t, want.Reached, got.Reached, 1e-9)
		require.Equal(t, want.Peak, got.Peak)
		require.Equal(t, want.HasPlateau, got.HasPlateau)
		if want.HasPlateau {
			require.InEpsilon(t, 1+want.TokensPerSecond(), 1+got.TokensPerSecond(), 1e-9)
			require.InDelta(t, want.EdgeShare, got.EdgeShare, 1e-9)
			require.Equal(t, want.PlateauStartNS, got.PlateauStartNS)
			require.Equal(t, want.PlateauEndNS, got.PlateauEndNS)
			require.InEpsilon(t, want.Little.InFlight, got.Little.InFlight, 1e-9)
			require.InDelta(t, want.Little.RatePerSecond, got.Little.RatePerSecond, 1)
			require.InDelta(t, want.Little.LatencySeconds, got.Little.LatencySeconds, 1e-15)
		}
		require.Equal(t, want.InFlightNS, got.InFlightNS)
	}
}

// busy makes a request without chunks.
func busy(start, end int64) *record.Sample {
	return &record.Sample{Phase: record.Profiling, Outcome: record.OK, StartNS: start, EndNS: end}
}

func TestOneSlotBackToBack(t *testing.T) {
	for name, gap := range map[string]int64{"dips without length": 0, "dips": 1} {
		l := measure([]*record.Sample{busy(0, 100), busy(100+gap, 200), busy(200+gap, 300)}, 1)
		assert.True(t, l.HasPlateau, name)
		assert.Equal(t, []int64{0, 300}, []int64{l.PlateauStartNS, l.PlateauEndNS}, name)
		assert.Equal(t, 1, l.Peak, "%s: ends come before starts", name)
		assert.Zero(t, l.EdgeShare, name)
		assert.InDelta(t, 1, l.Reached, 0.02, name)
	}
}

func TestFewerRequestsThanSlots(t *testing.T) {
	l := measure([]*record.Sample{busy(0, 100), busy(1, 90), busy(2, 80)}, 10)
	assert.Equal(t, 3, l.Peak)
	assert.Equal(t, 3.0, l.Reached, "all started at once")
	assert.False(t, l.HasPlateau)
	assert.Zero(t, l.TokensPerSecond())
	assert.Zero(t, l.EdgeShare)
}

func TestLastWaveIsEdge(t *testing.T) {
	// Two slots, two waves; in the second one of them ends early: 200 ns of 250 are plateau.
	samples := []*record.Sample{busy(0, 100), busy(0, 100), busy(100, 200), busy(100, 250)}
	samples[3].ChunksNS, samples[3].ChunkTokens, samples[3].Counted.OSL = []int64{150, 199, 240}, []int{1, 3, 5}, 9
	l := measure(samples, 2)
	assert.Equal(t, []int64{0, 200}, []int64{l.PlateauStartNS, l.PlateauEndNS})
	assert.InDelta(t, 0.2, l.EdgeShare, 1e-12)
	assert.InDelta(t, 2.0, l.Reached, 1e-12)
	assert.InDelta(t, 4/200e-9, l.TokensPerSecond(), 1, "the token of the last wave is not of the plateau")
}

// TestPlateauOfDocuments: when the tokens of an answer came that was not streamed is not known. They count evenly over its time.
func TestPlateauOfDocuments(t *testing.T) {
	samples := []*record.Sample{busy(0, 100), busy(0, 100), busy(100, 200), busy(100, 250)}
	for _, s := range samples {
		s.Unstreamed, s.ChunksNS, s.ChunkTokens, s.Counted.OSL = true, []int64{s.EndNS}, nil, 30
	}
	l := measure(samples, 2)
	assert.Equal(t, []int64{0, 200}, []int64{l.PlateauStartNS, l.PlateauEndNS})
	assert.InDelta(t, 30+30+30+20, l.PlateauTokens, 1e-12)
	instant := busy(5, 5)
	instant.Unstreamed, instant.Counted.OSL = true, 30
	l.Count(instant)
	assert.InDelta(t, 110, l.PlateauTokens, 1e-12, "one that took no time is of no time")
}

func TestNinetyFivePercent(t *testing.T) {
	for _, c := range []struct{ target, held int }{{20, 19}, {100, 95}, {40, 38}, {50, 48}, {250, 238}, {10, 10}, {1, 1}} {
		level := func(n int) []*record.Sample {
			var samples []*record.Sample
			for range n {
				samples = append(samples, busy(0, 100))
			}
			return samples
		}
		assert.True(t, measure(level(c.held), c.target).HasPlateau, "%+v", c)
		assert.False(t, measure(level(c.held-1), c.target).HasPlateau, "%+v", c)
	}
}

func TestSimultaneousEndAndStart(t *testing.T) {
	l := measure([]*record.Sample{busy(0, 50), busy(0, 100), busy(50, 100), busy(100, 150), busy(100, 120)}, 2)
	assert.Equal(t, 2, l.Peak)
	assert.Equal(t, []int64{0, 120}, []int64{l.PlateauStartNS, l.PlateauEndNS})
}

func TestRequestsWithoutLength(t *testing.T) {
	l := measure([]*record.Sample{busy(5, 5), busy(5, 5)}, 1)
	assert.False(t, l.HasPlateau, "nothing was in flight at any time")
	assert.Zero(t, l.Peak)
}

func TestWhatDoesNotCount(t *testing.T) {
	assert.Zero(t, measure(nil, 1))
	warm := busy(0, 1000)
	warm.Phase = record.Warmup
	assert.Zero(t, measure([]*record.Sample{warm}, 1))
	assert.Equal(t, measure([]*record.Sample{busy(0, 10)}, 1), measure([]*record.Sample{warm, busy(0, 10)}, 1))
	failed := busy(0, 10)
	failed.Outcome, failed.ChunksNS, failed.Counted.OSL = record.Cut, []int64{5}, 7
	l := measure([]*record.Sample{failed}, 1)
	assert.True(t, l.HasPlateau, "a failed request holds its slot")
	assert.Zero(t, l.TokensPerSecond(), "its tokens do not count")
}

// TestIntegralIsTheSumOfLatencies to the nanosecond, whatever the outcomes and however the requests overlap.
func TestIntegralIsTheSumOfLatencies(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	for range 300 {
		samples := make([]*record.Sample, 1+r.IntN(80))
		sum := int64(0)
		for i := range samples {
			start := r.Int64N(1e13)
			samples[i] = busy(start, start+r.Int64N(1e13)*r.Int64N(2))
			samples[i].Outcome = record.Outcomes()[r.IntN(len(record.Outcomes()))]
			sum += samples[i].EndNS - samples[i].StartNS
		}
		require.Equal(t, sum, measure(samples, 1+r.IntN(20)).InFlightNS)
	}
}

// TestLittle: in a long level the law holds; where the last wave is much of the level, or nothing ended in the plateau, it does not.
func TestLittle(t *testing.T) {
	waves := func(n int) steady.Little {
		var samples []*record.Sample
		for wave := range int64(n) {
			for slot := range int64(10) {
				samples = append(samples, busy(100*wave+slot, 100*wave+slot+100))
			}
		}
		return measure(samples, 10).Little
	}
	assert.InDelta(t, 10, waves(50).InFlight, 1e-12)
	assert.InDelta(t, 100e-9, waves(50).LatencySeconds, 1e-18)
	assert.Less(t, waves(50).Off(), steady.LittleLimit)
	assert.InDelta(t, 1-11*100.0/191/10, waves(2).Off(), 1e-12, "the second of two waves ends the plateau with its first request: 11 ends in 191 ns")
	uneven := measure([]*record.Sample{busy(0, 100), busy(0, 1000)}, 2).Little
	assert.InDelta(t, 0.5, uneven.Off(), 1e-12, "one of two ended in the plateau, as long as it")
}

func throughput(s *record.Sample) float64 {
	l := measure([]*record.Sample{s}, 1)
	return l.TokensPerSecond()
}

func TestMismatchedChunkTokens(t *testing.T) {
	s := busy(0, 100)
	s.ChunksNS, s.ChunkTokens, s.Counted.OSL = []int64{10, 20}, []int{1}, 4
	assert.InDelta(t, 4/100e-9, throughput(s), 1, "spread evenly where the list does not fit")
	s.ChunkTokens, s.Counted.OSL = []int{2, 1}, 6
	assert.InDelta(t, 6/100e-9, throughput(s), 1, "usage has the last word")
}
