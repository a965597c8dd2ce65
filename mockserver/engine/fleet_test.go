package engine

import (
	"bufio"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Scenarios of a fleet have a line with its options more, and a column for the
// rank of the engine. Passes are listed in order of their ends.
func TestFleetScenarios(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/fleet/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			content, err := os.ReadFile(file)
			require.NoError(t, err)
			input, _, _ := strings.Cut(string(content), "---\n")
			got := input + "---\n" + playFleet(t, input)
			if *update {
				require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
			}
			assert.Equal(t, string(content), got)
		})
	}
}

func playFleet(t *testing.T, input string) string {
	t.Helper()
	config := DefaultFleetConfig()
	var rest []string
	for lines := bufio.NewScanner(strings.NewReader(input)); lines.Scan(); {
		words := strings.Fields(lines.Text())
		switch words[0] {
		case "fleet":
			parseFleet(t, &config, words[1:])
		case "plain":
			config.Plain = parsePlain(t, words[1:])
		default:
			rest = append(rest, lines.Text())
		}
	}
	engine, scenes := parseScenario(t, strings.Join(rest, "\n"))
	config.Engine = engine
	f, err := NewFleet(config)
	require.NoError(t, err)
	var out strings.Builder
	fmt.Fprintf(&out, "%4s "+columns, "rank", "start", "end", "prompt", "before", "decoding", "context", "active", "cached", "what")
	runFleet(t, f, scenes, func(p Pass) {
		s := f.Stats()[p.Rank]
		line := fmt.Sprintf("%4d "+columns, p.Rank, millis(p.Start), millis(p.End), p.PromptTokens, p.PrefixTokens,
			p.Decoding, p.ContextTokens, s.ActiveBlocks, s.CachedBlocks, happened(p))
		fmt.Fprintln(&out, strings.TrimRight(line, " \n"))
	})
	return out.String()
}

// runFleet lets scenes and what follows from them happen, one after the other.
func runFleet(t *testing.T, f *Fleet, scenes []scene, each func(Pass)) {
	t.Helper()
	now := time.Duration(0)
	for steps := 0; ; steps++ {
		require.Less(t, steps, 1_000_000, "no progress")
		at, busy := f.Next()
		if len(scenes) > 0 && (!busy || scenes[0].at < at) {
			s := scenes[0]
			scenes = scenes[1:]
			if s.request.PromptTokens == 0 {
				require.True(t, f.Cancel(s.at, s.request.ID), "cancel %c", rune(s.request.ID))
			} else {
				require.NoError(t, f.Submit(s.at, s.request))
			}
			continue
		}
		if !busy {
			return
		}
		require.GreaterOrEqual(t, at, now, "time goes on")
		now = at
		if pass, ended := f.Step(now); ended {
			each(pass)
		}
	}
}

func parseFleet(t *testing.T, c *FleetConfig, options []string) {
	t.Helper()
	fs := flag.NewFlagSet("fleet", flag.ContinueOnError)
	fs.IntVar(&c.Engines, "engines", c.Engines, "")
	fs.IntVar(&c.PrefillEngines, "prefill", 0, "")
	fs.Float64Var(&c.Transfer.Bandwidth, "kv-transfer-bandwidth", c.Transfer.Bandwidth, "")
	fs.StringVar((*string)(&c.Transfer.Timing), "kv-transfer-timing-mode", string(c.Transfer.Timing), "")
	fs.BoolVar(&c.Apart, "apart", false, "")
	for _, option := range options {
		require.NoError(t, fs.Parse([]string{"-" + option}), option)
	}
}

func parsePlain(t *testing.T, options []string) *Plain {
	t.Helper()
	var p Plain
	fs := flag.NewFlagSet("plain", flag.ContinueOnError)
	fs.DurationVar(&p.TTFT, "ttft", 0, "")
	fs.DurationVar(&p.ITL, "itl", 0, "")
	fs.DurationVar(&p.TTFTPerInputToken, "ttft-per-input-token", 0, "")
	fs.DurationVar(&p.TTFTPerRequest, "ttft-per-request", 0, "")
	fs.DurationVar(&p.ITLPerRequest, "itl-per-request", 0, "")
	for _, option := range options {
		require.NoError(t, fs.Parse([]string{"-" + option}), option)
	}
	return &p
}

// moment is a chunk with its instant.
type moment struct {
	at time.Duration
	Chunk
}

// record runs a fleet and sorts the moments by request.
func recordFleet(t *testing.T, c FleetConfig, scenes []scene) map[uint64][]moment {
	t.Helper()
	f, err := NewFleet(c)
	require.NoError(t, err)
	all := map[uint64][]moment{}
	runFleet(t, f, scenes, func(p Pass) {
		for _, chunk := range p.Chunks {
			all[chunk.ID] = append(all[chunk.ID], moment{p.End, chunk})
		}
	})
	return all
}

