package record

import (
	"bytes"
	"math"
	"time"
)

// decoder is the codec that reads. It takes lines just as the encoder writes them, key after key, and gives up on anything else: a line of another
// version, an escape, a space. Those are left to encoding/json, which is some ten times slower and decides what is a mistake.
type decoder struct {
	data   []byte
	failed bool
	comma  bool              // before the next key
	trace  int               // how many bytes of the line lie from its trace to the end
	known  map[string]string // words that came before
}

// maxKnown bounds known, should a word not recur.
const maxKnown = 256

// line reads a whole line into s, and reports whether it could.
func (d *decoder) line(data []byte, s *Sample) bool {
	d.data, d.failed, d.comma = data, false, false
	if d.known == nil {
		d.known = map[string]string{}
	}
	recordLine(d, s, time.Time{}, nil)
	return !d.failed && len(d.data) == 0
}

// take consumes what must come next.
func (d *decoder) take(text string) {
	if len(d.data) < len(text) || string(d.data[:len(text)]) != text {
		d.fail()
		return
	}
	d.data = d.data[len(text):]
}

// fail leaves nothing to be read, so that everything after it fails too.
func (d *decoder) fail() { d.failed, d.data = true, nil }

// next reports whether the key comes next, and consumes it if it does.
func (d *decoder) next(key string) bool {
	rest := d.data
	if d.comma {
		if len(rest) == 0 || rest[0] != ',' {
			return false
		}
		rest = rest[1:]
	}
	if n := len(key); len(rest) < n+3 || rest[0] != '"' || string(rest[1:n+1]) != key || rest[n+1] != '"' || rest[n+2] != ':' {
		return false
	}
	d.data, d.comma = rest[len(key)+3:], true
	return true
}

func (d *decoder) must(key string) {
	if !d.next(key) {
		d.fail()
	}
}

func (d *decoder) open(key string) {
	if key == traceKey {
		d.trace = len(d.data)
	}
	if key != "" {
		d.must(key)
	}
	d.take("{")
	d.comma = false
}

func (d *decoder) close() {
	d.take("}")
	d.comma = true
}

func (d *decoder) present(key string, _ bool) bool {
	there := d.next(key)
	if there {
		d.take("{")
		d.comma = false
	}
	return there
}

func (d *decoder) number() int64 {
	negative := len(d.data) > 0 && d.data[0] == '-'
	if negative {
		d.data = d.data[1:]
	}
	n := digits(d.data)
	magnitude := uint64(0)
	for _, c := range d.data[:min(n, 19)] { // which cannot overflow
		magnitude = 10*magnitude + uint64(c-'0')
	}
	// A point or an exponent may follow, which encoding/json judges.
	if n == 0 || n > 19 || d.data[0] == '0' && n > 1 || n == len(d.data) || d.data[n] != ',' && d.data[n] != '}' && d.data[n] != ']' || magnitude > math.MaxInt64 {
		d.fail()
		return 0
	}
	d.data = d.data[n:]
	if negative {
		return -int64(magnitude)
	}
	return int64(magnitude)
}

// raw reads a string without escapes.
func (d *decoder) raw() []byte {
	d.take(`"`)
	for i, c := range d.data {
		if c == '"' {
			text := d.data[:i]
			d.data = d.data[i+1:]
			return text
		}
		if !plain(c) {
			break
		}
	}
	d.fail()
	return nil
}

func (d *decoder) integer(key string, v *int64) {
	d.must(key)
	*v = d.number()
}

func (d *decoder) count(key string, v *int) {
	d.must(key)
	*v = int(d.number())
}

func (d *decoder) optionalCount(key string, v *int) {
	if d.next(key) {
		*v = int(d.number())
	}
}

func (d *decoder) optionalInteger(key string, v *int64) {
	if d.next(key) {
		*v = d.number()
	}
}

func (d *decoder) pointed(key string, v **int) {
	if d.next(key) {
		*v = new(int(d.number()))
	}
}

func (d *decoder) boolean(key string, v *bool) {
	d.must(key)
	if *v = bytes.HasPrefix(d.data, []byte("true")); *v {
		d.take("true")
	} else {
		d.take("false")
	}
}

