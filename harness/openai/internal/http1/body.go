package http1

import (
	"bytes"
	"io"
	"net/http"
)

// body is where in the body of a response the call is.
type body struct {
	framing framing
	left    int64 // bytes of the HTTP chunk, or of the whole body, that are still to come
	ended   bool  // the last byte came; what follows is the next response
	keep    bool  // the connection is kept then
	stamp   int64 // of the socket read that brought what was handed out last
	err     error // what every further Next returns

	line     []byte // the start of a line that a read cut off
	overhead int64  // bytes of framing beyond what the data excuses
	trailer  int    // bytes
}

// framing says how the end of a body is told.
type framing int

const (
	byLength framing = iota
	byClose
	inSize     // chunked: the line before an HTTP chunk
	inChunk    // the chunk
	inChunkEnd // the line end behind it
	inTrailer  // behind the last chunk
)

func (b *body) reset() { *b = body{stamp: Never, line: b.line[:0]} }

// begin finds out how the body of a response will end.
func (b *body) begin(r *response, method string) {
	b.keep = !r.closes() && !r.doubtful()
	switch {
	case method == http.MethodHead || r.status == http.StatusNoContent || r.status == http.StatusNotModified:
	case r.chunked:
		b.framing = inSize
		return
	case r.length == Never:
		b.framing, b.keep = byClose, false
		return
	default:
		b.left = r.length
	}
	b.ended = b.left == 0
}

// Next returns bytes of the body that have come, at least one, after waiting for the network only where there are none. They are valid
// until the next call of Next or Close. The end is io.EOF; by then the connection has been given back.
func (c *Call) Next() ([]byte, error) {
	b := &c.body
	if b.err != nil {
		return nil, b.err
	}
	p, err := c.next()
	if err == nil {
		b.stamp = c.conn.socket.stamp
		return p, nil
	}
	if err == io.EOF { //nolint:errorlint // that of this package, not of the network
		c.leave(b.keep && !c.route.close && c.trace.Sent != Never)
		b.err = io.EOF
	} else {
		b.err = c.failed(err)
	}
	return nil, b.err
}

