package engine

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// Type is the kind of engine that is simulated.
type Type string

// The types of engine.
const (
	VLLM   Type = "vllm"
	SGLang Type = "sglang"
	TRTLLM Type = "trtllm"
)

// Preemption says which running request gives way when a block is lacking.
type Preemption string

// The preemption modes.
const (
	LIFO Preemption = "lifo" // the one admitted last
	FIFO Preemption = "fifo" // the one admitted first
)

// Role is the part that an engine plays in a deployment.
type Role string

// The roles.
const (
	// Aggregated engines do it all.
	Aggregated Role = "agg"
	// Prefill engines compute prompts. Their answers are one token long, and the
	// blocks of a finished request stay until [Engine.Release].
	Prefill Role = "prefill"
	// Decode engines get prompts computed by somebody else: an admitted request
	// takes its blocks and decodes its first token in the same pass.
	Decode Role = "decode"
)

// Policy is the order in which SGLang considers waiting requests.
type Policy string

// The schedule policies of SGLang.
const (
	FirstComeFirstServed Policy = "fifo"
	LongestPrefixMatch   Policy = "lpm"
)

// SGLangConfig is what only engines of type SGLang have.
type SGLangConfig struct {
	// SchedulePolicy is the order of waiting requests.
	SchedulePolicy Policy
	// MaxPrefillTokens is how many prompt tokens a pass may compute, unless its
	// first request alone has more; at least 1.
	MaxPrefillTokens int
	// ChunkedPrefillSize is how many prompt tokens a pass may compute, so that
	// longer prompts are cut; a multiple of the block size. It counts only with
	// chunked prefill.
	ChunkedPrefillSize int
	// ClipMaxNewTokens is how many tokens of an answer admission looks ahead; at least 1.
	ClipMaxNewTokens int
	// ScheduleConservativeness scales the share of these tokens that admission
	// reserves for running requests; at least 0.
	ScheduleConservativeness float64
}

// Config sizes an engine and sets its speed. The zero value is not valid; start
// from [DefaultConfig] or [DefaultConfigOf].
type Config struct {
	// Type is the kind of engine.
	Type Type
	// Role is its part in the deployment.
	Role Role
	// Rank is the engine's number in its deployment. Engines that differ in it
	// alone draw different noise, but have the factor of the run in common.
	Rank int
	// MaxNumSeqs is how many requests may run at a time; at least 1.
	MaxNumSeqs int
	// MaxNumBatchedTokens is how many tokens, of prompts and answers together,
	// one pass may compute; at least 1. No more requests than that run, since
	// each takes a token of every pass. SGLang has limits of its own instead.
	MaxNumBatchedTokens int
	// NumGPUBlocks is the size of the cache in blocks; at least 1, at most 2^30.
	NumGPUBlocks int
	// BlockSize is the number of tokens in a block of the cache; at least 1, at most 2^20.
	BlockSize int
	// MaxModelLen is how many tokens prompt and answer may have together, at
	// least 2; 0 means any number.
	MaxModelLen int
	// PrefixCaching lets requests share the blocks of equal beginnings.
	PrefixCaching bool
	// ChunkedPrefill lets a prompt be computed in several passes.
	ChunkedPrefill bool
	// Preemption says who gives way; only engines of type VLLM preempt.
	Preemption Preemption
	// SGLang is what only that type has.
	SGLang SGLangConfig
	// Timing says how long passes take; nil stands for [DefaultPolynomials].
	Timing Timing
	// SpeedupRatio divides the time of every pass. 0 means that passes take no
	// time at all, as in Dynamo's mocker, not that the engine stands still.
	SpeedupRatio float64
	// DecodeSpeedupRatio divides the decode part of a pass once more. 0 means
	// that decoding takes no time.
	DecodeSpeedupRatio float64
	// Noise makes passes last longer or shorter at random.
	Noise Noise
	// Speculation gives several tokens a pass.
	Speculation Speculation
}

// DefaultConfig returns the defaults of Dynamo's mocker: vLLM with 256 requests,
// 8192 tokens a pass, 16384 blocks of 64 tokens, at the speed of the curves.
func DefaultConfig() Config {
	return DefaultConfigOf(VLLM)
}

