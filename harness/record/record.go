// Package record is the vocabulary of a run and the files it is kept in.
//
// A benchmark is a folder. run.json holds what determined the run (Run, Plan). Each level has a folder of its own with
// level.json (Level) and profile_export.jsonl, an append-only log with one line a request (Sample), written as the request
// ends. Where the server has pages of metrics, server_metrics.jsonl and gpu_telemetry.jsonl hold what these told beside the load (Round).
// Everything else in the folder is computed from these files and can be computed again.
//
// A Sample says what was planned, what happened and when. It holds no computed figure: definitions live in package metric.
//
// Time stamps are integer nanoseconds since the start of the level on the monotonic clock. Never, the stamp of something that
// did not happen, is -1.
package record

import (
	"fmt"
	"time"
)

// SchemaVersion is the version of run.json, level.json and of the trace key in the log.
const SchemaVersion = "1"

// Never is the stamp of something that did not happen.
const Never int64 = -1

// File names inside a benchmark and a level folder.
const (
	RunFile        = "run.json"
	LockFile       = "run.lock" // while a process runs on the folder
	LevelFile      = "level.json"
	LogFile        = "profile_export.jsonl"
	InputsFile     = "inputs.json"
	RequestsFile   = "profile_export.json"
	AggregateFile  = "profile_export_aiperf.json"
	AggregateTable = "profile_export_aiperf.csv"
	VLLMFile       = "vllm_bench_serve.json" // with -export=vllm
	// Of a level that was repeated, in its own folder.
	OverRunsFile  = "profile_export_aiperf_aggregate.json"
	OverRunsTable = "profile_export_aiperf_aggregate.csv"
	// What the server and its GPUs told of themselves, where they were asked.
	ServerMetricsFile = "server_metrics.jsonl"
	GPUTelemetryFile  = "gpu_telemetry.jsonl"
)

// File names inside the folder of a comparison.
const (
	ComparisonFile    = "comparison.json"
	ComparisonSummary = "COMPARISON.txt"
	ComparisonChart   = "comparison.png"
	SensitivityFile   = "sensitivity.json" // of a comparison of a target with itself
)

// Outcome is the way a request ended. The list is closed: every request that was sent has exactly one.
type Outcome string

// The outcomes. Only OK requests enter latency and throughput figures.
const (
	OK               Outcome = "ok"
	Rejected         Outcome = "rejected"          // an HTTP status other than 2xx
	TimedOut         Outcome = "timed_out"         // one of the request's time limits passed
	Cut              Outcome = "cut"               // the stream ended without finish_reason or [DONE], or broke
	Malformed        Outcome = "malformed"         // an answer that cannot be understood, or without content
	StreamError      Outcome = "in_stream_error"   // an error object inside a 2xx stream
	ConnectionFailed Outcome = "connection_failed" // no connection, or it failed before the response's headers
	Cancelled        Outcome = "cancelled"         // ended by the client: by plan, signal, deadline or cap
)

// FailedOutcomes lists the outcomes that are failures: neither OK nor Cancelled, which is the client's doing.
func FailedOutcomes() []Outcome {
	return []Outcome{Rejected, TimedOut, Cut, Malformed, StreamError, ConnectionFailed}
}

// Outcomes lists every Outcome in the order of reports.
func Outcomes() []Outcome {
	return []Outcome{OK, Rejected, TimedOut, Cut, Malformed, StreamError, ConnectionFailed, Cancelled}
}

// Phase tells warm-up requests, which enter no statistic, from measured ones.
type Phase string

// The phases of a level, by AIPerf's names.
const (
	Warmup    Phase = "warmup"
	Profiling Phase = "profiling"
)

// TokenSource names who counted the output tokens of a request.
type TokenSource string

// The token sources.
const (
	FromServer    TokenSource = "server"    // usage of the response
	FromTokenizer TokenSource = "tokenizer" // the client's tokenizer over the text received
	FromChunks    TokenSource = "chunks"    // the number of chunks: usage, by which all answers before had been counted, stayed out
)

// StampSource says what the stamps of a response are taken at.
type StampSource string

