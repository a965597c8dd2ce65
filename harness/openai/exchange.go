package openai

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/workload"
)

// exchange is one request and its response on their way. It is part of a scratch and used again.
type exchange struct {
	client  *Client
	scratch *scratch
	watch   watchdog
	sample  *record.Sample
	carrier carrier
	now     int64     // stamp of the socket read that brought the last bytes of the body
	plain   *unpacker // decodes the body; nil where it is not encoded
	stream  stream

	// Of the requests so far the last one's context and the same without its end; nearly always they have one in common.
	parent, detached context.Context

	stale, resent int // of the connections of the times before: see renew

	mu     sync.Mutex
	cause  error         // why the client ended the request; nil: it did not
	paused chan struct{} // closed by the end of the request, where it waits to be sent again
}

// run sends a request and fills its sample. It reports whether the exchange can be used again: not where the end of ctx may still be
// about to interrupt it.
func (x *exchange) run(ctx context.Context, s *record.Sample, r *workload.Request) (again bool) {
	c := x.client
	x.sample, x.stream, x.cause, x.stale, x.resent = s, stream{}, nil, 0, 0
	x.carrier = x.newCarrier(ctx)
	s.StartNS = c.Now()
	x.watch.begin(s.StartNS, r)
	if ctx.Err() != nil {
		x.interrupt(context.Cause(ctx))
	}
	ignore := context.AfterFunc(ctx, func() { x.interrupt(context.Cause(ctx)) })
	// Of ctx only interrupt makes use: a failure must not be seen before its cause.
	if x.parent != ctx {
		x.parent, x.detached = ctx, context.WithoutCancel(ctx)
	}
	err := x.send(r)
	s.EndNS = c.Now()
	x.watch.stop()
	again = ignore()
	x.carrier.close()
	x.carrier.fill(s)
	s.Conn.Stale, s.Conn.Resent = s.Conn.Stale+x.stale, s.Conn.Resent+x.resent
	if s.SentNS != record.Never {
		s.BytesSent = int64(len(r.Body))
	}
	x.settle(err)
	return again
}

func (x *exchange) newCarrier(ctx context.Context) carrier {
	if x.client.own == nil {
		return newViaNetHTTP(ctx, x)
	}
	return &x.scratch.own
}

// send sends the request, again where that is asked for, until it has ended.
func (x *exchange) send(r *workload.Request) error {
	for {
		err := x.attempt(r)
		if err == nil {
			return nil
		}
		pause := x.backoff(r)
		if !pause.again {
			return err
		}
		if err := x.pause(pause); err != nil {
			return err
		}
		x.renew()
	}
}

// attempt sends the request once and reads the response.
func (x *exchange) attempt(r *workload.Request) error {
	if err := x.carrier.send(x.detached, r.Serial, r); err != nil {
		return unanswered(err)
	}
	return x.receive()
}

// interrupt ends the request at once. The first cause counts.
func (x *exchange) interrupt(cause error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.cause != nil {
		return
	}
	x.cause = cause
	x.carrier.abort(cause)
	if x.paused != nil {
		close(x.paused)
		x.paused = nil
	}
}

// receive reads the response to its end.
func (x *exchange) receive() error {
	status := x.carrier.status()
	x.sample.Status = status
	encoded := x.unpack(string(x.carrier.header("content-encoding")))
	if status/100 != 2 {
		return &failure{outcome: record.Rejected, reason: record.HTTPStatus(status), err: errors.New(x.text())}
	}
	if encoded != nil {
		return encoded
	}
	kind := x.carrier.header("content-type")
	if x.client.config.Whole {
		return x.readDocument(kind)
	}
	if isDocument(kind) {
		err := fmt.Errorf("content type %q where an event stream was asked for: %s", kind, x.text())
		return &failure{outcome: record.Malformed, reason: record.NoStream, err: err}
	}
	return x.readStream()
}

// isDocument tells the content types of whole answers and of web pages. Others, and none, are taken for an event stream: servers
// name it variously.
func isDocument(contentType []byte) bool {
	media := mediaType(contentType)
	return bytes.EqualFold(media, []byte("application/json")) || bytes.EqualFold(media, []byte("text/html"))
}

// mediaType is a content type without its parameters.
func mediaType(contentType []byte) []byte {
	media, _, _ := bytes.Cut(contentType, []byte(";"))
	return bytes.TrimSpace(media)
}

// next returns what has come of the response's body, at least one byte, and notes when that came.
func (x *exchange) next() ([]byte, error) {
	p, err := x.carrier.next()
	if len(p) == 0 {
		return nil, err
	}
	x.now = x.carrier.stamp()
	if x.sample.FirstByteNS == record.Never {
		x.sample.FirstByteNS = x.now
	}
	x.sample.LastByteNS = x.now
	x.sample.BytesReceived += int64(len(p))
	return p, err
}

// maxErrorBody bounds what is kept of an answer that is not a completion, in bytes.
const maxErrorBody = 4 << 10

// text is the start of a body that is no stream. What keeps its rest from coming matters no more.
func (x *exchange) text() string {
	var body []byte
	for len(body) <= maxErrorBody {
		p, err := x.plainBytes()
		if err != nil {
			break
		}
		body = append(body, p...)
	}
	return string(body[:min(len(body), maxErrorBody)])
}

func (x *exchange) readStream() error {
	decoder := &x.scratch.decoder
	decoder.Reset()
	x.stream.init(x)
	emit := x.stream.event // one closure a stream, not one an event
	for {
		p, err := x.plainBytes()
		if bad := decoder.Feed(x.stream.recall(p), emit); bad != nil {
			return asFailure(bad)
		}
		if errors.Is(err, io.EOF) {
			return x.stream.finish(decoder.Close(emit))
		}
		if err != nil {
			return x.stream.finish(err)
		}
	}
}

// settle decides the outcome. What ended the request explains a connection that broke.
func (x *exchange) settle(err error) {
	s := x.sample
	s.Outcome = record.OK
	x.stream.count()
	if err == nil {
		return
	}
	f := asFailure(err)
	// An answer that was complete, or wrong by itself, stays so even if the client cancelled at the same moment.
	x.mu.Lock()
	cause := x.cause
	x.mu.Unlock()
	if cause != nil && (f.outcome == record.ConnectionFailed || f.outcome == record.Cut) {
		f = cancelled(cause)
	}
	s.Outcome, s.Reason = f.outcome, f.reason
	s.Error = &record.Error{Code: f.code(s.Status), Type: f.kind(), Message: f.message()}
}
