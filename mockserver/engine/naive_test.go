package engine

import (
	"math/rand/v2"
	"slices"
	"strings"
)

// The second engine is slow and obvious. A token is a word of so many letters and a
// sequence is a text, so that a block is known by all the text up to its end and there
// is no hash. Nothing is counted along: what the cache holds follows, each time that
// somebody asks, from the texts of those who hold something.
//
// "The page" is the description of Dynamo's mocker that these rules are taken from.
// Where it leaves something open that both engines must agree on, a comment says what
// the package comment has decided.

const letters = 12 // of a word

type naiveRequest struct {
	id       uint64
	text     string // prompt and what was generated
	answer   string // what will be generated
	prompt   int    // tokens, as all lengths
	most     int    // that the answer may have
	computed int
	planned  int // of the current pass
	places   int // that it has in the cache
	decodes  bool
	again    bool // was admitted before
	cached   int
}

func tokens(text string) int { return len(text) / letters }

func first(text string, n int) string { return text[:n*letters] }

func (r *naiveRequest) known() int     { return tokens(r.text) }
func (r *naiveRequest) generated() int { return r.known() - r.prompt }
func (r *naiveRequest) final() int     { return r.prompt + r.most }

// naive is an engine. What tells the types apart is in plan.
type naive struct {
	config    Config
	waiting   []*naiveRequest
	running   []*naiveRequest
	handed    []*naiveRequest // complete, but not yet copied to a decode engine
	idle      []string        // blocks that nobody holds, by their texts, in the order in which they were let go
	coming    []string        // blocks that the current pass computes
	drafts    *rand.Rand
	decodes   int // SGLang: passes that decoded since memory ran out
	pass      Pass
	evictions int
}

func newNaive(c Config) *naive {
	// The page says that draws are seeded, not how: by the engine's stream for drafts.
	return &naive{config: c, drafts: rand.New(rand.NewPCG(c.Speculation.Seed, 3|uint64(c.Rank)<<32))}
}

// naiveFits reports whether an engine could ever serve these lengths.
func naiveFits(c Config, prompt, most int) bool {
	if c.Role == Prefill {
		most = 1
	}
	switch {
	case c.MaxModelLen > 0 && prompt+most > c.MaxModelLen:
		return false
	case prompt+most > c.NumGPUBlocks*c.BlockSize:
		return false
	case c.Type != SGLang && c.Role != Decode && !c.ChunkedPrefill && prompt > c.MaxNumBatchedTokens:
		return false
	}
	return true
}

// submit takes a request that fits.
func (n *naive) submit(id uint64, prompt, answer string, most int) {
	if n.config.Role == Prefill {
		most, answer = 1, first(answer, 1)
	}
	n.waiting = append(n.waiting, &naiveRequest{id: id, text: prompt, answer: answer, prompt: tokens(prompt), most: most})
}

// cancel forgets a request, whether it waits, runs or is being copied.
func (n *naive) cancel(id uint64) bool {
	for _, list := range []*[]*naiveRequest{&n.waiting, &n.running, &n.handed} {
		for _, r := range *list {
			if r.id == id {
				*list = without(*list, r)
				n.letGo(r)
				return true
			}
		}
	}
	return false
}

func without(list []*naiveRequest, r *naiveRequest) []*naiveRequest {
	return slices.DeleteFunc(slices.Clone(list), func(other *naiveRequest) bool { return other == r })
}

// Blocks.

func (n *naive) blocks(tokens int) int {
	return (tokens + n.config.BlockSize - 1) / n.config.BlockSize
}

// full is the number of blocks of a request that others may share: those full of
// tokens that are computed, or are to be by the current pass.
func (n *naive) full(r *naiveRequest) int {
	if !n.config.PrefixCaching {
		return 0
	}
	return (r.computed + r.planned) / n.config.BlockSize
}

// block is block k of a text, with all that precedes it.
func (n *naive) block(text string, k int) string {
	return first(text, (k+1)*n.config.BlockSize)
}

