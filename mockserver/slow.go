package mockserver

import (
	"bytes"
	"context"
	"net/http"
	"time"
)

// slowHeaders sends the header byte by byte on the connection itself, then the answer as ever, then closes the connection.
func (e *exchange) slowHeaders(d *renderer) {
	e.struck(0)
	out := responseBody{direct: directOf(e.r)}
	if !d.call.stream {
		if !e.complete(d) {
			return
		}
		document := e.document(d)
		e.endStream(d, e.sendHeader(out, ""))
		_, _ = out.direct.Write(document)
		panic(http.ErrAbortHandler) // net/http has no part in it
	}
	e.streamHeader()
	err := e.sendHeader(out, "Transfer-Encoding: chunked\r\n")
	for err == nil && d.open > 0 {
		if err = e.await(d.written); err == nil {
			err = e.write(out, d)
		}
	}
	if err == nil {
		_, err = out.direct.Write([]byte("0\r\n\r\n"))
	}
	e.endStream(d, err)
	panic(http.ErrAbortHandler)
}

// sendHeader writes the header of the response to the connection, a byte at a time.
func (e *exchange) sendHeader(out responseBody, more string) error {
	var head bytes.Buffer
	head.WriteString("HTTP/1.1 200 OK\r\n")
	_ = e.w.Header().Write(&head) // a buffer takes everything
	head.WriteString("Date: " + time.Now().UTC().Format(http.TimeFormat) + "\r\nConnection: close\r\n" + more + "\r\n")
	for k, b := range head.Bytes() {
		if k > 0 {
			if err := e.pause(e.fault.Interval); err != nil {
				return err
			}
		}
		if _, err := out.direct.Write([]byte{b}); err != nil {
			return err
		}
	}
	return nil
}

// slowBody answers through a writer that takes its time.
func (e *exchange) slowBody(d *renderer) {
	slow := &slowWriter{ResponseWriter: e.w, exchange: e, out: http.NewResponseController(e.w)}
	e.w = slow
	// The connection itself would go past the writer.
	e.r = e.r.WithContext(context.WithValue(e.r.Context(), directKey{}, nil))
	e.serve(d)
	if slow.err != nil {
		e.abandon(d)
		panic(http.ErrAbortHandler)
	}
}

// slowWriter writes byte by byte.
type slowWriter struct {
	http.ResponseWriter
	exchange *exchange
	out      *http.ResponseController
	begun    bool
	err      error
}

// Unwrap is for [http.ResponseController].
func (w *slowWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Write sends a byte, waits, sends the next.
func (w *slowWriter) Write(p []byte) (int, error) {
	for k := range p {
		if w.err == nil && w.begun {
			w.err = w.exchange.pause(w.exchange.fault.BytePause())
		}
		if w.err == nil {
			w.exchange.struck(0)
		}
		w.begun = true
		if w.err == nil {
			_, w.err = w.ResponseWriter.Write(p[k : k+1])
		}
		if w.err == nil {
			w.err = w.out.Flush()
		}
		if w.err != nil {
			return k, w.err
		}
	}
	return len(p), nil
}
