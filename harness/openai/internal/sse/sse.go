// Package sse decodes event streams (text/event-stream, WHATWG HTML section 9.2). It is pure: bytes are fed in whatever pieces
// the network gave, and events come out as soon as the piece that completes them is fed. The caller stamps pieces, so that an
// event's time is that of the read that completed it and never includes decoding.
//
// Lines end with LF, CRLF or CR; a byte order mark is skipped; unknown fields are ignored; several data lines are joined by LF.
// Three things go beyond the standard, since servers do them: an event without its blank line at the end of the stream is still
// delivered (Close), and so is an event with a name but no data, whose comment can be had (Comment).
//
// Memory is bounded by the size of an event, which is that of all its lines: MaxEvent is exceeded at the same byte of a stream
// however the stream is cut. A data line that is an event's only one, and was fed in one piece with its blank line, is not copied.
package sse

import (
	"bytes"
	"fmt"
)

// MaxEvent bounds the bytes of the lines of one event, so that a server that never ends one cannot exhaust memory.
const MaxEvent = 64 << 20

// Emit receives one event: the value of its event field (empty if none) and its data. Both are valid until it returns.
type Emit func(name, data []byte) error

// Decoder holds what is left of an unfinished event. The zero value is ready; Reset makes it so again.
type Decoder struct {
	line     []byte // unfinished line
	name     []byte
	data     []byte // the data lines, unless borrowed is the only one
	borrowed []byte // a first data line where it was fed, nil if there is none
	comment  []byte // the last one since the last blank line
	size     int    // bytes of the event's finished lines
	hasData  bool
	skipLF   bool // the last byte was CR: a LF that follows belongs to it
	started  bool // past a possible byte order mark
}

// Reset forgets everything but the buffers, and those too if a huge event made them so.
func (d *Decoder) Reset() {
	*d = Decoder{line: emptied(d.line), name: emptied(d.name), data: emptied(d.data), comment: emptied(d.comment)}
}

func emptied(buffer []byte) []byte {
	const usual = 1 << 20
	if cap(buffer) > usual {
		return nil
	}
	return buffer[:0]
}

// AtBoundary reports whether the bytes fed next begin an event, with nothing of them seen before, not even a byte order mark.
func (d *Decoder) AtBoundary() bool {
	return d.started && d.size == 0 && len(d.line)+len(d.name)+len(d.comment) == 0 && !d.hasData && !d.skipLF
}

// Comment returns the last comment of the event that is being emitted, valid until Emit returns.
func (d *Decoder) Comment() []byte { return d.comment }

// Feed takes the next bytes of the stream and calls emit for each event that they complete. It stops at the first error, of emit or
// for the size of an event; the decoder must then be Reset.
func (d *Decoder) Feed(p []byte, emit Emit) error {
	for {
		lf := bytes.IndexByte(p, '\n')
		if lf < 0 {
			break
		}
		line, err := d.endAtCR(p[:lf], emit)
		if err != nil {
			return err
		}
		p = p[lf+1:]
		belongs := d.skipLF && len(line) == 0
		d.skipLF = false
		if belongs {
			continue
		}
		if err := d.endLine(line, emit); err != nil {
			return err
		}
	}
	p, err := d.endAtCR(p, emit)
	if err != nil {
		return err
	}
	return d.keep(p)
}

// endAtCR ends the lines that a CR ends in p, which has no LF, and returns what is behind them.
func (d *Decoder) endAtCR(p []byte, emit Emit) ([]byte, error) {
	for {
		cr := bytes.IndexByte(p, '\r')
		if cr < 0 {
			return p, nil
		}
		if err := d.endLine(p[:cr], emit); err != nil {
			return nil, err
		}
		p, d.skipLF = p[cr+1:], true
	}
}

// keep copies what the next piece may not overwrite: the begin of a line, and a data line before it.
func (d *Decoder) keep(p []byte) error {
	d.own()
	if len(p) == 0 {
		return nil
	}
	d.skipLF = false
	if err := d.checkSize(len(p)); err != nil {
		return err
	}
	d.line = append(d.line, p...)
	return nil
}

// own copies a borrowed data line.
func (d *Decoder) own() {
	if d.borrowed != nil {
		d.data, d.borrowed = append(d.data[:0], d.borrowed...), nil
	}
}

// checkSize refuses n more bytes of the unfinished line if they make the event too long.
func (d *Decoder) checkSize(n int) error {
	if d.size+len(d.line)+n > MaxEvent {
		return fmt.Errorf("event longer than %d MiB", MaxEvent>>20)
	}
	return nil
}

// endLine takes a line, of which p is what is not in d.line yet.
func (d *Decoder) endLine(p []byte, emit Emit) error {
	if err := d.checkSize(len(p)); err != nil {
		return err
	}
	line := p
	if len(d.line) > 0 {
		d.line = append(d.line, p...)
		line, d.line = d.line, d.line[:0] // overwritten by keep at the earliest, after own
	}
	d.size += len(line)
	if !d.started {
		d.started = true
		line = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf"))
	}
	if len(line) == 0 {
		return d.dispatch(emit)
	}
	d.field(line)
	return nil
}

func (d *Decoder) field(line []byte) {
	field, value, _ := bytes.Cut(line, []byte(":"))
	value = bytes.TrimPrefix(value, []byte(" "))
	switch string(field) {
	case "data":
		if d.hasData {
			d.own()
			d.data = append(append(d.data, '\n'), value...)
			return
		}
		d.borrowed, d.hasData = value, true
	case "event":
		d.name = append(d.name[:0], value...)
	case "": // the line began with a colon
		d.comment = append(d.comment[:0], value...)
	}
}

func (d *Decoder) dispatch(emit Emit) error {
	name, data, has := d.name, d.data, d.hasData
	if d.borrowed != nil {
		data = d.borrowed
	}
	d.name, d.data, d.borrowed, d.hasData, d.size = d.name[:0], d.data[:0], nil, false, 0
	var err error
	if has || len(name) > 0 {
		err = emit(name, data)
	}
	d.comment = d.comment[:0]
	return err
}

// Close delivers an event that the end of the stream left without its blank line.
func (d *Decoder) Close(emit Emit) error {
	if len(d.line) > 0 {
		if err := d.endLine(nil, emit); err != nil {
			return err
		}
	}
	return d.dispatch(emit)
}