func (n *naive) holders() []*naiveRequest {
	return slices.Concat(n.running, n.handed)
}

func (n *naive) holds(r *naiveRequest, block string) bool {
	return tokens(block) <= n.full(r)*n.config.BlockSize && strings.HasPrefix(r.text, block)
}

// isActive reports whether somebody holds a block.
func (n *naive) isActive(block string) bool {
	return slices.ContainsFunc(n.running, func(r *naiveRequest) bool { return n.holds(r, block) }) ||
		slices.ContainsFunc(n.handed, func(r *naiveRequest) bool { return n.holds(r, block) })
}

func (n *naive) isCached(block string) bool {
	return slices.Contains(n.idle, block) || n.isActive(block)
}

// active is the number of blocks that requests hold, where one that several of them
// share counts once. What two share is a beginning.
func (n *naive) active() int {
	holders := n.holders()
	count := 0
	for k, r := range holders {
		shared := 0
		for _, earlier := range holders[:k] {
			most := min(n.full(r), n.full(earlier))
			shared = max(shared, n.common(r, earlier, most))
		}
		count += n.blocks(r.places) - shared
	}
	return count
}

// common is the number of equal blocks at the beginning of two texts, of the first so many.
func (n *naive) common(a, b *naiveRequest, most int) int {
	for most > 0 && first(a.text, most*n.config.BlockSize) != first(b.text, most*n.config.BlockSize) {
		most--
	}
	return most
}

func (n *naive) free() int { return n.config.NumGPUBlocks - n.active() }

// found is the number of blocks at the beginning of a waiting request that are in the
// cache, and how many of these are held. The page leaves open that one token is left to compute.
func (n *naive) found(r *naiveRequest, comingToo bool) (all, active int) {
	if !n.config.PrefixCaching {
		return 0, 0
	}
	for (all+1)*n.config.BlockSize < r.known() {
		block := n.block(r.text, all)
		if !n.isCached(block) || !comingToo && slices.Contains(n.coming, block) {
			break
		}
		all++
		if n.isActive(block) {
			active++
		}
	}
	return all, active
}

// wants is the number of places that a request has if it computes so many more tokens.
// The page leaves open that drafts have places, before it is known which are right. The
// last token of an answer needs none, since nothing follows from it.
func (n *naive) wants(r *naiveRequest, more int) int {
	places := r.computed + more
	if r.decodes {
		for k := 0; k < n.config.Speculation.Drafts && places < r.final()-1; k++ {
			places++
		}
	}
	return max(r.places, places)
}

// would is active, if a request computed so many more tokens.
func (n *naive) would(r *naiveRequest, more int) int {
	before := *r
	r.places, r.planned = n.wants(r, more), more
	active := n.active()
	*r = before
	return active
}

// compute plans so many more tokens of a request.
func (n *naive) compute(r *naiveRequest, more int) {
	n.announce(r, r.computed+more)
	r.places, r.planned = n.wants(r, more), more
	n.settle()
}

// announce notes the blocks that become full, with so many tokens, and are not in the cache.
func (n *naive) announce(r *naiveRequest, tokens int) {
	for k := n.full(r); n.config.PrefixCaching && (k+1)*n.config.BlockSize <= tokens; k++ {
		if block := n.block(r.text, k); !n.isCached(block) {
			n.coming = append(n.coming, block)
		}
	}
}

// settle makes true again that no block is both idle and held, and evicts what does not
// fit: first what was let go first.
func (n *naive) settle() {
	n.idle = slices.DeleteFunc(n.idle, n.isActive)
	for len(n.idle) > 0 && n.active()+len(n.idle) > n.config.NumGPUBlocks {
		n.idle = n.idle[1:]
		n.evictions++
	}
}

