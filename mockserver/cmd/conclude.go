package cmd

import (
	"errors"
	"flag"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/llmsweep/llmsweep/mockserver/engine"
	"github.com/llmsweep/llmsweep/mockserver/fault"
)

// conclude makes the options of the parsed flags.
func (s *settings) conclude() error {
	var extra, arguments error
	if s.flags.NArg() > 0 {
		arguments = fmt.Errorf("argument %q: only flags are expected", s.flags.Arg(0))
	}
	if s.extra != "" {
		extra = s.override(s.extra)
	}
	s.given = map[string]bool{}
	s.flags.Visit(func(f *flag.Flag) { s.given[f.Name] = true })
	err := errors.Join(
		arguments,
		errors.Join(s.refused...),
		extra,
		s.concludeTypes(),
		s.concludeDeployment(),
		s.concludeModel(),
		s.concludeTimes(),
		s.concludeFaults(),
		s.options.Validate(),
	)
	s.noteIdle()
	return err
}

// concludeFaults reads the file of -fault.
func (s *settings) concludeFaults() error {
	if s.faults == "" {
		return nil
	}
	data, err := s.readFile(s.faults)
	if err != nil {
		return fmt.Errorf("fault: %w", err)
	}
	if s.options.Faults, err = fault.Parse(data); err != nil {
		return fmt.Errorf("fault %q: %w", s.resolve(s.faults), err)
	}
	return nil
}

// idleOptions are options that say nothing about the server that is described, and why.
func (s *settings) idleOptions() []idleOption {
	o := &s.options
	transfers := []string{"kv-transfer-bandwidth", "kv-transfer-timing-mode", "kv-bytes-per-token", "kv-cache-dtype"}
	plain, sglang := o.Plain != nil, o.EngineType == engine.SGLang
	return []idleOption{
		{plain, "with -ttft, -itl and the like: a plain server has no engine", append([]string{
			"max-num-batched-tokens", "num-gpu-blocks-override", "block-size", "enable-prefix-caching", "enable-chunked-prefill", "preemption-mode",
			"sglang-schedule-policy", "sglang-page-size", "sglang-max-prefill-tokens", "sglang-chunked-prefill-size", "sglang-clip-max-new-tokens",
			"sglang-schedule-conservativeness", "trtllm-capacity-scheduler-policy",
		}, transfers...)},
		{!plain && o.NumPrefillWorkers == 0, "without -disaggregation-mode disagg: nothing is transferred", transfers},
		{!plain && o.NumPrefillWorkers > 0 && o.Transfer.Bandwidth == 0, "with -kv-transfer-bandwidth 0: a transfer takes no time", transfers[1:]},
		{!plain && sglang, "with -engine-type sglang", []string{"max-num-batched-tokens", "preemption-mode"}},
		{!plain && o.EngineType == engine.TRTLLM, "with -engine-type trtllm", []string{"preemption-mode"}},
		{!plain && sglang && !o.ChunkedPrefill, "without chunked prefill", []string{"sglang-chunked-prefill-size"}},
		{!plain && sglang && !o.PrefixCaching, "without prefix caching", []string{"sglang-schedule-policy"}},
		{o.SpeedupRatio == 0, "with -speedup-ratio 0: nothing takes time", append(curveFlags(),
			"noise-token", "noise-run", "decode-speedup-ratio", "planner-profile-data")},
	}
}

type idleOption struct {
	applies bool
	reason  string
	names   []string
}

// noteIdle notes the options given that are idle. They are no errors: scripts pass the same options to every type of engine.
func (s *settings) noteIdle() {
	noted := map[string]bool{}
	for _, idle := range s.idleOptions() {
		for _, name := range idle.names {
			if given := s.given[name] || s.given[off+name]; idle.applies && given && !noted[name] {
				noted[name] = true
				s.Notes = append(s.Notes, fmt.Sprintf("%s: has no effect %s", name, idle.reason))
			}
		}
	}
}

