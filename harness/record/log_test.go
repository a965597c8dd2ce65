package record_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/record"
)

var started = time.Unix(1_700_000_000, 5)

// good is a sample with every field set.
func good() *record.Sample {
	return &record.Sample{
		Index: 3, RequestID: "r-3", ScheduledNS: 0, Timed: true, PlacedNS: 90, StartNS: 100, SentNS: 2500, HeadersNS: 47_000_000, FirstByteNS: 48_000_000, FirstVisibleNS: 48_552_300,
		ChunksNS: []int64{48_552_300, 54_292_300}, ChunkTokens: []int{1, 1}, EmptyNS: []int64{48_100_000}, LastByteNS: 54_299_000, EndNS: 54_300_000,
		StampSource: record.SocketRead, Outcome: record.OK, FinishReason: "length", Status: 200,
		RequestedOSL: 2, SharedTokens: 5, Usage: &record.Usage{PromptTokens: 2013, CompletionTokens: 2, TotalTokens: 2015, CachedTokens: new(4), ReasoningTokens: 1},
		Counted:   record.Counted{ISL: 2000, OSL: 2, Reasoning: 1, Source: record.FromServer},
		Conn:      record.Conn{Reused: true, GotNS: 200, DNSNS: 1, ConnectNS: 2, TLSNS: 3, Remote: "127.0.0.1:8000", BytesSent: 300, Stale: 1, Resent: 2},
		Retries:   []record.Retry{{RefusedNS: 20, ResumedNS: 30, Told: true}, {RefusedNS: 35, ResumedNS: 90}},
		BytesSent: 99, BytesReceived: 512, Phase: record.Profiling, Turn: 1, Endpoint: "127.0.0.1:8000", Traceparent: "00-a-b-01",
	}
}

// bad is a request that the client cancelled before anything came.
func bad() *record.Sample {
	return &record.Sample{
		Index: 4, RequestID: "r-4", StartNS: 7, SentNS: 9, HeadersNS: record.Never, FirstByteNS: record.Never, FirstVisibleNS: record.Never, LastByteNS: record.Never, ChunksNS: []int64{},
		EndNS: 1000, Outcome: record.Cancelled, Reason: "interrupt <\"&>", Phase: record.Warmup, Counted: record.Counted{ISL: 5},
		Error: &record.Error{Code: 499, Type: "cancelled", Message: "line\nbreak \"quoted\" \u2028"},
	}
}

func write(t *testing.T, samples ...*record.Sample) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), record.LogFile)
	log, err := record.CreateLog(path, started)
	require.NoError(t, err)
	values := []record.MetricValue{
		{Tag: "time_to_first_token", Unit: "ms", Value: 48.5522}, {Tag: "inter_chunk_latency", Unit: "ms", List: []float64{5.74, 0}},
		{Tag: "osl_mismatch_diff_pct", Unit: "%", Value: 0}, {Tag: "a", Unit: "ms", Value: math.NaN()}, {Tag: "b", Unit: "ms", Value: math.Inf(-1)},
	}
	for _, s := range samples {
		require.NoError(t, log.Append(s, values))
	}
	require.NoError(t, log.Close())
	return path
}

func read(t *testing.T, path string) (samples []*record.Sample, warnings []error) {
	t.Helper()
	warnings, err := record.ReadLog(path, func(s *record.Sample) error {
		samples = append(samples, s)
		return nil
	})
	require.NoError(t, err)
	return samples, warnings
}

func TestLogRoundTrip(t *testing.T) {
	samples, warnings := read(t, write(t, good(), bad(), good()))
	assert.Empty(t, warnings)
	assert.Equal(t, []*record.Sample{good(), bad(), good()}, samples)
}