// The stamp sources.
const (
	// SocketRead is the return of the read of the TCP connection that completed the head or the chunk, below TLS where there is any.
	SocketRead StampSource = "socket read"
	// BodyRead is the last such return before net/http gave the bytes: that read, or a later one for which net/http waited because it
	// gives an HTTP chunk only when it is whole. So it is over TLS through net/http, and where a body's framing is unusual.
	BodyRead StampSource = "body read"
)

// Sample is one request: what was planned, what happened, when. Stamps are in nanoseconds since the level's start; Never where
// the event did not occur.
type Sample struct {
	Index     int    `json:"-"` // number within the level and phase, from 0
	RequestID string `json:"-"` // X-Request-ID

	ScheduledNS int64 `json:"scheduled_ns"`        // when the request should start: of a closed loop, when its slot was free
	Timed       bool  `json:"timed,omitempty"`     // ScheduledNS is the plan's: of an open loop
	PlacedNS    int64 `json:"placed_ns,omitempty"` // of an open loop with a cap: when a place was free for a request that had to wait for one; else 0
	// PrefillNS is when one of the places of -prefill-concurrency was free for a request that had to wait for one; else 0.
	PrefillNS      int64   `json:"prefill_ns,omitempty"`
	ToCancel       bool    `json:"to_cancel,omitempty"` // chosen by -cancel-rate; it may have ended before
	StartNS        int64   `json:"start_ns"`            // just before the HTTP call
	SentNS         int64   `json:"sent_ns"`             // the request was fully written
	HeadersNS      int64   `json:"headers_ns"`          // the response's headers were read
	FirstByteNS    int64   `json:"first_byte_ns"`       // the first byte of the response's body
	FirstVisibleNS int64   `json:"first_visible_ns"`    // the first chunk with visible (not reasoning) output
	ChunksNS       []int64 `json:"chunks_ns"`           // every chunk with content
	ChunkTokens    []int   `json:"chunk_tokens,omitempty"`
	EmptyNS        []int64 `json:"empty_ns,omitempty"` // every event with a choice but without content, such as role and finish_reason
	LastByteNS     int64   `json:"last_byte_ns"`       // the last byte of the response's body
	EndNS          int64   `json:"end_ns"`

	// Unstreamed: a document was asked for, not a stream. Its one chunk is the document, at the last byte of its body.
	Unstreamed bool `json:"unstreamed,omitempty"`

	StampSource StampSource `json:"stamp_source,omitempty"` // of HeadersNS, FirstByteNS and ChunksNS; empty: no response

	Outcome      Outcome `json:"outcome"`
	Reason       Reason  `json:"reason,omitempty"` // of an outcome other than OK
	FinishReason string  `json:"finish_reason,omitempty"`
	Status       int     `json:"status,omitempty"`        // HTTP status
	RequestedOSL int     `json:"requested_osl"`           // output tokens asked for
	SharedTokens int     `json:"shared_tokens,omitempty"` // of its prompt, that others have on purpose

	Usage         *Usage  `json:"usage,omitempty"`
	Counted       Counted `json:"counted"`
	Conn          Conn    `json:"conn"`
	Retries       []Retry `json:"retries,omitempty"` // with -retry-429: the times that it was refused and sent again; all else is of the last time
	BytesSent     int64   `json:"bytes_sent"`        // of the request's body; 0 where it was not fully written
	BytesReceived int64   `json:"bytes_received"`
	Phase         Phase   `json:"phase"`
	Turn          int     `json:"turn"`
	Endpoint      string  `json:"endpoint"`    // host:port of the replica
	Traceparent   string  `json:"traceparent"` // W3C trace context sent with the request

	Error *Error `json:"-"` // the line's error object, nil when OK
}

// Valid reports whether the sample enters the figures of a level.
func (s *Sample) Valid() bool { return s.Phase == Profiling && s.Outcome == OK }

// Interrupted reports whether the client ended the request though it was not the plan's to be ended: it says nothing of the server.
func (s *Sample) Interrupted() bool { return s.Outcome == Cancelled && s.Reason != ByPlan }

// TakenNS is when the request took its slot: its start, or when it began to wait for one of the places of -prefill-concurrency.
func (s *Sample) TakenNS() int64 {
	if s.PrefillNS == 0 {
		return s.StartNS
	}
	return max(s.ScheduledNS, s.PlacedNS)
}

