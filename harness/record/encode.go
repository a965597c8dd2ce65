package record

import (
	"encoding/json"
	"math"
	"strconv"
)

// encoder is the codec that writes. It does by hand what encoding/json does by reflection and in three copies, since the client encodes while it
// measures: the time that this takes there, and what it leaves to the collector, would show in the stamps. A test holds it against encoding/json.
type encoder struct {
	b     []byte
	comma bool // before the next key
}

func (e *encoder) reset() { e.b, e.comma = e.b[:0], false }

func (e *encoder) open(key string) {
	if key != "" {
		e.key(key)
	}
	e.b = append(e.b, '{')
	e.comma = false
}

func (e *encoder) close() {
	e.b = append(e.b, '}')
	e.comma = true
}

func (e *encoder) present(key string, there bool) bool {
	if there {
		e.open(key)
	}
	return there
}

// key writes a key. It needs no escape, since it is one of ours.
func (e *encoder) key(key string) {
	if e.comma {
		e.b = append(e.b, ',')
	}
	e.comma = true
	e.b = append(e.b, '"')
	e.b = append(e.b, key...)
	e.b = append(e.b, '"', ':')
}

func (e *encoder) derivedInteger(key string, v int64) {
	e.key(key)
	e.b = strconv.AppendInt(e.b, v, 10)
}

func (e *encoder) derivedBoolean(key string, v bool) {
	e.key(key)
	e.b = strconv.AppendBool(e.b, v)
}

func (e *encoder) derivedText(key, v string) {
	e.key(key)
	for i := range len(v) {
		if !plain(v[i]) {
			quoted, _ := json.Marshal(v) // a string is never an error
			e.b = append(e.b, quoted...)
			return
		}
	}
	e.b = append(e.b, '"')
	e.b = append(e.b, v...)
	e.b = append(e.b, '"')
}

// plain reports whether a byte stands in a string as it is. encoding/json escapes HTML's as well.
func plain(c byte) bool {
	return c >= ' ' && c <= '~' && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&'
}

func (e *encoder) integer(key string, v *int64)    { e.derivedInteger(key, *v) }
func (e *encoder) count(key string, v *int)        { e.derivedInteger(key, int64(*v)) }
func (e *encoder) boolean(key string, v *bool)     { e.derivedBoolean(key, *v) }
func (e *encoder) text(key string, v *string)      { e.derivedText(key, *v) }
func (e *encoder) word(key string, v *string)      { e.derivedText(key, *v) }
func (e *encoder) integers(key string, v *[]int64) { appendIntegers(e, key, *v) }

func (e *encoder) optionalIntegers(key string, v *[]int64) {
	if len(*v) > 0 {
		appendIntegers(e, key, *v)
	}
}

func (e *encoder) optionalCounts(key string, v *[]int) {
	if len(*v) > 0 {
		appendIntegers(e, key, *v)
	}
}

func (e *encoder) optionalCount(key string, v *int) {
	if *v != 0 {
		e.count(key, v)
	}
}

func (e *encoder) optionalInteger(key string, v *int64) {
	if *v != 0 {
		e.integer(key, v)
	}
}

func (e *encoder) pointed(key string, v **int) {
	if *v != nil {
		e.count(key, *v)
	}
}

func (e *encoder) optionalBoolean(key string, v *bool) {
	if *v {
		e.boolean(key, v)
	}
}

func (e *encoder) optionalWord(key string, v *string) {
	if *v != "" {
		e.text(key, v)
	}
}

// optionalRetries leaves the list to encoding/json: a request waits long before it has one more.
func (e *encoder) optionalRetries(key string, v *[]Retry) {
	if len(*v) > 0 {
		e.key(key)
		list, _ := json.Marshal(*v) // numbers and booleans are never an error
		e.b = append(e.b, list...)
	}
}

func (e *encoder) derivedStamp(key string, v int64, there bool) {
	if there {
		e.derivedInteger(key, v)
	}
}

func appendIntegers[T int | int64](e *encoder, key string, list []T) {
	e.key(key)
	if list == nil {
		e.b = append(e.b, "null"...)
		return
	}
	e.b = append(e.b, '[')
	for i, v := range list {
		if i > 0 {
			e.b = append(e.b, ',')
		}
		e.b = strconv.AppendInt(e.b, int64(v), 10)
	}
	e.b = append(e.b, ']')
}

// metrics writes a {tag: {value, unit}} object in the order of the slice, so that lines compare bytewise.
func (e *encoder) metrics(key string, values []MetricValue) {
	e.open(key)
	for i := range values {
		v := &values[i]
		e.open(v.Tag)
		e.key("value")
		if v.List == nil {
			e.number(v.Value)
		} else {
			e.numbers(v.List)
		}
		e.derivedText("unit", v.Unit)
		e.close()
	}
	e.close()
}

func (e *encoder) numbers(list []float64) {
	e.b = append(e.b, '[')
	for i, x := range list {
		if i > 0 {
			e.b = append(e.b, ',')
		}
		e.number(x)
	}
	e.b = append(e.b, ']')
}

// number writes null for what JSON has no number for, as AIPerf does.
func (e *encoder) number(v float64) {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		e.b = append(e.b, "null"...)
		return
	}
	e.b = strconv.AppendFloat(e.b, v, 'f', -1, 64)
}
