package openai

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/workload"
)

// exchange is one request and its response on their way.
type exchange struct {
	client  *Client
	sample  *record.Sample
	scratch *scratch
	trace   connTrace
	watch   *watchdog
	body    io.Reader // of the response
	plain   io.Reader // the same, unpacked
	now     int64     // stamp of the socket read that brought what body gave last
	stream  stream
}

func (x *exchange) run(ctx context.Context, endpoint *url.URL, r *workload.Request) {
	s, c := x.sample, x.client
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	request := c.request(x.trace.attach(ctx, c), endpoint, r)
	s.StartNS = c.Now()
	x.watch = startWatchdog(c, s.StartNS, cancel)
	defer x.watch.stop()
	response, err := c.transport.RoundTrip(request)
	if err == nil {
		err = x.receive(response)
		_ = response.Body.Close() // what was read of it is judged
	} else {
		err = &failure{outcome: record.ConnectionFailed, reason: connectionReason(err), err: err}
	}
	s.EndNS = c.Now()
	x.trace.fill(s) // not before: an answer can overtake the news that the request was written
	if s.SentNS != record.Never {
		s.BytesSent = int64(len(r.Body))
	}
	x.settle(ctx, err)
}

func (c *Client) request(ctx context.Context, endpoint *url.URL, r *workload.Request) *http.Request {
	header := make(http.Header, len(c.config.Header)+6)
	header["Content-Type"] = []string{"application/json"}
	header["Accept"] = []string{"text/event-stream"}
	header["User-Agent"] = []string{c.config.UserAgent}
	header["X-Request-Id"] = []string{r.ID}
	header["Traceparent"] = []string{r.Traceparent}
	for name, values := range c.config.Header {
		header[name] = values
	}
	request := &http.Request{
		Method: http.MethodPost, URL: endpoint, Host: header.Get("Host"), Header: header, ContentLength: int64(len(r.Body)),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Body: io.NopCloser(bytes.NewReader(r.Body)),
		// Without GetBody net/http would not take another connection when the server closed the idle one that it was about to use.
		GetBody: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(r.Body)), nil },
	}
	return request.WithContext(ctx)
}

// receive reads the response to its end.
func (x *exchange) receive(response *http.Response) error {
	x.sample.Status, x.sample.HeadersNS = response.StatusCode, x.trace.arrivals.stamp.Load()
	x.body = response.Body
	encoded := x.unpack(response.Header.Get("Content-Encoding"))
	if response.StatusCode/100 != 2 {
		return &failure{outcome: record.Rejected, reason: fmt.Sprintf("http %d", response.StatusCode), err: errors.New(x.text())}
	}
	if encoded != nil {
		return encoded
	}
	if kind := response.Header.Get("Content-Type"); isDocument(kind) {
		err := fmt.Errorf("content type %q where an event stream was asked for: %s", kind, x.text())
		return &failure{outcome: record.Malformed, reason: "not a stream", err: err}
	}
	return x.readStream()
}

// isDocument tells the content types of whole answers and of web pages. Others, and none, are taken for an event stream: servers
// name it variously.
func isDocument(contentType string) bool {
	media, _, _ := mime.ParseMediaType(contentType)
	return media == "application/json" || media == "text/html"
}

// Read reads what has come of the response's body, at least one byte, and notes when that came.
func (x *exchange) Read(p []byte) (int, error) {
	arrived := &x.trace.arrivals
	n, err := x.body.Read(p[:x.ready(len(p))])
	if n == 0 {
		return n, err
	}
	x.now = arrived.stamp.Load()
	if x.sample.FirstByteNS == record.Never {
		x.sample.FirstByteNS = x.now
	}
	x.sample.LastByteNS = x.now
	x.sample.BytesReceived += int64(n)
	return n, err
}

// ready is how many bytes, of n, net/http gives without waiting longer than for the next socket read.
func (x *exchange) ready(n int) int {
	here := x.trace.arrivals.body.Load() - x.sample.BytesReceived
	return int(max(1, min(int64(n), here)))
}

// maxErrorBody bounds what is kept of an answer that is not a completion, in bytes.
const maxErrorBody = 4 << 10

// text is the start of a body that is no stream. What keeps its rest from coming matters no more.
func (x *exchange) text() string {
	body, _ := io.ReadAll(io.LimitReader(x.plain, maxErrorBody))
	return string(body)
}

func (x *exchange) readStream() error {
	decoder := &x.scratch.decoder
	decoder.Reset()
	x.stream.init(x)
	emit := x.stream.event // one closure a stream, not one an event
	for {
		n, err := x.plain.Read(x.scratch.read)
		if bad := decoder.Feed(x.scratch.read[:n], emit); bad != nil {
			return asFailure(bad, "framing")
		}
		if errors.Is(err, io.EOF) {
			return x.stream.finish(decoder.Close(emit))
		}
		if err != nil {
			return x.stream.finish(err)
		}
	}
}

// settle decides the outcome. The end of ctx explains a connection that broke.
func (x *exchange) settle(ctx context.Context, err error) {
	s := x.sample
	s.Outcome = record.OK
	x.stream.count()
	if err == nil {
		return
	}
	f := asFailure(err, "decoding")
	// An answer that was complete, or wrong by itself, stays so even if the client cancelled at the same moment.
	if ctx.Err() != nil && (f.outcome == record.ConnectionFailed || f.outcome == record.Cut) {
		f = cancelled(context.Cause(ctx))
	}
	s.Outcome, s.Reason = f.outcome, f.reason
	s.Error = &record.Error{Code: f.code(s.Status), Type: f.kind(), Message: f.message()}
}
