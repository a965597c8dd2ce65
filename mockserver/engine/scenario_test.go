package engine

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the passes into the scenario files; review the diff")

// A scenario file has a line with the engine's options that differ from the
// defaults, one line for each arrival and cancellation, in order of time, and,
// below a line of dashes, the passes that follow:
//
//	engine max-num-seqs=2 max-num-batched-tokens=8
//	0s submit a prompt=5 max=2
//	20ms cancel a
//
// A pass starts at the end of the one before, or at the next event when there is
// nothing to do, and sees the events up to its start. Each of its tokens is
// shown as request and index, the last of an answer with a full stop. Lines
// that begin with # say what to look at.
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

func play(t *testing.T, input string) string {
	t.Helper()
	config, scenes := parseScenario(t, input)
	e, err := New(config)
	require.NoError(t, err)
	var out strings.Builder
	fmt.Fprintf(&out, "%12s %12s %7s %8s %8s  %s\n", "start", "end", "prompt", "decoding", "context", "tokens")
	for now := time.Duration(0); ; {
		for len(scenes) > 0 && scenes[0].at <= now {
			happen(t, e, scenes[0].request)
			scenes = scenes[1:]
		}
		pass, busy := e.Step(now)
		switch {
		case busy:
			line := fmt.Sprintf("%12s %12s %7d %8d %8d  %s", millis(pass.Start), millis(pass.End),
				pass.PromptTokens, pass.Decoding, pass.ContextTokens, names(pass.Tokens))
			fmt.Fprintln(&out, strings.TrimRight(line, " "))
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
			fs := flag.NewFlagSet("engine", flag.ContinueOnError)
			fs.IntVar(&config.MaxNumSeqs, "max-num-seqs", config.MaxNumSeqs, "")
			fs.IntVar(&config.MaxNumBatchedTokens, "max-num-batched-tokens", config.MaxNumBatchedTokens, "")
			fs.IntVar(&config.NumGPUBlocks, "num-gpu-blocks-override", config.NumGPUBlocks, "")
			fs.IntVar(&config.BlockSize, "block-size", config.BlockSize, "")
			fs.Float64Var(&config.SpeedupRatio, "speedup-ratio", config.SpeedupRatio, "")
			fs.Float64Var(&config.DecodeSpeedupRatio, "decode-speedup-ratio", config.DecodeSpeedupRatio, "")
			for _, option := range words[1:] {
				require.NoError(t, fs.Parse([]string{"-" + option}), line)
			}
		default:
			require.GreaterOrEqual(t, len(words), 3, line)
			at, err := time.ParseDuration(words[0])
			require.NoError(t, err, line)
			s := scene{at: at, request: Request{ID: uint64(words[2][0])}}
			if words[1] == "submit" {
				_, err := fmt.Sscanf(strings.Join(words[3:], " "), "prompt=%d max=%d",
					&s.request.PromptTokens, &s.request.MaxTokens)
				require.NoError(t, err, line)
			} else {
				require.Equal(t, "cancel", words[1], line)
			}
			scenes = append(scenes, s)
		}
	}
	return config, scenes
}

func happen(t *testing.T, e *Engine, r Request) {
	t.Helper()
	if r.PromptTokens == 0 {
		require.True(t, e.Cancel(r.ID), "cancel %c", rune(r.ID))
		return
	}
	require.NoError(t, e.Submit(r))
}

func millis(d time.Duration) string {
	return fmt.Sprintf("%.6f", float64(d)/1e6)
}

func names(tokens []Token) string {
	var out []string
	for _, k := range tokens {
		name := fmt.Sprintf("%c%d", rune(k.ID), k.Index)
		if k.Last {
			name += "."
		}
		out = append(out, name)
	}
	return strings.Join(out, " ")
}
