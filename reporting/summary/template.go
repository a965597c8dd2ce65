package summary

import (
	"fmt"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/reporting/results"
)

// template says what the server adds to a prompt, and how long prompts are by its count and by the tokenizer's; "" in results of before it was measured.
func template(benchmark *results.Benchmark) string {
	t := benchmark.Run.Template
	if t == nil {
		return ""
	}
	text := record.Printable(t.Found())
	if prompts, _ := compared(benchmark); prompts.Requests > 0 {
		ours, theirs := prompts.Means()
		text += fmt.Sprintf("; mean %.1f by the tokenizer, %.1f by the server", ours, theirs)
	}
	return text
}

// compared are the counts of all levels, by the client's tokenizer and by the server.
func compared(benchmark *results.Benchmark) (prompts, outputs results.Deviation) {
	for i := range benchmark.Levels {
		l := &benchmark.Levels[i]
		prompts, outputs = prompts.With(l.Prompts), outputs.With(l.Outputs)
	}
	return prompts, outputs
}
