package mockserver

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"github.com/llmsweep/llmsweep/mockserver/engine"
	"github.com/llmsweep/llmsweep/mockserver/fault"
)

// Options say what the server serves and how fast. Start from [DefaultOptions]:
// the zero value is not valid.
type Options struct {
	// Model is the only model served; requests for another one get a 404.
	Model string
	// MaxNumSeqs is how many requests may run at a time; others wait. At least 1.
	MaxNumSeqs int
	// MaxNumBatchedTokens is how many tokens one pass may compute. At least 1.
	MaxNumBatchedTokens int
	// NumGPUBlocks is the size of the simulated cache in blocks. At least 1.
	NumGPUBlocks int
	// BlockSize is the number of tokens in a block of the cache. At least 1.
	BlockSize int
	// MaxModelLen is how many tokens prompt and answer may have together, at
	// least 2; 0 means any number.
	MaxModelLen int
	// EngineType is the kind of engine. The block size does not follow from it here, as it
	// does on the command line: see [engine.DefaultConfigOf].
	EngineType engine.Type
	// PrefixCaching lets requests share the blocks of equal beginnings.
	PrefixCaching bool
	// ChunkedPrefill lets a prompt be computed in several passes.
	ChunkedPrefill bool
	// Preemption says which request gives way when a block is lacking.
	Preemption engine.Preemption
	// SGLang is what only that type of engine has.
	SGLang engine.SGLangConfig
	// Timing says how long passes take; nil stands for the curves of Dynamo's mocker.
	Timing engine.Timing
	// Noise makes passes last longer or shorter at random.
	Noise engine.Noise
	// Speculation gives several tokens a pass.
	Speculation engine.Speculation
	// NumWorkers is how many workers there are, and DataParallelSize how many engines
	// each of them has; at least 1. Requests go to the engines in turn.
	NumWorkers, DataParallelSize int
	// NumPrefillWorkers is how many further workers, of DataParallelSize engines each,
	// compute the prompts; 0 means that the deployment is not disaggregated.
	NumPrefillWorkers int
	// Transfer is how prompts get from prefill workers to the others.
	Transfer engine.Transfer
	// Plain replaces the engines by a server of known figures; nil does not.
	Plain *engine.Plain
	// SpeedupRatio divides the time of every pass; 0 means no waiting at all.
	SpeedupRatio float64
	// DecodeSpeedupRatio divides the decode part of a pass once more; 0 means
	// that decoding takes no time.
	DecodeSpeedupRatio float64
	// Seed chooses the words and identifiers of answers.
	Seed int64
	// TemplateTokens is how many tokens the chat template puts before each chat, the same for all; a
	// prompt of /v1/completions meets no template. At least 0.
	TemplateTokens int
	// EOSProbability is that of each token of an answer to be its last, unless the
	// request says ignore_eos: from 0 to below 1.
	EOSProbability float64
	// ThinkingRatio is the part of an answer, 0 to 1, that is thought before the rest: see
	// [engine.ReasoningTokens].
	ThinkingRatio float64
	// StartupTime is how long the server is not ready, counted from New: as if it
	// loaded a model.
	StartupTime time.Duration
	// StaggerDelay is how much later than the worker before it each worker starts;
	// the server is ready with the first. Prefill workers are a row of their own.
	StaggerDelay time.Duration
	// APIKey is what clients must send as a bearer token; "" asks for none. The
	// routes that only tell of the server's state are open to all.
	APIKey string
	// Record gets a line of JSON for each request that the server has dealt with, a
	// [Record]; nil gets none. One goroutine writes to it, until Close.
	Record io.Writer
	// Faults say which requests go wrong, and how; the zero value lets none. Seed decides what is drawn.
	Faults fault.Plan
	// FaultHeader lets a request ask for a fault of its own, in the header X-Mock-Fault: see [fault.ParseHeader].
	FaultHeader bool
	// FineTimer waits with the system's timer where that is finer than Go's, which is late by up
	// to a millisecond: on Linux. It does not work in a testing/synctest bubble and has no effect
	// with Virtual.
	FineTimer bool
	// Virtual keeps events apart in time, for servers in a testing/synctest
	// bubble. In real time it only wastes timers.
	Virtual bool
}

// mostEngines bounds a deployment.
const mostEngines = 4096

// mostTemplate bounds a template, which is read anew for each request.
const mostTemplate = 1_000_000

