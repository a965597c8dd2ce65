package engine

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestTwinDeployments runs random workloads on a fleet and on the second one and wants the
// same time to first token and the same inter-token latencies of each request, to the
// nanosecond, with requests that arrive, and clients that go, at any instant.
func TestTwinDeployments(t *testing.T) {
	t.Parallel()
	for _, kind := range []struct {
		name   string
		types  []Type
		deploy func(*rand.Rand, *FleetConfig)
	}{
		{"vllm", []Type{VLLM}, func(*rand.Rand, *FleetConfig) {}},
		{"sglang", []Type{SGLang}, func(*rand.Rand, *FleetConfig) {}},
		{"trtllm", []Type{TRTLLM}, func(*rand.Rand, *FleetConfig) {}},
		{"side by side", []Type{VLLM, SGLang, TRTLLM}, sideBySide},
		{"disaggregated", []Type{VLLM, SGLang, TRTLLM}, disaggregated},
	} {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			var seen happenings
			for seed := range workloads() {
				t.Run(fmt.Sprint(seed), func(t *testing.T) {
					r := rand.New(rand.NewPCG(seed, 11))
					c := DefaultFleetConfig()
					c.Engine = randomConfig(r, kind.types[int(seed)%len(kind.types)])
					c.Apart = r.IntN(3) == 0
					kind.deploy(r, &c)
					runDeployments(t, c, randomWorkload(r, c), &seen)
				})
			}
			t.Logf("%+v", seen)
			seen.require(t, len(kind.types) > 1 || kind.types[0] != TRTLLM)
		})
	}
}

func sideBySide(r *rand.Rand, c *FleetConfig) { c.Engines = 2 + r.IntN(3) }

func disaggregated(r *rand.Rand, c *FleetConfig) {
	c.Engines, c.PrefillEngines = 1+r.IntN(3), 1+r.IntN(2)
	c.Transfer = Transfer{
		BytesPerToken: []float64{114688, 1e6, 1e8}[r.IntN(3)],
		Bandwidth:     []float64{64, 450, 3.7, 0}[r.IntN(4)],
		Timing:        []TransferTiming{FullPrompt, DestinationMissing}[r.IntN(2)],
	}
}

// client is a request and what its sender does.
type client struct {
	at       time.Duration // of the arrival or, with after, of the pause before it
	after    int           // the client whose end it waits for, or -1
	prompt   []string
	answer   []string // what the engine will say
	most     int
	foreseen bool          // answers have names in the cache
	leaves   time.Duration // after the arrival; 0 is never
}

func randomWorkload(r *rand.Rand, c FleetConfig) []client {
	gap := []time.Duration{time.Nanosecond, time.Millisecond, 10 * time.Millisecond, 60 * time.Millisecond}[r.IntN(4)]
	clients := make([]client, 30)
	now := time.Duration(0)
	longest := 1 + r.IntN(30)
	cancels := r.IntN(3) == 0
	for k := range clients {
		now += time.Duration(r.Int64N(int64(2 * gap)))
		x := client{at: now, after: -1, prompt: randomPrompt(r, uint64(k)), most: 1 + r.IntN(longest)}
		x.answer = somewords(fmt.Sprint("a", k), x.most)
		if r.IntN(4) == 0 {
			x.answer = x.answer[:1+r.IntN(x.most)]
		}
		if k > 0 && r.IntN(3) == 0 {
			follow(r, clients, k, &x)
		}
		if cancels && r.IntN(3) == 0 {
			x.leaves = 1 + time.Duration(r.Int64N(int64(500*time.Millisecond)))
		}
		clients[k] = x
	}
	return clients
}

// follow lets a client wait for one before it and, perhaps, go on with its conversation.
func follow(r *rand.Rand, clients []client, k int, x *client) {
	x.after = r.IntN(k)
	x.at = []time.Duration{0, 1, time.Duration(r.Int64N(int64(20 * time.Millisecond)))}[r.IntN(3)]
	before := &clients[x.after]
	if r.IntN(2) == 0 {
		before.foreseen = true
		x.prompt = slices.Concat(before.prompt, before.answer, somewords(fmt.Sprint(k), 1+r.IntN(10)))
	}
}

// experience is what a client sees.
type experience struct {
	refused  bool
	ttft     time.Duration
	itl      []time.Duration
	first    []int // index of the first token of each token's chunk
	cached   int
	complete bool
}

// deployment is what both are to a client.
type deployment interface {
	next() (time.Duration, bool)
	step(now time.Duration) []naiveToken
	submit(at time.Duration, id uint64, x client) bool
	cancel(at time.Duration, id uint64) bool
}

func runDeployments(t *testing.T, c FleetConfig, clients []client, seen *happenings) {
	f, err := NewFleet(c)
	require.NoError(t, err)
	n := newNaiveFleet(c)
	got := serve(t, ours{f}, clients)
	want := serve(t, theirs{n}, clients)
	for id := range clients {
		require.Equal(t, want[id], got[id], "request %d of a %+v", id, c)
	}
	seen.note(c, clients, got, f, n)
}

