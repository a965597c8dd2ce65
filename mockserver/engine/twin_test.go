package engine

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// what is how often something happened in all workloads: a comparison in which
// nothing happens says nothing.
type what struct {
	preemptions, resumed, hits, evictions, cut, refused, drafts int
}

// TestTwins runs random workloads on the engine and on the second one and wants the same
// passes: admissions, preemptions, tokens and cached tokens one by one, blocks by number,
// times to the nanosecond.
func TestTwins(t *testing.T) {
	t.Parallel()
	for _, kind := range []Type{VLLM, SGLang, TRTLLM} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			var seen what
			for seed := range workloads() {
				t.Run(fmt.Sprint(seed), func(t *testing.T) { runTwins(t, kind, seed, &seen) })
			}
			t.Logf("%+v", seen)
			least := int(workloads() / 2)
			assert.Greater(t, seen.hits, least)
			assert.Greater(t, seen.evictions, least)
			assert.Greater(t, seen.cut, least)
			assert.Greater(t, seen.refused, least/5)
			assert.Greater(t, seen.drafts, least)
			assert.Equal(t, kind != TRTLLM, seen.preemptions > least, "TRT-LLM never preempts")
			assert.Equal(t, kind != TRTLLM, seen.resumed > least)
		})
	}
}

// workloads is how many there are of a kind.
func workloads() uint64 {
	if testing.Short() {
		return 20
	}
	return 200
}

func runTwins(t *testing.T, kind Type, seed uint64, seen *what) {
	r := rand.New(rand.NewPCG(seed, 7))
	config := randomConfig(r, kind)
	e, err := New(config)
	require.NoError(t, err)
	n := newNaive(config)
	const requests = 40
	now, submitted := time.Duration(0), uint64(0)
	emitted := map[uint64]int{}
	var passed []Admission
	for passes := 0; ; passes++ {
		require.Less(t, passes, 20_000, "no progress")
		for submitted < requests && r.IntN(3) > 0 {
			submitBoth(t, e, n, submitted, randomPrompt(r, submitted), 1+r.IntN(20), seen)
			submitted++
		}
		if seed%2 == 0 && r.IntN(6) == 0 {
			id := r.Uint64N(requests)
			require.Equal(t, n.cancel(id), e.Cancel(id), "Cancel(%d)", id)
		}
		wantBusy := n.begin()
		got, busy := e.Step(now)
		require.Equal(t, wantBusy, busy)
		if !busy {
			if submitted == requests {
				break
			}
			continue
		}
		require.Equal(t, n.time(), got.End-got.Start)
		n.end()
		now = got.End
		requireSamePass(t, n.pass, got)
		requireSound(t, e)
		require.Equal(t, n.active(), e.cache.active)
		require.Equal(t, len(n.idle), e.cache.inactive)
		for _, c := range got.Chunks {
			require.Equal(t, emitted[c.ID], c.Index)
			emitted[c.ID] += c.Count
			seen.drafts += c.Count - 1
		}
		seen.note(got)
		passed = append(passed, got.Admitted...)
	}
	seen.evictions += n.evictions
	requireCounted(t, e, passed)
}

// requireCounted holds the counters against what the passes told.
func requireCounted(t *testing.T, e *Engine, passed []Admission) {
	t.Helper()
	var hits, again uint64
	for _, a := range passed {
		if a.Again {
			again++
		} else {
			hits += uint64(a.CachedTokens)
		}
	}
	s := e.Stats()
	require.Equal(t, hits, s.PrefixHits)
	require.GreaterOrEqual(t, s.Preemptions, again)
	require.GreaterOrEqual(t, s.PrefixQueries, s.PrefixHits)
	require.Equal(t, Stats{
		CachedBlocks: e.cache.inactive, TotalBlocks: e.config.NumGPUBlocks,
		Preemptions: s.Preemptions, PrefixQueries: s.PrefixQueries, PrefixHits: hits,
	}, s, "nothing is left behind")
}

func (w *what) note(p Pass) {
	w.preemptions += len(p.Preempted)
	for _, a := range p.Admitted {
		if a.Again {
			w.resumed++
		}
		if a.CachedTokens > 0 {
			w.hits++
		}
	}
	if p.Prefilling > 0 && len(p.Admitted) == 0 {
		w.cut++
	}
}

// requireSamePass compares without telling nil from empty.
func requireSamePass(t *testing.T, want, got Pass) {
	t.Helper()
	require.Equal(t, want.Work, got.Work)
	require.Equal(t, append([]Admission{}, want.Admitted...), append([]Admission{}, got.Admitted...))
	require.Equal(t, append([]uint64{}, want.Preempted...), append([]uint64{}, got.Preempted...))
	require.Equal(t, append([]Chunk{}, want.Chunks...), append([]Chunk{}, got.Chunks...))
}

