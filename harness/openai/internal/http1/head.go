package http1

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
)

// Limits of what a server may send before and after a body.
const (
	maxHead    = 256 << 10 // bytes of all heads of a response, interim ones included
	maxFields  = 512       // of one head
	maxInterim = 32        // responses before the one that counts
	maxTrailer = 4 << 10   // bytes behind a chunked body
)

// ProtocolError is a response that breaks HTTP/1.1 or a limit of this package.
type ProtocolError struct{ Text string }

// Error says what is wrong and quotes it.
func (e *ProtocolError) Error() string { return e.Text }

func malformed(format string, arguments ...any) error {
	return &ProtocolError{fmt.Sprintf(format, arguments...)}
}

// quoted is the start of what a server sent.
func quoted(b []byte) string { return fmt.Sprintf("%.80q", b) }

// response is the head of a response, in the bytes that came.
type response struct {
	status int
	minor  int    // of HTTP/1.minor
	text   []byte // the heads' lines; the fields are in it
	first  int    // bytes of the status line
	fields []field
	total  int // bytes of all heads

	// What the fields say of the end of the response.
	length     int64 // Never: not said
	lengthText []byte
	encodings  int // Transfer-Encoding fields
	chunked    bool
	close      bool
	keepAlive  bool
}

// field is a line of the head, as indices of response.text.
type field struct{ name, nameEnd, value, valueEnd int }

func (r *response) reset() {
	*r = response{text: r.text[:0], fields: r.fields[:0], length: Never}
}

// next forgets an interim response.
func (r *response) next() {
	total := r.total
	r.reset()
	r.total = total
}

// Status is the status of the response.
func (c *Call) Status() int { return c.response.status }

// Header returns the first value of a field, named in lower case, and "" if there is none. It is valid until the call is closed.
func (c *Call) Header(name string) []byte {
	r := &c.response
	for _, f := range r.fields {
		if foldEqual(r.text[f.name:f.nameEnd], name) {
			return r.text[f.value:f.valueEnd]
		}
	}
	return nil
}

// readResponse reads heads until one is no interim response, and prepares for its body.
func (c *Call) readResponse() error {
	for range maxInterim + 1 {
		if err := c.readHead(); err != nil {
			return err
		}
		r := &c.response
		if err := r.checkFraming(); err != nil {
			return err
		}
		if r.status == 101 {
			return malformed("HTTP status 101: no other protocol was asked for")
		}
		if r.status >= 200 {
			c.trace.Head = c.conn.socket.stamp
			c.body.begin(r, c.route.method)
			return nil
		}
		r.next()
	}
	return malformed("HTTP: more than %d interim responses", maxInterim)
}

// readHead reads one head.
func (c *Call) readHead() error {
	r := &c.response
	start, end, err := c.readLine()
	if err != nil {
		return err
	}
	if err := r.statusLine(r.text[start:end]); err != nil {
		return err
	}
	r.first = end
	for {
		if start, end, err = c.readLine(); err != nil {
			return err
		}
		if start == end {
			return nil
		}
		if err := r.line(start, end); err != nil {
			return err
		}
	}
}

// readLine appends a line to the text of the head; start and end leave out how it ended, in CRLF or, as is tolerated, LF.
func (c *Call) readLine() (start, end int, err error) {
	r := &c.response
	for start = len(r.text); ; {
		if len(c.conn.unread) == 0 {
			if err := c.fill(); err != nil {
				return 0, 0, c.unexpected(err)
			}
			c.began = true
		}
		line, ended := c.conn.unread, false
		if lf := bytes.IndexByte(line, '\n'); lf >= 0 {
			line, ended = line[:lf+1], true
		}
		if r.total += len(line); r.total > maxHead {
			return 0, 0, malformed("HTTP head longer than %d KiB", maxHead>>10)
		}
		r.text = append(r.text, line...)
		c.conn.unread = c.conn.unread[len(line):]
		if ended {
			end = len(r.text) - 1
			if end > start && r.text[end-1] == '\r' {
				end--
			}
			return start, end, nil
		}
	}
}

// unexpected says that the end of the connection came in the midst of something, if it did.
func (c *Call) unexpected(err error) error {
	if errors.Is(err, io.EOF) && c.began {
		return io.ErrUnexpectedEOF
	}
	return err
}

