package export

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"math"

	"github.com/llmsweep/llmsweep/harness/metric"
	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/reporting/results"
)

// VLLM writes vllm_bench_serve.json: the level as vllm bench serve --save-result --metric-percentiles 50,90,95,99 --percentile-metrics ttft,tpot,itl,e2el
// would have saved it, by that tool's formulas. What it takes for 0 where there is nothing, such as the TTFT of a level that failed, is null.
func VLLM(w io.Writer, run *record.Run, l *results.Level) error {
	serve, figures, err := l.Serve()
	if err != nil {
		return err
	}
	document := append(traffic(&run.Plan, l), totals(serve, figures)...)
	for _, tag := range []string{"ttft", "tpot", "itl", "e2el"} {
		for _, of := range [][2]string{{"mean", "avg"}, {"median", "p50"}, {"std", "std"}, {"p50", "p50"}, {"p90", "p90"}, {"p95", "p95"}, {"p99", "p99"}} {
			document = append(document, field{of[0] + "_" + tag + "_ms", valueOf(figures, tag, of[1])})
		}
	}
	document = append(document, // as --metadata adds it, whose values are texts
		field{"llmsweep_version", run.Tool.Version}, field{"llmsweep_client", string(l.Record.Client())}, field{"llmsweep_validity", string(l.Validity.Standing)},
		field{"llmsweep_status", string(l.Record.Status)},
	)
	data, err := json.Marshal(document)
	if err != nil {
		return fmt.Errorf("encoding the result of vllm bench serve: %w", err)
	}
	_, err = w.Write(append(data, '\n'))
	return err
}

// traffic is what was asked of the level.
func traffic(p *record.Plan, l *results.Level) object {
	backend := "openai-chat"
	if p.AsksCompletions() {
		backend = "openai"
	}
	rate, burstiness, most := any("inf"), 1.0, any(l.Concurrency)
	if l.Open() {
		rate, most = l.Rate, nil
		if p.Burstiness > 0 {
			burstiness = p.Burstiness
		}
		if p.MaxInFlight > 0 {
			most = p.MaxInFlight
		}
	}
	return object{
		{"date", l.Record.StartedAt.UTC().Format("20060102-150405")}, {"endpoint_type", backend}, {"backend", backend}, {"label", p.BenchmarkName},
		{"model_id", p.Model}, {"tokenizer_id", cmp.Or(p.Tokenizer, p.Model)}, {"num_prompts", l.Record.Counts.Planned}, {"request_rate", rate},
		{"burstiness", burstiness}, {"max_concurrency", most},
	}
}

// totals are its counts, throughputs and peaks.
func totals(serve *metric.Serve, figures results.Figures) object {
	input, output := serve.Tokens()
	tokensPerSecond, requests := serve.Peaks()
	goodput := any(nil)
	if v, ok := serve.Goodput(); ok {
		goodput = v
	}
	return object{
		{"duration", valueOf(figures, "duration", "avg")}, {"completed", serve.Completed()}, {"failed", serve.Failed()},
		{"total_input_tokens", input}, {"total_output_tokens", output}, {"request_throughput", valueOf(figures, "request_throughput", "avg")},
		{"request_goodput", goodput}, {"output_throughput", valueOf(figures, "output_throughput", "avg")},
		{"total_token_throughput", valueOf(figures, "total_token_throughput", "avg")},
		{"max_output_tokens_per_s", float64(tokensPerSecond)}, {"max_concurrent_requests", requests},
	}
}

// valueOf is a statistic, or nil where there is none.
func valueOf(f results.Figures, tag, statistic string) any {
	if v, ok := f.Get(tag, statistic); ok && !math.IsNaN(v) && !math.IsInf(v, 0) {
		return v
	}
	return nil
}
