package bench

import (
	"bufio"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/record"
)

// TestFiguresFollowFromTheTrace computes every figure of profile_export_aiperf.json a second time, the obvious way, from nothing but
// the trace of each line, and from the definitions as AIPerf documents them. Both sides must have the same tags and statistics.
func TestFiguresFollowFromTheTrace(t *testing.T) {
	dir := t.TempDir()
	child{args: []string{"-virtual", "-concurrencies=1,7,40", "-isl=300", "-std=80", "-osl=33", "-warmup-requests=5", "-output-dir=" + dir}}.passes(t)
	for _, name := range []string{"c1", "c7", "c40"} {
		level := filepath.Join(dir, "mock", name)
		started := readLevel(t, level).StartedAt
		want := naiveFigures(readTraces(t, level), started)
		got := map[string]map[string]float64{}
		for tag, value := range aggregate(t, level) {
			fields, isObject := value.(map[string]any)
			if !isObject || fields["unit"] == nil {
				continue
			}
			got[tag] = map[string]float64{}
			for statistic, v := range fields {
				if number, isNumber := v.(float64); isNumber {
					got[tag][statistic] = number
				}
			}
		}
		require.Greater(t, len(got), 30)
		for tag := range got {
			assert.Contains(t, want, tag, name)
		}
		for tag, statistics := range want {
			require.Contains(t, got, tag, name)
			assert.Len(t, got[tag], len(statistics), "%s %s", name, tag)
			for statistic, w := range statistics {
				assert.InDelta(t, w, got[tag][statistic], 1e-9*math.Max(1, math.Abs(w)), "%s %s.%s", name, tag, statistic)
			}
		}
	}
}

func readTraces(t *testing.T, dir string) []map[string]any {
	t.Helper()
	file, err := os.Open(filepath.Join(dir, record.LogFile))
	require.NoError(t, err)
	defer file.Close()
	var traces []map[string]any
	scanner := bufio.NewScanner(file)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		var line struct {
			Trace map[string]any `json:"trace"`
		}
		require.NoError(t, json.Unmarshal(scanner.Bytes(), &line))
		traces = append(traces, line.Trace)
	}
	require.NoError(t, scanner.Err())
	return traces
}

