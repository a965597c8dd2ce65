package record

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

// Plan holds every setting of a run, resolved, as it is stored: no secret is among them.
type Plan struct {
	BenchmarkName     string            `json:"benchmark_name"`
	Endpoints         []string          `json:"endpoints"`            // full URLs of the route, credentials removed
	EmbeddedMock      bool              `json:"embedded_mock"`        // no endpoint was given
	MockArgs          []string          `json:"mock_args,omitempty"`  // of the embedded mock
	MockFiles         map[string]string `json:"mock_files,omitempty"` // SHA-256 of each file that these name, by its path
	Model             string            `json:"model"`
	Input             Input             `json:"input,omitzero"` // of the prompts, which are made up without one
	ISL               int               `json:"isl"`
	StdDev            int               `json:"std"`
	OSL               int               `json:"osl"`
	SeqDist           string            `json:"seq_dist,omitempty"`   // lengths in place of these, which are 0 then: a mixture, as -seq-dist takes it
	Prefixes          Prefixes          `json:"prefixes,omitzero"`    // that prompts share on purpose
	ISLCounts         string            `json:"isl_counts,omitempty"` // server: lengths of prompts are as it counts them; "": as the tokenizer does
	Concurrencies     []int             `json:"concurrencies"`
	RequestRates      []float64         `json:"request_rates,omitempty"`       // of open-loop levels, in requests a second; there are no concurrencies then
	Arrival           string            `json:"arrival,omitempty"`             // of these: constant, poisson or gamma
	Burstiness        float64           `json:"burstiness,omitempty"`          // of gamma: its shape; 1 is poisson
	Duration          time.Duration     `json:"duration_ns,omitempty"`         // how long requests of a level are started; 0: until their number is reached
	GracePeriod       time.Duration     `json:"grace_period_ns,omitempty"`     // how long those in flight may go on after it
	ConcurrencyRamp   time.Duration     `json:"concurrency_ramp_ns,omitempty"` // over which the slots of a closed loop are filled
	FixedSchedule     bool              `json:"fixed_schedule,omitempty"`      // requests start by the timestamps of Input
	TimeScale         float64           `json:"time_scale,omitempty"`          // by which their distances are multiplied
	RateRamp          time.Duration     `json:"rate_ramp_ns,omitempty"`        // over which the rate of an open loop rises, or falls, from RateRampFrom
	RateRampFrom      float64           `json:"rate_ramp_from,omitempty"`
	MaxInFlight       int               `json:"max_in_flight,omitempty"`       // of open-loop levels; 0: no cap
	PrefillCap        int               `json:"prefill_concurrency,omitempty"` // requests between their start and their first token; 0: no cap
	CancelRate        float64           `json:"cancel_rate,omitempty"`         // of the measured requests, in percent: their clients go away on purpose,
	CancelDelay       time.Duration     `json:"cancel_delay_ns,omitempty"`     // so long after they were fully sent
	RequestCount      int               `json:"request_count"`                 // 0: see Requests
	WarmupRequests    int               `json:"warmup_requests"`
	WarmupDuration    time.Duration     `json:"warmup_duration_ns,omitempty"`  // how long requests of a warm-up are started; 0: until their number is reached
	WarmupGrace       *time.Duration    `json:"warmup_grace_ns,omitempty"`     // how long those in flight may go on after it; nil: to their ends
	WarmupConcurrency int               `json:"warmup_concurrency,omitempty"`  // in flight in the warm-up; 0: see WarmupPoint
	WarmupRate        float64           `json:"warmup_request_rate,omitempty"` // of a warm-up in an open loop; 0: see WarmupPoint
	Repeats           int               `json:"repeats,omitempty"`             // runs of each level; 0: one, without a folder of its own
	Seed              uint64            `json:"seed"`
	Nonce             uint64            `json:"nonce"`
	OutputDir         string            `json:"output_dir"`
	Headers           map[string]string `json:"headers,omitempty"` // names; values redacted
	ExtraInputs       map[string]any    `json:"extra_inputs,omitempty"`
	GPUs              int               `json:"gpus"`
	GPUsAssumed       bool              `json:"gpus_assumed"`
	WaitReady         time.Duration     `json:"wait_ready_ns"`
	RequestTimeout    time.Duration     `json:"request_timeout_ns"`
	FirstTokenTimeout time.Duration     `json:"first_token_timeout_ns"`
	IdleTimeout       time.Duration     `json:"idle_timeout_ns"`
	ConnectTimeout    time.Duration     `json:"connect_timeout_ns"`
	Retry429          bool              `json:"retry_429"`
	MaxDuration       time.Duration     `json:"max_duration_ns"`
	MaxTokensTotal    int64             `json:"max_tokens_total"`
	MaxErrorRate      float64           `json:"max_error_rate"`
	ContinueOnError   bool              `json:"continue_on_error"`
	EndpointType      string            `json:"endpoint_type,omitempty"` // chat or completions; "": chat, of before there was another
	Unstreamed        bool              `json:"unstreamed,omitempty"`    // -streaming=false
	Compat            string            `json:"compat"`
	Definitions       string            `json:"definitions"`      // whose formulas tables follow; files hold AIPerf's
	SLO               string            `json:"slo,omitempty"`    // by which goodput is, as -slo takes it
	Export            string            `json:"export,omitempty"` // formats beside AIPerf's, as -export takes them; "": the default
	Transport         string            `json:"transport"`        // asked for: auto, own, nethttp or http2
	ConnectionReuse   string            `json:"connection_reuse"` // pooled or never
	TLS               TLSOptions        `json:"tls,omitzero"`     // of https endpoints
	Virtual           bool              `json:"virtual"`
	Tokenizer         string            `json:"tokenizer"`
	TokenizerSHA256   string            `json:"tokenizer_sha256"`
	// TokenizerApproximate: the tokenizer is not the model's, but stands in for it.
	TokenizerApproximate bool `json:"tokenizer_approximate,omitempty"`
	// ServerMetrics are pages that the server is asked for beside the load, without credentials, or auto or off; empty: of before there was this.
	ServerMetrics []string `json:"server_metrics,omitempty"`
	GPUTelemetry  []string `json:"gpu_telemetry,omitempty"` // likewise those of DCGM exporters
}

