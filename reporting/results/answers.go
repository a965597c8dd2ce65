package results

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/llmsweep/llmsweep/harness/record"
)

// answerWarnings are about answers that are not what was asked for, or not surely counted.
func (l *Level) answerWarnings() []string {
	var warnings []string
	good := l.Record.Counts.Outcomes[record.OK]
	if n, ok := l.Figures.Get("osl_mismatch_count", "avg"); ok {
		asked, _ := l.Figures.Get("requested_osl", "avg")
		delivered, _ := l.Figures.Get("output_sequence_length", "avg")
		warnings = append(warnings, fmt.Sprintf("%.0f of %d requests delivered another number of tokens than asked for (off by more than 5 %%, or 50): "+
			"%.4g asked on average, %.4g delivered", n, good, asked, delivered))
	}
	if reasons := l.FinishReasons; len(reasons) > 1 || len(reasons) == 1 && reasons["length"] == 0 {
		warnings = append(warnings, "finish_reason of the answers: "+listed(reasons))
	}
	if n, ok := l.Figures.Get("chunk_token_mismatch_count", "avg"); ok {
		warnings = append(warnings, fmt.Sprintf("the tokens of the chunks of %.0f requests do not add up to usage.completion_tokens, which is what counts", n))
	}
	if n := l.TokenSources[record.FromTokenizer]; n > 0 {
		warnings = append(warnings, fmt.Sprintf("output tokens of %d requests were counted by the client's tokenizer: the server reported no usage", n))
	}
	if n := l.TokenSources[record.FromChunks]; n > 0 {
		warnings = append(warnings, fmt.Sprintf("output tokens of %d requests are not known, their chunks were counted instead: the server left out its usage after it had always reported it", n))
	}
	return warnings
}

// listed writes counts as a list, the largest first.
func listed(counts map[string]int) string {
	names := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(counts[b]-counts[a], cmp.Compare(a, b))
	})
	for i, name := range names {
		names[i] = fmt.Sprintf("%d %s", counts[name], name)
	}
	return strings.Join(names, ", ")
}