// letGo lets a request that is in no list any more go of its blocks, the last one first.
// A block that the current pass was to compute for it has never been in the cache.
func (n *naive) letGo(r *naiveRequest) {
	for k := n.full(r) - 1; k >= 0; k-- {
		if block := n.block(r.text, k); !n.isActive(block) && !slices.Contains(n.coming, block) {
			n.idle = append(n.idle, block)
		}
	}
	n.coming = slices.DeleteFunc(n.coming, func(block string) bool { return !n.isActive(block) })
	r.computed, r.planned, r.places, r.decodes = 0, 0, 0, false
}

// Passes.

// admit lets the first waiting request run. Compute follows.
func (n *naive) admit(hits int) *naiveRequest {
	r := n.waiting[0]
	n.waiting = without(n.waiting, r)
	n.running = append(n.running, r)
	r.computed = hits * n.config.BlockSize
	r.places = r.computed
	n.pass.Admitted = append(n.pass.Admitted, Admission{ID: r.id, CachedTokens: r.computed, Again: r.again})
	if !r.again {
		r.again, r.cached = true, r.computed
	}
	if n.config.Role == Decode {
		// The prompt is computed and takes its blocks at once. The page leaves open that
		// the last token is not, and that to do so is decoding.
		n.announce(r, r.known()-1)
		r.computed, r.decodes = r.known()-1, true
	}
	return r
}

// preempt puts a running request in front of those that wait, and returns how many tokens
// the pass was to compute of it.
func (n *naive) preempt(r *naiveRequest) int {
	planned := r.planned
	n.running = without(n.running, r)
	n.letGo(r)
	n.waiting = append([]*naiveRequest{r}, n.waiting...)
	n.pass.Preempted = append(n.pass.Preempted, r.id)
	return planned
}

// begin plans a pass and reports whether it has anything to do.
func (n *naive) begin() bool {
	n.pass = Pass{Rank: n.config.Rank}
	n.pass.CacheTokens = n.config.NumGPUBlocks * n.config.BlockSize
	switch n.config.Type {
	case SGLang:
		n.planSGLang()
	case TRTLLM:
		n.planTRTLLM()
	default:
		n.planVLLM()
	}
	for _, r := range n.running {
		switch {
		case r.planned == 0:
		case r.decodes:
			n.pass.Decoding++
			n.pass.ContextTokens += r.known()
		default:
			n.pass.Prefilling++
			n.pass.PromptTokens += r.planned
			n.pass.PrefixTokens += r.computed
		}
	}
	return n.pass.Prefilling+n.pass.Decoding > 0
}

// end gives a token to each request of which all that is known is computed.
func (n *naive) end() {
	n.coming = nil
	for _, r := range slices.Clone(n.running) {
		worked := r.planned > 0
		r.computed += r.planned
		r.planned = 0
		if worked && r.computed == r.known() {
			n.generate(r)
		}
	}
}

func (n *naive) generate(r *naiveRequest) {
	left := tokens(r.answer) - r.generated()
	count := min(left, 1+n.accepted(r))
	n.pass.Chunks = append(n.pass.Chunks, Chunk{
		ID: r.id, Index: r.generated(), Count: count, CachedTokens: r.cached, Last: count == left,
	})
	r.text += r.answer[r.generated()*letters:][:count*letters]
	r.decodes = true
	r.computed = r.known() - 1
	n.settle()
	if count < left {
		return
	}
	n.running = without(n.running, r)
	if n.config.Role == Prefill {
		n.handed = append(n.handed, r)
	} else {
		n.letGo(r)
	}
}

// accepted is the number of consecutive right drafts. The page leaves open that only a
// request that decodes has drafts, and that nothing is drawn for one that is never right.
func (n *naive) accepted(r *naiveRequest) int {
	rates := []float64{0.85, 0.3, 0, 0, 0}
	if n.config.Speculation.AcceptRates != nil {
		rates = n.config.Speculation.AcceptRates
	}
	for k := range n.config.Speculation.Drafts {
		if !r.decodes || k == len(rates) || rates[k] == 0 || n.drafts.Float64() >= rates[k] {
			return k
		}
	}
	return n.config.Speculation.Drafts
}