// naiveFigures knows only what a run against the mock can have: valid requests with usage and no reasoning.
func naiveFigures(traces []map[string]any, started time.Time) map[string]map[string]float64 {
	lists := map[string][]float64{}
	add := func(tag string, v float64) { lists[tag] = append(lists[tag], v) }
	sum := map[string]float64{}
	first, last, n := math.Inf(1), 0.0, 0.0
	for _, tr := range traces {
		if tr["phase"] != "profiling" {
			continue
		}
		n++
		var chunks []float64
		for _, c := range tr["chunks_ns"].([]any) {
			chunks = append(chunks, c.(float64))
		}
		counted, usage := tr["counted"].(map[string]any), tr["usage"].(map[string]any)
		isl, osl, asked := counted["isl"].(float64), counted["osl"].(float64), tr["requested_osl"].(float64)
		start, end := tr["start_ns"].(float64), chunks[len(chunks)-1]
		first, last = math.Min(first, start), math.Max(last, end)
		ttft, latency := (chunks[0]-start)/1e6, (end-start)/1e6
		itl := (latency - ttft) / (osl - 1)
		add("time_to_first_token", ttft)
		add("time_to_second_token", (chunks[1]-chunks[0])/1e6)
		add("time_to_first_output_token", (tr["first_visible_ns"].(float64)-start)/1e6)
		add("request_latency", latency)
		add("inter_token_latency", itl)
		for i := 1; i < len(chunks); i++ {
			add("inter_chunk_latency", (chunks[i]-chunks[i-1])/1e6)
		}
		setup := (tr["headers_ns"].(float64) - start) / 1e6
		add("stream_setup_latency", setup)
		add("stream_prefill_latency", ttft-setup)
		add("credit_drop_latency", (start-tr["scheduled_ns"].(float64))/1e6)
		add("stream_drain_latency", (tr["end_ns"].(float64)-end)/1e6)
		for tag, v := range naiveTransport(tr) {
			add(tag, v)
		}
		add("output_token_throughput_per_user", 1000/itl)
		add("e2e_output_token_throughput", osl/latency*1000)
		add("prefill_throughput_per_user", isl/ttft*1000)
		add("output_sequence_length", osl)
		add("output_token_count", osl)
		add("input_sequence_length", isl)
		add("requested_osl", asked)
		add("osl_mismatch_diff_pct", (osl-asked)/asked*100)
		prompt := usage["prompt_tokens"].(float64)
		add("usage_prompt_tokens", prompt)
		add("usage_completion_tokens", usage["completion_tokens"].(float64))
		add("usage_total_tokens", usage["total_tokens"].(float64))
		add("usage_prompt_cache_read_tokens", usage["cached_tokens"].(float64))
		add("usage_prompt_tokens_diff_pct", math.Abs(prompt-isl)/isl*100)
		sum["isl"] += isl
		sum["osl"] += osl
		sum["prompt"] += prompt
		sum["completion"] += usage["completion_tokens"].(float64)
		sum["all"] += usage["total_tokens"].(float64)
	}
	seconds := (last - first) / 1e9
	figures := map[string]map[string]float64{}
	for tag, list := range lists {
		figures[tag] = naiveStatistics(list)
	}
	for tag, v := range map[string]float64{
		"request_count": n, "benchmark_duration": seconds,
		"min_request_timestamp": float64(started.UnixNano()) + first, "max_response_timestamp": float64(started.UnixNano()) + last,
		"request_throughput": n / seconds, "output_token_throughput": sum["osl"] / seconds, "input_token_throughput": sum["isl"] / seconds,
		"total_token_throughput": (sum["isl"] + sum["osl"]) / seconds,
		"total_isl":              sum["isl"], "total_osl": sum["osl"], "total_output_tokens": sum["osl"],
		"total_usage_prompt_tokens": sum["prompt"], "total_usage_completion_tokens": sum["completion"], "total_usage_total_tokens": sum["all"],
		"total_usage_prompt_cache_read_tokens": 0, "overall_usage_prompt_cache_read_pct": 0,
	} {
		figures[tag] = map[string]float64{"avg": v}
	}
	return figures
}

// naiveTransport knows a run without name resolution and TLS, whose connections cost no more than their handshake.
func naiveTransport(tr map[string]any) map[string]float64 {
	stamp := func(name string) float64 { return tr[name].(float64) / 1e6 }
	conn := tr["conn"].(map[string]any)
	start, got, sent, first, last := stamp("start_ns"), conn["got_ns"].(float64)/1e6, stamp("sent_ns"), stamp("first_byte_ns"), stamp("last_byte_ns")
	connecting, reused := conn["connect_ns"].(float64)/1e6, 0.0
	if conn["reused"] == true {
		connecting, reused = 0, 1
	}
	return map[string]float64{
		"time_to_first_byte": first - start, "http_req_blocked": got - start - connecting, "http_req_dns_lookup": 0, "http_req_connecting": connecting,
		"http_req_sending": sent - got, "http_req_waiting": first - sent, "http_req_receiving": last - first, "http_req_duration": last - got,
		"http_req_connection_overhead": got - start, "http_req_total": last - start, "http_req_connection_reused": reused,
		"http_req_data_sent": tr["bytes_sent"].(float64) / 1024, "http_req_data_received": tr["bytes_received"].(float64) / 1024,
	}
}

func naiveStatistics(list []float64) map[string]float64 {
	sorted := slices.Sorted(slices.Values(list))
	n := float64(len(list))
	total, squares := 0.0, 0.0
	for _, v := range list {
		total += v
	}
	for _, v := range list {
		squares += (v - total/n) * (v - total/n)
	}
	s := map[string]float64{"count": n, "sum": total, "avg": total / n, "std": math.Sqrt(squares / n), "min": sorted[0], "max": sorted[len(sorted)-1]}
	for name, q := range map[string]float64{"p1": .01, "p5": .05, "p10": .1, "p25": .25, "p50": .5, "p75": .75, "p90": .9, "p95": .95, "p99": .99} {
		at := q * (n - 1)
		below := sorted[int(at)]
		above := sorted[min(int(at)+1, len(sorted)-1)]
		s[name] = below + (above-below)*(at-math.Floor(at))
	}
	return s
}
