package metrics

import (
	"bytes"
	"strconv"
	"strings"
)

// page is Prometheus text in the making.
type page struct {
	text []byte
	// decimal writes whole numbers with a decimal place, in bounds too, as servers written in Python do.
	decimal bool
}

// The types of families.
const (
	gauge   = "gauge"
	counter = "counter"
)

// family begins the samples of a name.
func (p *page) family(name, kind, help string) {
	p.text = append(p.text, "# HELP "+name+" "+help+"\n# TYPE "+name+" "+kind+"\n"...)
}

// sample writes a value. Labels are as [labels] returns them.
func (p *page) sample(name, labels string, value float64) {
	p.text = append(p.text, name...)
	if labels != "" {
		p.text = append(p.text, '{')
		p.text = append(p.text, labels...)
		p.text = append(p.text, '}')
	}
	p.text = append(p.text, ' ')
	p.number(value)
	p.text = append(p.text, '\n')
}

// histogram writes the samples of one histogram.
func (p *page) histogram(name, labels string, h *histogram) {
	var total uint64
	for k, end := range h.bounds.ends {
		total += h.counts[k]
		p.bucket(name, labels, end, total)
	}
	p.text = append(p.text, name+`_bucket{`+labels+`,le="+Inf"} `...)
	p.number(float64(h.count))
	p.text = append(p.text, '\n')
	p.sample(name+"_sum", labels, float64(h.sum)/h.bounds.unit)
	p.sample(name+"_count", labels, float64(h.count))
}

func (p *page) bucket(name, labels string, end float64, count uint64) {
	p.text = append(p.text, name+`_bucket{`+labels+`,le="`...)
	p.number(end)
	p.text = append(p.text, `"} `...)
	p.number(float64(count))
	p.text = append(p.text, '\n')
}

func (p *page) number(value float64) {
	before := len(p.text)
	p.text = strconv.AppendFloat(p.text, value, 'f', -1, 64)
	if p.decimal && !bytes.ContainsRune(p.text[before:], '.') {
		p.text = append(p.text, ".0"...)
	}
}

// labels writes names and values in turn.
func labels(pairs ...string) string {
	var b strings.Builder
	for k := 0; k < len(pairs); k += 2 {
		if k > 0 {
			b.WriteByte(',')
		}
		b.WriteString(pairs[k] + `="`)
		b.WriteString(escaped(pairs[k+1]))
		b.WriteByte('"')
	}
	return b.String()
}

// escaped is a label's value as the format wants it.
func escaped(value string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(value)
}
