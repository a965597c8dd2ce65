package summary

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/reporting/results"
)

// template says what the server adds to a prompt, and how long prompts are by its count and by the tokenizer's; "" in results of before it was measured.
func template(benchmark *results.Benchmark) string {
	t := benchmark.Run.Template
	if t == nil {
		return ""
	}
	shown := *t
	shown.Unknown = brief(t.Unknown)
	text := record.Printable(shown.Found())
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

// mostBrief is how many characters of what a server said stand among the facts. All that was kept of it is in run.json.
const mostBrief = 120

// said finds the words in a server's answer, which may have been cut off: OpenAI's {"error":{"message":…}} and vLLM's, FastAPI's {"detail":…}.
var said = regexp.MustCompile(`"(?:message|msg|detail|error)"\s*:\s*("(?:[^"\\]|\\.)+)`)

// brief is why a request failed in a few words: an answer in JSON by its message, a page of HTML by its being one.
func brief(reason string) string {
	before, answer := reason, ""
	if at := strings.IndexAny(reason, "{[<"); at >= 0 {
		before, answer = reason[:at], reason[at:]
	}
	words := answer
	switch found := said.FindStringSubmatch(answer); {
	case found != nil:
		if err := json.Unmarshal([]byte(strings.TrimSuffix(found[1], `\`)+`"`), &words); err != nil {
			words = found[1][1:]
		}
	case strings.HasPrefix(answer, "<"):
		words = "a page of HTML"
	}
	text := strings.TrimRight(strings.Join(strings.Fields(before+words), " "), ".") // more follows
	if utf8.RuneCountInString(text) > mostBrief {
		text = strings.TrimRight(string([]rune(text)[:mostBrief-3]), " ") + "..."
	}
	return text
}
