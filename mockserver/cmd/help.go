package cmd

import (
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
)

// The columns of the help text.
const (
	helpIndent = 36
	helpWidth  = 100
)

// printHelp writes what -h shows.
func printHelp(w io.Writer) {
	fmt.Fprint(w, `Usage: mockserver [flags]

Serves the OpenAI API without a model: answers are random words, and take the time that a
continuously batching engine would take for them. Names and defaults are those of Dynamo's mocker;
two dashes do as well as one; defaults are in brackets. Stop it with Ctrl-C.

MOCKSERVER_API_KEY in the environment is the key that clients must send as a bearer token.
`)
	f := newCommand().flags
	for _, g := range f.groups {
		fmt.Fprintf(w, "\n%s:\n", g.title)
		for _, name := range g.names {
			f.printFlag(w, name)
		}
	}
}

// printFlag writes a flag and beside it what it does.
func (f *flags) printFlag(w io.Writer, name string) {
	entry := f.Lookup(name)
	value, usage := flag.UnquoteUsage(entry)
	usage = strings.TrimPrefix(usage, value+" | ") // where the text does not speak of the value
	left := "  -" + name
	switch b, isBool := entry.Value.(interface{ IsBoolFlag() bool }); {
	case f.Lookup(off+name) != nil:
		left = "  -[" + off + "]" + name
	case !isBool || !b.IsBoolFlag():
		left += " " + value
	}
	if d := entry.DefValue; !slices.Contains([]string{"", "false", "0", "0s"}, d) {
		usage += " [" + strings.Replace(d, "true", "on", 1) + "]"
	}
	if len(left) > helpIndent-2 {
		fmt.Fprintln(w, left)
		left = ""
	}
	for _, line := range wrapped(usage, helpWidth-helpIndent) {
		fmt.Fprintf(w, "%-*s%s\n", helpIndent, left, line)
		left = ""
	}
}

// wrapped breaks a text into lines at blanks.
func wrapped(text string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len([]rune(line))+1+len([]rune(word)) > width {
			lines = append(lines, line)
			line = ""
		}
		line = strings.TrimPrefix(line+" "+word, " ")
	}
	return append(lines, line)
}
