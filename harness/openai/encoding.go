package openai

import (
	"bufio"
	"compress/flate"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/llmsweep/llmsweep/harness/record"
)

// unpack decides how plainBytes reads the body. No encoding is asked for, but some proxies compress all that they pass on.
func (x *exchange) unpack(encoding string) error {
	x.plain = nil
	switch strings.ToLower(encoding) {
	case "", "identity":
		return nil
	case "gzip", "x-gzip":
		x.plain = &unpacker{x: x, source: bufio.NewReader(&packed{x: x}), decoded: make([]byte, readBuffer)}
		return nil
	}
	err := fmt.Errorf("content encoding %q, which was not asked for; only gzip is read", encoding)
	return &failure{outcome: record.Malformed, reason: record.Encoded, err: err}
}

// plainBytes is next for a body that may be encoded.
func (x *exchange) plainBytes() ([]byte, error) {
	if x.plain == nil {
		return x.next()
	}
	n, err := x.plain.read(x.plain.decoded)
	return x.plain.decoded[:n], err
}

// packed is the body as it comes.
type packed struct {
	x    *exchange
	left []byte
}

// Read gives what there is before it waits for more.
func (p *packed) Read(b []byte) (int, error) {
	if len(p.left) == 0 {
		var err error
		if p.left, err = p.x.next(); len(p.left) == 0 {
			return 0, err // what comes with bytes comes again
		}
	}
	n := copy(b, p.left)
	p.left = p.left[n:]
	return n, nil
}

// unpacker decodes a gzip body as it comes: what the server flushed is given without waiting for more, so that the stamp of the last socket
// read is that of what was decoded. Servers that do not flush make chunks come in bursts; that is what their users see, too.
type unpacker struct {
	x       *exchange
	source  *bufio.Reader // gzip takes no more from it than it needs
	decoded []byte        // used again
	gzip    gzip.Reader
	within  bool // a member of the body, behind its header
	given   int64
}

// A body that unpacks to more than this, and to so many times its size, is made to exhaust who reads it. A stream that is flushed shrinks to
// a thirtieth even if all its events are equal; gzip reaches a thousandth.
const (
	harmless = 64 << 20
	dense    = 200
)

// read gives decoded bytes, at most what p holds.
func (u *unpacker) read(p []byte) (int, error) {
	for {
		if !u.within {
			if err := u.gzip.Reset(u.source); err != nil {
				return 0, explain(err) // EOF behind the last member
			}
			u.gzip.Multistream(false) // it would wait for another member before it gave the end of the last
			u.within = true
		}
		n, err := u.gzip.Read(p)
		u.given += int64(n)
		if u.given > harmless && u.given > dense*u.x.sample.BytesReceived {
			bomb := fmt.Errorf("content encoding gzip: %d bytes unpacked to %d MiB and more", u.x.sample.BytesReceived, u.given>>20)
			return 0, &failure{outcome: record.Malformed, reason: record.TooLarge, err: bomb}
		}
		if errors.Is(err, io.EOF) {
			u.within, err = false, nil
		}
		if n > 0 || err != nil {
			return n, explain(err)
		}
	}
}

// explain tells bytes that are no gzip from a body that ended.
func explain(err error) error {
	var corrupt flate.CorruptInputError
	if errors.As(err, &corrupt) || errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) {
		return undecodable(err)
	}
	return err
}

func undecodable(err error) error {
	return &failure{outcome: record.Malformed, reason: record.Encoded, err: fmt.Errorf("content encoding gzip: %w", err)}
}
