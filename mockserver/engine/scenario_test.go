package engine

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the passes into the scenario files; review the diff")

// A scenario file has a line with the engine's options that differ from the
// defaults of its type, one line for each arrival and cancellation, in order of
// time, and, below a line of dashes, what follows:
//
//	engine engine-type=vllm max-num-seqs=2 max-num-batched-tokens=8
//	0s submit a prompt=5 max=2
//	0s submit b prompt=system*64+user*10 max=2
//	20ms cancel a
//
// A prompt is a number of tokens that nobody else has, or is made of named pieces:
// two pieces of the same name have the same tokens, as far as both go.
//
// A pass starts at the end of the one before, or at the next event when there is
// nothing to do, and sees the events up to its start. Its columns are the prompt tokens
// that it computes and those before them, the number of decoding requests and the
// sum of their contexts, and the blocks that are active and cached when it is over.
// Then comes what happened: -x was preempted, +x was admitted, with the tokens
// found in the cache in parentheses; x0 is token 0 of x, the last of an answer with a
// full stop, and x3-5 are three tokens at once. Lines that begin with # say what to
// look at.
func TestScenarios(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			content, err := os.ReadFile(file)
			require.NoError(t, err)
			input, _, _ := strings.Cut(string(content), "---\n")
			got := input + "---\n" + play(t, input)
			if *update {
				require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
			}
			assert.Equal(t, string(content), got)
		})
	}
}

// scene is one line of a scenario that happens at an instant.
type scene struct {
	at      time.Duration
	request Request // without a prompt: cancel it
}

const columns = "%12s %12s %7v %7v %8v %8v %7v %7v  %s\n"

func play(t *testing.T, input string) string {
	t.Helper()
	config, scenes := parseScenario(t, input)
	e, err := New(config)
	require.NoError(t, err)
	var out strings.Builder
	fmt.Fprintf(&out, columns, "start", "end", "prompt", "before", "decoding", "context", "active", "cached", "what")
	for now := time.Duration(0); ; {
		for len(scenes) > 0 && scenes[0].at <= now {
			happen(t, e, scenes[0].request, &out)
			scenes = scenes[1:]
		}
		pass, busy := e.Step(now)
		switch {
		case busy:
			s := e.Stats()
			line := fmt.Sprintf(columns, millis(pass.Start), millis(pass.End), pass.PromptTokens, pass.PrefixTokens,
				pass.Decoding, pass.ContextTokens, s.ActiveBlocks, s.CachedBlocks, happened(pass))
			fmt.Fprintln(&out, strings.TrimRight(line, " \n"))
			now = pass.End
		case len(scenes) == 0:
			return out.String()
		default:
			now = scenes[0].at
		}
	}
}

func parseScenario(t *testing.T, input string) (Config, []scene) {
	t.Helper()
	config := DefaultConfig()
	var scenes []scene
	for lines := bufio.NewScanner(strings.NewReader(input)); lines.Scan(); {
		line := lines.Text()
		words := strings.Fields(line)
		switch {
		case line == "" || line[0] == '#':
		case words[0] == "engine":
			config = parseOptions(t, words[1:])
		default:
			require.GreaterOrEqual(t, len(words), 3, line)
			at, err := time.ParseDuration(words[0])
			require.NoError(t, err, line)
			s := scene{at: at, request: Request{ID: uint64(words[2][0])}}
			if words[1] == "submit" {
				require.Len(t, words, 5, line)
				s.request = parseRequest(t, s.request, config.BlockSize, words[3:])
			} else {
				require.Equal(t, "cancel", words[1], line)
			}
			scenes = append(scenes, s)
		}
	}
	return config, scenes
}

