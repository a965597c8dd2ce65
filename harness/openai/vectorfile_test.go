package openai_test

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/openai"
)

// vector is a file of testdata/vectors: what a server sends and when, and what must come out. Its README says how to read one.
type vector struct {
	name   string
	osl    int               // asked for
	form   map[string]string // of the request
	steps  []vectorStep
	expect map[string]string
}

// vectorStep is one write of the server.
type vectorStep struct {
	line  int
	at    time.Duration // since the start of the request
	kind  string
	bytes string
	moved map[string]bool // what changes when it comes 1 ns later
}

// readVectors reads all files.
func readVectors(t *testing.T) []vector {
	t.Helper()
	files, err := filepath.Glob("testdata/vectors/*.txt")
	require.NoError(t, err)
	require.Greater(t, len(files), 30, "files are missing: the tests would pass without looking")
	var all []vector
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		v := vector{name: strings.TrimSuffix(filepath.Base(file), ".txt"), expect: map[string]string{}, form: map[string]string{}}
		section := ""
		for i, line := range strings.Split(string(text), "\n") {
			switch indented := strings.HasPrefix(line, " "); {
			case line == "" || strings.HasPrefix(line, "#"):
			case !indented:
				section = line
			default:
				require.NoError(t, v.take(section, strings.TrimLeft(line, " "), i+1), "%s:%d: %s", file, i+1, line)
			}
		}
		all = append(all, v)
	}
	return all
}

// take reads a line of a section.
func (v *vector) take(section, line string, number int) (err error) {
	word, rest, _ := strings.Cut(line, " ")
	rest = strings.TrimLeft(rest, " ")
	switch section {
	case "request":
		if v.form[word] = rest; word == "osl" {
			v.osl, err = strconv.Atoi(rest)
		}
	case "expect":
		v.expect[word] = rest
	case "server":
		return v.step(word, rest, line, number)
	default:
		err = fmt.Errorf("no section %q", section)
	}
	return err
}

// step reads "20000000  chunk  data: …", "+1 ns  end_ns …" or a line that continues the latter.
func (v *vector) step(word, rest, line string, number int) error {
	if at, err := strconv.ParseUint(word, 10, 63); err == nil { // no sign
		kind, text, _ := strings.Cut(rest, " ")
		bytes, err := unescape(strings.TrimLeft(text, " "))
		v.steps = append(v.steps, vectorStep{line: number, at: time.Duration(at), kind: kind, bytes: bytes, moved: map[string]bool{}})
		return err
	}
	if len(v.steps) == 0 {
		return fmt.Errorf("nothing to move")
	}
	for _, name := range strings.Fields(strings.TrimPrefix(line, "+1 ns")) {
		if name != "nothing" {
			v.steps[len(v.steps)-1].moved[name] = true
		}
	}
	return nil
}

// unescape knows \n, \r, \\, \xHH and \*N{text}, which is text N times.
func unescape(text string) (string, error) {
	escape := regexp.MustCompile(`\\(?:[nr\\]|x[0-9a-f]{2}|\*\d+\{[^}]*\})`)
	var err error
	plain := strings.ReplaceAll(text, `\\`, "")
	if bad := strings.Count(plain, `\`) - len(escape.FindAllString(plain, -1)); bad != 0 {
		err = fmt.Errorf("%d unknown escapes", bad)
	}
	return escape.ReplaceAllStringFunc(text, func(e string) string {
		switch e[1] {
		case 'n':
			return "\n"
		case 'r':
			return "\r"
		case 'x':
			b, bad := strconv.ParseUint(e[2:], 16, 8)
			err = cmp.Or(err, bad)
			return string([]byte{byte(b)})
		case '*':
			times, what, _ := strings.Cut(e[2:len(e)-1], "{")
			n, bad := strconv.Atoi(times)
			err = cmp.Or(err, bad)
			return strings.Repeat(what, n)
		}
		return `\`
	}), err
}

// configure makes a client ask as the file's.
func (v *vector) configure(c *openai.Config) {
	c.Completions, c.Whole = v.form["endpoint_type"] == "completions", v.form["streaming"] == "false"
}

// between is what passes between the bytes of a drip.
const between = time.Microsecond

// script is what the scripted server does. Instants of a file count from the start of the request.
func (v *vector) script(t *testing.T) []step {
	t.Helper()
	var steps []step
	for _, s := range v.steps {
		at := begin + s.at
		switch s.kind {
		case "raw":
			steps = append(steps, step{at: at, raw: s.bytes})
		case "chunk":
			steps = append(steps, step{at: at, body: s.bytes})
		case "last":
			steps = append(steps, step{at: at, body: s.bytes, end: finish})
		case "drip":
			for i := range len(s.bytes) {
				steps = append(steps, step{at: at + time.Duration(i)*between, body: s.bytes[i : i+1]})
			}
		case "close":
			steps = append(steps, step{at: at, end: shut})
		case "reset":
			steps = append(steps, step{at: at, end: reset})
		default:
			require.Fail(t, "unknown kind of step", "%s:%d: %s", v.name, s.line, s.kind)
		}
	}
	return steps
}