func TestLineHasAIPerfsKeys(t *testing.T) {
	data, err := os.ReadFile(write(t, good(), bad()))
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
	require.Len(t, lines, 2)

	const metrics = `{"time_to_first_token":{"value":48.5522,"unit":"ms"},"inter_chunk_latency":{"value":[5.74,0],"unit":"ms"},` +
		`"osl_mismatch_diff_pct":{"value":0,"unit":"%"},"a":{"value":null,"unit":"ms"},"b":{"value":null,"unit":"ms"}}`
	assert.Contains(t, lines[0], `"metrics":`+metrics, "in the order of the definitions")
	var ok, failed map[string]any
	require.NoError(t, json.Unmarshal([]byte(lines[0]), &ok))
	require.NoError(t, json.Unmarshal([]byte(lines[1]), &failed))
	assert.ElementsMatch(t, []string{"metadata", "metrics", "trace"}, keys(ok), "no error where none was")
	assert.ElementsMatch(t, []string{"metadata", "metrics", "trace", "error"}, keys(failed))
	assert.Equal(t, map[string]any{"code": 499.0, "type": "cancelled", "message": bad().Error.Message}, failed["error"])

	wall := func(ns int64) float64 { return float64(started.UnixNano() + ns) }
	assert.Equal(t, map[string]any{
		"session_num": 3.0, "x_request_id": "r-3", "x_correlation_id": "r-3", "conversation_id": "r-3", "turn_index": 1.0,
		"credit_issued_ns": wall(0), "request_start_ns": wall(100), "request_ack_ns": wall(47_000_000), "request_end_ns": wall(54_300_000),
		"worker_id": "llmsweep", "record_processor_id": "llmsweep", "benchmark_phase": "profiling", "was_cancelled": false,
	}, ok["metadata"])
	meta := failed["metadata"].(map[string]any)
	assert.Equal(t, true, meta["was_cancelled"])
	assert.Equal(t, wall(1000), meta["cancellation_time_ns"])
	assert.Equal(t, "warmup", meta["benchmark_phase"])
	assert.NotContains(t, meta, "request_ack_ns", "no headers came")
	assert.Equal(t, -1.0, failed["trace"].(map[string]any)["headers_ns"])
}

func keys(m map[string]any) []string {
	var names []string
	for name := range m {
		names = append(names, name)
	}
	return names
}

// TestTraceIsTheDesigns holds the keys of the trace against the page that fixes the format.
func TestTraceIsTheDesigns(t *testing.T) {
	data, err := json.Marshal(good())
	require.NoError(t, err)
	assert.JSONEq(t, `{"scheduled_ns":0,"timed":true,"placed_ns":90,"start_ns":100,"sent_ns":2500,"headers_ns":47000000,"first_byte_ns":48000000,"first_visible_ns":48552300,
		"chunks_ns":[48552300,54292300],"chunk_tokens":[1,1],"empty_ns":[48100000],"last_byte_ns":54299000,"end_ns":54300000,"stamp_source":"socket read","outcome":"ok","finish_reason":"length","status":200,
		"requested_osl":2,"shared_tokens":5,"usage":{"prompt_tokens":2013,"completion_tokens":2,"total_tokens":2015,"cached_tokens":4,"reasoning_tokens":1},
		"counted":{"isl":2000,"osl":2,"reasoning":1,"source":"server"},
		"conn":{"reused":true,"got_ns":200,"dns_ns":1,"connect_ns":2,"tls_ns":3,"remote":"127.0.0.1:8000","bytes_sent":300,"stale":1,"resent":2},
		"retries":[{"refused_ns":20,"resumed_ns":30,"told":true},{"refused_ns":35,"resumed_ns":90}],"bytes_sent":99,"bytes_received":512,"phase":"profiling","turn":1,
		"endpoint":"127.0.0.1:8000","traceparent":"00-a-b-01"}`, string(data))
}

