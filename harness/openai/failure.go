package openai

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"syscall"

	"github.com/llmsweep/llmsweep/harness/openai/internal/http1"
	"github.com/llmsweep/llmsweep/harness/record"
)

// failure is an outcome other than OK.
type failure struct {
	outcome record.Outcome
	reason  record.Reason
	err     error
}

// Error gives outcome, sub-reason and cause.
func (f *failure) Error() string { return fmt.Sprintf("%s (%s): %v", f.outcome, f.reason, f.err) }

// asFailure returns the failure in err. Only the event decoder has errors of its own: an event without end.
func asFailure(err error) *failure {
	var f *failure
	if errors.As(err, &f) {
		return f
	}
	return &failure{outcome: record.Malformed, reason: record.TooLarge, err: err}
}

// Cancellation is the cause of a context that ends requests: whose decision it was, and that in words. Of another cause the reason is
// record.ByCaller.
type Cancellation struct {
	Reason record.Reason // one of record.Cancelled
	Text   string
}

// Error is the text.
func (c *Cancellation) Error() string { return c.Text }

// cancelled is the failure of a request whose context ended.
func cancelled(cause error) *failure {
	var f *failure
	if errors.As(cause, &f) {
		return f // a time limit of the request
	}
	f = &failure{outcome: record.Cancelled, reason: record.ByCaller, err: cause}
	var by *Cancellation
	if errors.As(cause, &by) {
		f.reason = by.Reason
	}
	return f
}

// unanswered is the failure of a request to which no response came.
func unanswered(err error) *failure {
	var late *http1.DialTimeoutError
	reason := connectionReason(err)
	if errors.As(err, &late) {
		err = fmt.Errorf("%w (-connect-timeout)", late)
	}
	return &failure{outcome: record.ConnectionFailed, reason: reason, err: err}
}

// code is AIPerf's HTTP-like code of an error.
func (f *failure) code(status int) int {
	switch f.outcome {
	case record.Rejected:
		return status
	case record.Cancelled:
		return 499
	case record.TimedOut:
		return http.StatusGatewayTimeout
	default:
		return http.StatusBadGateway
	}
}

func (f *failure) kind() string {
	switch {
	case f.outcome == record.Rejected:
		return string(f.reason)
	case f.reason == record.ByPlan:
		return "RequestCancellationError" // AIPerf's name
	}
	return string(f.outcome) + ": " + string(f.reason)
}

// streamNumbers are what net/http's errors of HTTP/2 differ by.
var streamNumbers = regexp.MustCompile(`stream ID \d+; |LastStreamID=\d+, `)

// maxMessage bounds what is kept of an error, in bytes: some quote all that a server sent.
const maxMessage = 5 << 10

// message leaves out the ephemeral port of a connection and the number of a stream, so that equal errors are counted as one.
func (f *failure) message() string { return excerpt([]byte(f.words()), maxMessage) }

func (f *failure) words() string {
	var call *os.SyscallError
	if errors.As(f.err, &call) {
		return call.Error()
	}
	var op *net.OpError
	if errors.As(f.err, &op) {
		return fmt.Sprintf("%s: %v", op.Op, op.Err)
	}
	return streamNumbers.ReplaceAllString(f.err.Error(), "")
}

// excerpt is the start of what a server sent, at most limit bytes and an ellipsis. What is no UTF-8 is replaced, which may make it longer.
func excerpt(data []byte, limit int) string {
	text := bytes.ToValidUTF8(data[:min(len(data), limit)], []byte("\uFFFD"))
	if len(data) <= limit && len(text) <= limit {
		return string(text)
	}
	return string(bytes.ToValidUTF8(text[:min(len(text), limit)], nil)) + "…"
}

// connectionReason names why no response came.
func connectionReason(err error) record.Reason {
	var dns *net.DNSError
	var protocol *http1.ProtocolError
	var late interface{ Timeout() bool }
	text := err.Error()
	switch {
	case errors.As(err, &dns):
		return record.DNS
	case errors.Is(err, syscall.ECONNREFUSED):
		return record.Refused
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), strings.Contains(text, "stream error:"): // HTTP/2's
		return record.Reset
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), strings.Contains(text, "server closed idle connection"), strings.Contains(text, "GOAWAY"):
		return record.ClosedEarly
	case strings.Contains(text, "tls:") || strings.Contains(text, "x509:"):
		return record.TLS
	case errors.As(err, &protocol), strings.Contains(text, "malformed HTTP"),
		strings.Contains(text, "frame too large"), strings.Contains(text, "connection error:"): // HTTP/2's: of what is no frame, and of a frame out of place
		return record.NotHTTP
	case errors.As(err, &late) && late.Timeout():
		return record.ConnectTimeout
	default:
		return record.NoConnection
	}
}