func (c *Call) next() ([]byte, error) {
	b := &c.body
	for !b.ended {
		if len(c.conn.unread) == 0 {
			if err := c.fill(); err != nil {
				return nil, b.cut(err)
			}
		}
		var err error
		switch b.framing {
		case byClose:
			return c.piece(int64(len(c.conn.unread))), nil
		case byLength, inChunk:
			return c.data(), nil
		case inSize, inChunkEnd:
			if c.plainSize() {
				return c.data(), nil
			}
		}
		switch b.framing {
		case inSize:
			err = c.size()
		case inChunkEnd:
			err = c.chunkEnd()
		case inTrailer:
			err = c.trailerLine()
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, io.EOF
}

// cut is what the end of the connection means: that of a body that ends so, or something is missing.
func (b *body) cut(err error) error {
	if err != io.EOF || b.framing == byClose { //nolint:errorlint // as package net returns it
		return err
	}
	return io.ErrUnexpectedEOF
}

// piece takes n bytes.
func (c *Call) piece(n int64) []byte {
	p := c.conn.unread[:n]
	c.conn.unread = c.conn.unread[n:]
	return p
}

// data takes what has come of a chunk or of a body of known length.
func (c *Call) data() []byte {
	b := &c.body
	p := c.piece(min(b.left, int64(len(c.conn.unread))))
	if b.left -= int64(len(p)); b.left == 0 {
		b.ended = b.framing == byLength
		b.framing = inChunkEnd
	}
	return p
}

// plainSize takes what nearly always stands between two chunks, all in one: the line end of the first and the line before the next, a short
// number and nothing else, with a byte of the chunk behind it. It takes nothing where anything is different.
func (c *Call) plainSize() bool {
	const mostDigits = 6
	b, p := &c.body, c.conn.unread
	if len(b.line) > 0 {
		return false
	}
	i := 0
	if b.framing == inChunkEnd {
		if len(p) < 2 || p[0] != '\r' || p[1] != '\n' {
			return false
		}
		i = 2
	}
	n, first := int64(0), i
	for ; i < len(p) && i-first < mostDigits; i++ {
		digit, isDigit := hexDigit(p[i])
		if !isDigit {
			break
		}
		n = n<<4 | digit
	}
	if n == 0 || len(p) <= i+2 || p[i] != '\r' || p[i+1] != '\n' {
		return false
	}
	b.overhead = max(0, b.overhead+int64(i-first)+2-16-2*n)
	b.framing, b.left = inChunk, n
	c.conn.unread = p[i+2:]
	return true
}

func hexDigit(c byte) (value int64, ok bool) {
	switch {
	case '0' <= c && c <= '9':
		return int64(c - '0'), true
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return int64(c|0x20-'a') + 10, true
	}
	return 0, false
}

// size takes the line before a chunk: a hexadecimal number, and extensions that are thrown away.
func (c *Call) size() error {
	b := &c.body
	line, err := c.chunkLine(maxChunkLine)
	if line == nil || err != nil {
		return err
	}
	n, err := chunkSize(line)
	if err != nil {
		return err
	}
	// A byte in a chunk of its own is honest; kilobytes of extensions with it are not.
	b.overhead = max(0, b.overhead+int64(len(line))+2-16-2*n)
	switch {
	case b.overhead > maxOverhead:
		return malformed("HTTP chunks with more framing than data")
	case n == 0:
		b.framing = inTrailer
	default:
		b.framing, b.left = inChunk, n
	}
	return nil
}

const (
	maxChunkLine = 4095     // bytes before a chunk
	maxOverhead  = 16 << 10 // bytes of framing beyond twice the data
	maxChunk     = 1 << 60  // bytes of a chunk
	sizeDigits   = 16       // of the number, leading zeros included
)

// chunkSize reads the number in the line before a chunk.
func chunkSize(line []byte) (int64, error) {
	digits, _, _ := bytes.Cut(bytes.TrimRight(line, " \t"), []byte(";"))
	n := int64(0)
	for _, c := range digits {
		digit, ok := hexDigit(c)
		switch {
		case !ok:
			return 0, malformed("malformed HTTP chunk size %s", quoted(line))
		case n > maxChunk>>4:
			return 0, malformed("HTTP chunk size %s is too large", quoted(line))
		}
		n = n<<4 | digit
	}
	if len(digits) == 0 || len(digits) > sizeDigits {
		return 0, malformed("malformed HTTP chunk size %s", quoted(line))
	}
	return n, nil
}

// chunkEnd takes the line end behind a chunk.
func (c *Call) chunkEnd() error {
	found := c.conn.unread
	line, err := c.chunkLine(0)
	if err != nil {
		return malformed("malformed HTTP chunk: %s where its line end should be", quoted(found[:min(len(found), 2)]))
	}
	if line != nil {
		c.body.framing = inSize
	}
	return nil
}

// trailerLine takes a line behind the last chunk. Of trailers only the form matters.
func (c *Call) trailerLine() error {
	b := &c.body
	first := b.trailer == 0
	line, err := c.chunkLine(max(0, maxTrailer-b.trailer))
	if line == nil || err != nil {
		return err
	}
	b.trailer += len(line) + 2
	if len(line) == 0 {
		b.ended = true
		return nil
	}
	name, value, isField := bytes.Cut(line, []byte(":"))
	folded := !first && (line[0] == ' ' || line[0] == '\t')
	if folded && isFieldValue(line) || isField && isToken(name) && isFieldValue(value) {
		return nil
	}
	return malformed("malformed HTTP trailer line %s", quoted(line))
}

// chunkLine takes a line of at most limit bytes that ends in CRLF and has no other CR, without its end. It is nil if more must come.
func (c *Call) chunkLine(limit int) ([]byte, error) {
	line, err := c.rawLine(limit + 2)
	if line == nil || err != nil {
		return nil, err
	}
	if cr := bytes.IndexByte(line, '\r'); cr < 0 || cr != len(line)-2 {
		return nil, malformed("malformed HTTP chunk line %s", quoted(line))
	}
	return line[:len(line)-2], nil
}

// rawLine takes a line of at most limit bytes, its end included. It is nil if more must come; what is there is kept.
func (c *Call) rawLine(limit int) ([]byte, error) {
	b, unread := &c.body, c.conn.unread
	lf := bytes.IndexByte(unread[:min(len(unread), limit-len(b.line))], '\n')
	if lf < 0 {
		if len(b.line)+len(unread) >= limit {
			return nil, malformed("HTTP chunk line %s... is too long", quoted(append(b.line, unread...)))
		}
		b.line = append(b.line, unread...)
		c.conn.unread = unread[len(unread):]
		return nil, nil
	}
	line := c.piece(int64(lf + 1))
	if len(b.line) > 0 {
		line = append(b.line, line...)
		b.line = line[:0]
	}
	return line, nil
}
