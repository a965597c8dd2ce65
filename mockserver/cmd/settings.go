package cmd

import (
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/llmsweep/llmsweep/mockserver"
	"github.com/llmsweep/llmsweep/mockserver/engine"
)

// settings are what the flags say of the server, wherever it listens.
type settings struct {
	options mockserver.Options
	flags   *flags
	foreign []string            // names of flags that are not about the server but where it listens
	given   map[string]bool     // names of flags that were set, by the command line or by a file
	refused []error             // options given that do not apply
	resolve func(string) string // makes a path of a flag one that can be opened
	Aside

	modelPath   string
	extra       string // file of -extra-engine-args
	polynomials engine.Polynomials
	prefillMS   []float64
	decodeMS    []float64
	profile     string
	fallback    bool
	plain       engine.Plain

	mode                          string
	workers, prefillers, decoders int
	cacheType                     string
	pageSize                      int
	capacityPolicy                string
	acceptRates                   []float64
	draftSeed                     int
	thinking                      thinking
	faults                        string // file of -fault
}

// The deployments of -disaggregation-mode.
const (
	aggregated    = "agg"
	disaggregated = "disagg"
)

// Aside is what reading the flags brought to light besides the options.
type Aside struct {
	Notes []string // what the user should know but is no error, such as that a profile could not be read
	// Files has the SHA-256, in hexadecimal digits, of each file that was read, by its path as the flag has it: what is in them determines the server, too.
	Files map[string]string
}

// Options returns what args, the flags of the command that are not about where to listen, make of o. Relative paths of files are handed to
// resolve before they are opened. The error has every problem, on one line.
func Options(o mockserver.Options, resolve func(string) string, args []string) (mockserver.Options, Aside, error) {
	s := newSettings(o)
	s.define()
	err := s.parse(args, resolve)
	return s.options, s.Aside, oneLine(err)
}

func newSettings(o mockserver.Options) *settings {
	curves := engine.DefaultPolynomials()
	s := &settings{
		options: o, flags: newFlags(), polynomials: curves, prefillMS: curves.PrefillMS[:], decodeMS: curves.DecodeMS[:],
		mode: aggregated, workers: 1, prefillers: 1, decoders: 1, cacheType: "auto", pageSize: 1, capacityPolicy: guaranteedNoEvict,
		draftSeed: int(o.Speculation.Seed), Aside: Aside{Files: map[string]string{}},
	}
	return s
}

// define defines the flags.
func (s *settings) define() {
	s.foreign = s.flags.names()
	s.defineServed()
	s.defineEngine()
	s.defineTimes()
	s.definePlain()
	s.defineDeployment()
	s.defineTypes()
	s.defineFaults()
	s.flags.refuse(&s.refused)
}

func (s *settings) defineServed() {
	f, o := s.flags, &s.options
	f.heading("What to serve")
	f.text(&o.Model, "model-name", "`name` of the model served")
	f.text(&s.modelPath, "model-path", "`folder` of the model, for its config.json, or the model's id")
	f.count(&o.MaxModelLen, "max-model-len", "refuse more than `n` tokens of prompt and answer; 0 is no limit")
	f.count(&o.TemplateTokens, "template-tokens", "let a chat template put `n` tokens before each chat")
	f.number(&o.EOSProbability, "eos-probability", "end answers early: after each token by chance `p`")
	f.value(&s.thinking, "reasoning", "`JSON` | think for a part of the answer: {\"thinking_ratio\":0.3}")
	f.value(span{&o.StartupTime, true}, "startup-time", "refuse requests for `seconds` at first, as if a model loaded")
	f.Int64Var(&o.Seed, "seed", o.Seed, "`number` that decides words, ends of answers and noise")
	f.listed("seed")
}

func (s *settings) defineEngine() {
	f, o := s.flags, &s.options
	f.heading("The engine")
	f.value(choice[engine.Type]{&o.EngineType}, "engine-type", "`type` | vllm, sglang or trtllm")
	f.count(&o.MaxNumSeqs, "max-num-seqs", "run at most `n` requests at a time")
	f.count(&o.MaxNumBatchedTokens, "max-num-batched-tokens", "compute at most `n` tokens in a pass")
	f.count(&o.NumGPUBlocks, "num-gpu-blocks-override", "`n` | size of the cache in blocks")
	f.count(&o.BlockSize, "block-size", "`n` | size of a block in tokens; 1 with sglang, 32 with trtllm")
	f.onOff(&o.PrefixCaching, "enable-prefix-caching", "share the blocks of equal beginnings")
	f.onOff(&o.ChunkedPrefill, "enable-chunked-prefill", "compute a long prompt in several passes")
	f.value(choice[engine.Preemption]{&o.Preemption}, "preemption-mode", "`order` | who gives way when blocks lack: lifo or fifo (vllm)")
	f.text(&s.extra, "extra-engine-args", "JSON `file` that overrides flags: {\"max_num_seqs\": 8, …}")
}