// statusLine reads "HTTP/1.1 200 OK", of which the words at the end may be missing.
func (r *response) statusLine(line []byte) error {
	const form = "HTTP/1.1 200"
	if len(line) < len(form) || string(line[:7]) != "HTTP/1." || line[7] != '0' && line[7] != '1' || line[8] != ' ' {
		return malformed("malformed HTTP response %s", quoted(line))
	}
	r.minor = int(line[7] - '0')
	for _, digit := range line[9:12] {
		if digit < '0' || digit > '9' {
			return malformed("malformed HTTP status code in %s", quoted(line))
		}
		r.status = 10*r.status + int(digit-'0')
	}
	if r.status < 100 || len(line) > len(form) && line[len(form)] != ' ' {
		return malformed("malformed HTTP status code in %s", quoted(line))
	}
	return nil
}

// line takes a line of the head.
func (r *response) line(start, end int) error {
	line := r.text[start:end]
	if line[0] == ' ' || line[0] == '\t' {
		return r.folded(start, end)
	}
	colon := bytes.IndexByte(line, ':')
	if colon < 0 || !isToken(line[:colon]) || !isFieldValue(line[colon+1:]) {
		return malformed("malformed HTTP header line %s", quoted(line))
	}
	if len(r.fields) == maxFields {
		return malformed("HTTP head with more than %d lines", maxFields)
	}
	value, valueEnd := r.trim(start+colon+1, end)
	r.fields = append(r.fields, field{start, start + colon, value, valueEnd})
	return nil
}

// folded joins a line that begins with a blank to the one before it, with one blank between them.
func (r *response) folded(start, end int) error {
	if len(r.fields) == 0 || !isFieldValue(r.text[start:end]) {
		return malformed("malformed HTTP header line %s", quoted(r.text[start:end]))
	}
	f := &r.fields[len(r.fields)-1]
	start, end = r.trim(start, end)
	joined := r.text[:f.valueEnd]
	joined = append(joined, ' ')
	joined = append(joined, r.text[start:end]...) // moves towards the front
	f.value, f.valueEnd = r.trim(f.value, len(joined))
	return nil
}

// trim leaves out blanks at both ends.
func (r *response) trim(start, end int) (int, int) {
	for start < end && (r.text[start] == ' ' || r.text[start] == '\t') {
		start++
	}
	for start < end && (r.text[end-1] == ' ' || r.text[end-1] == '\t') {
		end--
	}
	return start, end
}

// checkFraming reads the fields that say where the response ends.
func (r *response) checkFraming() error {
	for _, f := range r.fields {
		name, value := r.text[f.name:f.nameEnd], r.text[f.value:f.valueEnd]
		var err error
		switch {
		case foldEqual(name, "content-length"):
			err = r.contentLength(value)
		case foldEqual(name, "transfer-encoding"):
			err = r.transferEncoding(value)
		case foldEqual(name, "connection"):
			r.connection(value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// contentLength takes a length that is a number and nothing else; said again, it must be the same text.
func (r *response) contentLength(value []byte) error {
	if r.length != Never {
		if !bytes.Equal(value, r.lengthText) {
			return malformed("HTTP Content-Length both %s and %s", quoted(r.lengthText), quoted(value))
		}
		return nil
	}
	n := int64(0)
	for _, digit := range value {
		if digit < '0' || digit > '9' || n > (math.MaxInt64-9)/10 {
			return malformed("bad HTTP Content-Length %s", quoted(value))
		}
		n = 10*n + int64(digit-'0')
	}
	if len(value) == 0 {
		return malformed("bad HTTP Content-Length %s", quoted(value))
	}
	r.length, r.lengthText = n, value
	return nil
}

// transferEncoding knows chunked, once. In HTTP/1.0 there is none; see doubtful.
func (r *response) transferEncoding(value []byte) error {
	r.encodings++
	if r.minor == 0 {
		return nil
	}
	if r.encodings > 1 || !foldEqual(value, "chunked") {
		return malformed("unsupported HTTP Transfer-Encoding %s", quoted(value))
	}
	r.chunked = true
	return nil
}

func (r *response) connection(value []byte) {
	for item := range bytes.SplitSeq(value, []byte(",")) {
		switch item = bytes.Trim(item, " \t"); {
		case foldEqual(item, "close"):
			r.close = true
		case foldEqual(item, "keep-alive"):
			r.keepAlive = true
		}
	}
}

// closes reports whether the server says that it closes the connection.
func (r *response) closes() bool { return r.close || r.minor == 0 && !r.keepAlive }

// doubtful responses have two ways of telling their end, or one that their version does not have: somebody on the way may have
// understood them otherwise.
func (r *response) doubtful() bool { return r.encodings > 0 && (r.length != Never || r.minor == 0) }

// foldEqual compares a text with one in lower case, whatever the case of its ASCII letters.
func foldEqual(text []byte, lower string) bool {
	if len(text) != len(lower) {
		return false
	}
	for i := range text {
		c := text[i]
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}
