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
			for i, at := range s.ChunksNS {
				if s.Outcome == record.OK && at >= l.PlateauStartNS && at <= l.PlateauEndNS {
					if s.ChunkTokens != nil {
						tokens += float64(s.ChunkTokens[i])
					} else {
						tokens += float64(s.Counted.OSL) / float64(len(s.ChunksNS))
					}
				}
			}
		}
		span := float64(l.PlateauEndNS - l.PlateauStartNS)
		l.TokensPerSecond, l.EdgeShare = tokens*1e9/span, 1-span/float64(w.last-w.first)
	}
	l.Reached = w.reached(samples, target)
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
		got := steady.Measure(samples, target)
		require.InDelta(t, want.Reached, got.Reached, 1e-9)
		require.Equal(t, want.Peak, got.Peak)
		require.Equal(t, want.HasPlateau, got.HasPlateau)
		if want.HasPlateau {
			require.InEpsilon(t, 1+want.TokensPerSecond, 1+got.TokensPerSecond, 1e-9)
			require.InDelta(t, want.EdgeShare, got.EdgeShare, 1e-9)
			require.Equal(t, want.PlateauStartNS, got.PlateauStartNS)
			require.Equal(t, want.PlateauEndNS, got.PlateauEndNS)
		}
	}
}

// busy makes a request without chunks.
func busy(start, end int64) *record.Sample {
	return &record.Sample{Phase: record.Profiling, Outcome: record.OK, StartNS: start, EndNS: end}
}

func TestOneSlotBackToBack(t *testing.T) {
	for name, gap := range map[string]int64{"dips without length": 0, "dips": 1} {
		l := steady.Measure([]*record.Sample{busy(0, 100), busy(100+gap, 200), busy(200+gap, 300)}, 1)
		assert.True(t, l.HasPlateau, name)
		assert.Equal(t, []int64{0, 300}, []int64{l.PlateauStartNS, l.PlateauEndNS}, name)
		assert.Equal(t, 1, l.Peak, "%s: ends come before starts", name)
		assert.Zero(t, l.EdgeShare, name)
		assert.InDelta(t, 1, l.Reached, 0.02, name)
	}
}

func TestFewerRequestsThanSlots(t *testing.T) {
	l := steady.Measure([]*record.Sample{busy(0, 100), busy(1, 90), busy(2, 80)}, 10)
	assert.Equal(t, 3, l.Peak)
	assert.Equal(t, 3.0, l.Reached, "all started at once")
	assert.False(t, l.HasPlateau)
	assert.Zero(t, l.TokensPerSecond)
	assert.Zero(t, l.EdgeShare)
}

func TestLastWaveIsEdge(t *testing.T) {
	// Two slots, two waves; in the second one of them ends early: 200 ns of 250 are plateau.
	samples := []*record.Sample{busy(0, 100), busy(0, 100), busy(100, 200), busy(100, 250)}
	samples[3].ChunksNS, samples[3].ChunkTokens = []int64{150, 199, 240}, []int{1, 3, 5}
	l := steady.Measure(samples, 2)
	assert.Equal(t, []int64{0, 200}, []int64{l.PlateauStartNS, l.PlateauEndNS})
	assert.InDelta(t, 0.2, l.EdgeShare, 1e-12)
	assert.InDelta(t, 2.0, l.Reached, 1e-12)
	assert.InDelta(t, 4/200e-9, l.TokensPerSecond, 1, "the token of the last wave is not of the plateau")
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
		assert.True(t, steady.Measure(level(c.held), c.target).HasPlateau, "%+v", c)
		assert.False(t, steady.Measure(level(c.held-1), c.target).HasPlateau, "%+v", c)
	}
}

func TestSimultaneousEndAndStart(t *testing.T) {
	l := steady.Measure([]*record.Sample{busy(0, 50), busy(0, 100), busy(50, 100), busy(100, 150), busy(100, 120)}, 2)
	assert.Equal(t, 2, l.Peak)
	assert.Equal(t, []int64{0, 120}, []int64{l.PlateauStartNS, l.PlateauEndNS})
}

func TestRequestsWithoutLength(t *testing.T) {
	l := steady.Measure([]*record.Sample{busy(5, 5), busy(5, 5)}, 1)
	assert.False(t, l.HasPlateau, "nothing was in flight at any time")
	assert.Zero(t, l.Peak)
}

func TestWhatDoesNotCount(t *testing.T) {
	assert.Zero(t, steady.Measure(nil, 1))
	warm := busy(0, 1000)
	warm.Phase = record.Warmup
	assert.Zero(t, steady.Measure([]*record.Sample{warm}, 1))
	assert.Zero(t, steady.Measure([]*record.Sample{busy(0, 1)}, 0), "no level has such a target")
	assert.Equal(t, steady.Measure([]*record.Sample{busy(0, 10)}, 1), steady.Measure([]*record.Sample{warm, busy(0, 10)}, 1))
	failed := busy(0, 10)
	failed.Outcome, failed.ChunksNS, failed.Counted.OSL = record.Cut, []int64{5}, 7
	l := steady.Measure([]*record.Sample{failed}, 1)
	assert.True(t, l.HasPlateau, "a failed request holds its slot")
	assert.Zero(t, l.TokensPerSecond, "its tokens do not count")
}

// TestConservation: over a level without target to reach, the mean in flight times its length is the sum of all latencies.
func TestConservation(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	for range 200 {
		samples := closedLoop(r, 5, 60, 2)
		sum, end := int64(0), int64(0)
		for _, s := range samples {
			sum += s.EndNS - s.StartNS
			end = max(end, s.EndNS)
		}
		// A request of 1 ns at the end moves the last start to where all others ended.
		samples = append(samples, busy(end, end+1))
		first := slices.MinFunc(samples, func(a, b *record.Sample) int { return int(a.StartNS - b.StartNS) }).StartNS
		l := steady.Measure(samples, 1)
		require.InEpsilon(t, float64(sum), l.Reached*float64(end-first), 1e-9)
	}
}

func TestMismatchedChunkTokens(t *testing.T) {
	s := busy(0, 100)
	s.ChunksNS, s.ChunkTokens, s.Counted.OSL = []int64{10, 20}, []int{1}, 4
	assert.InDelta(t, 4/100e-9, steady.Measure([]*record.Sample{s}, 1).TokensPerSecond, 1, "spread evenly where the list does not fit")
}