func (s *settings) defineTimes() {
	f, o := s.flags, &s.options
	f.heading("How fast")
	f.number(&o.SpeedupRatio, "speedup-ratio", "run `x` times as fast; 0 is without waiting")
	f.number(&o.DecodeSpeedupRatio, "decode-speedup-ratio", "decode another `x` times as fast; 0 is without waiting")
	f.value(numbers{&s.prefillMS, 3}, "prefill-ms", "time of a pass with n prompt tokens: `a,b,c` for a + b n + c n²")
	f.value(numbers{&s.decodeMS, 3}, "decode-ms", "`a,b,c` | the same of decoding, where n is the used share of the cache")
	f.number(&s.polynomials.DecodeFloorMS, "decode-floor-ms", "least time of decoding in `ms`")
	f.text(&s.profile, "planner-profile-data", "measured times: NPZ or JSON `file`, or folder of a profiler")
	f.boolean(&s.fallback, "planner-profile-fallback", "use the curves if the profile is bad, instead of ending")
	f.number(&o.Noise.Pass, "noise-token", "`cv` | vary the passes: standard deviation over mean")
	f.number(&o.Noise.Run, "noise-run", "`cv` | vary the run as a whole: standard deviation over mean")
	f.count(&o.Speculation.Drafts, "aic-nextn", "several tokens a pass: guess `n` tokens ahead, up to 5")
	f.value(numbers{&s.acceptRates, 0}, "aic-nextn-accept-rates", "`chances` | of each guess, if those before it were right [0.85,0.3]")
	f.count(&s.draftSeed, "aic-mtp-seed", "`number` that decides which guesses are right")
}

func (s *settings) definePlain() {
	f, p := s.flags, &s.plain
	f.heading("A plain server of known figures instead of an engine (any of these; the others are 0)")
	f.value(span{&p.TTFT, false}, "ttft", "`time` to the first token, such as 20ms")
	f.value(span{&p.ITL, false}, "itl", "`time` from one token to the next")
	f.value(span{&p.TTFTPerInputToken, false}, "ttft-per-input-token", "`time` added to ttft for each token of the prompt")
	f.value(span{&p.TTFTPerRequest, false}, "ttft-per-request", "`time` added to ttft for each other running request")
	f.value(span{&p.ITLPerRequest, false}, "itl-per-request", "`time` added to itl for each other running request")
}

// plainFlags are those that make it a plain server.
func plainFlags() []string {
	return []string{"ttft", "itl", "ttft-per-input-token", "ttft-per-request", "itl-per-request"}
}

// curveFlags are those that give the curves of an engine.
func curveFlags() []string { return []string{"prefill-ms", "decode-ms", "decode-floor-ms"} }

func (s *settings) defineDeployment() {
	f, o := s.flags, &s.options
	f.heading("The deployment")
	f.count(&s.workers, "num-workers", "`n` workers, which take turns")
	f.value(span{&o.StaggerDelay, true}, "stagger-delay", "start workers `seconds` apart, the first after -startup-time")
	f.count(&o.DataParallelSize, "data-parallel-size", "`n` engines in each worker, which take turns")
	f.text(&s.mode, "disaggregation-mode", "`mode` | agg, or disagg: prefill before decode workers")
	f.count(&s.prefillers, "num-prefill-workers", "`n` prefill workers (disagg)")
	f.count(&s.decoders, "num-decode-workers", "`n` decode workers (disagg)")
	f.number(&o.Transfer.Bandwidth, "kv-transfer-bandwidth", "`GB/s` between them; 0 is without waiting")
	f.value(choice[engine.TransferTiming]{&o.Transfer.Timing}, "kv-transfer-timing-mode", "`what` is copied: full_prompt, destination_missing")
	f.number(&o.Transfer.BytesPerToken, "kv-bytes-per-token", "`size` of a token in the cache; by model and dtype if not given")
	f.text(&s.cacheType, "kv-cache-dtype", "`type` of the numbers in the cache: auto, bfloat16, fp8, …")
}

func (s *settings) defineTypes() {
	f, g := s.flags, &s.options.SGLang
	f.heading("SGLang only")
	f.value(choice[engine.Policy]{&g.SchedulePolicy}, "sglang-schedule-policy", "`order` of waiting requests: fifo (or fcfs), lpm")
	f.count(&s.pageSize, "sglang-page-size", "`n` | another name for -block-size")
	f.count(&g.MaxPrefillTokens, "sglang-max-prefill-tokens", "compute at most `n` prompt tokens in a pass")
	f.count(&g.ChunkedPrefillSize, "sglang-chunked-prefill-size", "cut prompts at `n` tokens, a multiple of the block size")
	f.count(&g.ClipMaxNewTokens, "sglang-clip-max-new-tokens", "look at most `n` tokens of an answer ahead")
	f.number(&g.ScheduleConservativeness, "sglang-schedule-conservativeness", "set aside `x` times as much for running requests")
	f.heading("TRT-LLM only")
	f.text(&s.capacityPolicy, "trtllm-capacity-scheduler-policy", "`p` | there is one only")
}

func (s *settings) defineFaults() {
	s.flags.heading("What goes wrong")
	s.flags.text(&s.faults, "fault", "let the requests go wrong that the rules in this YAML `file` say")
	s.flags.boolean(&s.options.FaultHeader, "allow-fault-header", "let requests ask for a fault: X-Mock-Fault: kind=reset; tokens=5")
}

const guaranteedNoEvict = "guaranteed_no_evict"

// parse reads flags, the files they name, and what follows from both.
func (s *settings) parse(args []string, resolve func(string) string) error {
	if err := s.flags.Parse(args); err != nil {
		return s.unknown(err)
	}
	s.resolve = resolve
	return s.conclude()
}

// readFile reads a file that a flag names.
func (s *settings) readFile(path string) ([]byte, error) {
	data, err := os.ReadFile(s.resolve(path))
	if err == nil {
		s.Files[path] = fmt.Sprintf("%x", sha256.Sum256(data))
	}
	return data, err
}

// unknown adds to an error of package flag the name that was probably meant.
func (s *settings) unknown(err error) error {
	if _, name, found := strings.Cut(err.Error(), "not defined: -"); found {
		return errors.New(err.Error() + s.flags.nearest(name))
	}
	return err
}

// oneLine puts joined errors on one line.
func oneLine(err error) error {
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return err
	}
	return errors.New(strings.ReplaceAll(err.Error(), "\n", "; "))
}
