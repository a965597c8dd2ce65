package summary

import (
	"fmt"
	"strings"

	"github.com/llmsweep/llmsweep/harness/record"
)

// width is that of SUMMARY.txt below the guide's block, in columns.
const width = 100

// plain is a text of others in one line of ASCII, which every terminal, mail and log shows alike. Other letters are written as their code points, as Go
// writes them, so that two names never become one.
func plain(text string) string {
	var b strings.Builder
	for _, r := range record.Printable(text) {
		switch {
		case r < 0x80:
			b.WriteRune(r)
		case r < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
	}
	return b.String()
}

// cellText is a text of others in a cell of a table, which it must not make wider than a page.
func cellText(text string) string {
	const most = 32
	if text = plain(text); len(text) > most {
		return text[:most-3] + "..."
	}
	return text
}

// wrapped breaks a text at blanks into lines that begin with first, and then with blanks as long, and are as wide as all lines. A word that is wider is broken.
func wrapped(first, text string) []string {
	indent := strings.Repeat(" ", len(first))
	var lines []string
	line, empty := first, true
	flush := func() {
		lines = append(lines, strings.TrimRight(line, " "))
		line, empty = indent, true
	}
	for word := range strings.FieldsSeq(text) {
		if !empty && len(line)+1+len(word) > width {
			flush()
		}
		for len(indent)+len(word) > width {
			room := width - len(line)
			line += word[:room]
			word = word[room:]
			flush()
		}
		if !empty {
			line += " "
		}
		line += word
		empty = false
	}
	if !empty || lines == nil {
		flush()
	}
	return lines
}

// writeWrapped writes a text in lines of at most 100 columns behind indent.
func writeWrapped(b *strings.Builder, indent, text string) {
	if strings.TrimSpace(text) == "" {
		return
	}
	b.WriteString(strings.Join(wrapped(indent, text), "\n") + "\n")
}

// writeItem writes a text as an item of a list.
func writeItem(b *strings.Builder, text string) { writeWrapped(b, "  - ", text) }

// writeHead writes a name with a line under it.
func writeHead(b *strings.Builder, name string) {
	lines := wrapped("", plain(name))
	fmt.Fprintf(b, "\n\n%s\n%s\n\n", strings.Join(lines, "\n"), strings.Repeat("=", len(lines[0])))
}

// shellLines breaks a command into lines that a shell puts together again. A word that is wider than a line is broken where it stands, inside quotation
// marks by closing and opening them.
func shellLines(command string) []string {
	var lines []string
	line := ""
	for _, word := range shellWords(command) {
		if line != "" && len(line)+1+len(word) > width-2 {
			lines, line = append(lines, line+` \`), "  "
		}
		if line != "" && line != "  " {
			line += " "
		}
		line += word
		for len(line) > width-2 {
			cut, next := breakable(line)
			lines, line = append(lines, cut), next
		}
	}
	return append(lines, line)
}

// breakable cuts a line that is too wide. The rest begins in the first column: blanks would be part of the word.
func breakable(line string) (cut, rest string) {
	at := width - 4
	for at > width/2 && (line[at-1] == '\\' || line[at-1] == '\'' || line[at] == '\'') { // not inside of \' or beside a mark
		at--
	}
	if !inQuotes(line[:at]) {
		return line[:at] + `\`, line[at:]
	}
	return line[:at] + `'\`, "'" + line[at:]
}

// inQuotes reports whether a text ends inside single quotation marks of a shell.
func inQuotes(text string) bool {
	inside := false
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\'':
			inside = !inside
		case text[i] == '\\' && !inside:
			i++
		}
	}
	return inside
}

// shellWords divides a command at blanks outside quotation marks.
func shellWords(command string) []string {
	var words []string
	begin, inside := 0, false
	for i := 0; i < len(command); i++ {
		switch {
		case command[i] == '\'':
			inside = !inside
		case command[i] == '\\' && !inside:
			i++
		case command[i] == ' ' && !inside:
			words = append(words, command[begin:i])
			begin = i + 1
		}
	}
	return append(words, command[begin:])
}