// TestLogsOfEarlierVersions have no stamp of having the connection, nor of the last byte: that is never, not the level's start.
func TestLogsOfEarlierVersions(t *testing.T) {
	data, err := os.ReadFile(write(t, good()))
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "log")
	text := strings.NewReplacer(`"got_ns":200,`, "", `"last_byte_ns":54299000,`, "", `"empty_ns":[48100000],`, "").Replace(string(data))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	samples, warnings := read(t, path)
	require.Empty(t, warnings)
	want := good()
	want.Conn.GotNS, want.LastByteNS, want.EmptyNS = record.Never, record.Never, nil
	assert.Equal(t, []*record.Sample{want}, samples)
}

func TestUnusableLinesAreWarnings(t *testing.T) {
	data, err := os.ReadFile(write(t, good()))
	require.NoError(t, err)
	line := string(data)
	path := filepath.Join(t.TempDir(), "log")
	content := []string{
		line,
		"\n", "\r\n",
		"Traceback (most recent call last):\n",
		`{"metadata":{"session_num":1},"metrics":{}}` + "\n",
		`{"metadata":{},"trace":{}}` + "\n",
		"null\n", "[1]\n", "\x00\x00\x00\n",
		strings.Replace(line, `"outcome":"ok"`, `"outcome":"fine"`, 1),
		strings.Replace(line, `"phase":"profiling"`, `"phase":"cooldown"`, 1),
		strings.Replace(line, `"end_ns":54300000`, `"end_ns":99`, 1),
		strings.Replace(line, `"chunk_tokens":[1,1]`, `"chunk_tokens":[1]`, 1),
		strings.Replace(line, `"chunks_ns":[48552300,54292300]`, `"chunks_ns":[54292300,48552300]`, 1),
		strings.TrimSuffix(line, "\n") + "\r\n",
		line[:len(line)/2],
	}
	require.NoError(t, os.WriteFile(path, []byte(strings.Join(content, "")), 0o600))
	samples, warnings := read(t, path)
	assert.Equal(t, []*record.Sample{good(), good()}, samples)

	want := []string{
		"4: not a record", `5: no "trace"`, `6: no "trace"`, `7: no "trace"`, "8: not a record", "9: not a record",
		`10: trace: outcome "fine": unknown`, `11: trace: phase "cooldown": unknown`, "12: trace: end_ns 99 is before start_ns 100",
		"13: trace: 1 chunk_tokens for 2 chunks_ns", "14: trace: chunks_ns are not in order", "16: not a record: unexpected end of JSON input",
	}
	require.Len(t, warnings, len(want))
	for i, warning := range warnings {
		var at *record.LineError
		require.ErrorAs(t, warning, &at)
		assert.Equal(t, path, at.Path)
		assert.True(t, strings.HasPrefix(warning.Error(), path+":"+want[i]), "%q should begin with %q", warning, want[i])
	}
	assert.Error(t, errors.Unwrap(warnings[0]))
}

func TestTornAfterTheLineIsWhole(t *testing.T) {
	path := write(t, good(), bad())
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, bytes.TrimSuffix(data, []byte("\n")), 0o600))
	samples, warnings := read(t, path)
	assert.Len(t, samples, 2)
	assert.Empty(t, warnings)
}

func TestRequestWithoutLength(t *testing.T) {
	s := bad()
	s.EndNS = s.StartNS // refused at the instant it was sent, as in virtual time
	samples, warnings := read(t, write(t, s))
	assert.Equal(t, []*record.Sample{s}, samples)
	assert.Empty(t, warnings)
}

func TestTooLongLine(t *testing.T) {
	path := write(t, good())
	line, err := os.ReadFile(path)
	require.NoError(t, err)
	long := append(bytes.Repeat([]byte("x"), 64<<20+1), '\n')
	require.NoError(t, os.WriteFile(path, append(append(bytes.Clone(line), long...), line...), 0o600))
	samples, warnings := read(t, path)
	assert.Len(t, samples, 2, "the line after it counts")
	require.Len(t, warnings, 1)
	assert.EqualError(t, warnings[0], path+":2: line longer than 64 MiB")
}

