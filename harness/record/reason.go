package record

import (
	"slices"
	"strconv"
	"strings"
)

// Reason is why a request ended as its Outcome says. The list is closed, and each outcome has its own: see Reasons. The words of the system
// or the server are the message of Sample.Error. A log of before the list was closed may have other reasons.
type Reason string

// HTTPStatus is why a request was Rejected: by a status other than 2xx, of this code. Redirections are not followed, so they are among them.
func HTTPStatus(code int) Reason { return Reason(httpStatus + strconv.Itoa(code)) }

const httpStatus = "http "

// Why a request TimedOut: the limit that passed, each a flag.
const (
	FirstTokenTimeout Reason = "first token timeout" // no content chunk came in time
	IdleTimeout       Reason = "idle timeout"        // content had come, and then no event for too long
	RequestTimeout    Reason = "request timeout"     // the whole took too long, though it may have been lively
)

// Why a stream was Cut. How it ended, cleanly, by a reset or in broken framing, is the message.
const (
	CutBeforeToken Reason = "before the first token" // of no use to anybody
	CutAfterToken  Reason = "after the first token"  // what had come is in the sample
)

// Why an answer was Malformed.
const (
	BadJSON    Reason = "json"           // an event is no JSON
	TooLarge   Reason = "too large"      // an event without end, or a body that unpacks to far more than came
	NoContent  Reason = "no content"     // the stream ended as it should, without a content chunk
	NoStream   Reason = "not a stream"   // a document or a web page where a stream was asked for
	NoDocument Reason = "not a document" // a stream or a web page where a document was asked for
	Encoded    Reason = "encoded"        // an unknown content encoding, or bytes that are not in the one they claim
)

// How an error came inside a stream.
const (
	ErrorObject Reason = "error object" // in the place of a chunk
	ErrorEvent  Reason = "error event"  // an event named error
)

// Why a connection failed: none was made, or nothing but its end came of it.
const (
	DNS            Reason = "dns"                   // the name has no address
	Refused        Reason = "refused"               // nobody listens
	ConnectTimeout Reason = "connect timeout"       // looking up, TCP and TLS together took too long
	TLS            Reason = "tls"                   // the handshake failed, by its certificate for example
	Reset          Reason = "reset"                 // the connection was reset before the response's head had come
	ClosedEarly    Reason = "closed before headers" // the same, closed
	NotHTTP        Reason = "not http"              // what came is not the HTTP that was spoken, or a head beyond all bounds
	NoConnection   Reason = "connection"            // any other error of the network, or a request that cannot be written
)

// Who Cancelled a request.
const (
	BySignal   Reason = "signal"     // a signal, or the end of the process that owned the run
	ByDeadline Reason = "deadline"   // go test's time was up
	ByCap      Reason = "cap"        // -max-duration or -max-tokens-total was reached, and the request outlived the drain
	ByGrace    Reason = "grace"      // it was in flight after -duration for longer than the -grace-period
	ByErrors   Reason = "errors"     // too many others had failed, and it outlived the drain
	ByStorage  Reason = "storage"    // results could no longer be written
	ByCaller   Reason = "the caller" // the context of who uses package harness ended, for a reason of its own
	ByPlan     Reason = "plan"       // -cancel-rate: its client went away on purpose, -cancel-delay after it was sent
)

// Reasons lists every Reason of an outcome, in the order of this file. OK has none. Rejected has one for each status, of which there are too
// many to list: see HTTPStatus.
func Reasons(o Outcome) []Reason {
	switch o {
	case TimedOut:
		return []Reason{FirstTokenTimeout, IdleTimeout, RequestTimeout}
	case Cut:
		return []Reason{CutBeforeToken, CutAfterToken}
	case Malformed:
		return []Reason{BadJSON, TooLarge, NoContent, NoStream, NoDocument, Encoded}
	case StreamError:
		return []Reason{ErrorObject, ErrorEvent}
	case ConnectionFailed:
		return []Reason{DNS, Refused, ConnectTimeout, TLS, Reset, ClosedEarly, NotHTTP, NoConnection}
	case Cancelled:
		return []Reason{BySignal, ByDeadline, ByCap, ByGrace, ByErrors, ByStorage, ByCaller, ByPlan}
	default:
		return nil
	}
}

// Of reports whether the reason is one of an outcome's.
func (r Reason) Of(o Outcome) bool {
	switch o {
	case OK:
		return r == ""
	case Rejected:
		digits, found := strings.CutPrefix(string(r), httpStatus)
		code, err := strconv.Atoi(digits)
		return found && err == nil && code/100 != 2 && r == HTTPStatus(code)
	default:
		return slices.Contains(Reasons(o), r)
	}
}
