package record

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The naive twin of the codec: encoding/json, by the tags of Sample.
type twinLine struct {
	Metadata twinMetadata    `json:"metadata"`
	Metrics  json.RawMessage `json:"metrics"`
	Error    *Error          `json:"error,omitempty"`
	Trace    *Sample         `json:"trace"`
}

type twinMetadata struct {
	SessionNum         int    `json:"session_num"`
	RequestID          string `json:"x_request_id"`
	CorrelationID      string `json:"x_correlation_id"`
	ConversationID     string `json:"conversation_id"`
	TurnIndex          int    `json:"turn_index"`
	CreditIssuedNS     int64  `json:"credit_issued_ns"`
	RequestStartNS     int64  `json:"request_start_ns"`
	RequestAckNS       *int64 `json:"request_ack_ns,omitempty"`
	RequestEndNS       int64  `json:"request_end_ns"`
	WorkerID           string `json:"worker_id"`
	RecordProcessorID  string `json:"record_processor_id"`
	BenchmarkPhase     Phase  `json:"benchmark_phase"`
	WasCancelled       bool   `json:"was_cancelled"`
	CancellationTimeNS *int64 `json:"cancellation_time_ns,omitempty"`
}

func twin(t *testing.T, s *Sample, zero time.Time, metrics string) string {
	t.Helper()
	wall := func(ns int64) int64 { return zero.UnixNano() + ns }
	l := twinLine{Trace: s, Error: s.Error, Metrics: json.RawMessage(metrics), Metadata: twinMetadata{
		SessionNum: s.Index, RequestID: s.RequestID, CorrelationID: s.RequestID, ConversationID: s.RequestID, TurnIndex: s.Turn,
		CreditIssuedNS: wall(s.ScheduledNS), RequestStartNS: wall(s.StartNS), RequestEndNS: wall(s.EndNS), WorkerID: "llmsweep", RecordProcessorID: "llmsweep",
		BenchmarkPhase: s.Phase, WasCancelled: s.Outcome == Cancelled,
	}}
	if s.HeadersNS != Never {
		l.Metadata.RequestAckNS = new(wall(s.HeadersNS))
	}
	if s.Outcome == Cancelled {
		l.Metadata.CancellationTimeNS = new(wall(s.EndNS))
	}
	data, err := json.Marshal(l)
	require.NoError(t, err)
	return string(data)
}

func encoded(s *Sample, zero time.Time, values []MetricValue) []byte {
	var e encoder
	recordLine(&e, s, zero, values)
	return e.b
}

// filled sets every field to something, or to nothing, at random. A field that somebody adds is filled too.
func filled(r *rand.Rand, v reflect.Value, texts []string) {
	switch empty := r.IntN(3) == 0; v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			filled(r, v.Field(i), texts)
		}
	case reflect.Pointer:
		if !empty {
			v.Set(reflect.New(v.Type().Elem()))
			filled(r, v.Elem(), texts)
		}
	case reflect.Slice:
		if !empty {
			v.Set(reflect.MakeSlice(v.Type(), r.IntN(4), 4))
		}
		for i := range v.Len() {
			filled(r, v.Index(i), texts)
		}
	case reflect.String:
		if !empty {
			v.SetString(texts[r.IntN(len(texts))])
		}
	case reflect.Bool:
		v.SetBool(empty)
	case reflect.Int, reflect.Int64:
		if !empty {
			v.SetInt(r.Int64N(2e17) - 1e17)
		}
	default:
		panic(fmt.Sprintf("a field of kind %v: teach codec and test", v.Kind()))
	}
}

func random(r *rand.Rand, texts ...string) *Sample {
	s := new(Sample)
	filled(r, reflect.ValueOf(s).Elem(), texts)
	if r.IntN(4) == 0 {
		s.HeadersNS = Never
	}
	if r.IntN(4) == 0 {
		s.Outcome = Cancelled
	}
	return s
}

var someMetrics = []MetricValue{
	{Tag: "a", Unit: "ms", Value: 48.5522}, {Tag: "b", Unit: "ms", List: []float64{5.74, 0, -1e21, 1e-9}}, {Tag: "c", Unit: "%", List: []float64{}},
	{Tag: "d", Unit: "ms", Value: math.NaN()}, {Tag: "e", Unit: "tokens/sec", Value: math.Inf(-1)},
}

const theirText = `{"a":{"value":48.5522,"unit":"ms"},"b":{"value":[5.74,0,-1000000000000000000000,0.000000001],"unit":"ms"},"c":{"value":[],"unit":"%"},` +
	`"d":{"value":null,"unit":"ms"},"e":{"value":null,"unit":"tokens/sec"}}`

func TestEncoderIsEncodingJSON(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	zero := time.Unix(1_700_000_000, 5)
	for range 3000 {
		s := random(r, "plain", "", "with \"quotes\" and \\", "line\nbreak", "<", ">", "&", "\u2028", "\x00", "\xff", "é", "\x7f")
		require.Equal(t, twin(t, s, zero, theirText), string(encoded(s, zero, someMetrics)))
	}
}