// DefaultOptions returns the defaults of Dynamo's mocker, serving
// Qwen/Qwen3-0.6B in real time.
func DefaultOptions() Options {
	c := engine.DefaultConfig()
	return Options{
		Model:               "Qwen/Qwen3-0.6B",
		MaxNumSeqs:          c.MaxNumSeqs,
		MaxNumBatchedTokens: c.MaxNumBatchedTokens,
		NumGPUBlocks:        c.NumGPUBlocks,
		BlockSize:           c.BlockSize,
		EngineType:          c.Type,
		PrefixCaching:       c.PrefixCaching,
		ChunkedPrefill:      c.ChunkedPrefill,
		Preemption:          c.Preemption,
		SGLang:              c.SGLang,
		Speculation:         c.Speculation,
		NumWorkers:          1,
		DataParallelSize:    1,
		Transfer:            engine.DefaultTransfer(),
		SpeedupRatio:        c.SpeedupRatio,
		DecodeSpeedupRatio:  c.DecodeSpeedupRatio,
	}
}

// Validate returns every problem of the options, joined, or nil.
func (o Options) Validate() error {
	var model, size error
	if strings.TrimSpace(o.Model) == "" {
		model = fmt.Errorf("model-name %q: must not be blank", o.Model)
	}
	switch {
	case o.NumWorkers < 1 || o.DataParallelSize < 1:
		size = fmt.Errorf(`num-workers "%d", data-parallel-size "%d": must be at least 1`, o.NumWorkers, o.DataParallelSize)
	case o.DataParallelSize > mostEngines || o.NumWorkers > mostEngines || o.NumPrefillWorkers > mostEngines ||
		(o.NumWorkers+o.NumPrefillWorkers)*o.DataParallelSize > mostEngines:
		return fmt.Errorf(`workers "%d", data-parallel-size "%d": must be at most %d engines together`,
			max(o.NumWorkers, o.NumWorkers+o.NumPrefillWorkers), o.DataParallelSize, mostEngines)
	}
	return errors.Join(model, size, o.fleet().Validate(), o.validateAnswers(), o.Faults.Validate())
}

func (o Options) validateAnswers() error {
	var template, eos, thinking error
	if o.TemplateTokens < 0 || o.TemplateTokens > mostTemplate {
		template = fmt.Errorf(`template-tokens "%d": must be from 0 to %d`, o.TemplateTokens, mostTemplate)
	}
	if !(o.EOSProbability >= 0 && o.EOSProbability < 1) {
		eos = fmt.Errorf(`eos-probability "%v": must be from 0 to below 1`, o.EOSProbability)
	}
	if !(o.ThinkingRatio >= 0 && o.ThinkingRatio <= 1) {
		thinking = fmt.Errorf(`thinking ratio "%v": must be from 0 to 1`, o.ThinkingRatio)
	}
	return errors.Join(template, eos, thinking)
}

func (o Options) engine() engine.Config {
	return engine.Config{
		Type:                o.EngineType,
		Role:                engine.Aggregated,
		MaxNumSeqs:          o.MaxNumSeqs,
		MaxNumBatchedTokens: o.MaxNumBatchedTokens,
		NumGPUBlocks:        o.NumGPUBlocks,
		BlockSize:           o.BlockSize,
		MaxModelLen:         o.MaxModelLen,
		PrefixCaching:       o.PrefixCaching,
		ChunkedPrefill:      o.ChunkedPrefill,
		Preemption:          o.Preemption,
		SGLang:              o.SGLang,
		Timing:              o.Timing,
		Noise:               o.Noise,
		Speculation:         o.Speculation,
		SpeedupRatio:        o.SpeedupRatio,
		DecodeSpeedupRatio:  o.DecodeSpeedupRatio,
	}
}

// cacheTokens is how many tokens the cache of an engine holds. A plain server has none that could be too small.
func (o Options) cacheTokens() int {
	if o.Plain != nil {
		return math.MaxInt
	}
	return o.NumGPUBlocks * o.BlockSize
}

// fleet is what the options say of engines.
func (o Options) fleet() engine.FleetConfig {
	return engine.FleetConfig{
		Engine:         o.engine(),
		Engines:        max(1, o.NumWorkers*o.DataParallelSize),
		PrefillEngines: o.NumPrefillWorkers * max(1, o.DataParallelSize),
		Stagger:        engine.Stagger{First: o.StartupTime, Delay: o.StaggerDelay, Ranks: o.DataParallelSize},
		Transfer:       o.Transfer,
		Plain:          o.Plain,
		Apart:          o.Virtual,
	}
}