// arrivals are requests at distinct instants.
func arrivals(seed uint64, n int, gap time.Duration) []scene {
	r := rand.New(rand.NewPCG(seed, 0))
	var scenes []scene
	at := time.Duration(0)
	for id := range uint64(n) {
		words := randomPrompt(r, id)
		scenes = append(scenes, scene{at, Request{
			ID: id, PromptTokens: len(words), MaxTokens: 1 + r.IntN(20), Blocks: hashed(words, 8),
		}})
		at += 1 + time.Duration(r.Int64N(int64(gap)))
	}
	return scenes
}

func smallFleet() FleetConfig {
	c := DefaultFleetConfig()
	c.Engine.BlockSize, c.Engine.NumGPUBlocks, c.Engine.MaxNumSeqs = 8, 30, 4
	return c
}

// Each of three engines does what it would do alone with the requests that it gets.
func TestEnginesOfAFleetAreIndependent(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		scenes := arrivals(seed, 60, 20*time.Millisecond)
		c := smallFleet()
		c.Engines = 3
		together := recordFleet(t, c, scenes)
		c.Engines = 1
		for rank := range 3 {
			var mine []scene
			for k := rank; k < len(scenes); k += 3 {
				mine = append(mine, scenes[k])
			}
			for id, moments := range recordFleet(t, c, mine) {
				require.Equal(t, moments, together[id], "seed %d, request %d", seed, id)
			}
		}
	}
}

// A disaggregated deployment is two engines in a row: what arrives at the second is
// what the first has finished, later by the time of a transfer.
func TestDisaggregationIsTwoEnginesInARow(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		scenes := arrivals(seed, 60, 20*time.Millisecond)
		c := smallFleet()
		c.PrefillEngines = 1
		c.Engine.NumGPUBlocks = 500 // so that no prompt waits for the end of a transfer
		c.Transfer.Bandwidth = 0.5
		got := recordFleet(t, c, scenes)

		e := c.Engine
		e.Role = Prefill
		first, err := New(e)
		require.NoError(t, err)
		e.Role = Decode
		second, err := New(e)
		require.NoError(t, err)
		var handed []scene
		lengths := map[uint64]Request{}
		for _, s := range scenes {
			lengths[s.request.ID] = s.request
		}
		cached := map[uint64]int{}
		for _, m := range inARow(t, first, scenes) {
			cached[m.ID] = m.CachedTokens
			at := m.at + c.Transfer.delay(lengths[m.ID].PromptTokens, 1)
			handed = append(handed, scene{at, lengths[m.ID]})
		}
		slices.SortStableFunc(handed, func(a, b scene) int { return int(a.at - b.at) })
		want := map[uint64][]time.Duration{}
		for _, m := range inARow(t, second, handed) {
			want[m.ID] = append(want[m.ID], m.at)
		}
		require.Len(t, got, 60)
		for id, moments := range got {
			require.Len(t, want[id], lengths[id].MaxTokens)
			for k, m := range moments {
				require.Equal(t, cached[id], m.CachedTokens, "what the first engine found")
				require.Equal(t, want[id][k], m.at, "seed %d, request %d, token %d", seed, id, k)
			}
		}
	}
}

// inARow drives one engine by hand: passes follow one another, and an event joins
// the first one that begins later, or at once if the engine is idle.
func inARow(t *testing.T, e *Engine, scenes []scene) (all []moment) {
	t.Helper()
	for now := time.Duration(0); ; {
		for len(scenes) > 0 && scenes[0].at < now {
			require.NoError(t, e.Submit(scenes[0].request))
			scenes = scenes[1:]
		}
		pass, busy := e.Step(now)
		for _, c := range pass.Chunks {
			all = append(all, moment{pass.End, c})
			e.Release(c.ID)
		}
		switch {
		case busy:
			now = pass.End
		case len(scenes) == 0:
			return all
		default:
			now = max(now, scenes[0].at)
			require.NoError(t, e.Submit(scenes[0].request))
			scenes = scenes[1:]
		}
	}
}

