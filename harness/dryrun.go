package harness

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/llmsweep/llmsweep/harness/forecast"
	"github.com/llmsweep/llmsweep/harness/preflight"
	"github.com/llmsweep/llmsweep/harness/record"
)

// WriteDryRun writes what the plan would do: its levels with their requests and tokens, how long they will take, as a range, and the size of the results.
// Nothing is sent and no file is touched.
func (p *Plan) WriteDryRun(w io.Writer) error {
	s := &Sweep{Plan: p, interrupted: func() error { return nil }, dir: filepath.Join(p.ResultsDir(), p.BenchmarkName)}
	defer func() { s.input.close() }()
	if err := s.openInput(); err != nil {
		return err
	}
	if err := s.draw(); err != nil {
		return err
	}
	levels := s.planned()
	measured, basis := s.measuredBefore()
	var b strings.Builder
	b.WriteString("dry run: nothing is sent and nothing is written\n")
	fmt.Fprintf(&b, "endpoint  %s\n", cmp.Or(strings.Join(p.Endpoints, ", "), "the embedded mock server"))
	fmt.Fprintf(&b, "model     %s\n", p.Model)
	space := forecast.Needed(levels, p.Plot, len(p.Formats))
	fmt.Fprintf(&b, "results   %s, about %s: event logs %s, request bodies %s\n\n", s.dir, preflight.Bytes(space.Kept()), preflight.Bytes(space.Log), preflight.Bytes(space.Inputs))
	writeForecast(&b, levels, s.names(), measured)
	b.WriteString("\n")
	for _, note := range slices.Concat(s.inputNotes(), s.loadNotes(), p.dryRunNotes(s.run.Warnings), []string{basis}, s.resultsNotes()) {
		for _, line := range wrap(note, 80) {
			b.WriteString(line + "\n")
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// writeForecast writes the table of levels.
func writeForecast(b *strings.Builder, levels []forecast.Level, names []string, measured []forecast.Measured) {
	const row = "%-*s %9d %14d %14d   %s\n"
	width := len("requests")
	for _, name := range names {
		width = max(width, len(name))
	}
	fmt.Fprintf(b, "%-*s %9s %14s %14s   %s\n", width, "level", "requests", "prompt tokens", "output tokens", "duration")
	var total forecast.Range
	var requests, prompts, outputs int
	for i, l := range levels {
		took := forecast.Duration(l, measured)
		total = total.Plus(took)
		requests, prompts, outputs = requests+l.Requests(), prompts+l.PromptTokens(), outputs+l.OutputTokens()
		fmt.Fprintf(b, row, width, names[i], l.Requests(), l.PromptTokens(), l.OutputTokens(), span(took))
	}
	fmt.Fprintf(b, row, width, "total", requests, prompts, outputs, span(total))
}

func span(r forecast.Range) string { return about(r.Low) + " to " + about(r.High) }

// about is a duration rounded as an estimate deserves it.
func about(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return d.Round(100 * time.Millisecond).String()
	case d < 10*time.Minute:
		return d.Round(time.Second).String()
	}
	return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
}

// loadNotes say what bounds and ends the requests of the table.
func (s *Sweep) loadNotes() []string {
	var notes []string
	p := s.Plan
	if p.PrefillCap > 0 {
		notes = append(notes, fmt.Sprintf("At most %d requests at once are between their start and their first token (-prefill-concurrency); durations are as if any number were.", p.PrefillCap))
	}
	if p.CancelRate > 0 {
		cancelled, all := 0, 0
		for _, l := range s.levels {
			cancelled, all = cancelled+l.work.Cancelled(), all+l.Requests
		}
		notes = append(notes, fmt.Sprintf("%d of %d measured requests are cancelled %v after they were sent, if they have not ended by then (-cancel-rate %g); durations and tokens are as if none was.",
			cancelled, all, p.CancelDelay, p.CancelRate))
	}
	return notes
}

// dryRunNotes are what of the plan changes the table.
func (p *Plan) dryRunNotes(warnings []string) []string {
	var notes []string
	if text := p.Warmup(); text != "" {
		notes = append(notes, fmt.Sprintf("Each level has its warm-up among these: %s.", text))
	}
	probe := "1 short request finds"
	if p.TokenizerApproximate {
		probe = "2 short requests find"
	}
	notes = append(notes, fmt.Sprintf("Before the first level %s what the server adds to a prompt.", probe))
	if p.Repeats > 1 {
		notes = append(notes, fmt.Sprintf("Each level is measured %d times (-repeats), all levels in turn, and the first once more at the end.", p.Repeats))
	}
	if p.MaxDuration > 0 {
		notes = append(notes, fmt.Sprintf("The sweep stops after %v (-max-duration) with what it has.", p.MaxDuration))
	}
	if p.MaxTokensTotal > 0 {
		notes = append(notes, fmt.Sprintf("The sweep stops after %d tokens (-max-tokens-total) with what it has.", p.MaxTokensTotal))
	}
	if p.Virtual {
		notes = append(notes, "Durations are of virtual time, of which this machine makes minutes in seconds.")
	}
	for _, w := range warnings {
		notes = append(notes, "warning: "+w)
	}
	return notes
}

// resultsNotes say what becomes of results that are there already.
func (s *Sweep) resultsNotes() []string {
	if s.Plan.Resume != "" {
		if _, err := os.Lstat(filepath.Join(s.dir, record.RunFile)); err != nil {
			return nil
		}
		return []string{"-resume leaves out those of these levels that are finished, and nothing is sent if an option is not what it was."}
	}
	if err := s.vacant(); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return []string{"warning: without -dry-run this is refused: " + err.Error()}
	}
	return nil
}

// measuredBefore returns the pace that an earlier run of this name found, and what the durations are based on.
func (s *Sweep) measuredBefore() (measured []forecast.Measured, basis string) {
	p := s.Plan
	fast, slow := forecast.Fast(), forecast.Slow()
	assumed := fmt.Sprintf("Durations assume a TTFT of %v to %v, an ITL of %v to %v and prompts read at %.0f to %.0f tokens/s:", fast.TTFT, slow.TTFT, fast.ITL, slow.ITL, fast.Prefill, slow.Prefill)
	var run record.Run
	if record.ReadJSON(filepath.Join(s.dir, record.RunFile), &run) != nil {
		return nil, fmt.Sprintf("%s there is no earlier run of %s to go by.", assumed, p.BenchmarkName)
	}
	if was := &run.Plan; was.Model != p.Model || was.ISL != p.ISL || was.SeqDist != p.SeqDist || was.ISLCounts != p.ISLCounts || was.Prefixes != p.Prefixes || was.Input.File != p.Input.File {
		return nil, fmt.Sprintf("%s the earlier run of %s had another model or other prompts.", assumed, p.BenchmarkName)
	}
	if run.Plan.Unstreamed {
		return nil, fmt.Sprintf("%s the earlier run of %s was not streamed, and tells neither.", assumed, p.BenchmarkName)
	}
	dirs, _ := record.LevelDirs(s.dir)
	for _, dir := range dirs {
		if runs, _, _ := record.RunDirs(dir); len(runs) > 0 {
			dir = runs[0]
		}
		if m, whole := readPace(dir); whole && (m.Concurrency > 0 || len(p.Concurrencies) == 0) {
			measured = append(measured, m)
		}
	}
	if len(measured) == 0 {
		return nil, fmt.Sprintf("%s the earlier run of %s has no finished level.", assumed, p.BenchmarkName)
	}
	return measured, fmt.Sprintf("Durations are those of the earlier run of %s from %s, a quarter more or less.", p.BenchmarkName, run.CreatedAt.Format(time.DateTime))
}

// readPace reads how fast a level was, if it was measured to its end.
func readPace(dir record.LevelDir) (m forecast.Measured, whole bool) {
	var level record.Level
	var figures struct {
		TTFT struct{ Avg float64 } `json:"time_to_first_token"`
		ITL  struct{ Avg float64 } `json:"inter_token_latency"`
	}
	if record.ReadJSON(filepath.Join(dir.Path, record.LevelFile), &level) != nil || level.Status != record.Done ||
		record.ReadJSON(filepath.Join(dir.Path, record.AggregateFile), &figures) != nil {
		return m, false
	}
	const ms = float64(time.Millisecond)
	m = forecast.Measured{Concurrency: dir.Concurrency, TTFT: time.Duration(figures.TTFT.Avg * ms), ITL: time.Duration(figures.ITL.Avg * ms)}
	return m, m.TTFT > 0
}
