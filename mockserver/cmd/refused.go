package cmd

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// refusal is why options of Dynamo's mocker do not apply to a server that stands alone.
type refusal struct {
	reason string
	names  []string
	alone  []string // names of options without a value
	keys   []string // names that only the file of -extra-engine-args has
}

// refusals are all of them: docs/mock.md lists the same.
func refusals() []refusal {
	return []refusal{
		{
			reason: "Dynamo's plumbing, which a server that stands alone does without",
			names:  []string{"endpoint", "discovery-backend", "request-plane", "response-plane", "event-plane"},
			alone:  []string{"durable-kv-events"},
		},
		{
			reason: "KV events are for Dynamo's router, which this server does without",
			names:  []string{"zmq-kv-events-ports", "zmq-replay-ports"},
			keys:   []string{"enable_local_indexer", "router_queue_policy"},
		},
		{
			reason: "one process is the whole deployment: use -disaggregation-mode disagg with -num-prefill-workers and -num-decode-workers",
			names:  []string{"bootstrap-ports"},
			alone:  []string{"is-prefill-worker", "is-decode-worker"},
			keys:   []string{"worker_type", "is_prefill", "is_decode", "bootstrap_port", "handoff_session_timeout_ms"},
		},
		{
			reason: "the AI Configurator is not built in: measure a profile for -planner-profile-data, or use -prefill-ms and -decode-ms",
			names: []string{
				"aic-system", "aic-backend", "aic-backend-version", "aic-tp-size", "aic-moe-tp-size", "aic-moe-ep-size", "aic-attention-dp-size",
				"ais-perf-config",
			},
			alone: []string{"aic-perf-model", "ais-perf-model"},
		},
		{
			reason: "it sizes the cache by the AI Configurator, which is not built in: use -num-gpu-blocks-override",
			names:  []string{"gpu-memory-utilization", "mem-fraction-static", "free-gpu-memory-fraction"},
		},
		{
			reason: "the scheduler that is simulated, that of 2026, has none",
			names:  []string{"watermark"},
		},
		{
			reason: "memory other than the GPU's is not simulated",
			names:  []string{"num-host-blocks"},
			keys: []string{
				"num_g2_blocks", "num_g3_blocks", "enable_g4_storage", "offload_batch_size", "bandwidth_g1_to_g2_gbps", "bandwidth_g2_to_g1_gbps",
				"bandwidth_g2_to_g3_gbps", "bandwidth_g3_to_g2_gbps",
			},
		},
		{
			reason: "only OpenAI's routes are served",
			alone:  []string{"sglang-generate"},
		},
		{
			reason: "answers are random words",
			names:  []string{"response-replay-trace-path"},
		},
	}
}

// refused are the options given that do not apply. It is a flag's value for each of them, so that all are reported, and at once.
type refused struct {
	given   *[]error
	name    string
	because string
	alone   bool
}

// String is empty: there is no default.
func (r refused) String() string { return "" }

// Set notes that the option was given.
func (r refused) Set(string) error {
	*r.given = append(*r.given, r.err())
	return nil
}

// IsBoolFlag lets package flag accept the option without a value.
func (r refused) IsBoolFlag() bool { return r.alone }

func (r refused) err() error {
	return fmt.Errorf("%s: %s", r.name, r.because)
}

// refuse defines the options that do not apply.
func (f *flags) refuse(given *[]error) {
	for _, r := range refusals() {
		for _, name := range slices.Concat(r.names, r.alone) {
			f.Var(refused{given: given, name: name, because: r.reason, alone: slices.Contains(r.alone, name)}, name, "")
		}
	}
}

// refusedKey is why a key of a file does not apply, or nil.
func refusedKey(key string) error {
	for _, r := range refusals() {
		if slices.Contains(r.keys, key) || slices.Contains(slices.Concat(r.names, r.alone), strings.ReplaceAll(key, "_", "-")) {
			return errors.New(r.reason)
		}
	}
	return nil
}