// Nothing is left behind: not when requests end, not when they are canceled at any
// point of their way.
func TestFleetForgetsWhatIsGone(t *testing.T) {
	t.Parallel()
	for seed := range uint64(40) {
		scenes := arrivals(seed, 60, 10*time.Millisecond)
		r := rand.New(rand.NewPCG(seed, 1))
		c := smallFleet()
		c.Engines, c.PrefillEngines = 2, 1
		c.Transfer.Bandwidth = 0.05
		c.Transfer.Timing = DestinationMissing
		f, err := NewFleet(c)
		require.NoError(t, err)
		ended := map[uint64]bool{}
		for k := 0; ; k++ {
			at, busy := f.Next()
			if len(scenes) > 0 && (!busy || scenes[0].at < at) {
				require.NoError(t, f.Submit(scenes[0].at, scenes[0].request))
				scenes = scenes[1:]
				continue
			}
			if !busy {
				break
			}
			if id := r.Uint64N(60); k%5 == 0 && f.flights[id] != nil {
				require.True(t, f.Cancel(at, id))
				require.False(t, f.Cancel(at, id))
				ended[id] = true
			}
			pass, _ := f.Step(at)
			for _, chunk := range pass.Chunks {
				ended[chunk.ID] = ended[chunk.ID] || chunk.Last
			}
		}
		assert.Len(t, ended, 60, "seed %d", seed)
		assert.Empty(t, f.flights)
		assert.Empty(t, f.transfers)
		for rank, s := range f.Stats() {
			assert.Zero(t, s.Running+s.Waiting+s.ActiveBlocks, "seed %d, rank %d", seed, rank)
		}
	}
}

// The time of a pass changes by nanoseconds at most, and no two chunks share one.
func TestApartFleetsShareNoInstant(t *testing.T) {
	t.Parallel()
	for seed := range uint64(40) {
		c := smallFleet()
		c.Apart = true
		c.Engines = 1 + int(seed%3)
		c.PrefillEngines = int(seed % 2)
		c.Engine.SpeedupRatio = []float64{0, 1, 1e6}[seed%3]
		f, err := NewFleet(c)
		require.NoError(t, err)
		seen := map[time.Duration]bool{}
		runFleet(t, f, arrivals(seed, 60, 50*time.Nanosecond), func(p Pass) {
			require.GreaterOrEqual(t, p.End-p.Start, time.Duration(len(p.Chunks)), "seed %d", seed)
			require.False(t, seen[p.End], "seed %d: a pass ends at %v, as does another or a chunk", seed, p.End)
			seen[p.End] = true
			for k := range p.Chunks {
				at := p.End + time.Duration(k+1)
				require.False(t, seen[at], "seed %d: two chunks at %v", seed, at)
				seen[at] = true
			}
		})
	}
}

func TestFleetRefuses(t *testing.T) {
	t.Parallel()
	c := FleetConfig{Engine: DefaultConfig(), PrefillEngines: -1, Transfer: Transfer{BytesPerToken: -1, Bandwidth: -2}}
	require.EqualError(t, c.Validate(), `num-workers times data-parallel-size "0": must be at least 1
kv-bytes-per-token "-1": must be a finite number, at least 0
kv-transfer-bandwidth "-2": must be a finite number, at least 0 (0 means no waiting)
kv-transfer-timing-mode "": must be one of ["full_prompt" "destination_missing"]
prefill workers "-1": must be at least 0`)
	_, err := NewFleet(c)
	require.Error(t, err)
	c = DefaultFleetConfig()
	c.PrefillEngines, c.Plain = 1, &Plain{TTFT: -1, ITL: 25 * time.Hour}
	require.EqualError(t, c.Validate(), `ttft "-1ns": must be from 0 to 24h
itl "25h0m0s": must be from 0 to 24h
a plain server has no prefill workers: leave one of both out`)

	f, err := NewFleet(DefaultFleetConfig())
	require.NoError(t, err)
	var limit *LimitError
	require.ErrorAs(t, f.Submit(0, Request{ID: 1, PromptTokens: 1 << 20, MaxTokens: 1}), &limit)
	require.Equal(t, 16385, limit.Need)
	require.ErrorAs(t, f.Submit(0, Request{ID: 1, PromptTokens: 2, MaxTokens: math.MaxInt}), &limit, "the sum must not overflow")
	require.Error(t, f.Submit(0, Request{ID: 1, PromptTokens: 0, MaxTokens: 1}))
	require.NoError(t, f.Submit(0, Request{ID: 1, PromptTokens: 1, MaxTokens: 1}))
	require.EqualError(t, f.Submit(0, Request{ID: 1, PromptTokens: 1, MaxTokens: 1}),
		"submitting request 1: the ID is in use: wait for its last token or cancel it")
	assert.False(t, f.Cancel(0, 7))
}

