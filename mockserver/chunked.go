package mockserver

import (
	"context"
	"net"
	"net/http"
)

// directConn is a connection on which a stream writes its HTTP chunks itself. Package net/http would cut what does not
// fit its buffer of 4 KB, so that tokens that are due together would leave in several writes, and costs as much as
// everything else that is done for a token.
type directConn struct{ net.Conn }

// CloseWrite tells the client that no more will come, as net/http does before it closes a connection
// on which a request may still be under way.
func (c directConn) CloseWrite() error {
	if half, found := c.Conn.(interface{ CloseWrite() error }); found {
		return half.CloseWrite()
	}
	return nil
}

// directListener accepts them.
type directListener struct{ net.Listener }

// Accept returns the next connection.
func (l directListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return directConn{c}, nil
}

// directKey is where a request's context has its connection.
type directKey struct{}

func withDirect(ctx context.Context, c net.Conn) context.Context {
	if c, plain := c.(directConn); plain { // and not under TLS
		return context.WithValue(ctx, directKey{}, c)
	}
	return ctx
}

// responseBody is where a stream writes to, once the header has been flushed.
type responseBody struct {
	direct   net.Conn // nil: through net/http
	response http.ResponseWriter
	out      *http.ResponseController
}

func newBody(w http.ResponseWriter, r *http.Request) responseBody {
	return responseBody{direct: directOf(r), response: w, out: http.NewResponseController(w)}
}

// directOf is the connection of a request, or nil where its answer cannot be written there.
func directOf(r *http.Request) net.Conn {
	if r.ProtoMajor == 1 && r.ProtoMinor > 0 { // whose answers of unknown length come in chunks
		if c, found := r.Context().Value(directKey{}).(directConn); found {
			return c.Conn
		}
	}
	return nil
}

// write sends what stands in b behind frameRoom bytes, at once, and returns b as it has grown.
func (o responseBody) write(b []byte) ([]byte, error) {
	if o.direct == nil {
		if _, err := o.response.Write(b[frameRoom:]); err != nil {
			return b, err
		}
		return b, o.out.Flush()
	}
	b = append(b, '\r', '\n')
	_, err := o.direct.Write(b[frame(b):])
	return b, err
}

// frameRoom is for the size of an HTTP chunk: eight hexadecimal digits and a line end.
const frameRoom = 8 + 2

// frame puts the size of a chunk in front of it, which ends with a line end that does not count, and returns where it
// begins.
func frame(b []byte) int {
	start := frameRoom - 2
	copy(b[start:], "\r\n")
	for n := len(b) - frameRoom - 2; ; n >>= 4 {
		start--
		b[start] = "0123456789abcdef"[n&15]
		if n < 16 {
			return start
		}
	}
}
