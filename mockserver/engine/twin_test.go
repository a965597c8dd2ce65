package engine

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// twin is the engine once more, written from the rules of the package comment in
// the most literal way: token by token, in exact fractions, with one list of all
// requests ever submitted.
type twin struct {
	config   Config
	requests []*twinRequest // in order of arrival
	admitted []*twinRequest // in order of admission
}

type twinRequest struct {
	Request
	computed, generated int
	running, gone       bool
}

func (w *twin) submit(r Request) {
	w.requests = append(w.requests, &twinRequest{Request: r})
}

func (w *twin) cancel(id uint64) bool {
	for _, r := range w.requests {
		if r.ID == id && !r.gone {
			r.gone = true
			return true
		}
	}
	return false
}

// step leaves the end of the pass out; that is for time.
func (w *twin) step(now time.Duration) (Pass, bool) {
	pass := Pass{Start: now}
	work := 0
	for _, r := range w.admitted {
		if r.gone {
			continue
		}
		decoding := r.computed >= r.PromptTokens
		took := w.compute(r, &work, &pass)
		if decoding && took {
			pass.Decoding++
			pass.ContextTokens += r.PromptTokens + r.generated
		}
	}
	for _, r := range w.requests {
		if !r.gone && !r.running && w.places() > 0 && work < w.config.MaxNumBatchedTokens {
			r.running = true
			w.admitted = append(w.admitted, r)
			w.compute(r, &work, &pass)
		}
	}
	if work == 0 {
		return Pass{}, false
	}
	for _, r := range w.admitted {
		if !r.gone && r.computed == r.PromptTokens+r.generated {
			r.gone = r.generated+1 == r.MaxTokens
			pass.Tokens = append(pass.Tokens, Token{ID: r.ID, Index: r.generated, Last: r.gone})
			r.generated++
		}
	}
	return pass, true
}

// compute takes tokens one at a time and says whether there was any.
func (w *twin) compute(r *twinRequest, work *int, pass *Pass) bool {
	took := false
	for r.computed < r.PromptTokens+r.generated && *work < w.config.MaxNumBatchedTokens {
		if r.computed < r.PromptTokens {
			pass.PromptTokens++
		}
		r.computed++
		*work++
		took = true
	}
	return took
}

func (w *twin) places() int {
	n := w.config.MaxNumSeqs
	for _, r := range w.requests {
		if r.running && !r.gone {
			n--
		}
	}
	return n
}

// time is the pass's, in nanoseconds, not rounded.
func (w *twin) time(pass Pass) *big.Rat {
	if w.config.SpeedupRatio == 0 {
		return new(big.Rat)
	}
	ms := new(big.Rat)
	if pass.PromptTokens > 0 {
		n := big.NewRat(int64(pass.PromptTokens), 1)
		ms = sum(product(fraction("4.209989e-07"), n, n), product(fraction("1.518344e-02"), n), fraction("16.50142"))
	}
	if pass.Decoding > 0 && w.config.DecodeSpeedupRatio != 0 {
		u := big.NewRat(int64(pass.ContextTokens), int64(w.config.NumGPUBlocks*w.config.BlockSize))
		if u.Cmp(big.NewRat(1, 1)) > 0 {
			u = big.NewRat(1, 1)
		}
		decode := sum(product(fraction("-25.74"), u, u), product(fraction("54.01"), u), fraction("5.74"))
		ms = sum(ms, decode.Quo(decode, new(big.Rat).SetFloat64(w.config.DecodeSpeedupRatio)))
	}
	ns := product(ms, big.NewRat(1e6, 1))
	return ns.Quo(ns, new(big.Rat).SetFloat64(w.config.SpeedupRatio))
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

// TestTwin runs random workloads on both and wants the same passes, token by
// token and nanosecond by nanosecond. Without cancellations it also counts: every
// token that was asked for is emitted, once and in order.
func TestTwin(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			runTwins(t, rand.New(rand.NewPCG(seed, 7)), seed%2 == 0)
		})
	}
}

func runTwins(t *testing.T, r *rand.Rand, cancels bool) {
	t.Helper()
	config := randomConfig(r)
	e, err := New(config)
	require.NoError(t, err)
	w := &twin{config: config}
	const requests = 40
	asked, emitted := 0, make(map[uint64]int)
	now, submitted := time.Duration(0), uint64(0)
	for {
		for submitted < requests && r.IntN(3) > 0 {
			q := Request{ID: submitted, PromptTokens: 1 + r.IntN(60), MaxTokens: 1 + r.IntN(20)}
			require.NoError(t, e.Submit(q))
			w.submit(q)
			asked += q.MaxTokens
			submitted++
		}
		if cancels && r.IntN(4) == 0 {
			id := r.Uint64N(requests)
			require.Equal(t, w.cancel(id), e.Cancel(id), "Cancel(%d)", id)
		}
		want, wantBusy := w.step(now)
		got, busy := e.Step(now)
		require.Equal(t, wantBusy, busy)
		require.Equal(t, want.Tokens, append([]Token(nil), got.Tokens...))
		requireRounded(t, w.time(want), got.End-got.Start)
		now = max(now, got.End)
		got.Tokens, want.Tokens, got.End = nil, nil, 0
		if busy {
			require.Equal(t, want, got)
		}
		for _, token := range e.tokens {
			if busy {
				require.Equal(t, emitted[token.ID], token.Index)
				emitted[token.ID]++
			}
		}
		if !busy && submitted == requests {
			break
		}
	}
	total := 0
	for _, n := range emitted {
		total += n
	}
	if !cancels {
		require.Equal(t, asked, total)
	}
	require.LessOrEqual(t, total, asked)
}

func randomConfig(r *rand.Rand) Config {
	ratios := []float64{1, 1, 1, 2.5, 0.1, 0}
	return Config{
		MaxNumSeqs:          1 + r.IntN(8),
		MaxNumBatchedTokens: 1 + r.IntN(100),
		NumGPUBlocks:        1 + r.IntN(40),
		BlockSize:           1 + r.IntN(16),
		SpeedupRatio:        ratios[r.IntN(len(ratios))],
		DecodeSpeedupRatio:  ratios[r.IntN(len(ratios))],
	}
}
