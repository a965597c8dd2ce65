package compare

import (
	"fmt"
	"math"
	"strings"

	"github.com/llmsweep/llmsweep/harness/record"
)

// doubted takes the verdict back where the client's error could have made it.
func (f Finding) doubted(level Level) Finding {
	switch {
	case level.Client == record.ClientLimited:
		f.Client = level.Client
		if f.Verdict != Inconclusive {
			f.Verdict = Inconclusive
			f.Text += fmt.Sprintf("; %s: the figures of %s are its own as much as the server's", level.Client, level.Name)
		}
	case level.Client == record.ClientSuspect && f.Client != record.ClientLimited:
		f.Client = level.Client
		if f.Verdict != Inconclusive && level.Unfinished == "" && math.Abs(f.Value-f.Bound) <= f.errorOf(level) {
			f.Verdict = Inconclusive
			f.Text += fmt.Sprintf("; %s: its stamps may be %s ms late, which is more than that", level.Client, short(level.ErrorMS))
		}
	}
	return f
}

// errorOf is how far off a figure may be, in its own unit, where stamps may be late by the level's error. Counts of tokens and requests
// do not depend on stamps. A rate is off by the same part as the time that it is the inverse of: that of a user is a time's itself;
// all users together wait for the client once a request.
func (f Finding) errorOf(level Level) float64 {
	switch {
	case f.Unit == "ms":
		return level.ErrorMS
	case f.Unit == "sec":
		return level.ErrorMS / 1000
	case !strings.Contains(f.Unit, "/sec"):
		return 0
	}
	var ofMS float64
	switch f.Metric {
	case "output_token_throughput_per_user":
		ofMS = 1000 / f.Value
	case "prefill_throughput_per_user":
		ofMS = level.Figures["time_to_first_token"]["avg"]
	default:
		ofMS = level.Figures["request_latency"]["avg"]
	}
	if !(ofMS > 0) {
		return math.Inf(1) // nothing is known that speaks for the figure
	}
	return math.Abs(f.Value) * level.ErrorMS / ofMS
}
