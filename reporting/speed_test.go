package reporting

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/metric"
	"github.com/llmsweep/llmsweep/harness/record"
)

// simulated is a benchmark whose server takes longer for a token the more requests are in flight.
type simulated struct {
	name     string
	levels   []int
	requests int // of each level
	tokens   int
	pace     float64 // factor of all its times
	gpus     int
	outcome  func(c, i int) record.Outcome // nil: all end well
	change   func(*record.Level)
}

// write records it in dir.
func (m simulated) write(t testing.TB, dir string) {
	t.Helper()
	started := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	require.NoError(t, os.MkdirAll(filepath.Join(dir, m.name), 0o755))
	require.NoError(t, record.WriteJSON(filepath.Join(dir, m.name, record.RunFile), &record.Run{
		SchemaVersion: record.SchemaVersion, Tool: record.Tool{Name: "llmsweep", Version: "0.1.0"}, CreatedAt: started,
		Plan: record.Plan{
			BenchmarkName: m.name, Endpoints: []string{"http://server:8000/v1/chat/completions"}, Model: "m", ISL: 8, OSL: m.tokens,
			Concurrencies: m.levels, GPUs: max(m.gpus, 1), GPUsAssumed: m.gpus == 0, Tokenizer: "t", Compat: "llm",
		},
	}))
	for _, c := range m.levels {
		m.writeLevel(t, filepath.Join(dir, m.name, record.LevelName(c)), c, started)
	}
}

func (m simulated) writeLevel(t testing.TB, dir string, c int, started time.Time) {
	t.Helper()
	require.NoError(t, os.MkdirAll(dir, 0o755))
	level := &record.Level{
		SchemaVersion: record.SchemaVersion, Point: record.Point{Concurrency: c}, Status: record.Done, StartedAt: started,
		Counts: record.Counts{Planned: m.requests, NotStarted: m.requests, Outcomes: map[record.Outcome]int{}},
	}
	log, err := record.CreateLog(filepath.Join(dir, record.LogFile), started)
	require.NoError(t, err)
	calculator := metric.NewCalculator()
	free := make([]int64, c) // when each slot is
	for i := range free {
		free[i] = int64(i)
	}
	for i := range m.requests {
		slot := slices.Index(free, slices.Min(free))
		s := m.request(c, i, free[slot])
		free[slot] = s.EndNS + 1
		level.Counts.Count(s)
		level.EndedNS = max(level.EndedNS, s.EndNS)
		require.NoError(t, log.Append(s, calculator.Of(s)))
	}
	require.NoError(t, log.Close())
	if m.change != nil {
		m.change(level)
	}
	require.NoError(t, record.WriteJSON(filepath.Join(dir, record.LevelFile), level))
}

func (m simulated) request(c, i int, start int64) *record.Sample {
	cached := i % 3
	s := &record.Sample{
		Index: i, Phase: record.Profiling, Outcome: record.OK, StartNS: start, ScheduledNS: start, RequestedOSL: m.tokens, SharedTokens: 1, FinishReason: "length", Endpoint: "server:8000",
		Usage:   &record.Usage{PromptTokens: 8, CompletionTokens: m.tokens, CachedTokens: &cached},
		Counted: record.Counted{ISL: 8, OSL: m.tokens, Source: record.FromServer}, HeadersNS: record.Never, FirstByteNS: record.Never,
	}
	wait := float64(30+c/3) * (1 + float64(i*7919%97)/60 + float64(i*104729%1009/1000)*9)
	at := start + int64(wait*m.pace*1e6)
	gap := int64((5 + float64(c)/20 + float64(i*31%17)/10) * m.pace * 1e6)
	for k := range m.tokens {
		s.ChunksNS = append(s.ChunksNS, at)
		at += gap + int64(i*37%13*k%11)*1e4
	}
	s.EndNS = at
	if m.outcome != nil {
		if o := m.outcome(c, i); o != record.OK {
			s.Outcome, s.Error, s.EndNS = o, &record.Error{Code: 503, Message: "why"}, start+int64(wait*1e5)
			s.ChunksNS, s.Counted.OSL, s.Usage = nil, 0, nil
			if s.Reason = record.HTTPStatus(503); o != record.Rejected {
				s.Reason = record.Reasons(o)[0]
			}
		}
	}
	return s
}

// BenchmarkReport writes the report of as many benchmarks as a report can show: 12 of 7 levels of 750 requests of 256 tokens.
func BenchmarkReport(b *testing.B) {
	dir := b.TempDir()
	for i := range 12 {
		simulated{name: fmt.Sprintf("bench-%02d", i), levels: []int{1, 2, 5, 10, 50, 100, 250}, requests: 750, tokens: 256, pace: 1 + 0.1*float64(i)}.write(b, dir)
	}
	b.ReportAllocs()
	for b.Loop() {
		_, err := Write(filepath.Join(dir, "plots"), Inputs{DataDir: dir})
		require.NoError(b, err)
	}
}

// BenchmarkLongLevel writes the report of one level of a million requests, of two tokens each.
func BenchmarkLongLevel(b *testing.B) {
	dir := b.TempDir()
	simulated{name: "long", levels: []int{50}, requests: 1_000_000, tokens: 2, pace: 1}.write(b, dir)
	b.ReportAllocs()
	for b.Loop() {
		_, err := Write(filepath.Join(dir, "plots"), Inputs{DataDir: dir})
		require.NoError(b, err)
	}
}
