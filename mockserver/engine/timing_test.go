package engine

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// prompts is the work of computing n tokens of one prompt.
func prompts(n int) Work {
	return Work{Prefilling: 1, PromptTokens: n, CacheTokens: 1 << 20}
}

// The figures were published with the curves, to four places.
func TestPrefillCurve(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]float64{
		1: 16.5166, 100: 18.0240, 512: 24.3857, 2000: 48.5523, 8192: 169.1369,
	} {
		assert.InDelta(t, want, DefaultPolynomials().Prefill(prompts(n)), 0.000051, "n=%d", n)
	}
}

func TestDecodeCurve(t *testing.T) {
	t.Parallel()
	const cache = 1_000_000
	for u, want := range map[float64]float64{
		0: 5.74, 0.1: 10.8836, 0.25: 17.6338, 0.5: 26.31, 0.75: 31.7688, 1: 34.01,
		1.0491: 34.01, 7: 34.01, // capped, where the parabola would fall
	} {
		w := Work{Decoding: 1, ContextTokens: int(math.Round(u * cache)), CacheTokens: cache}
		assert.InDelta(t, want, DefaultPolynomials().Decode(w), 0.000051, "u=%v", u)
	}
}

// The vertex of the curve lies beyond a full cache, so that no pass comes to it.
func TestVertexOfTheDecodeCurve(t *testing.T) {
	t.Parallel()
	curve := DefaultPolynomials().DecodeMS
	vertex := -curve[1] / (2 * curve[2])
	assert.InDelta(t, 1.0491, vertex, 0.00005)
	assert.InDelta(t, 34.0722, quadratic(curve, vertex), 0.00005)
}

// Requests times the difference of two whole means: (301+4)/3 = 101, 4/3 = 1.
func TestBatchOfTheCurves(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		work Work
		want int
	}{
		{"one", Work{Prefilling: 1, PromptTokens: 2000, PrefixTokens: 64}, 2000},
		{"three, rounded", Work{Prefilling: 3, PromptTokens: 301, PrefixTokens: 4}, 300},
		{"two with prefixes, rounded", Work{Prefilling: 2, PromptTokens: 7, PrefixTokens: 14}, 6},
		{"two with a prefix, rounded up", Work{Prefilling: 2, PromptTokens: 7, PrefixTokens: 15}, 8},
	} {
		assert.Equal(t, c.want, c.work.batch(), c.name)
	}
}

// Nanoseconds worked out in exact fractions: prefill(2000) is 48 552 295.6 ns and
// decode(2001/2^20) is 5 842 973.672 ns. Their sum is rounded, not each of them.
func TestPassDuration(t *testing.T) {
	t.Parallel()
	decode := func(context int) Work { return Work{Decoding: 1, ContextTokens: context, CacheTokens: 1 << 20} }
	both := decode(2001)
	both.Prefilling, both.PromptTokens = 1, 2000
	for _, c := range []struct {
		name           string
		role           Role
		work           Work
		speedup, extra float64
		want           time.Duration
	}{
		{"prompt of 2000", Aggregated, prompts(2000), 1, 1, 48_552_296},
		{"one decodes", Aggregated, decode(2001), 1, 1, 5_842_974},
		{"both", Aggregated, both, 1, 1, 54_395_269},
		{"ten times as fast", Aggregated, both, 10, 1, 5_439_527},
		{"decode twice as fast", Aggregated, both, 1, 2, 51_473_782},
		{"full cache", Aggregated, decode(1 << 20), 1, 1, 34_010_000},
		{"cache overflows", Aggregated, decode(1 << 21), 1, 1, 34_010_000},
		{"no waiting", Aggregated, both, 0, 1, 0},
		{"decoding is free", Aggregated, both, 1, 0, 48_552_296},
		{"slower than time goes", Aggregated, prompts(2000), math.SmallestNonzeroFloat64, 1, 1 << 61},
		{"no prompts on a decode engine", Decode, both, 1, 1, 5_842_974},
		{"no decoding on a prefill engine", Prefill, both, 1, 1, 48_552_296},
	} {
		config := DefaultConfig()
		config.Role, config.SpeedupRatio, config.DecodeSpeedupRatio = c.role, c.speedup, c.extra
		assert.Equal(t, c.want, newEngine(t, config).duration(c.work), c.name)
	}
}

func TestCoefficientsOfTheUser(t *testing.T) {
	t.Parallel()
	p := Polynomials{PrefillMS: [3]float64{1, 0.5, 0.25}, DecodeMS: [3]float64{2, 8, 4}, DecodeFloorMS: 3}
	assert.Equal(t, 1+0.5*10+0.25*100, p.Prefill(prompts(10)))
	assert.Equal(t, 2+8*0.5+4*0.25, p.Decode(Work{Decoding: 1, ContextTokens: 50, CacheTokens: 100}))
	assert.Equal(t, 3.0, p.Decode(Work{Decoding: 1, ContextTokens: 0, CacheTokens: 100}))
	p.PrefillMS[0] = -1000
	assert.Zero(t, p.Prefill(prompts(10)), "no pass ends before it starts")
}

