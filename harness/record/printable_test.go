package record_test

import (
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/assert"

	"github.com/llmsweep/llmsweep/harness/record"
)

func TestPrintable(t *testing.T) {
	for text, want := range map[string]string{
		"":                               "",
		"as it is: naïve “日本” 😀":         "as it is: naïve “日本” 😀",
		" one\r\n\tline\u2028more\u00a0": "one line more",
		"\x1b[2Jgone\x00\x7f":            `\x1b[2Jgone\x00\x7f`,
		"\u202etxt\u2066":                `\u202etxt\u2066`,
		"cut \xe6\x97":                   "cut \uFFFD\uFFFD",
		`say "it's"`:                     `say "it's"`,
	} {
		assert.Equal(t, want, record.Printable(text))
	}
}

// FuzzPrintable: what it returns is one line that a terminal shows and does not obey, and stays as it is.
func FuzzPrintable(f *testing.F) {
	f.Add("bad \x1b[31mred\x1b[0m\r\nc1 done\x07 \u202e txt")
	f.Add("\xff\xfe\u2028\u0085\u00a0")
	f.Fuzz(func(t *testing.T, text string) {
		got := record.Printable(text)
		assert.False(t, strings.ContainsFunc(got, func(r rune) bool { return !unicode.IsPrint(r) }), "%q", got)
		assert.Equal(t, got, record.Printable(got))
	})
}