// DueNS is when the request could have started: when it was scheduled, or later, when there was a place for it.
func (s *Sample) DueNS() int64 { return max(s.ScheduledNS, s.PlacedNS, s.PrefillNS) }

// Usage is the token count that the server reported, in tokens. The last one of a response wins.
type Usage struct {
	PromptTokens     int  `json:"prompt_tokens"`
	CompletionTokens int  `json:"completion_tokens"`
	TotalTokens      int  `json:"total_tokens"`
	CachedTokens     *int `json:"cached_tokens,omitempty"` // of the prompt; nil: not reported
	ReasoningTokens  int  `json:"reasoning_tokens,omitempty"`

	// What only some servers report; 0 is not reported.
	CacheWriteTokens         int `json:"cache_write_tokens,omitempty"`
	CacheMissTokens          int `json:"cache_miss_tokens,omitempty"`
	PromptAudioTokens        int `json:"prompt_audio_tokens,omitempty"`
	CompletionAudioTokens    int `json:"completion_audio_tokens,omitempty"`
	AcceptedPredictionTokens int `json:"accepted_prediction_tokens,omitempty"`
	RejectedPredictionTokens int `json:"rejected_prediction_tokens,omitempty"`
}

// Counted holds the token counts that the metrics use: ISL by the client's tokenizer, or as the server counts where that was asked for
// (Plan.ISLCounts), OSL (reasoning included) and reasoning by Source.
type Counted struct {
	ISL       int         `json:"isl"`
	OSL       int         `json:"osl"`
	Reasoning int         `json:"reasoning"`
	Source    TokenSource `json:"source"`
	// Estimate is what the client's tokenizer makes of an output that the server counted, where the two are compared; 0: they were not.
	Estimate int `json:"estimate,omitempty"`
	// ClientISL is the prompt by the client's tokenizer where ISL is the server's count; 0: ISL is the client's.
	ClientISL int `json:"client_isl,omitempty"`
}

// PromptByClient is the length of the prompt by the client's tokenizer, without the server's template.
func (c *Counted) PromptByClient() int {
	if c.ClientISL > 0 {
		return c.ClientISL
	}
	return c.ISL
}

// Conn describes the connection that carried a request. Durations are zero for a reused one.
type Conn struct {
	Reused    bool   `json:"reused"` // it was open before the request: used by an earlier one, or warmed
	DNSNS     int64  `json:"dns_ns"`
	ConnectNS int64  `json:"connect_ns"`
	TLSNS     int64  `json:"tls_ns"`
	Remote    string `json:"remote"`

	GotNS     int64 `json:"got_ns"`          // stamp: the request had its connection; Never if it got none
	BytesSent int64 `json:"bytes_sent"`      // of the request, head and body, before encryption; 0 through net/http over TLS: not known
	Stale     int   `json:"stale,omitempty"` // open connections thrown away for this request, because the server had closed them
	// Resent is how often net/http wrote the request once more because a connection ended without an answer: it does so
	// over HTTP/1.1 where a header of the user's says that a request may come twice (Idempotency-Key).
	Resent int `json:"resent,omitempty"`
}

// Retry is one time that a request was refused with status 429 and sent again. Stamps are as in Sample, whose StartNS is that of the first
// time: the waiting is part of the request's latency.
type Retry struct {
	RefusedNS int64 `json:"refused_ns"`     // the refusal had been read
	ResumedNS int64 `json:"resumed_ns"`     // the request was sent again
	Told      bool  `json:"told,omitempty"` // the server said how long to wait (Retry-After)
}

// Error is AIPerf's error object: an HTTP-like code, a type and a message.
type Error struct {
	Code    int    `json:"code"`
	Type    string `json:"type"`
	Message string `json:"message"`
}

// MetricValue is one computed figure of a request as the log carries it: Value, or List where a request has several.
type MetricValue struct {
	Tag, Unit string
	Value     float64
	List      []float64
}

// Status is how far a level came.
type Status string

// The states of a level.
const (
	Running   Status = "running"   // level.json of a process that was killed keeps it
	Done      Status = "done"      // every planned request ended and the error rate was within its limit
	Failed    Status = "failed"    // measured, but not to be trusted: Reason says why
	Capped    Status = "capped"    // stopped by -max-duration or -max-tokens-total
	Interrupt Status = "cancelled" // stopped by a signal or a deadline
)