func profile() *Profile {
	return &Profile{
		PrefillTokens:  []float64{100, 200, 400},
		PrefillMS:      []float64{10, 30, 40},
		DecodeKVTokens: []float64{1000, 3000},
		DecodeContext:  []float64{100, 200, 300},
		DecodeMS:       [][]float64{{5, 6, 8}, {9, 12, 18}},
	}
}

func TestProfileInterpolates(t *testing.T) {
	t.Parallel()
	p := profile()
	require.NoError(t, p.Validate())
	for n, want := range map[int]float64{100: 10, 150: 20, 200: 30, 300: 35, 400: 40, 500: 45, 60: 2, 55: 1, 10: 1} {
		assert.InDelta(t, want, p.Prefill(prompts(n)), 1e-12, "n=%d: on straight lines, beyond the ends too", n)
	}
	for _, c := range []struct {
		kv, decoding int
		want         float64
	}{
		{1000, 10, 5}, {3000, 10, 18}, {2000, 10, (6 + 12) / 2.0}, // contexts of 100, 300, 200
		{2000, 20, (5 + 9) / 2.0}, {1500, 10, 5.5*0.75 + 10.5*0.25}, // 100, 150
		{5000, 25, 12 + (12 - 6)}, // kv beyond the axis, contexts of 200
		{1000, 20, 5 - 0.5},       // contexts of 50, below it
		{4000, 10, (18 + 6) + ((18+6)-(8+2))/2.0},
	} {
		w := Work{Decoding: c.decoding, ContextTokens: c.kv}
		assert.InDelta(t, c.want, p.Decode(w), 1e-12, "%+v", c)
	}
	p.DecodeKVTokens, p.DecodeMS = p.DecodeKVTokens[:1], p.DecodeMS[:1]
	require.NoError(t, p.Validate())
	assert.InDelta(t, 6.0, p.Decode(Work{Decoding: 20, ContextTokens: 4000}), 1e-12, "an axis of one point changes nothing")
}

// Beyond the points a line may fall, but not to nothing; within them a time is what was measured.
func TestProfilesEndAtAFloor(t *testing.T) {
	t.Parallel()
	p := profile()
	assert.Equal(t, []string{"the line below prefill_isl 100 falls to 1 ms, and goes no lower"}, p.Warnings())
	p.PrefillMS = []float64{0.5, 0.75, 0.6}
	p.DecodeMS = [][]float64{{0.25, 2, 4}, {4, 6, 8}}
	require.NoError(t, p.Validate())
	assert.Equal(t, []string{
		"the line below prefill_isl 100 falls to 0.5 ms, and goes no lower",
		"the line beyond prefill_isl 400 falls: more tokens take less time",
		"the lines below decode_active_kv_tokens 1000 and decode_context_length 100 fall to 0.25 ms, and go no lower",
	}, p.Warnings())
	for n, want := range map[int]float64{100: 0.5, 1: 0.5, 200: 0.75, 400: 0.6, 600: 0.5} {
		assert.InDelta(t, want, p.Prefill(prompts(n)), 1e-12, "n=%d", n)
	}
	assert.InDelta(t, 0.25, p.Decode(Work{Decoding: 1, ContextTokens: 10}), 1e-12)
	assert.InDelta(t, 0.25, p.Decode(Work{Decoding: 10, ContextTokens: 1000}), 1e-12)
	p.PrefillTokens, p.PrefillMS = []float64{100, 200}, []float64{10, 12}
	p.DecodeMS = [][]float64{{5, 6, 7}, {6, 7, 8}}
	assert.Empty(t, p.Warnings())
}

func TestProfileProblemsAreReportedTogether(t *testing.T) {
	t.Parallel()
	p := profile()
	p.PrefillTokens = []float64{100, 100, 400}
	p.PrefillMS = p.PrefillMS[:2]
	p.DecodeKVTokens = nil
	p.DecodeMS[1] = []float64{1, math.NaN(), 3}
	config := DefaultConfig()
	config.Timing = p
	require.EqualError(t, config.Validate(), `planner-profile-data: prefill_isl[1] is 100: must be a number above the one before
decode_active_kv_tokens has 0 points: must have at least 1
prefill_ttft_ms has 2 values: must have one for each of the 3 points of prefill_isl
decode_itl has 2 rows: must have one for each of the 0 points of decode_active_kv_tokens
decode_itl[1][1] is NaN: must be a time above 0 ms`)
}

// The times of a profile reach the passes of an engine.
func TestEngineWithProfile(t *testing.T) {
	t.Parallel()
	config := DefaultConfig()
	config.Timing = profile()
	e := newEngine(t, config)
	require.NoError(t, e.Submit(Request{ID: 1, PromptTokens: 150, MaxTokens: 2}))
	pass, _ := e.Step(0)
	assert.Equal(t, 20*time.Millisecond, pass.End)
	pass, _ = e.Step(pass.End)
	assert.Equal(t, 20*time.Millisecond+time.Duration(math.Round(1e6*(5.51-849/2000.0*(9.0+0.51*3-5.51)))), pass.End)
}
