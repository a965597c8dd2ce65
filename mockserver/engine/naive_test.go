package engine

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The second schedulers, one for each type of engine, are written from the rules of
// the package comment in the most literal way. Tokens are words here and a block is
// known by all the words up to its end, so there is no hash; lists are copied rather
// than linked; and time is kept in exact fractions.

type naiveRequest struct {
	id        uint64
	words     []string // prompt and what was generated
	prompt    int
	max       int
	computed  int
	planned   int
	decodes   bool
	blocks    []string // "" is one that is not full
	cached    int
	seen      bool // was admitted before
	submitted int
}

func (r *naiveRequest) generated() int { return len(r.words) - r.prompt }
func (r *naiveRequest) remaining() int { return r.max - r.generated() }

// naiveCache knows blocks by their words.
type naiveCache struct {
	refs     map[string]int
	idle     []string // the oldest first
	partials int
	young    map[string]bool // made in this pass
}

func (c *naiveCache) active() int { return len(c.refs) + c.partials }

// naive is what the second schedulers share: requests, and blocks as reference
// page and package comment describe them.
type naive struct {
	config    Config
	waiting   []*naiveRequest
	running   []*naiveRequest
	cache     naiveCache
	pass      Pass
	drafts    *rand.Rand
	count     int
	evictions int
}

func newNaive(c Config) *naive {
	return &naive{
		config: c,
		cache:  naiveCache{refs: map[string]int{}, young: map[string]bool{}},
		drafts: rand.New(rand.NewPCG(c.Speculation.Seed, 3)),
	}
}

// submit reports whether the request can ever fit.
func (n *naive) submit(id uint64, words []string, most int) bool {
	length := len(words) + most
	switch {
	case n.config.MaxModelLen > 0 && length > n.config.MaxModelLen:
		return false
	case length > n.config.NumGPUBlocks*n.config.BlockSize:
		return false
	case n.config.Type != SGLang && !n.config.ChunkedPrefill && len(words) > n.config.MaxNumBatchedTokens:
		return false
	}
	n.count++
	n.waiting = append(n.waiting, &naiveRequest{id: id, words: slices.Clone(words), prompt: len(words), max: most, submitted: n.count})
	return true
}

func (n *naive) cancel(id uint64) bool {
	for _, list := range []*[]*naiveRequest{&n.waiting, &n.running} {
		for k, r := range *list {
			if r.id == id {
				n.giveBack(r)
				*list = without(*list, k)
				return true
			}
		}
	}
	return false
}

func without(list []*naiveRequest, k int) []*naiveRequest {
	return append(slices.Clone(list[:k]), list[k+1:]...)
}

// key names block k of a request by all words up to its end.
func (n *naive) key(r *naiveRequest, k int) string {
	return strings.Join(r.words[:(k+1)*n.config.BlockSize], " ")
}

// found is the number of blocks at the beginning that are in the cache.
func (n *naive) found(r *naiveRequest, youngToo bool) (all, active int) {
	if !n.config.PrefixCaching {
		return 0, 0
	}
	for (all+1)*n.config.BlockSize < len(r.words) {
		key := n.key(r, all)
		if n.cache.refs[key] == 0 && !slices.Contains(n.cache.idle, key) || n.cache.young[key] && !youngToo {
			break
		}
		all++
		if n.cache.refs[key] > 0 {
			active++
		}
	}
	return all, active
}

// upTo is the number of tokens that need a place when n more are computed.
func (n *naive) upTo(r *naiveRequest, more int) int {
	end := r.computed + more
	if r.decodes {
		for range n.config.Speculation.Drafts {
			if end < r.prompt+r.max-1 {
				end++
			}
		}
	}
	return end
}

// missing counts the blocks that would have to become active.
func (n *naive) missing(r *naiveRequest, more int) int {
	missing := 0
	for k := len(r.blocks); k*n.config.BlockSize < n.upTo(r, more); k++ {
		full := (k+1)*n.config.BlockSize <= r.computed+more
		if !full || !n.config.PrefixCaching || n.cache.refs[n.key(r, k)] == 0 {
			missing++
		}
	}
	return missing
}

func (n *naive) free() int { return n.config.NumGPUBlocks - n.cache.active() }

func (n *naive) hold(key string) {
	if at := slices.Index(n.cache.idle, key); at >= 0 {
		n.cache.idle = append(slices.Clone(n.cache.idle[:at]), n.cache.idle[at+1:]...)
	} else if n.cache.refs[key] == 0 {
		n.makeRoom()
		n.cache.young[key] = true
	}
	n.cache.refs[key]++
}

func (n *naive) makeRoom() {
	if n.cache.active()+len(n.cache.idle) == n.config.NumGPUBlocks {
		n.cache.idle = n.cache.idle[1:]
		n.evictions++
	}
}

func (n *naive) letGo(key string) {
	if key == "" {
		n.cache.partials--
		return
	}
	n.cache.refs[key]--
	if n.cache.refs[key] > 0 {
		return
	}
	delete(n.cache.refs, key)
	if !n.cache.young[key] {
		n.cache.idle = append(n.cache.idle, key)
	}
}

func (n *naive) giveBack(r *naiveRequest) {
	for k := len(r.blocks) - 1; k >= 0; k-- {
		n.letGo(r.blocks[k])
	}
	r.blocks = nil
}

// compute plans so many more tokens of a request and takes the blocks.
func (n *naive) compute(r *naiveRequest, more int) {
	r.planned = more
	n.fill(r, r.computed+more)
	for k := len(r.blocks); k*n.config.BlockSize < n.upTo(r, more); k++ {
		if (k+1)*n.config.BlockSize <= r.computed+more && n.config.PrefixCaching {
			key := n.key(r, k)
			n.hold(key)
			r.blocks = append(r.blocks, key)
			continue
		}
		n.makeRoom()
		n.cache.partials++
		r.blocks = append(r.blocks, "")
	}
}