// parseOptions reads the names that the mock server's command line has. The type
// comes first, if at all: the other defaults depend on it.
func parseOptions(t *testing.T, options []string) Config {
	t.Helper()
	config := DefaultConfig()
	if kind, found := strings.CutPrefix(options[0], "engine-type="); found {
		config = DefaultConfigOf(Type(kind))
		options = options[1:]
	}
	fs := flag.NewFlagSet("engine", flag.ContinueOnError)
	fs.IntVar(&config.MaxNumSeqs, "max-num-seqs", config.MaxNumSeqs, "")
	fs.IntVar(&config.MaxNumBatchedTokens, "max-num-batched-tokens", config.MaxNumBatchedTokens, "")
	fs.IntVar(&config.NumGPUBlocks, "num-gpu-blocks-override", config.NumGPUBlocks, "")
	fs.IntVar(&config.BlockSize, "block-size", config.BlockSize, "")
	fs.IntVar(&config.MaxModelLen, "max-model-len", config.MaxModelLen, "")
	fs.BoolVar(&config.PrefixCaching, "enable-prefix-caching", config.PrefixCaching, "")
	fs.BoolVar(&config.ChunkedPrefill, "enable-chunked-prefill", config.ChunkedPrefill, "")
	fs.StringVar((*string)(&config.Preemption), "preemption-mode", string(config.Preemption), "")
	fs.StringVar((*string)(&config.Role), "disaggregation-mode", string(config.Role), "")
	fs.StringVar((*string)(&config.SGLang.SchedulePolicy), "sglang-schedule-policy", string(config.SGLang.SchedulePolicy), "")
	fs.IntVar(&config.SGLang.MaxPrefillTokens, "sglang-max-prefill-tokens", config.SGLang.MaxPrefillTokens, "")
	fs.IntVar(&config.SGLang.ChunkedPrefillSize, "sglang-chunked-prefill-size", config.SGLang.ChunkedPrefillSize, "")
	fs.Float64Var(&config.SGLang.ScheduleConservativeness, "sglang-schedule-conservativeness", config.SGLang.ScheduleConservativeness, "")
	fs.Float64Var(&config.SpeedupRatio, "speedup-ratio", config.SpeedupRatio, "")
	fs.Float64Var(&config.DecodeSpeedupRatio, "decode-speedup-ratio", config.DecodeSpeedupRatio, "")
	fs.IntVar(&config.Speculation.Drafts, "aic-nextn", config.Speculation.Drafts, "")
	for _, option := range options {
		require.NoError(t, fs.Parse([]string{"-" + option}), option)
	}
	return config
}

func parseRequest(t *testing.T, r Request, blockSize int, words []string) Request {
	t.Helper()
	prompt, found := strings.CutPrefix(words[0], "prompt=")
	require.True(t, found, words)
	_, err := fmt.Sscanf(words[1], "max=%d", &r.MaxTokens)
	require.NoError(t, err, words)
	if n, err := strconv.Atoi(prompt); err == nil {
		r.PromptTokens = n
		return r
	}
	var tokens []string
	for piece := range strings.SplitSeq(prompt, "+") {
		name, times, found := strings.Cut(piece, "*")
		require.True(t, found, piece)
		n, err := strconv.Atoi(times)
		require.NoError(t, err, piece)
		for k := range n {
			tokens = append(tokens, fmt.Sprint(name, k))
		}
	}
	r.PromptTokens, r.Blocks = len(tokens), hashed(tokens, blockSize)
	return r
}

func happen(t *testing.T, e *Engine, r Request, out *strings.Builder) {
	t.Helper()
	if r.PromptTokens == 0 {
		require.True(t, e.Cancel(r.ID), "cancel %c", rune(r.ID))
		return
	}
	if err := e.Submit(r); err != nil {
		fmt.Fprintf(out, "%c is refused: %v\n", rune(r.ID), errors.Unwrap(err))
	}
}

func millis(d time.Duration) string {
	return fmt.Sprintf("%.6f", float64(d)/1e6)
}

func happened(p Pass) string {
	var out []string
	for _, id := range p.Preempted {
		out = append(out, fmt.Sprintf("-%c", rune(id)))
	}
	for _, a := range p.Admitted {
		admission := fmt.Sprintf("+%c", rune(a.ID))
		if a.CachedTokens > 0 {
			admission += fmt.Sprintf("(%d)", a.CachedTokens)
		}
		out = append(out, admission)
	}
	for _, c := range p.Chunks {
		name := fmt.Sprintf("%c%d", rune(c.ID), c.Index)
		if c.Count > 1 {
			name += fmt.Sprintf("-%d", c.Index+c.Count-1)
		}
		if c.Last {
			name += "."
		}
		out = append(out, name)
	}
	return strings.Join(out, " ")
}
