package summary

import (
	"fmt"
	"io"
	"strings"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/reporting/results"
)

// Markdown writes SUMMARY.md: what SUMMARY.txt says below the guide's block, in its order, as GitHub shows it in a pull request. What is long is folded.
func Markdown(w io.Writer, in Input) error {
	var b strings.Builder
	b.WriteString("# Benchmark results\n")
	for _, benchmark := range in.Benchmarks {
		markdownBenchmark(&b, benchmark, in.Gates[benchmark.Name])
	}
	if len(in.Benchmarks) > 1 {
		b.WriteString("\n## Comparison\n\n")
		columns := CompareColumns(in.Benchmarks)
		markdownRows(&b, columns, Comparison(in.Benchmarks))
		markdownCaption(&b, CompareCaption(in.Benchmarks))
	}
	for _, benchmark := range in.Benchmarks {
		if levels := Measured(benchmark); len(levels) > 0 {
			fmt.Fprintf(&b, "\n**Error of the client, %s.** %s\n\n", safe(benchmark.Name), safe(timerFloor(levels)+" "+InstrumentCaption))
			markdownTable(&b, InstrumentColumns(benchmark), levels)
		}
	}
	if warnings := in.allWarnings(); len(warnings) > 0 {
		fmt.Fprintf(&b, "\n<details open><summary>%d warning%s</summary>\n\n", len(warnings), plural(len(warnings)))
		for _, warning := range warnings {
			b.WriteString("- " + safe(warning) + "\n")
		}
		b.WriteString("\n</details>\n")
	}
	markdownCommands(&b, in)
	_, err := io.WriteString(w, b.String())
	return err
}

func markdownBenchmark(b *strings.Builder, benchmark *results.Benchmark, gates []*Gate) {
	facts := Facts(benchmark)
	fmt.Fprintf(b, "\n## %s\n\n**%s**\n", safe(benchmark.Name), safe(facts[0][1]))
	for _, g := range gates {
		fmt.Fprintf(b, "\n**Gate: %s**\n", safe(g.Fact()))
	}
	section := func(title string, columns []Column, levels []results.Level, caption string) {
		if len(levels) == 0 {
			return
		}
		fmt.Fprintf(b, "\n%s\n\n", safe(title))
		markdownTable(b, columns, levels)
		markdownCaption(b, caption)
	}
	if levels := Judged(benchmark); len(levels) > 0 {
		section("Validity", ValidityColumns(benchmark), levels, ValidityCaption)
	}
	b.WriteString("\n| | |\n|---|---|\n")
	for _, fact := range facts[1:] {
		fmt.Fprintf(b, "| %s | %s |\n", safe(fact[0]), safe(fact[1]))
	}
	caption := Marks
	if len(Others([]*results.Benchmark{benchmark})) > 0 {
		caption += " " + OthersMark
	}
	section(benchmark.Convention.Title()+" formulas", Columns(benchmark), benchmark.Levels, caption)
	if levels := Promised(benchmark); len(levels) > 0 {
		section(GoodputHead(benchmark), GoodputColumns(benchmark), levels, GoodputCaption)
	}
	folded := func(title string, columns []WithinColumn, rows [][]string, caption string) {
		if len(rows) == 0 {
			return
		}
		heads := make([]Column, len(columns))
		for i, c := range columns {
			heads[i] = Column{Title: c.Title}
		}
		fmt.Fprintf(b, "\n<details><summary>%s</summary>\n\n", inHTML(title))
		markdownRows(b, heads, rows)
		markdownCaption(b, caption)
		b.WriteString("\n</details>\n")
	}
	folded(OwnHead, OwnColumns(benchmark), OwnRows(benchmark), "")
	folded(WithinHead(benchmark), WithinColumns(benchmark), WithinRows(benchmark), WithinCaption)
	folded(OverHead(benchmark), OverColumns(benchmark), OverRows(benchmark), OverCaption)
	section("Steady window (AIPerf formulas)", WindowColumns(benchmark), Windowed(benchmark), WindowCaption)
	if without := Unwindowed(benchmark); without != "" {
		fmt.Fprintf(b, "\nNo steady window: %s.\n", safe(without))
	}
	for _, t := range ToldTables(benchmark) {
		section(t.Head, t.Columns, t.Levels, t.Caption)
	}
	if levels := Recorded(benchmark); len(levels) > 0 {
		section("What became of requests", OutcomeColumns(benchmark), levels, "")
	}
}

func markdownCommands(b *strings.Builder, in Input) {
	for _, benchmark := range in.Benchmarks {
		command := in.Commands[benchmark.Name]
		if command == "" || benchmark.Run == nil {
			continue
		}
		command = record.Printable(command)
		fence := "```"
		for strings.Contains(command, fence) {
			fence += "`"
		}
		fmt.Fprintf(b, "\n<details><summary>Measure %s again</summary>\n\n%s\n\n%ssh\n%s\n%s\n\n</details>\n", inHTML(benchmark.Name), safe(Fingerprint(benchmark.Run)), fence, command, fence)
	}
}

func markdownTable(b *strings.Builder, columns []Column, levels []results.Level) {
	rows := make([][]string, len(levels))
	for i := range levels {
		for _, c := range columns {
			rows[i] = append(rows[i], c.Cell.Text(&levels[i]))
		}
	}
	markdownRows(b, columns, rows)
}

// markdownCaption writes what explains the table above it.
func markdownCaption(b *strings.Builder, caption string) {
	if caption != "" {
		b.WriteString("\n" + safe(caption) + "\n")
	}
}

// markdownRows writes rows under the titles of columns: words at the left, figures at the right.
func markdownRows(b *strings.Builder, columns []Column, rows [][]string) {
	heads, rules := "|", "|"
	for i, c := range columns {
		title := c.Title
		if c.Unit != "" {
			title += " (" + c.Unit + ")"
		}
		heads += " " + safe(title) + " |"
		if i > 0 && isWords(rows, i) {
			rules += "---|"
		} else {
			rules += "---:|"
		}
	}
	b.WriteString(heads + "\n" + rules + "\n")
	for _, row := range rows {
		b.WriteString("|")
		for _, cell := range row {
			b.WriteString(" " + safe(cell) + " |")
		}
		b.WriteString("\n")
	}
}

// isWords reports whether a column has a cell that begins with a letter, n/a aside.
func isWords(rows [][]string, column int) bool {
	for _, row := range rows {
		cell := row[column]
		if cell != "" && !strings.HasPrefix(cell, missing) && strings.ContainsAny(strings.ToLower(cell[:1]), "abcdefghijklmnopqrstuvwxyz=") {
			return true
		}
	}
	return false
}

// safe is a text of others as a part of a line of Markdown: it makes no markup, no cell, no link, and calls nobody by name.
func safe(text string) string {
	text = inHTML(text)
	var b strings.Builder
	for i, r := range text {
		switch {
		case strings.ContainsRune("\\`*_[]~|", r):
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '@':
			b.WriteString("&#64;")
		case r == ':' && strings.HasPrefix(text[i:], "://"):
			b.WriteString("&#58;")
		case r == '#':
			b.WriteString("&#35;")
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// inHTML is a text of others as a part of a line of HTML, in which Markdown is not read.
func inHTML(text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(record.Printable(text))
}
