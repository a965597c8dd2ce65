package openai

import "bytes"

// outgoing finds out, of what is written to a connection below net/http, when a request was fully written: net/http says so when it has put the last
// part into its buffer. The writes are those of one goroutine.
type outgoing struct {
	size  int64  // of the body
	whole func() // to be called then; nil: the bytes cannot be understood, or there is no connection that is the request's own
	head  bool   // it was written
	left  int64  // of the body
}

// begin has the request written to a connection from its first byte on.
func (o *outgoing) begin(whole func()) { o.whole, o.head, o.left = whole, false, o.size }

func (o *outgoing) opaque() bool { return o.whole == nil }

// take takes what was written. A head that does not come in one piece is longer than net/http's buffer, and then what is written last is not known.
func (o *outgoing) take(p []byte) {
	if o.whole == nil || o.head && o.left <= 0 {
		return
	}
	if !o.head {
		_, body, found := bytes.Cut(p, []byte("\r\n\r\n"))
		if !found {
			return
		}
		o.head, p = true, body
	}
	if o.left -= int64(len(p)); o.left <= 0 {
		o.whole()
	}
}