// fill promotes the blocks that the first so many tokens fill. One that exists takes
// the place of the copy.
func (n *naive) fill(r *naiveRequest, tokens int) {
	for k := range r.blocks {
		if r.blocks[k] != "" || (k+1)*n.config.BlockSize > tokens || !n.config.PrefixCaching {
			continue
		}
		key := n.key(r, k)
		known := n.cache.refs[key] > 0 || slices.Contains(n.cache.idle, key)
		n.cache.partials--
		n.hold(key)
		if !known {
			n.cache.young[key] = true
		}
		r.blocks[k] = key
	}
}

func (n *naive) start(k, hits int) *naiveRequest {
	r := n.waiting[k]
	n.waiting = without(n.waiting, k)
	n.running = append(n.running, r)
	for b := range hits {
		key := n.key(r, b)
		n.hold(key)
		r.blocks = append(r.blocks, key)
	}
	r.computed = hits * n.config.BlockSize
	n.pass.Admitted = append(n.pass.Admitted, Admission{ID: r.id, CachedTokens: r.computed, Again: r.seen})
	if !r.seen {
		r.seen, r.cached = true, r.computed
	}
	return r
}

// stop preempts and returns the tokens that were planned.
func (n *naive) stop(r *naiveRequest) int {
	k := slices.Index(n.running, r)
	n.running = without(n.running, k)
	n.giveBack(r)
	planned := r.planned
	r.computed, r.planned, r.decodes = 0, 0, false
	n.waiting = append([]*naiveRequest{r}, n.waiting...)
	n.pass.Preempted = append(n.pass.Preempted, r.id)
	return planned
}

// finish is the end of a pass that was planned.
func (n *naive) finish() bool {
	n.pass.CacheTokens = n.config.NumGPUBlocks * n.config.BlockSize
	n.cache.young = map[string]bool{}
	worked := false
	for _, r := range slices.Clone(n.running) {
		if r.planned == 0 {
			continue
		}
		worked = true
		if r.decodes {
			n.pass.Decoding++
			n.pass.ContextTokens += len(r.words)
		} else {
			n.pass.Prefilling++
			n.pass.PromptTokens += r.planned
			n.pass.PrefixTokens += r.computed
		}
		r.computed += r.planned
		r.planned = 0
		if r.computed == len(r.words) {
			n.speak(r)
		}
	}
	return worked
}

func (n *naive) speak(r *naiveRequest) {
	count := 1
	if r.decodes {
		rates := []float64{0.85, 0.3}
		for k := 0; k < n.config.Speculation.Drafts && k < 2 && n.drafts.Float64() < rates[k]; k++ {
			count++
		}
	}
	count = min(count, r.remaining())
	n.pass.Chunks = append(n.pass.Chunks, Chunk{
		ID: r.id, Index: r.generated(), Count: count, CachedTokens: r.cached, Last: count == r.remaining(),
	})
	for range count {
		r.words = append(r.words, fmt.Sprintf("answer-%d-%d", r.submitted, len(r.words)))
	}
	r.decodes = true
	r.computed = len(r.words) - 1
	n.fill(r, r.computed)
	n.cache.young = map[string]bool{}
	if r.remaining() == 0 {
		n.running = without(n.running, slices.Index(n.running, r))
		n.giveBack(r)
	}
}

// time is the pass's, in nanoseconds, not rounded.
func (n *naive) time() *big.Rat {
	if n.config.SpeedupRatio == 0 {
		return new(big.Rat)
	}
	ms := new(big.Rat)
	if c := n.pass.Prefilling; c > 0 {
		tokens := big.NewRat(int64(c*((n.pass.PrefixTokens+n.pass.PromptTokens)/c-n.pass.PrefixTokens/c)), 1)
		ms = sum(product(fraction("4.209989e-07"), tokens, tokens), product(fraction("1.518344e-02"), tokens), fraction("16.50142"))
	}
	if n.pass.Decoding > 0 && n.config.DecodeSpeedupRatio != 0 {
		u := big.NewRat(int64(n.pass.ContextTokens), int64(n.config.NumGPUBlocks*n.config.BlockSize))
		if u.Cmp(big.NewRat(1, 1)) > 0 {
			u = big.NewRat(1, 1)
		}
		decode := sum(product(fraction("-25.74"), u, u), product(fraction("54.01"), u), fraction("5.74"))
		ms = sum(ms, decode.Quo(decode, new(big.Rat).SetFloat64(n.config.DecodeSpeedupRatio)))
	}
	ns := product(ms, big.NewRat(1e6, 1))
	return ns.Quo(ns, new(big.Rat).SetFloat64(n.config.SpeedupRatio))
}

// requireRounded accepts the nearest nanosecond and, where two are equally near,
// as happens with small caches, either.
func requireRounded(t *testing.T, exact *big.Rat, got time.Duration) {
	t.Helper()
	off := sum(exact, big.NewRat(-int64(got), 1))
	require.LessOrEqual(t, off.Abs(off).Cmp(fraction("0.500001")), 0, "%v instead of %s ns", got, exact.FloatString(6))
}

func fraction(s string) *big.Rat {
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		panic(s)
	}
	return r
}

func product(factors ...*big.Rat) *big.Rat {
	p := big.NewRat(1, 1)
	for _, f := range factors {
		p.Mul(p, f)
	}
	return p
}

func sum(terms ...*big.Rat) *big.Rat {
	s := new(big.Rat)
	for _, x := range terms {
		s.Add(s, x)
	}
	return s
}
