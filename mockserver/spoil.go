package mockserver

import (
	"bytes"
	"net/http"

	"github.com/llmsweep/llmsweep/mockserver/fault"
)

// spoilStream streams an answer up to the token at which the fault strikes, strikes, and goes on if there is more.
func (e *exchange) spoilStream(d *renderer) {
	out, err := e.beginStream()
	all := 0
	for k := range d.choices {
		all += d.choices[k].tokens
	}
	var last []byte // event before the fault
	d.held = true
	for before := min(e.fault.Tokens, all); err == nil && d.written < before; {
		if err = e.await(d.written); err == nil {
			last, err = e.writeKept(out, d, before-d.written, last)
		}
	}
	d.held = false
	goesOn := false
	if err == nil {
		e.struck(d.written)
		goesOn, err = e.strike(out, d, last)
	}
	if err == nil && goesOn {
		err = e.goOn(out, d, all)
	}
	e.endStream(d, err)
}

// goOn streams what is left of an answer, which may be its end alone.
func (e *exchange) goOn(out responseBody, d *renderer, all int) (err error) {
	for err == nil && d.open > 0 {
		if d.written < all {
			err = e.await(d.written)
		}
		if err == nil {
			err = e.write(out, d)
		}
	}
	return err
}

// writeKept is write, and returns the last event that it wrote, or the one before.
func (e *exchange) writeKept(out responseBody, d *renderer, most int, last []byte) ([]byte, error) {
	b := d.appendReady(make([]byte, frameRoom), &e.progress, most)
	if len(b) == frameRoom {
		return last, nil // tokens without text
	}
	e.line.write(e.server.loop, d.written-e.noted)
	e.noted = d.written
	events := b[frameRoom : len(b)-len(closeEvent)]
	begins := bytes.LastIndex(events, []byte(closeEvent))
	if begins >= 0 {
		events = events[begins+len(closeEvent):]
	}
	last = append(bytes.Clone(events), closeEvent...)
	_, err := out.write(b)
	return last, err
}

// strike does to a stream what the fault's kind does in the middle of it, and reports whether the stream goes on.
func (e *exchange) strike(out responseBody, d *renderer, last []byte) (goesOn bool, err error) {
	switch e.fault.Kind {
	case fault.Stall:
		return true, e.pause(e.fault.For)
	case fault.MalformedJSON:
		return true, out.send(d.appendBroken(nil))
	case fault.Duplicate:
		return true, out.send(last)
	}
	e.breakOff(d)
	switch e.fault.Kind {
	case fault.Reset:
		e.reset()
	case fault.BrokenFraming:
		_, _ = out.direct.Write([]byte("no size\r\n"))
		panic(http.ErrAbortHandler) // returning would end the body in good order
	case fault.StreamError:
		err = out.send(streamError(e.fault.Style))
	case fault.EndlessLine:
		err = out.sendLine(d.appendBroken(nil), e.fault.Size)
	case fault.Truncate:
		if e.fault.Done {
			err = out.send([]byte(doneEvent))
		}
	}
	return false, err
}

// breakOff takes what is left of an answer out of the engines, as it goes no further.
func (e *exchange) breakOff(d *renderer) {
	for k := range d.choices {
		e.server.loop.cancel(d.choices[k].number)
	}
	e.line.broken(d)
	e.seen.Fail(e.server.loop.now(), http.StatusInternalServerError)
}

// appendBroken writes an event that breaks off within the text of its first choice.
func (d *renderer) appendBroken(b []byte) []byte {
	b = append(b, d.choices[0].fragment...)
	b = append(b, d.pick(`"content":"`, "")...)
	return append(b, closeEvent...)
}

// send sends bytes at once.
func (o responseBody) send(text []byte) error {
	_, err := o.write(append(make([]byte, frameRoom, frameRoom+len(text)+2), text...))
	return err
}

// lineBuffer is how many bytes of a long line go into one write.
const lineBuffer = 1 << 16

// sendLine sends a line of so many bytes that begins as an event does and has no end.
func (o responseBody) sendLine(event []byte, size int64) error {
	buffer := make([]byte, frameRoom+lineBuffer, frameRoom+lineBuffer+2)
	for k := range buffer {
		buffer[k] = 'x'
	}
	first := min(int64(len(event)-len(closeEvent)), size)
	err := o.send(event[:first])
	for left := size - first; left > 0 && err == nil; left -= lineBuffer {
		_, err = o.write(buffer[:frameRoom+min(left, lineBuffer)])
	}
	return err
}

// streamError is an error as servers put it into a stream, and what follows there.
func streamError(style fault.Style) []byte {
	const said = `"message":"A fault was asked for: an error in the stream.","type":"server_error","param":null,"code":`
	switch style {
	case fault.VLLM:
		return []byte(openEvent + `{"error":{` + said + `500}}` + closeEvent + doneEvent)
	case fault.Flat:
		return []byte(openEvent + `{"object":"error",` + said + `500}` + closeEvent + doneEvent)
	case fault.Event:
		return []byte("event: error\n" + openEvent + `{` + said + `"injected_fault"}` + closeEvent)
	default:
		return []byte(openEvent + `{"error":{` + said + `"injected_fault"}}` + closeEvent)
	}
}
