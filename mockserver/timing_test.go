package mockserver_test

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/mockserver"
	"github.com/llmsweep/llmsweep/mockserver/engine"
)

// The instants below are those of the scenario files of package engine, worked
// out from the two curves, plus k ns for the k-th token of a pass.

func TestInstantsOfOneRequest(t *testing.T) {
	t.Parallel()
	inBubble(t, nil, func(r *rig) {
		r.at(time.Second) // an idle engine starts a pass when a request arrives
		r.start = time.Now()
		stream := r.open("/v1/chat/completions", chatBody(2000, 4, true))
		assert.Zero(t, r.now(), "the header goes out at acceptance")
		all, err := r.events(stream)
		require.NoError(t, err)

		var instants []time.Duration
		for _, e := range all {
			instants = append(instants, e.at)
		}
		assert.Equal(t, []time.Duration{
			48_552_297, // the role
			48_552_297, // pass ends at 48 552 296, token 1 of 1
			54_395_271,
			60_238_296,
			66_081_373,
			66_081_373, // finish_reason
			66_081_373, // [DONE]
		}, instants)
	})
}

func TestRequestsShareAPass(t *testing.T) {
	t.Parallel()
	inBubble(t, nil, func(r *rig) {
		got := make(map[string][]time.Duration)
		var mu sync.Mutex
		var clients sync.WaitGroup
		for _, c := range []struct {
			name           string
			at             time.Duration
			prompt, answer int
		}{{"a", 0, 100, 4}, {"b", 5 * time.Millisecond, 200, 3}, {"c", 20 * time.Millisecond, 50, 2}} {
			clients.Go(func() {
				r.at(c.at)
				instants := tokens(t, r.stream(c.prompt, c.answer))
				mu.Lock()
				got[c.name] = instants
				mu.Unlock()
			})
		}
		clients.Wait()
		assert.Equal(t, map[string][]time.Duration{
			"a": {18_023_975, 43_324_125, 66_341_374, 72_099_708},
			"b": {43_324_126, 66_341_375, 72_099_709},
			"c": {66_341_376, 72_099_710},
		}, got)
	})
}

// A request that arrives at the very start of a pass joins the pass after it: whichever goroutine wakes first.
func TestArrivalAtTheStartOfAPassJoinsTheNext(t *testing.T) {
	t.Parallel()
	for range 20 {
		inBubble(t, nil, func(r *rig) {
			var clients sync.WaitGroup
			var second []time.Duration
			clients.Go(func() { r.stream(100, 3) })
			clients.Go(func() {
				r.at(18_023_974) // where the first pass ends and the second starts
				second = tokens(t, r.stream(1, 1))
			})
			clients.Wait()
			// The second pass decodes one context of 101, 5 745 202 ns. The third has
			// prefill(1) + decode(102/2^20), 22 261 857 ns, and brings two tokens.
			assert.Equal(t, []time.Duration{18_023_974 + 5_745_202 + 22_261_857 + 2}, second)
		})
	}
}

// With a speedup of 0 only the rule that keeps events apart takes time: a pass
// spans its tokens and one nanosecond more.
func TestVirtualPassesKeepTokensApart(t *testing.T) {
	t.Parallel()
	inBubble(t, func(o *mockserver.Options) { o.SpeedupRatio = 0 }, func(r *rig) {
		r.start = time.Now()
		assert.Equal(t, []time.Duration{3, 5, 7}, tokens(t, r.stream(100, 3)))
	})
}

// Without Options.Virtual all tokens of a pass are due at its end.
func TestRealTimeTokensAreDueAtTheEndOfThePass(t *testing.T) {
	t.Parallel()
	inBubble(t, func(o *mockserver.Options) { o.Virtual = false }, func(r *rig) {
		var clients sync.WaitGroup
		var a, b []time.Duration
		clients.Go(func() { a = tokens(t, r.stream(100, 2)) })
		clients.Go(func() { r.at(time.Millisecond); b = tokens(t, r.stream(200, 1)) })
		clients.Wait()
		assert.Equal(t, []time.Duration{18_023_974, 43_324_124}, a)
		assert.Equal(t, []time.Duration{43_324_124}, b)
	})
}

func TestVirtualRunsAreIdentical(t *testing.T) {
	t.Parallel()
	first := closedLoop(t, 1)
	for range 4 {
		require.Equal(t, first, closedLoop(t, 1))
	}
	requireApart(t, first)
	requireApart(t, closedLoop(t, 0))
}

func requireApart(t *testing.T, slots [][]time.Duration) {
	t.Helper()
	seen := make(map[time.Duration]bool)
	for k, slot := range slots {
		require.Len(t, slot, 5*(1+k%8))
		for _, instant := range slot {
			require.False(t, seen[instant], "two tokens at %v", instant)
			seen[instant] = true
		}
	}
}