// What the encoder writes, the decoder takes, but for escapes, which encoding/json reads.
func TestDecoderTakesWhatTheEncoderWrites(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	var d decoder
	for range 3000 {
		s := random(r, "plain", "127.0.0.1:8000", "length")
		if len(s.ChunkTokens) == 0 {
			s.ChunkTokens = nil // which is what a reader makes of one that is left out
		}
		if len(s.EmptyNS) == 0 {
			s.EmptyNS = nil
		}
		s.Retries = nil // lines with retries are encoding/json's
		data := encoded(s, time.Unix(1_795_805_442, 451_183_020), someMetrics)
		var got Sample
		require.True(t, d.line(data, &got), "%s", data)
		require.Equal(t, s, &got)
		theirs, err := parseAny(data)
		if s.Outcome != "" {
			require.NoError(t, err)
			require.Equal(t, theirs, &got)
		}
	}
	s := random(r, "plain")
	s.Reason = "é"
	assert.False(t, d.line(encoded(s, time.Time{}, nil), new(Sample)))
	assert.Len(t, d.known, 5, "the words that came, ids and traces apart")
}

// Cut by hand or taken apart by encoding/json, a line without its trace is the same.
func TestLineWithoutItsTrace(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	var d decoder
	for range 300 {
		s := random(r, "plain", "with \"quotes\" <&>", "é")
		data := encoded(s, time.Unix(1_795_805_442, 451_183_020), someMetrics)
		var theirs map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(data, &theirs))
		delete(theirs, "trace")
		line, ok := d.withoutTrace(bytes.Clone(data))
		require.True(t, ok)
		var ours map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(line, &ours))
		require.Equal(t, theirs, ours)
		require.True(t, bytes.HasPrefix(data, line[:len(line)-1]), "in the order of the log")
	}
}

// FuzzLine: what the decoder takes, encoding/json takes as the same.
func FuzzLine(f *testing.F) {
	r := rand.New(rand.NewPCG(3, 3))
	start := regexp.MustCompile(`"start_ns":-?[0-9]+`)
	for range 10 {
		data := encoded(random(r, "plain"), time.Unix(1_795_805_442, 451_183_020), someMetrics)
		f.Add(data)
		f.Add(data[:r.IntN(len(data))])
		f.Add(bytes.Replace(data, []byte("},"), []byte("} ,"), 1))
		for _, number := range []string{"9300000000000000000", "-9300000000000000000", "007", "-0", "1.5", "1e3"} { // beyond an int64, and no integers
			f.Add(start.ReplaceAll(data, []byte(`"start_ns":`+number)))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var d decoder
		var got Sample
		if !d.line(data, &got) || got.Outcome == "" {
			return
		}
		theirs, err := parseAny(data)
		require.NoError(t, err, "%q", data)
		require.Equal(t, theirs, &got, "%q", data)
	})
}

// typical is a request of so many tokens.
func typical(tokens int) (*Sample, []MetricValue) {
	s := &Sample{RequestID: "0a0b0c0d-0000-4000-8000-000000000001", Outcome: OK, Phase: Profiling, FinishReason: "length", Status: 200, StampSource: SocketRead,
		Endpoint: "127.0.0.1:8000", Traceparent: "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01", Usage: &Usage{PromptTokens: 2013, CompletionTokens: tokens}}
	list := make([]float64, 0, tokens)
	for k := range tokens {
		s.ChunksNS = append(s.ChunksNS, 47_000_000+int64(k)*5_740_123)
		list = append(list, 5.740123+float64(k)/1e6)
	}
	s.EndNS = s.ChunksNS[tokens-1]
	values := []MetricValue{{Tag: "inter_chunk_latency", Unit: "ms", List: list}}
	for k := range 25 {
		values = append(values, MetricValue{Tag: fmt.Sprint("some_metric_of_a_request_", k), Unit: "ms", Value: 3.5 * float64(k)})
	}
	return s, values
}

func BenchmarkAppend(b *testing.B) {
	log, err := CreateLog(filepath.Join(b.TempDir(), LogFile), time.Unix(1_795_805_442, 451_183_020))
	require.NoError(b, err)
	s, values := typical(256)
	b.ReportAllocs()
	for b.Loop() {
		require.NoError(b, log.Append(s, values))
	}
	b.SetBytes(int64(len(log.line.b)))
	require.NoError(b, log.Close())
}

func BenchmarkParse(b *testing.B) {
	s, values := typical(256)
	data := encoded(s, time.Unix(1_795_805_442, 451_183_020), values)
	b.SetBytes(int64(len(data)))
	b.Run("decoder", func(b *testing.B) {
		var d decoder
		b.SetBytes(int64(len(data)))
		b.ReportAllocs()
		for b.Loop() {
			_, err := d.parse(data)
			require.NoError(b, err)
		}
	})
	b.Run("encoding-json", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		b.ReportAllocs()
		for b.Loop() {
			_, err := parseAny(data)
			require.NoError(b, err)
		}
	})
}