func TestReadLogFails(t *testing.T) {
	_, err := record.ReadLog(filepath.Join(t.TempDir(), "none"), nil)
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = record.ReadLog(t.TempDir(), nil)
	require.ErrorContains(t, err, "is a directory where a regular file belongs")
	if _, err := os.Stat("/proc/self/mem"); err == nil { // a regular file that cannot be read from its beginning
		_, err = record.ReadLog("/proc/self/mem", nil)
		var at *record.LineError
		require.ErrorAs(t, err, &at)
		assert.Equal(t, 1, at.Line)
	}

	stop := errors.New("stop")
	n := 0
	_, err = record.ReadLog(write(t, good(), good()), func(*record.Sample) error {
		n++
		return stop
	})
	assert.ErrorIs(t, err, stop)
	assert.Equal(t, 1, n)
}

func TestLogFailures(t *testing.T) {
	_, err := record.CreateLog(filepath.Join(t.TempDir(), "none", "log"), started)
	assert.ErrorContains(t, err, "creating the event log")

	log, err := record.CreateLog(filepath.Join(t.TempDir(), "log"), started)
	require.NoError(t, err)
	require.NoError(t, log.Close())
	require.NoError(t, log.Append(good(), nil), "is only kept in memory yet")
	assert.ErrorContains(t, log.Flush(), "writing the event log")
	assert.Error(t, log.Close())
}

// Reasons of before the list was closed are read as they are.
func TestReasonsOfOldLogs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	require.NoError(t, os.WriteFile(path, []byte(`{"trace":{"outcome":"malformed","reason":"framing","phase":"profiling"}}
{"trace":{"outcome":"cancelled","reason":"received interrupt","phase":"profiling"}}
`), 0o600))
	samples, warnings := read(t, path)
	assert.Empty(t, warnings)
	require.Len(t, samples, 2)
	assert.Equal(t, record.Reason("framing"), samples[0].Reason)
	assert.Equal(t, record.Reason("received interrupt"), samples[1].Reason)
}

func TestFlushedLinesSurviveAKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	log, err := record.CreateLog(path, started)
	require.NoError(t, err)
	require.NoError(t, log.Append(good(), nil))
	require.NoError(t, log.Flush())
	samples, _ := read(t, path)
	assert.Len(t, samples, 1)
	require.NoError(t, log.Close())
}

// FuzzReadLog: no input breaks the reader, warnings name lines in order, and what was read is read back from what is written.
func FuzzReadLog(f *testing.F) {
	f.Add([]byte(`{"metadata":{"session_num":1,"x_request_id":"r"},"metrics":{},"trace":{"outcome":"ok","phase":"warmup","end_ns":2,"chunks_ns":[1]}}` + "\n{\n\n"))
	f.Add([]byte(`{"trace":{"outcome":"cut","phase":"profiling","usage":{},"chunk_tokens":[]},"error":{"code":1}}`))
	f.Add([]byte("\r\n\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		path := filepath.Join(dir, "log")
		require.NoError(t, os.WriteFile(path, data, 0o600))
		samples, warnings := read(t, path)
		assert.LessOrEqual(t, len(samples)+len(warnings), bytes.Count(data, []byte("\n"))+1)
		last := 0
		for _, w := range warnings {
			var at *record.LineError
			require.ErrorAs(t, w, &at)
			assert.Greater(t, at.Line, last)
			last = at.Line
		}
		again, warnings := read(t, write(t, samples...))
		assert.Empty(t, warnings)
		require.Len(t, again, len(samples))
		for i := range again {
			for _, s := range []*record.Sample{again[i], samples[i]} {
				s.ChunkTokens, s.EmptyNS, s.Retries = emptyToNil(s.ChunkTokens), emptyToNil(s.EmptyNS), emptyToNil(s.Retries)
			}
			assert.Equal(t, samples[i], again[i])
		}
	})
}

// emptyToNil: an empty list is left out when written.
func emptyToNil[T any](list []T) []T {
	if len(list) == 0 {
		return nil
	}
	return list
}
