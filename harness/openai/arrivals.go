package openai

import (
	"bytes"
	"math"
	"sync/atomic"

	"github.com/llmsweep/llmsweep/harness/record"
)

// arrivals is what the connection notes for one request: when bytes came last, and how much of a chunked body they hold.
//
// The latter is needed because net/http, once it has begun an HTTP chunk, waits for its end although it has bytes to give: events
// that came before would be stamped with it. Who asks for no more than what is here never waits. Below TLS nothing can be told, and
// a body without such framing makes no sense as a size: then net/http is asked for all it has.
type arrivals struct {
	stamp atomic.Int64 // of the last socket read
	out   outgoing
	body  atomic.Int64 // bytes of body so far, or untold
	blind atomic.Bool  // untold before the last chunk
	sent  atomic.Int64 // bytes

	state     framing
	lineEmpty bool
	left      int64 // bytes of the HTTP chunk that are still to come
	digits    int   // of the size so far
}

// untold is more than any body has.
const untold = math.MaxInt64

// framing is where in a response the last byte was.
type framing int

const (
	inHead framing = iota
	inSize         // the line before an HTTP chunk
	inChunk
	inChunkEnd // the line end behind it
	lost       // not readable, or behind the last chunk
)

// lose ends the following, although there is something to follow.
func (a *arrivals) lose() {
	a.blind.Store(true)
	a.end()
}

// end ends the following.
func (a *arrivals) end() {
	a.state = lost
	a.body.Store(untold)
}

// source says what the stamps are worth.
func (a *arrivals) source() record.StampSource {
	if a.blind.Load() {
		return record.BodyRead
	}
	return record.SocketRead
}

// take follows the bytes of a socket read.
func (a *arrivals) take(p []byte) {
	for len(p) > 0 && a.state != lost {
		switch a.state {
		case inHead:
			p = a.head(p)
		case inSize:
			p = a.size(p)
		case inChunk:
			n := min(a.left, int64(len(p)))
			a.body.Add(n)
			a.left -= n
			p = p[n:]
			if a.left == 0 {
				a.state = inChunkEnd
			}
		case inChunkEnd:
			end := bytes.IndexByte(p, '\n')
			if end < 0 {
				return
			}
			a.state, p = inSize, p[end+1:]
		}
	}
}

// head looks for the empty line.
func (a *arrivals) head(p []byte) []byte {
	for i, c := range p {
		switch {
		case c == '\n' && a.lineEmpty:
			a.state = inSize
			return p[i+1:]
		case c == '\n':
			a.lineEmpty = true
		case c != '\r':
			a.lineEmpty = false
		}
	}
	return nil
}

// size reads the hexadecimal number of a line. Anything else, an extension or the head after an interim response too, is not
// followed.
func (a *arrivals) size(p []byte) []byte {
	const tooLarge = 1 << 40
	for i, c := range p {
		switch {
		case '0' <= c && c <= '9':
			a.left, a.digits = a.left<<4|int64(c-'0'), a.digits+1
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			a.left, a.digits = a.left<<4|int64(c|0x20-'a'+10), a.digits+1
		case c == '\n' && a.left > 0:
			a.state, a.digits = inChunk, 0
			return p[i+1:]
		case c == '\n' && a.digits > 0:
			a.end() // what follows the last chunk has no content
			return nil
		case c != '\r':
			a.lose()
			return nil
		}
		if a.left > tooLarge {
			a.lose()
			return nil
		}
	}
	return nil
}
