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
	"strconv"
	"strings"
	"syscall"
	"unicode"

	"github.com/llmsweep/llmsweep/harness/openai/internal/http1"
	"github.com/llmsweep/llmsweep/harness/record"
)

// failure is an outcome other than OK.
type failure struct {
	outcome record.Outcome
	reason  string
	err     error
}

// Error gives outcome, sub-reason and cause.
func (f *failure) Error() string { return fmt.Sprintf("%s (%s): %v", f.outcome, f.reason, f.err) }

// asFailure returns the failure in err, else err as a malformed answer.
func asFailure(err error, reason string) *failure {
	var f *failure
	if errors.As(err, &f) {
		return f
	}
	return &failure{outcome: record.Malformed, reason: reason, err: err}
}

// cancelled is the failure of a request whose context ended.
func cancelled(cause error) *failure {
	var f *failure
	if errors.As(cause, &f) {
		return f // a time limit of the request
	}
	return &failure{outcome: record.Cancelled, reason: cause.Error(), err: cause}
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
	if f.outcome == record.Rejected {
		return f.reason
	}
	return string(f.outcome) + ": " + f.reason
}

// streamNumbers are what net/http's errors of HTTP/2 differ by.
var streamNumbers = regexp.MustCompile(`stream ID \d+; |LastStreamID=\d+, `)

// message leaves out the ephemeral port of a connection and the number of a stream, so that equal errors are counted as one.
func (f *failure) message() string {
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

// excerpt is the start of what a server sent, at most limit bytes.
func excerpt(data []byte, limit int) string {
	text := bytes.ToValidUTF8(data[:min(len(data), limit)], []byte("\uFFFD"))
	if len(data) > limit {
		return string(text) + "…"
	}
	return string(text)
}

// Printable is a text of a server as one line without control characters. It may have been written to move the cursor of a terminal, or to look
// like a line of our own; also what turns the direction of text is escaped.
func Printable(text string) string {
	var b strings.Builder
	for _, r := range strings.Join(strings.Fields(text), " ") {
		if unicode.IsPrint(r) {
			b.WriteRune(r)
			continue
		}
		quoted := strconv.QuoteRune(r)
		b.WriteString(quoted[1 : len(quoted)-1])
	}
	return b.String()
}

// connectionReason names why no response came.
func connectionReason(err error) string {
	var dns *net.DNSError
	var protocol *http1.ProtocolError
	var late interface{ Timeout() bool }
	text := err.Error()
	switch {
	case errors.As(err, &dns):
		return "dns"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), strings.Contains(text, "stream error:"): // HTTP/2's
		return "reset"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), strings.Contains(text, "server closed idle connection"), strings.Contains(text, "GOAWAY"):
		return "closed before headers"
	case strings.Contains(text, "tls:") || strings.Contains(text, "x509:"):
		return "tls"
	case errors.As(err, &protocol), strings.Contains(text, "malformed HTTP"):
		return "not http"
	case errors.As(err, &late) && late.Timeout():
		return "connect timeout"
	default:
		return "connection"
	}
}
