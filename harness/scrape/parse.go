package scrape

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Page is what a server told at one instant.
type Page struct {
	Types   map[string]string // of families, by their names: counter, gauge, histogram and so on
	Samples []Sample          // in the order of the page
}

// Sample is one series with its value, which may be no number or infinite.
type Sample struct {
	Series string // name and labels, as they stand on the page
	Value  float64
}

// SyntaxError is the first line of a page that is not Prometheus text.
type SyntaxError struct {
	Line   int
	Text   string // its beginning, which may hold whatever the server was sent
	Reason string // quotes nothing of it
}

// Error does not quote the line.
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("line %d is not Prometheus text: %s", e.Line, e.Reason)
}

// Parse reads a page in the text format of Prometheus (version 0.0.4) or of OpenMetrics. The error is a *SyntaxError. A page whose last line has no
// end was cut off, perhaps in the middle of a number.
func Parse(page []byte) (*Page, error) {
	p := &Page{Types: map[string]string{}, Samples: make([]Sample, 0, bytes.Count(page, []byte{'\n'}))}
	rest := string(page) // once: series are parts of it
	for number := 1; rest != ""; number++ {
		line, after, whole := strings.Cut(rest, "\n")
		rest = after
		reason := "the page ends within the line"
		if whole {
			var ended bool
			if ended, reason = p.line(line); ended {
				return p, nil
			}
		}
		if reason != "" {
			return nil, &SyntaxError{Line: number, Text: strings.Clone(line[:min(len(line), 4096)]), Reason: reason}
		}
	}
	return p, nil
}

// line takes one line. ended: nothing counts that follows.
func (p *Page) line(line string) (ended bool, reason string) {
	line = strings.TrimLeft(line, " \t")
	if line == "" {
		return false, ""
	}
	if line[0] == '#' {
		fields := strings.Fields(line)
		if len(fields) == 4 && fields[1] == "TYPE" {
			p.Types[strings.Clone(fields[2])] = strings.Clone(fields[3])
		}
		return line == "# EOF", ""
	}
	end, reason := seriesEnd(line)
	if reason != "" {
		return false, reason
	}
	value, reason := number(line[end:])
	p.Samples = append(p.Samples, Sample{line[:end], value})
	return false, reason
}

// seriesEnd is where name and labels end.
func seriesEnd(line string) (end int, reason string) {
	if end = nameEnd(line, true); end == 0 {
		return 0, "it does not begin with the name of a metric"
	}
	brace := end + blanks(line[end:])
	if brace == len(line) || line[brace] != '{' {
		return end, ""
	}
	return labels(line, brace, func(string, string) {})
}

// labels reads the labels that begin with the brace at from, and returns where they end.
func labels(line string, from int, use func(name, value string)) (end int, reason string) {
	at := from + 1
	for {
		at += blanks(line[at:])
		if at < len(line) && line[at] == '}' {
			return at + 1, ""
		}
		name := line[at : at+nameEnd(line[at:], false)]
		at += len(name)
		at += blanks(line[at:])
		if name == "" || at == len(line) || line[at] != '=' {
			return 0, "a label must be NAME=\"VALUE\""
		}
		at++
		at += blanks(line[at:])
		length, reason := quoted(line[at:])
		if reason != "" {
			return 0, reason
		}
		use(name, line[at:at+length])
		at += length
		at += blanks(line[at:])
		switch {
		case at < len(line) && line[at] == ',':
			at++
		case at == len(line) || line[at] != '}':
			return 0, "labels must be separated by commas and end in }"
		}
	}
}

// quoted is the length of the quoted text that a line begins with, its quotes included.
func quoted(line string) (length int, reason string) {
	if line == "" || line[0] != '"' {
		return 0, "the value of a label must stand in double quotes"
	}
	for i := 1; i < len(line); i++ {
		switch line[i] {
		case '"':
			if !utf8.ValidString(line[:i]) {
				return 0, "the value of a label is not UTF-8"
			}
			return i + 1, ""
		case '\\':
			if i++; i == len(line) || !strings.ContainsRune(`\"n`, rune(line[i])) {
				return 0, `after a backslash only \, " and n may stand`
			}
		}
	}
	return 0, "the value of a label does not end"
}

// number reads what follows a series: its value and, perhaps, a timestamp and an exemplar, which are dropped.
func number(text string) (value float64, reason string) {
	text, exemplar, marked := strings.Cut(text, "#")
	first, more := field(text)
	value, ok := parseNumber(first)
	if !ok {
		return 0, "it has no value, or none that is a number"
	}
	stamp, more := field(more)
	if _, ok := parseNumber(stamp); stamp != "" && !ok || strings.Trim(more, " \t") != "" {
		return 0, "after the value only a timestamp may stand"
	}
	if marked {
		reason = exemplarReason(exemplar)
	}
	return value, reason
}

// exemplarReason says what is wrong with an exemplar: labels, a value and perhaps a timestamp.
func exemplarReason(text string) string {
	const reason = "after # an exemplar must stand: {LABELS} VALUE"
	from := blanks(text)
	if from == len(text) || text[from] != '{' {
		return reason
	}
	end, wrong := labels(text, from, func(string, string) {})
	if wrong != "" || strings.Contains(text[end:], "#") {
		return reason
	}
	if _, wrong := number(text[end:]); wrong != "" {
		return reason
	}
	return ""
}

// field is the first word of a text, and what follows.
func field(text string) (word, rest string) {
	text = text[blanks(text):]
	if i := strings.IndexAny(text, " \t"); i >= 0 {
		return text[:i], text[i:]
	}
	return text, ""
}

// parseNumber reads a number as Prometheus does: in Go's way, but neither hexadecimal nor with underscores.
func parseNumber(text string) (float64, bool) {
	if strings.ContainsAny(text, "xXpP_") {
		return 0, false
	}
	v, err := strconv.ParseFloat(text, 64)
	return v, err == nil
}

// blanks is how many blanks a text begins with.
func blanks(text string) int {
	n := 0
	for n < len(text) && (text[n] == ' ' || text[n] == '\t') {
		n++
	}
	return n
}

// nameEnd is the length of the name that a text begins with. Those of metrics may have colons.
func nameEnd(text string, metric bool) int {
	for i := range len(text) {
		c := text[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == ':' && metric
		if !letter && (i == 0 || c < '0' || c > '9') {
			return i
		}
	}
	return len(text)
}

// Split takes a series of a page apart. Of a text that is none all is name.
func Split(series string) (name string, of map[string]string) {
	end := nameEnd(series, true)
	name, of = series[:end], map[string]string{}
	brace := end + blanks(series[end:])
	if end == 0 || brace == len(series) || series[brace] != '{' {
		return series, of
	}
	_, _ = labels(series, brace, func(label, value string) { of[label] = unescape(value[1 : len(value)-1]) })
	return name, of
}

func unescape(value string) string {
	return strings.NewReplacer(`\\`, `\`, `\"`, `"`, `\n`, "\n").Replace(value)
}
