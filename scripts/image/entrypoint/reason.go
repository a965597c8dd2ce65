package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
)

// maxMessage is what Kubernetes keeps of a termination message, in bytes.
const maxMessage = 4096

// maxLine is how much of a line is kept to look for a reason in it, in bytes; all of it is passed on.
const maxLine = 64 << 10

// terminationMessage leaves a reason, as one line, in the file that Kubernetes shows. The file is there if the kubelet has made it, and
// never created: outside a cluster a file in /dev would be litter.
func (im *image) terminationMessage(reason string) {
	file, err := os.OpenFile(im.termination, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return
	}
	text := strings.Join(strings.Fields(reason), " ")
	if len(text) > maxMessage {
		text = strings.ToValidUTF8(text[:maxMessage], "") // the cut may go through a letter
	}
	_, _ = io.WriteString(file, text)
	_ = file.Close()
}

// tee passes output on and hands each of its lines to line.
type tee struct {
	to      io.Writer
	line    func(string)
	partial []byte
}

// Write never fails: the child must not stall because nobody reads its output any more.
func (t *tee) Write(p []byte) (int, error) {
	_, _ = t.to.Write(p)
	for rest := p; len(rest) > 0; {
		text, after, ended := bytes.Cut(rest, []byte("\n"))
		t.partial = append(t.partial, text[:min(len(text), maxLine-len(t.partial))]...)
		if ended {
			t.line(string(t.partial))
			t.partial = t.partial[:0]
		}
		rest = after
	}
	return len(p), nil
}

// complaint finds the reason of a failure in what a program says on stderr: its last line under its own name, or else its first line that
// is no warning, since a hint, a list of flags or a stack may follow.
type complaint struct {
	program    string
	own, first string
}

func (c *complaint) add(line string) {
	if strings.HasPrefix(line, c.program+": ") {
		c.own = line
	}
	if c.first == "" && !strings.HasPrefix(line, "warning: ") {
		c.first = strings.TrimSpace(line)
	}
}

func (c *complaint) reason() string { return cmp.Or(c.own, c.first) }

// verdict finds the reason of a failure in the output of a test with -test.v: the message of a test comes while it runs, under the name of
// the test, and the list of who failed at the very end.
type verdict struct {
	running string            // whose messages come now
	message map[string]string // last one of each test
	failed  []string
	panic   string
	open    bool // the last line was a message, which indented lines continue
}

func (v *verdict) add(line string) {
	wasOpen := v.open
	v.open = false
	switch {
	case strings.HasPrefix(line, "=== "):
		v.marker(line)
	case strings.HasPrefix(strings.TrimLeft(line, " "), "--- FAIL: "):
		v.failed = append(v.failed, strings.Fields(line)[2])
	case strings.HasPrefix(line, "panic: "), strings.HasPrefix(line, "fatal error: "):
		v.panic = line
	case wasOpen && strings.HasPrefix(line, "        "):
		v.open = true
		if text := strings.TrimSpace(line); text != "" && len(v.message[v.running]) < maxMessage {
			v.message[v.running] += "; " + text
		}
	default:
		v.log(line)
	}
}

// marker notes whose output follows: "=== RUN   TestSweep/c1". Package testing writes no "=== NAME" after any other marker of the same
// test, so all of them count, attributes too.
func (v *verdict) marker(line string) {
	if words := strings.Fields(line); len(words) > 2 {
		v.running = words[2]
	}
}

// log notes a message: "    sweep_test.go:97: c1 failed".
func (v *verdict) log(line string) {
	at := regexp.MustCompile(`^ +[\w.-]+\.go:\d+: (.*)`).FindStringSubmatch(line)
	if at == nil {
		return
	}
	if v.message == nil {
		v.message = map[string]string{}
	}
	v.message[v.running], v.open = strings.TrimSuffix(at[1], ":"), true
}

// reason is the first failure's message, with the number of further ones, or "". The first is the cause more often than the last.
func (v *verdict) reason() string {
	if v.panic != "" {
		return v.panic
	}
	var culprits []string
	for _, name := range v.failed {
		if !v.hasFailedChild(name) {
			culprits = append(culprits, name)
		}
	}
	if len(culprits) == 0 {
		return ""
	}
	text := culprits[0] + ": failed"
	if message := v.message[culprits[0]]; message != "" {
		text = culprits[0] + ": " + message
	}
	if further := len(culprits) - 1; further > 0 {
		text += fmt.Sprintf(" (and %d more failed)", further)
	}
	return text
}

func (v *verdict) hasFailedChild(parent string) bool {
	for _, name := range v.failed {
		if strings.HasPrefix(name, parent+"/") {
			return true
		}
	}
	return false
}