func submitBoth(t *testing.T, e *Engine, n *naive, id uint64, words []string, most int, seen *what) {
	t.Helper()
	err := e.Submit(Request{ID: id, PromptTokens: len(words), MaxTokens: most, Blocks: hashed(words, e.config.BlockSize)})
	var limit *LimitError
	if !naiveFits(n.config, len(words), most) {
		require.ErrorAs(t, err, &limit)
		seen.refused++
		return
	}
	require.NoError(t, err)
	n.submit(id, strings.Join(words, ""), strings.Join(somewords(fmt.Sprint("a", id), most), ""), most)
}

// hashed names blocks as a server would.
func hashed(words []string, blockSize int) []uint64 {
	h := NewHasher(blockSize)
	for _, w := range words {
		id := uint32(0)
		for _, c := range []byte(w) {
			id = id*31 + uint32(c)
		}
		h.Add(id)
	}
	return h.Blocks()
}

// randomPrompt often begins like others.
func randomPrompt(r *rand.Rand, id uint64) []string {
	var words []string
	if r.IntN(3) > 0 {
		words = append(words, somewords(fmt.Sprint("system", r.IntN(2)), 8*(1+r.IntN(6)))...)
		if r.IntN(2) > 0 {
			words = append(words, somewords(fmt.Sprint("turn", r.IntN(2)), 1+r.IntN(30))...)
		}
	}
	if len(words) == 0 || r.IntN(2) > 0 {
		words = append(words, somewords(fmt.Sprint(id), 1+r.IntN(30))...)
	}
	return words
}

// somewords are the first n words of a text that has a name.
func somewords(name string, n int) []string {
	words := make([]string, n)
	for k := range words {
		words[k] = fmt.Sprintf("%*s-%04d", letters-5, name, k)
	}
	return words
}

func randomConfig(r *rand.Rand, kind Type) Config {
	ratios := []float64{1, 1, 1, 2.5, 0.1, 0}
	c := DefaultConfigOf(kind)
	c.MaxNumSeqs = 1 + r.IntN(8)
	c.MaxNumBatchedTokens = 1 + r.IntN(100)
	if r.IntN(2) == 0 {
		c.MaxNumBatchedTokens = 1 + r.IntN(12)
	}
	c.BlockSize = 1 + r.IntN(16)
	c.NumGPUBlocks = (50 + r.IntN(150)) / c.BlockSize
	c.PrefixCaching = r.IntN(4) > 0
	c.ChunkedPrefill = r.IntN(4) > 0
	c.Preemption = []Preemption{LIFO, FIFO}[r.IntN(2)]
	c.SpeedupRatio = ratios[r.IntN(len(ratios))]
	c.DecodeSpeedupRatio = ratios[r.IntN(len(ratios))]
	if r.IntN(4) == 0 {
		c.DecodeSpeedupRatio = 1
		c.Speculation = Speculation{Drafts: 1 + r.IntN(3), Seed: r.Uint64()}
	}
	if r.IntN(4) == 0 {
		c.MaxModelLen = 60 + r.IntN(60)
	}
	c.SGLang = SGLangConfig{
		SchedulePolicy:           []Policy{FirstComeFirstServed, LongestPrefixMatch}[r.IntN(2)],
		MaxPrefillTokens:         1 + r.IntN(120),
		ChunkedPrefillSize:       c.BlockSize * (1 + r.IntN(60/c.BlockSize)),
		ClipMaxNewTokens:         1 + r.IntN(25),
		ScheduleConservativeness: []float64{1, 0, 0.3, 0.01}[r.IntN(4)],
	}
	return c
}

// requireSound checks what must hold in every engine: each block is in exactly one
// place, counted right, and found by its hash.
func requireSound(t *testing.T, e *Engine) {
	t.Helper()
	c := &e.cache
	refs, counted := make([]int32, len(c.blocks)), make([]int32, len(c.blocks))
	listed := make([]bool, len(c.blocks))
	for _, s := range e.sequences {
		for _, i := range s.blocks {
			refs[i]++
		}
	}
	inactive, unused, active := 0, 0, 0
	for i := c.oldest; i != none; i = c.blocks[i].next {
		inactive++
		listed[i] = c.blocks[i].hashed
	}
	for i := c.unused; i != none; i = c.blocks[i].next {
		unused++
	}
	for i, b := range c.blocks {
		counted[i] = b.refs
		if b.refs > 0 {
			active++
		}
		if b.hashed && (c.find(b.hash) != int32(i) || listed[i] != (b.refs == 0)) {
			require.Fail(t, "block is lost", "%d: %+v", i, b)
		}
	}
	require.Equal(t, refs, counted)
	require.Equal(t, active, c.active)
	require.Equal(t, inactive, c.inactive)
	require.Equal(t, len(c.blocks), active+inactive+unused)
	require.LessOrEqual(t, len(c.blocks), c.capacity)
}
