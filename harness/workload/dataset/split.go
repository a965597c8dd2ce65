package dataset

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

var errTooLong = fmt.Errorf("a record has more than %d bytes", maxRecord)

const blanks = " \t\r\n"

// lines reads JSON Lines. Empty lines are passed over.
func (p *pass) lines() error {
	offset := p.base
	var long []byte
	for line := uint32(1); ; line++ {
		raw, size, err := p.line(&long)
		if raw == nil && size > 0 {
			p.fault(line, errTooLong)
		}
		if text := bytes.Trim(raw, blanks); len(text) > 0 {
			p.record(place{offset + int64(indexed(raw, text)), uint32(len(text)), line}, text)
		}
		if offset += size; errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// line reads one line, into long where it does not fit into the buffer; raw is nil where it is too long altogether. size counts it whole.
func (p *pass) line(long *[]byte) (raw []byte, size int64, err error) {
	raw, err = p.in.ReadSlice('\n')
	if size = int64(len(raw)); !errors.Is(err, bufio.ErrBufferFull) {
		return raw, size, err
	}
	*long = append((*long)[:0], raw...)
	for errors.Is(err, bufio.ErrBufferFull) {
		raw, err = p.in.ReadSlice('\n')
		if size += int64(len(raw)); size <= maxRecord {
			*long = append(*long, raw...)
		}
	}
	if size > maxRecord {
		return nil, size, err
	}
	return *long, size, err
}

// first is the first byte that is no white space; 0: there is none within the buffer.
func (p *pass) first() byte {
	head, _ := p.in.Peek(p.in.Size())
	if head = bytes.TrimLeft(head, blanks); len(head) > 0 {
		return head[0]
	}
	return 0
}

// array reads a JSON array of records, one after the other.
func (p *pass) array() error {
	p.decoded = true
	decoder := json.NewDecoder(limited{p})
	p.renew()
	if err := expect(decoder, '['); err != nil {
		return p.broken(1, err)
	}
	if err := p.elements(decoder, p.record); err != nil {
		return p.stopped(decoder, err)
	}
	return p.ended(decoder)
}

// elements reads the elements of an array to its end.
func (p *pass) elements(decoder *json.Decoder, each func(at place, raw []byte)) error {
	var raw json.RawMessage
	for decoder.More() {
		p.renew()
		if err := decoder.Decode(&raw); err != nil {
			return err
		}
		begin := p.base + decoder.InputOffset() - int64(len(raw))
		each(place{begin, uint32(len(raw)), p.lineAt(begin)}, raw)
	}
	return expect(decoder, ']')
}

// sessions reads inputs.json: an object whose data is a list of sessions, each with its payloads.
func (p *pass) sessions() error {
	p.decoded = true
	decoder := json.NewDecoder(limited{p})
	p.renew()
	if err := expect(decoder, '{'); err != nil {
		return p.broken(1, err)
	}
	recipe, seen := false, false
	for decoder.More() {
		p.renew()
		key, err := decoder.Token()
		var value json.RawMessage
		switch {
		case err != nil:
		case key != "data":
			recipe = recipe || key == "recipe"
			err = decoder.Decode(&value)
		case seen:
			err = errors.New(`key "data": stands twice`)
		default:
			seen = true
			if err = expect(decoder, '['); err == nil {
				err = p.elements(decoder, p.session)
			}
		}
		if err != nil {
			return p.stopped(decoder, err)
		}
	}
	if err := expect(decoder, '}'); err != nil {
		return p.stopped(decoder, err)
	}
	if recipe && p.d.index.n == 0 && p.problems == nil {
		return errors.New("has the recipe of request bodies that were too many to be kept, not the bodies: run with the settings that it names")
	}
	return p.ended(decoder)
}

// session reads the payloads of one session. Each is a request of its own.
func (p *pass) session(at place, raw []byte) {
	var payloads []byte
	if isObject(raw) {
		_ = object(raw, func(key, value []byte) error {
			if string(key) == "payloads" {
				payloads = value
			}
			return nil
		})
	}
	if !isArray(payloads) {
		p.fault(at.line, fmt.Errorf("%s: must be an object with a list of payloads", excerpt(raw)))
		return
	}
	_ = array(payloads, func(payload []byte) error {
		begin := at.offset + int64(indexed(raw, payload))
		p.record(place{begin, uint32(len(payload)), p.lineAt(begin)}, payload)
		return nil
	})
}

// expect reads a bracket.
func expect(decoder *json.Decoder, bracket json.Delim) error {
	token, err := decoder.Token()
	if err == nil && token != bracket {
		return fmt.Errorf("%q: must be %q", fmt.Sprint(token), bracket.String())
	}
	return err
}

// stopped notes where and why the decoder goes no further.
func (p *pass) stopped(decoder *json.Decoder, err error) error {
	return p.broken(p.lineAt(p.base+decoder.InputOffset()), reason(err))
}

// ended checks that nothing stands behind the value.
func (p *pass) ended(decoder *json.Decoder) error {
	p.renew()
	if token, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return p.broken(p.lineAt(p.base+decoder.InputOffset()), fmt.Errorf("%q: text after the JSON value", fmt.Sprint(token)))
	}
	return nil
}

// reason puts an error of the decoder into words.
func reason(err error) error {
	var mistake *json.SyntaxError
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("is not JSON: unexpected end")
	case errors.As(err, &mistake):
		return fmt.Errorf("is not JSON: %w", err)
	}
	return err
}

// lineAt is the line of an offset in the file. Offsets must ascend from call to call.
func (p *pass) lineAt(offset int64) uint32 {
	if p.piece == nil {
		p.piece = make([]byte, 32<<10)
	}
	for p.counted < offset {
		n, _ := p.d.data.ReadAt(p.piece[:min(int64(len(p.piece)), offset-p.counted)], p.counted)
		if n == 0 {
			break // it could be read before: whoever reads it next will say why not
		}
		p.breaks += uint32(bytes.Count(p.piece[:n], []byte("\n")))
		p.counted += int64(n)
	}
	return 1 + p.breaks
}

// limited reads the content for decoders that would take a record into memory however long it is.
type limited struct{ p *pass }

// renew lets a new record begin. A decoder may have read as much of it already as it has of the one before.
func (p *pass) renew() { p.left = maxRecord }

// Read is io.Reader; beyond the longest record it fails with errTooLong.
func (l limited) Read(b []byte) (int, error) {
	if l.p.left <= 0 {
		return 0, errTooLong
	}
	n, err := l.p.in.Read(b[:min(int64(len(b)), l.p.left)])
	l.p.left -= int64(n)
	return n, err
}