func (d *decoder) text(key string, v *string) {
	d.must(key)
	*v = string(d.raw())
}

func (d *decoder) word(key string, v *string) {
	d.must(key)
	*v = d.recurring(d.raw())
}

func (d *decoder) optionalWord(key string, v *string) {
	if d.next(key) {
		*v = d.recurring(d.raw())
	}
}

func (d *decoder) optionalBoolean(key string, v *bool) {
	if d.next(key) {
		d.take("true") // it would not be there otherwise
		*v = !d.failed
	}
}

// optionalRetries leaves lines with retries to encoding/json.
func (d *decoder) optionalRetries(key string, _ *[]Retry) {
	if d.next(key) {
		d.fail()
	}
}

func (d *decoder) recurring(word []byte) string {
	known, found := d.known[string(word)]
	if !found {
		known = string(word)
		if len(d.known) < maxKnown {
			d.known[known] = known
		}
	}
	return known
}

func (d *decoder) derivedInteger(key string, _ int64) {
	d.must(key)
	d.number()
}

func (d *decoder) derivedStamp(key string, _ int64, _ bool) {
	if d.next(key) {
		d.number()
	}
}

func (d *decoder) derivedText(key, _ string) {
	d.must(key)
	d.raw()
}

func (d *decoder) derivedBoolean(key string, v bool) { d.boolean(key, &v) }

func (d *decoder) integers(key string, v *[]int64)         { *v = listed[int64](d, key, true) }
func (d *decoder) optionalIntegers(key string, v *[]int64) { *v = listed[int64](d, key, false) }
func (d *decoder) optionalCounts(key string, v *[]int)     { *v = listed[int](d, key, false) }

func listed[T int | int64](d *decoder, key string, must bool) []T {
	if !d.next(key) {
		if must {
			d.fail()
		}
		return nil
	}
	if bytes.HasPrefix(d.data, []byte("null")) {
		d.take("null")
		return nil
	}
	d.take("[")
	end := bytes.IndexByte(d.data, ']')
	if end < 0 {
		d.fail()
		return nil
	}
	list := make([]T, 0, bytes.Count(d.data[:end], []byte(","))+min(end, 1))
	for more := end > 0; more; {
		list = append(list, T(d.number()))
		if more = len(d.data) > 0 && d.data[0] == ','; more {
			d.data = d.data[1:]
		}
	}
	d.take("]")
	return list
}

// metrics passes over an object of which nothing is kept.
func (d *decoder) metrics(key string, _ []MetricValue) {
	d.must(key)
	d.value(maxDepth)
}

// maxDepth is deeper than any value of ours.
const maxDepth = 8

func (d *decoder) value(depth int) {
	if len(d.data) == 0 || depth == 0 {
		d.fail()
		return
	}
	switch d.data[0] {
	case '{':
		d.elements('}', func() {
			d.raw()
			d.take(":")
			d.value(depth - 1)
		})
	case '[':
		d.elements(']', func() { d.value(depth - 1) })
	case '"':
		d.raw()
	case 'n':
		d.take("null")
	default:
		d.float()
	}
}

// elements passes over an object or a list.
func (d *decoder) elements(end byte, one func()) {
	d.data = d.data[1:]
	if len(d.data) > 0 && d.data[0] == end {
		d.data = d.data[1:]
		return
	}
	for {
		one()
		if len(d.data) == 0 || d.data[0] != ',' && d.data[0] != end {
			d.fail()
			return
		}
		last := d.data[0] == end
		d.data = d.data[1:]
		if last {
			return
		}
	}
}

// float passes over a number as the encoder writes them: digits, and a point with digits after it.
func (d *decoder) float() {
	rest := bytes.TrimPrefix(d.data, []byte("-"))
	whole := digits(rest)
	if whole == 0 || whole > 1 && rest[0] == '0' {
		d.fail()
		return
	}
	if rest = rest[whole:]; len(rest) > 0 && rest[0] == '.' {
		fraction := digits(rest[1:])
		if fraction == 0 {
			d.fail()
			return
		}
		rest = rest[1+fraction:]
	}
	d.data = rest
}

func digits(data []byte) (n int) {
	for n < len(data) && data[n]-'0' < 10 {
		n++
	}
	return n
}