// closedLoop returns the instants of all tokens of 40 slots with five requests
// each. A slot sends its next request at the last token of the one before.
func closedLoop(t *testing.T, speedup float64) [][]time.Duration {
	t.Helper()
	slots := make([][]time.Duration, 40)
	inBubble(t, func(o *mockserver.Options) { o.MaxNumSeqs, o.SpeedupRatio = 24, speedup }, func(r *rig) {
		var clients sync.WaitGroup
		for k := range slots {
			clients.Go(func() {
				r.at(time.Duration(k))
				for i := range 5 {
					slots[k] = append(slots[k], tokens(t, r.stream(10+7*k+i, 1+k%8))...)
				}
			})
		}
		clients.Wait()
	})
	return slots
}

// Blocks of 64 tokens: 200 tokens fill three of them, so the second turn, which
// begins with all 200, finds 192; the third, of 448, which the second had whole,
// finds 384 and not 448, since a token has to be computed.
func TestConversationFindsItsPrefix(t *testing.T) {
	t.Parallel()
	inBubble(t, nil, func(r *rig) {
		turn := func(stream bool, words ...string) int {
			var messages []map[string]string
			for _, w := range words {
				messages = append(messages, map[string]string{"role": "user", "content": w})
			}
			body, err := json.Marshal(map[string]any{
				"model": model, "messages": messages, "max_tokens": 3, "stream": stream,
				"stream_options": map[string]bool{"include_usage": true},
			})
			check(r.t, err)
			answer := r.open("/v1/chat/completions", string(body))
			if !stream {
				return *decode(r.t, readAll(r.t, answer)).Usage.Details.CachedTokens
			}
			all, err := r.events(answer)
			check(r.t, err)
			return *decode(r.t, all[len(all)-2].data).Usage.Details.CachedTokens
		}
		first, second := strings.Repeat("one ", 200), strings.Repeat("two ", 248)
		assert.Equal(t, 0, turn(true, first))
		assert.Equal(t, 192, turn(true, first, second))
		assert.Equal(t, 384, turn(false, first, second))
		assert.Equal(t, 0, turn(true, "other", first))
		start := r.now()
		instants := tokens(t, r.stream(1, 1))
		assert.Equal(t, 16_516_604*time.Nanosecond, instants[0]-start-1, "one token to compute")
	})
}

// A disaggregated deployment through the wire: prefill, 3.584 ms of transfer, and the
// first of the tokens that decode. Then a cached prefix of 1984 tokens, as the
// prefill worker found it.
func TestDisaggregatedServer(t *testing.T) {
	t.Parallel()
	inBubble(t, func(o *mockserver.Options) { o.NumPrefillWorkers, o.NumWorkers = 1, 2 }, func(r *rig) {
		r.start = time.Now()
		prompt := chatBody(2000, 2, true)
		prompt = strings.Replace(prompt, `"stream":true`, `"stream":true,"stream_options":{"include_usage":true}`, 1)
		ask := func() ([]time.Duration, int) {
			all, err := r.events(r.open("/v1/chat/completions", prompt))
			check(r.t, err)
			return tokens(t, all[:len(all)-2]), *decode(r.t, all[len(all)-2].data).Usage.Details.CachedTokens
		}
		instants, cached := ask()
		first := 48_552_296 + 3_584_000 + 5_842_922*time.Nanosecond
		assert.Equal(t, []time.Duration{first + 1, first + 5_842_974 + 1}, instants)
		assert.Zero(t, cached)
		_, cached = ask()
		assert.Equal(t, 1984, cached)
	})
}

// Two ranks compute two prompts at the same time, one rank one after the other.
func TestRanksWorkSideBySide(t *testing.T) {
	t.Parallel()
	for ranks, want := range map[int]time.Duration{1: 2 * 48_552_296, 2: 10 + 48_552_296} {
		inBubble(t, func(o *mockserver.Options) { o.DataParallelSize = ranks }, func(r *rig) {
			r.start = time.Now()
			var clients sync.WaitGroup
			clients.Go(func() { r.stream(2000, 1) })
			clients.Go(func() {
				r.at(10)
				assert.Equal(t, []time.Duration{want + 1}, tokens(t, r.stream(2000, 1)), "%d ranks", ranks)
			})
			clients.Wait()
		})
	}
}

// A plain server gives the figures that it was told, for each of many.
func TestPlainServer(t *testing.T) {
	t.Parallel()
	inBubble(t, func(o *mockserver.Options) {
		o.Plain = &engine.Plain{TTFT: 20 * time.Millisecond, ITL: 5 * time.Millisecond}
	}, func(r *rig) {
		r.start = time.Now()
		var clients sync.WaitGroup
		for k := range 20 {
			clients.Go(func() {
				r.at(time.Duration(k) * 333 * time.Microsecond)
				sent := r.now()
				for i, at := range tokens(t, r.stream(10, 10)) {
					want := 20*time.Millisecond + time.Duration(i)*5*time.Millisecond
					assert.InDelta(t, float64(want), float64(at-sent), 50, "token %d of request %d", i, k)
				}
			})
		}
		clients.Wait()
	})
}