// concludeTypes is what depends on the type of engine.
func (s *settings) concludeTypes() error {
	o := &s.options
	if o.SGLang.SchedulePolicy == "fcfs" {
		o.SGLang.SchedulePolicy = engine.FirstComeFirstServed
	}
	var errs []error
	s.flags.Visit(func(f *flag.Flag) {
		for prefix, t := range map[string]engine.Type{"sglang-": engine.SGLang, "trtllm-": engine.TRTLLM} {
			if _, anyway := f.Value.(refused); strings.HasPrefix(f.Name, prefix) && o.EngineType != t && !anyway {
				errs = append(errs, fmt.Errorf("%s: is for -engine-type %s only, this is %s", f.Name, t, o.EngineType))
			}
		}
	})
	switch page := s.given["sglang-page-size"]; {
	case page && s.given["block-size"] && s.pageSize != o.BlockSize:
		errs = append(errs, fmt.Errorf(`sglang-page-size "%d", block-size "%d": are the same thing, set one of them only`, s.pageSize, o.BlockSize))
	case page:
		o.BlockSize = s.pageSize
	case !s.given["block-size"]:
		o.BlockSize = engine.DefaultConfigOf(o.EngineType).BlockSize
	}
	if s.capacityPolicy != guaranteedNoEvict {
		errs = append(errs, fmt.Errorf("trtllm-capacity-scheduler-policy %q: must be %q", s.capacityPolicy, guaranteedNoEvict))
	}
	return errors.Join(errs...)
}

// concludeDeployment is how many workers there are.
func (s *settings) concludeDeployment() error {
	o := &s.options
	o.NumWorkers, o.NumPrefillWorkers = s.workers, 0
	switch s.mode {
	case aggregated:
		return s.without("is for -disaggregation-mode disagg only", "num-prefill-workers", "num-decode-workers")
	case disaggregated:
		o.NumWorkers, o.NumPrefillWorkers = s.decoders, s.prefillers
		var few error
		if s.prefillers < 1 || s.decoders < 1 {
			few = fmt.Errorf(`num-prefill-workers "%d", num-decode-workers "%d": must be at least 1`, s.prefillers, s.decoders)
			o.NumWorkers, o.NumPrefillWorkers = 1, 1 // one complaint is enough
		}
		return errors.Join(few, s.without("a disaggregated deployment has -num-prefill-workers and -num-decode-workers instead", "num-workers"))
	case "prefill", "decode":
		return fmt.Errorf("disaggregation-mode %q: one process is the whole deployment: use disagg with -num-prefill-workers and "+
			"-num-decode-workers", s.mode)
	}
	return fmt.Errorf("disaggregation-mode %q: must be agg or disagg", s.mode)
}

// without is an error for each of these flags that was given.
func (s *settings) without(reason string, names ...string) error {
	var errs []error
	for _, name := range names {
		if s.given[name] {
			errs = append(errs, fmt.Errorf("%s: %s", name, reason))
		}
	}
	return errors.Join(errs...)
}

// concludeTimes is how long things take.
func (s *settings) concludeTimes() error {
	o := &s.options
	for _, ratio := range []*float64{&o.SpeedupRatio, &o.DecodeSpeedupRatio} {
		if math.IsInf(*ratio, 1) {
			*ratio = 0 // infinitely fast, as Dynamo writes it
		}
	}
	o.Noise.Seed = uint64(o.Seed)
	o.Speculation.AcceptRates, o.Speculation.Seed = s.acceptRates, uint64(s.draftSeed)
	o.ThinkingRatio = s.thinking.ratio
	curves := curveFlags()
	var errs []error
	if o.Speculation.Drafts == 0 {
		errs = append(errs, s.without("has no effect without -aic-nextn", "aic-nextn-accept-rates", "aic-mtp-seed"))
	}
	if slices.ContainsFunc(plainFlags(), func(name string) bool { return s.given[name] }) {
		o.Plain = &s.plain
		if !s.given["max-num-seqs"] {
			o.MaxNumSeqs = math.MaxInt32 // its times are what was asked for, whatever runs beside
		}
		return errors.Join(append(errs, s.without("a plain server has no passes: leave -ttft, -itl and the like out, or this",
			append(curves, "planner-profile-data", "aic-nextn")...))...)
	}
	if slices.ContainsFunc(curves, func(name string) bool { return s.given[name] }) {
		copy(s.polynomials.PrefillMS[:], s.prefillMS)
		copy(s.polynomials.DecodeMS[:], s.decodeMS)
		o.Timing = s.polynomials
	}
	if s.profile == "" {
		return errors.Join(append(errs, s.without("has no effect without -planner-profile-data", "planner-profile-fallback"))...)
	}
	errs = append(errs, s.without("a profile has times of its own: leave one of both out", curves...), s.measured(s.profile))
	return errors.Join(errs...)
}