// Counts accounts for every planned request: Planned = NotStarted + the sum of Outcomes.
type Counts struct {
	Planned    int             `json:"planned"`
	NotStarted int             `json:"not_started"`
	Outcomes   map[Outcome]int `json:"outcomes"`
	// Reasons divides each outcome other than OK; nil where there was none, and in results of before they were counted.
	Reasons map[Outcome]map[Reason]int `json:"reasons,omitempty"`
	Retried Retried                    `json:"retried,omitzero"`
	// Chosen are the requests that -cancel-rate chose and that ended by it, which is the reason "plan", or by themselves before.
	Chosen int `json:"chosen_to_cancel,omitempty"`
}

// Retried counts what was sent more than once.
type Retried struct {
	Requests  int   `json:"requests"` // that were refused with 429 and sent again
	Retries   int   `json:"retries"`  // how often in all
	WaitingNS int64 `json:"waiting_ns"`
	Resent    int   `json:"resent"` // times that net/http wrote a request again
}

// Ended returns the number of requests that were sent and ended.
func (c Counts) Ended() int {
	n := 0
	for _, k := range c.Outcomes {
		n += k
	}
	return n
}

// Failures returns the number of requests that ended otherwise than OK, those cancelled by the client left out.
func (c Counts) Failures() int { return c.Ended() - c.Outcomes[OK] - c.Outcomes[Cancelled] }

// ByPlan returns the number of requests that were cancelled as planned.
func (c Counts) ByPlan() int { return c.Reasons[Cancelled][ByPlan] }

// Interrupted returns the number of those that the client ended for another reason.
func (c Counts) Interrupted() int { return c.Outcomes[Cancelled] - c.ByPlan() }

// Level is level.json: one point of a sweep.
type Level struct {
	SchemaVersion string `json:"schema_version"`
	Point
	Status    Status    `json:"status"`
	Reason    string    `json:"reason,omitempty"`
	StartedAt time.Time `json:"started_at"` // wall clock at stamp 0
	EndedNS   int64     `json:"ended_ns"`   // stamp of the level's end
	Counts    Counts    `json:"counts"`
	Warmup    Counts    `json:"warmup"`
	Transport string    `json:"transport"` // that carried the requests: own, nethttp or http2
	// WorkloadSHA256 covers lengths, schedule and body template; BytesSHA256 the literal bodies, nonce included; it is
	// empty where these are too many to be kept (see inputs.json).
	WorkloadSHA256 string      `json:"workload_sha256"`
	BytesSHA256    string      `json:"bytes_sha256"`
	Warnings       []string    `json:"warnings,omitempty"`
	ErrorBodies    []ErrorBody `json:"error_bodies,omitempty"`  // the first three distinct ones, redacted
	Instrument     *Instrument `json:"instrument,omitempty"`    // nil: not measured, as in results of before there was any
	Earlier        *Earlier    `json:"earlier,omitempty"`       // attempts at the level that were cut short, of which nothing is kept
	Breaks         []Break     `json:"breaks,omitempty"`        // where -resume=request went on with it
	Waited         Waited      `json:"waited,omitzero"`         // for a place, in an open loop with a cap
	Prefill        Waited      `json:"waited_prefill,omitzero"` // for one of the places of -prefill-concurrency
	// FromFile: the prompts are of a file, and share what they share.
	FromFile bool `json:"from_file,omitempty"`
	// FilledNS is the stamp at which a ramp of the load ends; 0: there is none.
	FilledNS int64 `json:"filled_ns,omitempty"`
	// ServerMetrics and GPUTelemetry are how the server and its GPUs were asked beside the load; what they told is in files of their own.
	ServerMetrics *Asked `json:"server_metrics,omitempty"`
	GPUTelemetry  *Asked `json:"gpu_telemetry,omitempty"`
}

// Asked is how often sources were asked for their metrics, and how that went.
type Asked struct {
	Sources []AskedSource `json:"sources"`
	Bytes   int64         `json:"bytes"`                     // of the file
	Thinned bool          `json:"thinned,omitempty"`         // the file reached its bound: later rounds are at the edges of the level only
	LeftOut int           `json:"series_left_out,omitempty"` // of one page, at most
}

