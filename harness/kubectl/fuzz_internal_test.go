package kubectl

import (
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/assert"
)

// FuzzExplain: whatever kubectl, a cluster or a program in a pod said, we say in one line that a terminal shows and does not obey.
func FuzzExplain(f *testing.F) {
	for _, said := range []string{
		`Error from server (NotFound): services "frontend" not found`, "E1124 02:11:20.207652    8070 memcache.go:265] couldn't get\nerror: context \"x\" does not exist",
		`Error from server (Forbidden): pods is forbidden: User "u" cannot create resource "pods" in API group "" in the namespace "n"`,
		"error: lost connection to pod\ncommand terminated with exit code 137", "\x1b[31mred\x07\r\n\u202e", "Warning: x", "", `(NotFound): a "$1" not found`,
	} {
		f.Add("ns", said)
		f.Add("$0", said)
	}
	f.Fuzz(func(t *testing.T, namespace, said string) {
		e := explain(namespace, "get", said)
		assert.NotEmpty(t, e.Error())
		if !strings.ContainsFunc(namespace, func(r rune) bool { return !unicode.IsPrint(r) }) {
			assert.False(t, strings.ContainsFunc(e.Error(), func(r rune) bool { return unicode.IsControl(r) && r != '\t' }), "%q", e.Error())
		}
		assert.LessOrEqual(t, len(e.Error()), 10*(len(said)+len(namespace))+1000)
	})
}

// FuzzAnnouncement: the port is found, or not, however the text comes in pieces.
func FuzzAnnouncement(f *testing.F) {
	f.Add("starting\nForwarding from 127.0.0.1:40123 -> 8000\n", byte(3))
	f.Add("Forwarding from 127.0.0.1:99999999999999999999 -> 8000\nForwarding from 127.0.0.1:1 -> 2", byte(1))
	f.Add("Forwarding from [::1]:40123 -> 8000\n", byte(0))
	f.Fuzz(func(t *testing.T, text string, size byte) {
		whole, pieces := &announcement{port: make(chan int, 1)}, &announcement{port: make(chan int, 1)}
		_, _ = whole.Write([]byte(text))
		for step := int(size) + 1; text != ""; {
			n := min(step, len(text))
			_, _ = pieces.Write([]byte(text[:n]))
			text = text[n:]
		}
		assert.Len(t, pieces.port, len(whole.port))
		assert.LessOrEqual(t, len(pieces.text), maxAnnouncement)
		if len(whole.port) > 0 {
			port := <-whole.port
			assert.Equal(t, port, <-pieces.port)
			assert.True(t, 0 < port && port < 65536, "%d", port)
		}
	})
}
