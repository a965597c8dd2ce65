package ceiling

import (
	"fmt"
	"io"
	"strings"
)

// Print writes the table, 80 columns wide, with a line for each number of streams and the reasons of rows that lack figures, and one for each rate.
func (t *Table) Print(w io.Writer) error {
	var b strings.Builder
	if len(t.Rows) > 0 {
		t.printStreams(&b)
	}
	t.printOpenLoop(&b)
	_, err := io.WriteString(w, strings.TrimPrefix(b.String(), "\n"))
	return err
}

func (t *Table) printStreams(b *strings.Builder) {
	fmt.Fprintf(b, "        paced: TTFT %v, ITL %v; errors in ms             as fast as can be\n", TTFT, ITL)
	b.WriteString("        events   TTFT  stamp  stamp  first    gap   late  events    reqs\n")
	b.WriteString("streams    /s   -truth   p50    p99    p99    p99    p99      /s      /s client\n")
	var failures []string
	for _, r := range t.Rows {
		fmt.Fprintf(b, "%7d %6s %6s %6s %6s %6s %6s %6s %7s %7s %s\n", r.Streams, count(r.EventsPerSecond),
			r.ms(r.TTFTExcessMS), r.ms(r.StampP50MS), r.ms(r.StampP99MS), r.ms(r.FirstP99MS), r.ms(r.GapP99MS), r.ms(r.LatenessP99MS),
			count(r.MostEventsPerSecond), count(r.MostRequestsPerSecond), strings.TrimPrefix(r.Client, "client "))
		if r.Failure != "" {
			failures = append(failures, fmt.Sprintf("%d streams: %s\n", r.Streams, r.Failure))
		}
	}
	for _, f := range failures {
		b.WriteString(f)
	}
}

// printOpenLoop prints how late the requests of open loops were.
func (t *Table) printOpenLoop(b *strings.Builder) {
	if len(t.OpenLoop) == 0 {
		return
	}
	b.WriteString("\nopen loop: start of a request after its time in the schedule, ms\n")
	b.WriteString("  rate/s  planned     lost   late p50   late p99   timer p99   p99 less timer client\n")
	for _, d := range t.OpenLoop {
		if d.Failure != "" {
			fmt.Fprintf(b, "%8s  %s\n", count(d.RequestsPerSecond), d.Failure)
			continue
		}
		fmt.Fprintf(b, "%8s %8d %8d %10.3f %10.3f %11.3f %16.3f %s\n", count(d.RequestsPerSecond), d.Planned, d.Planned-d.Ended, d.LateP50MS, d.LateP99MS,
			d.FloorP99MS, d.Own(), strings.TrimPrefix(d.Client, "client "))
	}
}

// ms is an error of the paced run, if there was one.
func (r *Row) ms(x float64) string {
	switch {
	case r.EventsPerSecond == 0:
		return "-"
	case x >= 100 || x <= -100:
		return fmt.Sprintf("%.0f", x)
	case x >= 10 || x <= -10:
		return fmt.Sprintf("%.1f", x)
	default:
		return fmt.Sprintf("%.2f", x)
	}
}

// count is a rate, of which three digits say enough.
func count(x float64) string {
	switch {
	case x <= 0:
		return "-"
	case x < 1000:
		return fmt.Sprintf("%.3g", x)
	case x < 999_500:
		return fmt.Sprintf("%.3gk", x/1000)
	default:
		return fmt.Sprintf("%.3gM", x/1e6)
	}
}
