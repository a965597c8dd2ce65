package summary

import (
	"fmt"

	"github.com/llmsweep/llmsweep/harness/metric"
	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/stat"
	"github.com/llmsweep/llmsweep/reporting/results"
)

// Columns are the columns of the headline table, one line a level: load, latency, throughput. Whose formulas they follow stands at the left
// of the head.
func Columns(b *results.Benchmark) []Column {
	c := b.Convention
	head := c.Title() + " formulas"
	load := LoadColumn(b)
	load.Group = head
	columns := []Column{load, {head, "reach", "Reached", "", Cell{Text: reached}}, {head, "ok/fail", "OK / failed", "requests", Cell{Text: okFail}}}
	if cancels(b) {
		columns[2] = Column{head, "ok/fail/plan", "OK / failed / cancelled by plan", "requests", Cell{Text: okFailPlan}}
	}
	if b.Open() {
		columns[1] = Column{head, "flight", "In flight", "mean", Cell{Text: reached}}
	}
	switch c {
	case metric.VLLM:
		return append(columns, vllmColumns()...)
	case metric.GuideLLM:
		return append(columns, guidellmColumns()...)
	default:
		if b.Open() {
			return append(columns, openColumns()...)
		}
		return append(columns, aiperfColumns()...)
	}
}

// LoadColumn names the levels of a benchmark, with the marks of those whose figures need the reader's care.
func LoadColumn(b *results.Benchmark) Column {
	cell := Cell{Text: func(l *results.Level) string { return l.Value() + mark(l) }}
	if b.Open() {
		return Column{"", "rate", "Request rate", "1/s", cell}
	}
	return Column{"", "conc", "Concurrency", "", cell}
}

// openColumns have the times from the schedule first: what a user waits begins when he asks. How long the server took from the sending on
// stands beside them; where the two differ, requests were sent late or waited for a place.
func openColumns() []Column {
	const ttft, itl = "scheduled_time_to_first_token", "inter_token_latency"
	return []Column{
		{"TTFT ms (schedule)", "avg", "TTFT avg", "ms from schedule", statistic(ttft, 1)},
		{"TTFT ms (schedule)", "p50", "TTFT p50", "ms from schedule", percentile(ttft, 50)},
		{"TTFT ms (schedule)", "p99", "TTFT p99", "ms from schedule", percentile(ttft, 99)},
		{"ITL ms", "avg", "ITL avg", "ms", statistic(itl, 1)},
		{"ITL ms", "p99", "ITL p99", "ms", percentile(itl, 99)},
		{"lat", "s", "Latency avg", "s from schedule", statistic("scheduled_request_latency", 1e-3)},
		{"", "tok/s", "Output", "tokens/s", statistic("output_token_throughput", 1)},
		{"", "req/s", "Requests", "1/s", statistic("request_throughput", 1)},
		{"TTFT (sent)", "avg", "TTFT avg", "ms from sending", statistic("time_to_first_token", 1)},
		{"TTFT (sent)", "p99", "TTFT p99", "ms from sending", percentile("time_to_first_token", 99)},
	}
}

func aiperfColumns() []Column {
	const ttft, itl = "time_to_first_token", "inter_token_latency"
	return []Column{
		{"TTFT ms", "avg", "TTFT avg", "ms", statistic(ttft, 1)},
		{"TTFT ms", "p50", "TTFT p50", "ms", percentile(ttft, 50)},
		{"TTFT ms", "p99", "TTFT p99", "ms", percentile(ttft, 99)},
		{"ITL ms", "avg", "ITL avg", "ms", statistic(itl, 1)},
		{"ITL ms", "p50", "ITL p50", "ms", percentile(itl, 50)},
		{"ITL ms", "p99", "ITL p99", "ms", percentile(itl, 99)},
		{"lat", "s", "Latency avg", "s", statistic("request_latency", 1e-3)},
		{"", "tok/s", "Output", "tokens/s", statistic("output_token_throughput", 1)},
		{"", "req/s", "Requests", "1/s", statistic("request_throughput", 1)},
		{"plat", "tok/s", "Plateau", "tokens/s", Cell{Text: plateau}},
		{"", "edge", "Edge", "", Cell{Text: edge}},
	}
}

// vllmColumns are the lines that vllm bench serve prints of its latencies by default, and its throughputs.
func vllmColumns() []Column {
	var columns []Column
	for _, of := range [][2]string{{"ttft", "TTFT"}, {"tpot", "TPOT"}, {"itl", "ITL"}} {
		columns = append(columns,
			Column{of[1] + " ms", "mean", of[1] + " mean", "ms", statistic(of[0], 1)},
			Column{of[1] + " ms", "p50", of[1] + " p50", "ms", printed(of[0], 50)},
			Column{of[1] + " ms", "p99", of[1] + " p99", "ms", printed(of[0], 99)},
		)
	}
	return append(columns,
		Column{"E2EL", "s", "E2EL mean", "s", statistic("e2el", 1e-3)},
		Column{"", "tok/s", "Output", "tokens/s", statistic("output_throughput", 1)},
		Column{"", "req/s", "Requests", "1/s", statistic("request_throughput", 1)},
	)
}

// guidellmColumns are those of GuideLLM's latency table, and the means of its throughput table.
func guidellmColumns() []Column {
	var columns []Column
	for _, of := range [][3]string{
		{"request_latency", "lat", "s"}, {"time_to_first_token_ms", "TTFT", "ms"}, {"inter_token_latency_ms", "ITL", "ms"}, {"time_per_output_token_ms", "TPOT", "ms"},
	} {
		columns = append(columns,
			Column{of[1] + " " + of[2], "p50", of[1] + " p50", of[2], printed(of[0], 50)},
			Column{of[1] + " " + of[2], "p95", of[1] + " p95", of[2], printed(of[0], 95)},
		)
	}
	return append(columns,
		Column{"", "tok/s", "Output", "tokens/s", statistic("output_tokens_per_second", 1)},
		Column{"", "req/s", "Requests", "1/s", statistic("requests_per_second", 1)},
	)
}

// requests is how many ended well.
func requests(l *results.Level) int {
	if l.Record == nil {
		return int(l.Figures["request_count"]["avg"])
	}
	return l.Record.Counts.Outcomes[record.OK]
}

// printed is a percentile of another tool's table. That tool prints it of any number of requests; of fewer than the percentile needs it is
// marked. Gaps of one request are no samples of their own: what counts is how many requests there are.
func printed(tag string, q float64) Cell {
	return Cell{func(l *results.Level) string {
		v, ok := l.Shown.Get(tag, fmt.Sprintf("p%g", q))
		switch {
		case !ok:
			return missing
		case requests(l) < stat.Floor(q):
			return figure(v) + "~"
		default:
			return figure(v)
		}
	}, Figure{tag, fmt.Sprintf("p%g", q), 1}}
}
