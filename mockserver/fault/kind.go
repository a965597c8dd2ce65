package fault

import "slices"

// Kind is what goes wrong.
type Kind string

// The kinds. What the client should see is said by [Fault.Sees].
const (
	Status             Kind = "status"               // an answer with an HTTP status instead of the one asked for
	Refuse             Kind = "refuse"               // nobody listens: connections are refused
	ResetBeforeHeaders Kind = "reset_before_headers" // the connection is reset before the response begins
	Reset              Kind = "reset"                // and after some tokens
	StallBeforeHeaders Kind = "stall_before_headers" // nothing comes for a while, or ever, before the response begins
	Stall              Kind = "stall"                // and after some tokens; then what is ready comes at once
	SlowHeaders        Kind = "slow_headers"         // the response's header comes byte by byte
	SlowBody           Kind = "slow_body"            // the body comes byte by byte
	Truncate           Kind = "truncate"             // the stream ends in good order but without finish_reason
	MalformedJSON      Kind = "malformed_json"       // an event whose JSON breaks off
	BrokenFraming      Kind = "broken_framing"       // what should be the size of an HTTP chunk is none
	StreamError        Kind = "stream_error"         // the stream ends with an error object
	Empty              Kind = "empty"                // status 200 and no content
	Duplicate          Kind = "duplicate"            // an event comes twice
	EndlessLine        Kind = "endless_line"         // an event goes on and on, and ends without a newline
	WrongContentType   Kind = "wrong_content_type"   // the header names another type
	Spike              Kind = "spike"                // tokens come later than they would
	Drift              Kind = "drift"                // later and later, the longer the server runs
	ColdStart          Kind = "cold_start"           // later at first
	Cached             Kind = "cached"               // the same text for everybody, at once, without the engine
	FewerTokens        Kind = "fewer_tokens"         // the answer ends, with "stop", before it is as long as asked
)

// Kinds lists every kind in the order of the documentation.
func Kinds() []Kind {
	return []Kind{
		Status, Refuse, ResetBeforeHeaders, Reset, StallBeforeHeaders, Stall, SlowHeaders, SlowBody, Truncate, MalformedJSON, BrokenFraming,
		StreamError, Empty, Duplicate, EndlessLine, WrongContentType, Spike, Drift, ColdStart, Cached, FewerTokens,
	}
}

// keys are those of a rule that say what this kind does; the first needed of them have no default.
func (k Kind) keys() (names []string, needed int) {
	names = map[Kind][]string{
		Status:             {"status", "retry_after", "body"},
		Reset:              {"tokens"},
		StallBeforeHeaders: {"for"},
		Stall:              {"tokens", "for"},
		SlowHeaders:        {"interval"},
		SlowBody:           {"rate"},
		Truncate:           {"tokens", "done"},
		MalformedJSON:      {"tokens"},
		BrokenFraming:      {"tokens"},
		StreamError:        {"tokens", "style"},
		Empty:              {"done"},
		Duplicate:          {"tokens"},
		EndlessLine:        {"tokens", "size"},
		WrongContentType:   {"content_type"},
		Spike:              {"delay", "tokens"},
		Drift:              {"slope"},
		ColdStart:          {"delay"},
		FewerTokens:        {"share"},
	}[k]
	if slices.Contains([]Kind{Status, Spike, Drift, ColdStart}, k) {
		needed = 1
	}
	return names, needed
}

// StreamsOnly says that only a streamed answer has what the kind spoils.
func (k Kind) StreamsOnly() bool {
	return slices.Contains([]Kind{Reset, Stall, Truncate, MalformedJSON, BrokenFraming, StreamError, Duplicate, EndlessLine}, k)
}

// NeedsConnection says that the kind acts on the connection itself, which must be one of HTTP/1.1 without TLS.
func (k Kind) NeedsConnection() bool {
	return slices.Contains([]Kind{ResetBeforeHeaders, Reset, SlowHeaders, BrokenFraming}, k)
}

// Style is the form of an error inside a stream.
type Style string

// The styles that servers have.
const (
	OpenAI Style = "openai" // {"error": {…}}, the last event
	VLLM   Style = "vllm"   // the same with a number as its code, and [DONE] behind it
	Flat   Style = "flat"   // {"object": "error", …}, and [DONE] behind it
	Event  Style = "event"  // an event named error
)

// styles lists them.
func styles() []Style { return []Style{OpenAI, VLLM, Flat, Event} }