// serve lets clients come and go and returns what they see.
func serve(t *testing.T, d deployment, clients []client) []experience {
	t.Helper()
	type event struct {
		at   time.Duration
		id   int
		come bool
	}
	var events []event
	add := func(e event) {
		events = append(events, e)
		slices.SortStableFunc(events, func(a, b event) int { return cmp.Compare(a.at, b.at) })
	}
	for id, x := range clients {
		if x.after < 0 {
			add(event{x.at, id, true})
		}
	}
	seen := make([]experience, len(clients))
	arrived, latest := make([]time.Duration, len(clients)), make([]time.Duration, len(clients))
	gone := make([]bool, len(clients))
	end := func(at time.Duration, id int) {
		gone[id] = true
		for k, x := range clients {
			if x.after == id {
				add(event{at + x.at, k, true})
			}
		}
	}
	for steps := 0; ; steps++ {
		require.Less(t, steps, 100_000, "no progress")
		at, busy := d.next()
		if len(events) > 0 && (!busy || events[0].at < at) {
			e := events[0]
			events = events[1:]
			switch x := clients[e.id]; {
			case e.come && !d.submit(e.at, uint64(e.id), x):
				seen[e.id].refused = true
				end(e.at, e.id)
			case e.come:
				arrived[e.id] = e.at
				if x.leaves > 0 {
					add(event{e.at + x.leaves, e.id, false})
				}
			case !gone[e.id]:
				require.True(t, d.cancel(e.at, uint64(e.id)))
				end(e.at, e.id)
			default:
				require.False(t, d.cancel(e.at, uint64(e.id)))
			}
			continue
		}
		if !busy {
			return seen
		}
		for _, token := range d.step(at) {
			if gone[token.id] {
				continue
			}
			x := &seen[token.id]
			if len(x.first) == 0 {
				x.ttft, x.cached = token.at-arrived[token.id], token.cache
			} else {
				x.itl = append(x.itl, token.at-latest[token.id])
			}
			require.Equal(t, x.cached, token.cache)
			x.first = append(x.first, token.first)
			latest[token.id] = token.at
			if token.last {
				x.complete = true
				end(token.at, int(token.id))
			}
		}
	}
}

// ours is the fleet under test.
type ours struct{ *Fleet }

func (o ours) next() (time.Duration, bool) { return o.Next() }

func (o ours) cancel(at time.Duration, id uint64) bool { return o.Cancel(at, id) }

func (o ours) submit(at time.Duration, id uint64, x client) bool {
	r := Request{ID: id, PromptTokens: len(x.prompt), MaxTokens: x.most}
	if len(x.answer) < x.most {
		r.StopsAfter = len(x.answer)
	}
	named := x.prompt
	if x.foreseen {
		named = slices.Concat(x.prompt, x.answer)
	}
	r.Blocks = hashed(named, o.config.Engine.BlockSize)
	return o.Submit(at, r) == nil
}

func (o ours) step(now time.Duration) (told []naiveToken) {
	pass, _ := o.Step(now)
	for k, c := range pass.Chunks {
		at := pass.End
		if o.config.Apart {
			at += time.Duration(k + 1)
		}
		for i := range c.Count {
			told = append(told, naiveToken{c.ID, at, c.Index, c.CachedTokens, c.Last && i == c.Count-1})
		}
	}
	return told
}

// theirs is the second one.
type theirs struct{ *naiveFleet }

func (n theirs) next() (time.Duration, bool) {
	at, _, found := n.naiveFleet.next()
	return at, found
}

func (n theirs) submit(at time.Duration, id uint64, x client) bool {
	return n.naiveFleet.submit(at, &naiveJob{id: id, prompt: strings.Join(x.prompt, ""), answer: strings.Join(x.answer, ""), most: x.most})
}

func (n theirs) step(time.Duration) []naiveToken {
	_, happen, _ := n.naiveFleet.next()
	return happen()
}

// happenings is how often something happened in all workloads: a comparison in which nothing
// happens says nothing.
type happenings struct {
	complete, refused, left, hits, evictions, preemptions, drafts, pauses, early, conversations int
}

func (h *happenings) note(c FleetConfig, clients []client, seen []experience, f *Fleet, n *naiveFleet) {
	for id, x := range seen {
		switch {
		case x.refused:
			h.refused++
		case x.complete:
			h.complete++
			if len(x.first) < clients[id].most {
				h.early++
			}
		default:
			h.left++
		}
		if x.cached > 0 {
			h.hits++
		}
		if clients[id].foreseen {
			h.conversations++
		}
		for k, gap := range x.itl {
			if x.first[k+1] == x.first[k] {
				h.drafts++
			} else if gap > 15*time.Millisecond && c.Engine.SpeedupRatio == 1 {
				h.pauses++ // others' prompts were computed
			}
		}
	}
	for _, s := range f.Stats() {
		h.preemptions += int(s.Preemptions)
	}
	for _, w := range slices.Concat(n.engines, n.prefills) {
		h.evictions += w.evictions
	}
}

func (h *happenings) require(t *testing.T, preempts bool) {
	t.Helper()
	least := int(workloads())
	assert.Greater(t, h.complete, 10*least)
	assert.Greater(t, h.refused, least)
	assert.Greater(t, h.left, least/2)
	assert.Greater(t, h.hits, 2*least)
	assert.Greater(t, h.evictions, 10*least)
	assert.Greater(t, h.drafts, 2*least)
	assert.Greater(t, h.pauses, 10*least)
	assert.Greater(t, h.early, least)
	assert.Greater(t, h.conversations, 2*least)
	assert.Equal(t, preempts, h.preemptions > least/10, "TRT-LLM never preempts")
}