// Published figures: Qwen3-0.6B with bf16.
func TestTransferTimes(t *testing.T) {
	t.Parallel()
	assert.Equal(t, 114688.0, KVBytesPerToken(28, 8, 128, 2))
	transfer := DefaultTransfer()
	assert.Equal(t, 3_584*time.Microsecond, transfer.delay(2000, 1))
	assert.Equal(t, 358_400*time.Nanosecond, transfer.delay(2000, 10))
	transfer.Bandwidth = 450
	assert.InDelta(t, 509_700, float64(transfer.delay(2000, 1)), 50)
	transfer.Bandwidth = 0
	assert.Zero(t, transfer.delay(2000, 1))
}

// The rule and its published example.
func TestReasoningTokens(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		answer int
		ratio  float64
		want   int
	}{{256, 0.3, 76}, {1, 1, 0}, {2, 0.4, 0}, {2, 0.5, 2}, {10, 0.1, 2}, {10, 1, 10}, {10, 0, 0}} {
		assert.Equal(t, c.want, ReasoningTokens(c.answer, c.ratio), "%+v", c)
	}
}

// A plain server tells the same truth at any load, to the nanosecond, unless figures
// say that load matters: 500 requests at once, an own clock for each.
func TestPlainServerIsExact(t *testing.T) {
	t.Parallel()
	c := DefaultFleetConfig()
	c.Engine.MaxNumSeqs = 1000
	c.Plain = &Plain{TTFT: 7 * time.Millisecond, ITL: 3 * time.Millisecond, TTFTPerInputToken: time.Microsecond}
	scenes := arrivals(1, 500, time.Millisecond)
	got := recordFleet(t, c, scenes)
	for _, s := range scenes {
		require.Len(t, got[s.request.ID], s.request.MaxTokens)
		for k, m := range got[s.request.ID] {
			want := s.at + 7*time.Millisecond + time.Duration(s.request.PromptTokens)*time.Microsecond + time.Duration(k)*3*time.Millisecond
			require.Equal(t, want, m.at)
			require.Equal(t, k, m.Index)
		}
	}
	c.Engine.SpeedupRatio, c.Engine.DecodeSpeedupRatio = 2, 3
	first := scenes[0].request
	got = recordFleet(t, c, scenes[:1])
	require.Equal(t, (7*time.Millisecond+time.Duration(first.PromptTokens)*time.Microsecond)/2, got[first.ID][0].at)
	require.Equal(t, 500*time.Microsecond, got[first.ID][1].at-got[first.ID][0].at)
}

// An event of the very instant at which a pass starts waits for the next one, even if
// it has been received in time; one of a nanosecond earlier does not.
func TestEventAtTheStartOfAPassWaits(t *testing.T) {
	t.Parallel()
	const start = 18_023_974 * time.Nanosecond // where the first pass ends
	for at, want := range map[time.Duration]time.Duration{
		start:     start + 5_745_202 + 22_261_857,
		start - 1: start + 22_261_806,
	} {
		f, err := NewFleet(DefaultFleetConfig())
		require.NoError(t, err)
		require.NoError(t, f.Submit(0, Request{ID: 1, PromptTokens: 100, MaxTokens: 3}))
		require.NoError(t, f.Submit(at, Request{ID: 2, PromptTokens: 1, MaxTokens: 1}))
		runFleet(t, f, nil, func(p Pass) {
			for _, c := range p.Chunks {
				if c.ID == 2 {
					assert.Equal(t, want, p.End, "arrival at %v", at)
				}
			}
		})
	}
}

// Two ranks with equal requests draw different noise and accept different guesses, but
// have the factor of the run in common.
func TestRanksDrawForThemselves(t *testing.T) {
	t.Parallel()
	instants := func(change func(*Config)) (first, second []time.Duration) {
		c := DefaultFleetConfig()
		c.Engines = 2
		change(&c.Engine)
		got := recordFleet(t, c, []scene{
			{0, Request{ID: 1, PromptTokens: 100, MaxTokens: 30}}, {0, Request{ID: 2, PromptTokens: 100, MaxTokens: 30}},
		})
		for id, moments := range got {
			for _, m := range moments {
				if id == 1 {
					first = append(first, m.at)
				} else {
					second = append(second, m.at)
				}
			}
		}
		return first, second
	}
	first, second := instants(func(c *Config) { c.Noise = Noise{Run: 0.5, Seed: 3} })
	assert.Equal(t, first, second)
	assert.NotEqual(t, 18_023_974*time.Nanosecond, first[0])
	first, second = instants(func(c *Config) { c.Noise = Noise{Pass: 0.5, Seed: 3} })
	assert.NotEqual(t, first, second)
	first, second = instants(func(c *Config) { c.Speculation.Drafts = 3 })
	assert.NotEqual(t, first, second)
}
