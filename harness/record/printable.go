package record

import (
	"strconv"
	"strings"
	"unicode"
)

// Printable is a text of others, of a server or of a file, as one line without control characters. It may have been written to move the cursor
// of a terminal, or to look like a line of our own; also what turns the direction of text is escaped.
func Printable(text string) string {
	var b strings.Builder
	for _, r := range strings.Join(strings.Fields(text), " ") {
		if unicode.IsPrint(r) {
			b.WriteRune(r)
			continue
		}
		quoted := strconv.QuoteRune(r)
		b.WriteString(quoted[1 : len(quoted)-1])
	}
	return b.String()
}
