// Package http1 is an HTTP/1.1 client transport, plain and over TLS, for measuring event streams: strict, without a goroutine or a
// hand-off of its own, and with the stamp of every socket read.
//
// The goroutine that calls writes its request to the connection and reads the response from it. What came of a body is handed out
// after at most one socket read, in the middle of an HTTP chunk too, together with the return of that read (Call.Stamp), taken
// before anything is decoded. Over TLS it is that of the last read of the connection below.
//
// A connection that waits holds no read buffer: on a TCP connection the buffer is taken from a pool once there is something to
// read, and given back before the next wait. Connections that can be waited for by a read only (TLS, those in memory) hold theirs.
//
// There are two doors to the same code. Call is the lean one: the head of a request is rendered once (Route), and nothing is
// allocated for a response. RoundTrip is that of net/http.
//
// What a server may send is what RFC 9112 allows, within the limits below; what differs from net/http is listed in the tests. Where
// the end of a response is in doubt, or bytes follow that nobody asked for, the connection is not used again.
//
// A kept connection that the server has closed meanwhile costs no request: it is looked at before it is used (Trace.Stale counts
// those). Once a request has been written it is repeated only where net/http would do so too: nothing of a response came, the
// connection was not new, and the method makes a second request harmless. A POST is none of these.
//
// One goroutine means that a response is read once the request is written. A server that answers a long request early and reads no
// further is heard only if it closes the connection; else the caller's time limits end the call.
//
// Left out: proxies, HTTP/2, compression, Expect, requests of unknown length, and trailers, which are checked and thrown away.
package http1