// What -server-metrics may be, instead of URLs.
const (
	MetricsAuto = "auto" // what is found beside the endpoints
	MetricsOff  = "off"
)

// What -endpoint-type may be.
const (
	Chat        = "chat"        // /v1/chat/completions
	Completions = "completions" // /v1/completions
)

// AsksCompletions reports whether prompts go to the completions route, and not into a chat.
func (p *Plan) AsksCompletions() bool { return p.EndpointType == Completions }

// What -isl-counts may be: whose tokens lengths of prompts are in.
const (
	ClientISL = "client" // the tokenizer's, without the server's template
	ServerISL = "server" // those of its usage
)

// Input is a file that says what requests ask.
type Input struct {
	File     string `json:"file"`   // as it was named
	SHA256   string `json:"sha256"` // of its content
	Format   string `json:"format"`
	Sampling string `json:"sampling"` // which record a request takes: sequential, shuffle or random
	Records  int    `json:"records"`  // that can be sent
}

// Lengths says in words how long prompts and answers are, in tokens.
func (p *Plan) Lengths() string {
	if p.Input.File != "" {
		return fmt.Sprintf("prompts of %s (%s, %d records, %s), its OSL or %d", filepath.Base(p.Input.File), p.Input.Format, p.Input.Records, p.Input.Sampling, p.OSL)
	}
	server := ""
	if p.ISLCounts == ServerISL {
		server = " as the server counts"
	}
	if p.SeqDist != "" {
		return "ISL" + server + ",OSL " + p.SeqDist + p.Prefixes.String()
	}
	return fmt.Sprintf("ISL %d +/- %d%s%v, OSL %d", p.ISL, p.StdDev, server, p.Prefixes, p.OSL)
}

// Cancellations says in words which requests are cancelled by plan.
func (p *Plan) Cancellations() string {
	if p.CancelRate == 0 {
		return "none"
	}
	return fmt.Sprintf("%g %% of the requests, %v after they were sent", p.CancelRate, p.CancelDelay)
}

// Prefixes is what prompts share on purpose. It is part of their lengths.
type Prefixes struct {
	System int     `json:"system,omitempty"` // tokens of a system message, the same for all requests
	Pool   int     `json:"pool,omitempty"`   // how many prefixes there are, of which each request takes one at random; 0 is 1
	Length int     `json:"length,omitempty"` // tokens of a prefix
	Ratio  float64 `json:"ratio,omitempty"`  // instead of Length: the part of each prompt's tokens that is its prefix
}

// String says in words what is shared, as it stands behind the lengths of prompts; "" if nothing is.
func (p Prefixes) String() string {
	var parts []string
	if p.System > 0 {
		parts = append(parts, fmt.Sprintf("a system message of %d", p.System))
	}
	prefix := "a prefix"
	if p.Pool > 1 {
		prefix = fmt.Sprintf("one of %d prefixes", p.Pool)
	}
	switch {
	case p.Ratio > 0:
		parts = append(parts, fmt.Sprintf("%s of %.4g %% of each prompt", prefix, 100*p.Ratio))
	case p.Length > 0:
		parts = append(parts, fmt.Sprintf("%s of %d", prefix, p.Length))
	}
	if len(parts) == 0 {
		return ""
	}
	return " (shared: " + strings.Join(parts, ", ") + ")"
}

// TLSOptions say how https endpoints are met. The zero value verifies them by the system's authorities.
type TLSOptions struct {
	Insecure   bool   `json:"insecure,omitempty"`    // certificates are not verified
	CACert     string `json:"ca_cert,omitempty"`     // PEM file of more authorities
	ClientCert string `json:"client_cert,omitempty"` // PEM files for servers that ask who the client is
	ClientKey  string `json:"client_key,omitempty"`
}
