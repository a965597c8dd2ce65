package http1

import (
	"context"
	"fmt"
	"io"
	"net/http"
)

var _ http.RoundTripper = (*Transport)(nil)

// Stamped is what the body of a response offers: the stamp of the socket read that brought what Read gave last.
type Stamped interface{ Stamp() int64 }

// RoundTrip sends a request as net/http's transport does. A Read of the body gives what is there after at most one socket read, and
// the body is Stamped; one goroutine at a time reads and closes it. The request's body is read before anything is sent.
func (t *Transport) RoundTrip(request *http.Request) (*http.Response, error) {
	body, err := outgoing(request)
	if err != nil {
		return nil, err
	}
	header := request.Header
	if request.Close {
		header = header.Clone()
		if header == nil {
			header = http.Header{}
		}
		header.Set("Connection", "close")
	}
	method := request.Method
	if method == "" {
		method = http.MethodGet
	}
	route, err := t.Route(method, request.URL, request.Host, header)
	if err != nil {
		return nil, err
	}
	ctx := request.Context()
	b := &responseBody{call: Call{Transport: t}}
	b.stop = context.AfterFunc(ctx, func() { b.call.Abort(context.Cause(ctx)) })
	if err := b.call.Do(ctx, route, nil, body); err != nil {
		_ = b.Close()
		return nil, err
	}
	return b.response(request, method), nil
}

// outgoing reads the body of a request, and closes it as a RoundTripper must.
func outgoing(request *http.Request) ([]byte, error) {
	if request.Body == nil || request.Body == http.NoBody {
		return nil, nil
	}
	defer request.Body.Close()
	if request.ContentLength <= 0 {
		return nil, errBodyLength
	}
	body, err := io.ReadAll(io.LimitReader(request.Body, request.ContentLength+1))
	if err == nil && int64(len(body)) != request.ContentLength {
		err = fmt.Errorf("the request's body is not of its ContentLength %d", request.ContentLength)
	}
	return body, err
}

// response is the head as net/http has it.
func (b *responseBody) response(request *http.Request, method string) *http.Response {
	r := &b.call.response
	response := &http.Response{
		Status: string(r.text[len("HTTP/1.1 "):r.first]), StatusCode: r.status, Proto: fmt.Sprintf("HTTP/1.%d", r.minor), ProtoMajor: 1, ProtoMinor: r.minor,
		Header: make(http.Header, len(r.fields)), ContentLength: r.length, Close: r.closes() || b.call.body.framing == byClose, Body: b, Request: request,
	}
	for _, f := range r.fields {
		response.Header.Add(string(r.text[f.name:f.nameEnd]), string(r.text[f.value:f.valueEnd]))
	}
	response.Header.Del("Transfer-Encoding")
	if lengths := response.Header["Content-Length"]; len(lengths) > 1 {
		response.Header["Content-Length"] = lengths[:1]
	}
	if method != http.MethodHead && (r.status == http.StatusNoContent || r.status == http.StatusNotModified) {
		response.ContentLength = 0
	} else if b.call.body.framing == inSize {
		response.Header.Del("Content-Length")
		response.ContentLength, response.TransferEncoding = Never, []string{"chunked"}
	}
	if r.close && r.minor == 1 {
		response.Header.Del("Connection")
	}
	if b.call.body.ended {
		_, _ = b.call.Next() // gives the connection back
		b.stop()
	}
	return response
}

// responseBody is a call until its response has been read.
type responseBody struct {
	call Call
	rest []byte // that Next gave and Read has not
	stop func() bool
}

// Read gives what has come, at least one byte.
func (b *responseBody) Read(p []byte) (int, error) {
	if len(b.rest) == 0 && len(p) > 0 {
		var err error
		if b.rest, err = b.call.Next(); err != nil {
			b.stop()
			return 0, err
		}
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

// Stamp is that of the socket read that brought what Read gave last.
func (b *responseBody) Stamp() int64 { return b.call.Stamp() }

// Close ends the call. What was not read costs the connection.
func (b *responseBody) Close() error {
	b.stop()
	b.rest = nil
	if b.call.body.err == nil {
		b.call.body.err = http.ErrBodyReadAfterClose
	}
	b.call.Close()
	return nil
}