// AskedSource is one of them.
type AskedSource struct {
	URL       string `json:"url"`   // without credentials
	Pages     int    `json:"pages"` // that were read
	Failed    int    `json:"failed"`
	Failure   string `json:"failure,omitempty"` // the first, in words
	PageBytes int    `json:"page_bytes"`        // of the largest
	TookNS    int64  `json:"took_ns"`           // from asking to the end of the page, of all that were read
	ParseNS   int64  `json:"parse_ns"`          // of which the client was busy with understanding them
}

// Waited counts the measured requests that had to wait for a place because a cap was reached: -max-in-flight or -prefill-concurrency.
type Waited struct {
	Requests  int   `json:"requests"`
	TotalNS   int64 `json:"total_ns"`
	LongestNS int64 `json:"longest_ns"`
}

// CountWaits takes the waits of a sample into account.
func (l *Level) CountWaits(s *Sample) {
	if s.Phase != Profiling {
		return
	}
	l.Waited.add(s.ScheduledNS, s.PlacedNS)
	l.Prefill.add(s.TakenNS(), s.PrefillNS)
}

// add counts a wait, if there was one: until is 0 otherwise.
func (w *Waited) add(sinceNS, untilNS int64) {
	if untilNS == 0 {
		return
	}
	wait := untilNS - sinceNS
	w.Requests++
	w.TotalNS += wait
	w.LongestNS = max(w.LongestNS, wait)
}

// WasCancelled reports whether the level was stopped from outside, by a signal, a deadline or a kill. A cap of the plan is no
// cancellation.
func (l *Level) WasCancelled() bool { return l.Status == Interrupt || l.Status == Running }

// ErrorBody is what a server answered instead of a completion.
type ErrorBody struct {
	Status int    `json:"status"`
	Body   string `json:"body"`
}

// RunName is the folder of one run of a level, inside the level's, where there are several.
func RunName(run int) string { return fmt.Sprintf("run-%d", run) }

// SentinelName is the folder, inside the first level's, of the run that measures it again at the end.
const SentinelName = "sentinel"

// Run is run.json: everything that determined a run, without secrets.
type Run struct {
	SchemaVersion string    `json:"schema_version"`
	Tool          Tool      `json:"tool"`
	CreatedAt     time.Time `json:"created_at"`
	Plan          Plan      `json:"plan"`
	// WorkloadSHA256 covers the workload of all levels: two runs are comparable only where it is equal. The nonce is not in it.
	WorkloadSHA256 string   `json:"workload_sha256"`
	Host           *Host    `json:"host,omitempty"` // absent in virtual time
	Target         Target   `json:"target"`
	Replicas       []Target `json:"replicas,omitempty"` // the endpoints after the first
	// Template is what the first endpoint's server adds to a prompt. Nil: results of before it was measured.
	Template *Template `json:"template,omitempty"`
	Warnings []string  `json:"warnings,omitempty"`
	Resumes  []Resume  `json:"resumes,omitempty"` // in the order of time
}

// Tool identifies the program that wrote the files.
type Tool struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Go      string `json:"go"`
}

// Host identifies the machine that generated the load.
type Host struct {
	Hostname    string `json:"hostname"`
	OS          string `json:"os"`
	Arch        string `json:"arch"`
	Kernel      string `json:"kernel,omitempty"`
	CPU         string `json:"cpu,omitempty"`
	CPUs        int    `json:"cpus"`
	GOMAXPROCS  int    `json:"gomaxprocs"`
	MemoryBytes int64  `json:"memory_bytes,omitempty"`
	GoVersion   string `json:"go_version"`
	Fingerprint string `json:"fingerprint"` // equal for equal machines and runtimes
}

// Target is what the server said of itself.
type Target struct {
	Version string            `json:"version,omitempty"` // body of /version
	Models  []string          `json:"models,omitempty"`  // ids of /v1/models
	Model   map[string]any    `json:"model,omitempty"`   // the model's own entry there
	Headers map[string]string `json:"headers,omitempty"` // response headers that name a server
}