// DefaultConfigOf returns the defaults of Dynamo's mocker for a type of engine.
// They differ in the block size: 64 tokens with vLLM, 1 with SGLang, 32 with
// TRT-LLM, and in the size of the cache as a consequence, which is 16384 blocks.
func DefaultConfigOf(t Type) Config {
	return Config{
		Type:                t,
		Role:                Aggregated,
		MaxNumSeqs:          256,
		MaxNumBatchedTokens: 8192,
		NumGPUBlocks:        16384,
		BlockSize:           defaultBlockSize(t),
		PrefixCaching:       true,
		ChunkedPrefill:      true,
		Preemption:          LIFO,
		SGLang: SGLangConfig{
			SchedulePolicy:           FirstComeFirstServed,
			MaxPrefillTokens:         16384,
			ChunkedPrefillSize:       8192,
			ClipMaxNewTokens:         4096,
			ScheduleConservativeness: 1,
		},
		SpeedupRatio:       1,
		DecodeSpeedupRatio: 1,
		Speculation:        Speculation{Seed: 42},
	}
}

func defaultBlockSize(t Type) int {
	switch t {
	case SGLang:
		return 1
	case TRTLLM:
		return 32
	default:
		return 64
	}
}

// Validate returns every problem of the configuration, joined, or nil. Options
// are called by their names on the mock server's command line.
func (c Config) Validate() error {
	return errors.Join(
		oneOf("engine-type", c.Type, VLLM, SGLang, TRTLLM),
		oneOf("disaggregation-mode", c.Role, Aggregated, Prefill, Decode),
		oneOf("preemption-mode", c.Preemption, LIFO, FIFO),
		atLeastOne("max-num-seqs", c.MaxNumSeqs),
		atLeastOne("max-num-batched-tokens", c.MaxNumBatchedTokens),
		atLeastOne("num-gpu-blocks-override", c.NumGPUBlocks),
		atMost("num-gpu-blocks-override", c.NumGPUBlocks, 1<<30),
		atLeastOne("block-size", c.BlockSize),
		atMost("block-size", c.BlockSize, 1<<20),
		modelLength(c.MaxModelLen),
		ratio("speedup-ratio", c.SpeedupRatio),
		ratio("decode-speedup-ratio", c.DecodeSpeedupRatio),
		c.validateSGLang(),
		c.Noise.validate(),
		c.validateSpeculation(),
		validateTiming(c.Timing),
	)
}

func (c Config) validateSGLang() error {
	if c.Type != SGLang {
		return nil
	}
	s := c.SGLang
	var multiple error
	if c.BlockSize >= 1 && s.ChunkedPrefillSize%c.BlockSize != 0 {
		multiple = fmt.Errorf(`sglang-chunked-prefill-size "%d": must be a multiple of the page size, %d`,
			s.ChunkedPrefillSize, c.BlockSize)
	}
	var conservative error
	if !finite(s.ScheduleConservativeness) {
		conservative = fmt.Errorf(`sglang-schedule-conservativeness "%v": must be a finite number, at least 0`,
			s.ScheduleConservativeness)
	}
	return errors.Join(
		oneOf("sglang-schedule-policy", s.SchedulePolicy, FirstComeFirstServed, LongestPrefixMatch),
		atLeastOne("sglang-max-prefill-tokens", s.MaxPrefillTokens),
		atLeastOne("sglang-chunked-prefill-size", s.ChunkedPrefillSize),
		atLeastOne("sglang-clip-max-new-tokens", s.ClipMaxNewTokens),
		multiple,
		conservative,
	)
}

func oneOf[S ~string](option string, value S, allowed ...S) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	return fmt.Errorf(`%s %q: must be one of %q`, option, value, allowed)
}

func atLeastOne(option string, value int) error {
	if value >= 1 {
		return nil
	}
	return fmt.Errorf(`%s "%d": must be at least 1`, option, value)
}

func atMost(option string, value, most int) error {
	if value <= most {
		return nil
	}
	return fmt.Errorf(`%s "%d": must be at most %d`, option, value, most)
}

func modelLength(tokens int) error {
	if tokens == 0 || tokens >= 2 {
		return nil
	}
	return fmt.Errorf(`max-model-len "%d": must be at least 2, or 0 for no limit`, tokens)
}

func ratio(option string, value float64) error {
	if finite(value) {
		return nil
	}
	return fmt.Errorf(`%s "%v": must be a finite number, at least 0 (0 means no waiting)`, option, value)
}

// finite says that a value is a number from 0 on.
func finite(value float64) bool {
	return value >= 0 && !math.IsInf(value, 1)
}
