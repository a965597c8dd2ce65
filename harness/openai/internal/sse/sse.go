// Package sse decodes event streams (text/event-stream, WHATWG HTML section 9.2). It is pure: bytes are fed in whatever pieces
// the network gave, and events come out as soon as the piece that completes them is fed. The caller stamps pieces, so that an
// event's time is that of the read that completed it and never includes decoding.
//
// Lines end with LF, CRLF or CR; a byte order mark is skipped; unknown fields are ignored; several data lines are joined by LF.
// Three things go beyond the standard, since servers do them: an event without its blank line at the end of the stream is still
// delivered (Close), and so is an event with a name but no data, whose comment can be had (Comment).
package sse

import (
	"bytes"
	"fmt"
)

// MaxEvent bounds the bytes of one event, so that a server that never ends a line cannot exhaust memory.
const MaxEvent = 64 << 20

// Emit receives one event: the value of its event field (empty if none) and its data. Both are valid until it returns.
type Emit func(name, data []byte) error

// Decoder holds what is left of an unfinished event. The zero value is ready; Reset makes it so again.
type Decoder struct {
	line    []byte // unfinished line
	name    []byte
	data    []byte
	comment []byte // the last one since the last blank line
	hasData bool
	skipLF  bool // the last line ended with CR: a LF that follows belongs to it
	started bool // past a possible byte order mark
}

// Reset forgets everything but the buffers.
func (d *Decoder) Reset() {
	*d = Decoder{line: d.line[:0], name: d.name[:0], data: d.data[:0], comment: d.comment[:0]}
}

// Comment returns the last comment of the event that is being emitted, valid until Emit returns.
func (d *Decoder) Comment() []byte { return d.comment }

// Feed takes the next bytes of the stream and calls emit for each event that they complete. It stops at the first error of emit.
func (d *Decoder) Feed(p []byte, emit Emit) error {
	if d.skipLF && len(p) > 0 {
		d.skipLF = false
		if p[0] == '\n' {
			p = p[1:]
		}
	}
	for len(p) > 0 {
		end := lineEnd(p)
		if end < 0 {
			d.line = append(d.line, p...)
			return d.checkSize()
		}
		line := p[:end]
		if len(d.line) > 0 {
			d.line = append(d.line, line...)
			line = d.line
		}
		p = d.afterLineEnd(p, end)
		if err := d.endLine(line, emit); err != nil {
			return err
		}
		d.line = d.line[:0]
	}
	return nil
}

// lineEnd returns the index of the first CR or LF, or -1.
func lineEnd(p []byte) int {
	lf := bytes.IndexByte(p, '\n')
	if lf < 0 {
		return bytes.IndexByte(p, '\r')
	}
	if cr := bytes.IndexByte(p[:lf], '\r'); cr >= 0 {
		return cr
	}
	return lf
}

func (d *Decoder) afterLineEnd(p []byte, end int) []byte {
	if p[end] == '\r' {
		if end+1 == len(p) {
			d.skipLF = true
		} else if p[end+1] == '\n' {
			end++
		}
	}
	return p[end+1:]
}

func (d *Decoder) checkSize() error {
	if len(d.line)+len(d.data) > MaxEvent {
		return fmt.Errorf("event longer than %d MiB", MaxEvent>>20)
	}
	return nil
}

func (d *Decoder) endLine(line []byte, emit Emit) error {
	if !d.started {
		d.started = true
		line = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf"))
	}
	if len(line) == 0 {
		return d.dispatch(emit)
	}
	field, value, _ := bytes.Cut(line, []byte(":"))
	value = bytes.TrimPrefix(value, []byte(" "))
	switch string(field) {
	case "data":
		if d.hasData {
			d.data = append(d.data, '\n')
		}
		d.data = append(d.data, value...)
		d.hasData = true
		return d.checkSize()
	case "event":
		d.name = append(d.name[:0], value...)
	case "": // the line began with a colon
		d.comment = append(d.comment[:0], value...)
	}
	return nil
}

func (d *Decoder) dispatch(emit Emit) error {
	name, data, has := d.name, d.data, d.hasData
	d.name, d.data, d.hasData = d.name[:0], d.data[:0], false
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
		if err := d.endLine(d.line, emit); err != nil {
			return err
		}
		d.line = d.line[:0]
	}
	return d.dispatch(emit)
}
