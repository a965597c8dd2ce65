package results

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/scrape"
	"github.com/llmsweep/llmsweep/harness/steady"
)

// Told is what servers, or their GPUs, told of themselves during a level.
type Told struct {
	Figures scrape.Figures  // of the measurement, warm-up left out
	Window  *scrape.Figures // of the steady window; nil: there is none, or nothing was told then
	// Tracks are what was told over the time of the level, warm-up included: each with its name, its unit and points whose AtNS is a stamp of the level, as
	// those of samples are. A level that was repeated has none; its runs have.
	Tracks []scrape.Track
}

// readTold reads a file of scrapes and returns nil where there is none, or nothing that the vocabulary knows. What cannot be read is a warning.
func readTold(l *Level, name string) (*Told, []string) {
	h := scrape.NewHistory(nil)
	bad, err := record.ReadScrapes(filepath.Join(l.Dir, name), h.Begin, h.Add)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, []string{relative(err, l.Dir)}
	}
	var warnings []string
	var line *record.LineError
	if len(bad) > 0 && errors.As(bad[0], &line) {
		warnings = []string{fmt.Sprintf("%s: %d lines skipped, the first: line %d: %v", name, len(bad), line.Line, line.Err)}
	}
	figures, ok := h.Measured()
	if !ok {
		return nil, warnings
	}
	told := &Told{Figures: figures, Tracks: h.Tracks()}
	if l.Window.Verdict == steady.Steady {
		if f, ok := h.Over(l.Window.StartNS, l.Window.EndNS); ok {
			told.Window = &f
		}
	}
	return told, warnings
}

// readTold reads what the server and its GPUs told.
func (l *Level) readTold() (warnings []string) {
	var more []string
	l.Server, warnings = readTold(l, record.ServerMetricsFile)
	l.GPU, more = readTold(l, record.GPUTelemetryFile)
	return append(warnings, more...)
}

// TheirSeries reads the series of a level whose names keep wants from one of its files of scrapes (record.ServerMetricsFile, record.GPUTelemetryFile), as the
// server told them: those that no figure is made of, too. Without the file there is none.
func (l *Level) TheirSeries(file string, keep func(name string) bool) ([]scrape.Series, error) {
	h := scrape.NewHistory(keep)
	_, err := record.ReadScrapes(filepath.Join(l.Dir, file), h.Begin, h.Add)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return h.Series(), err
}

// with is both together, as of two runs of a level; nil has told nothing.
func (t *Told) with(other *Told) *Told {
	switch {
	case t == nil && other == nil:
		return nil
	case t == nil:
		return &Told{Figures: other.Figures}
	case other == nil:
		return &Told{Figures: t.Figures}
	}
	return &Told{Figures: t.Figures.With(other.Figures)}
}

// HitRate is how much of the prompts the server had in its prefix cache by its own account, in percent. ok is false where that is not known.
func (l *Level) HitRate() (percent float64, ok bool) {
	if l.Server == nil {
		return 0, false
	}
	percent, _, ok = l.Server.Figures.HitRate()
	return percent, ok
}

// TokensPerJoule is how many output tokens, of requests that ended well, came of a joule of the GPUs: of several runs in those whose energy is known. ok is false
// where it is not.
func (l *Level) TokensPerJoule() (float64, bool) {
	runs := l.Usable()
	if len(runs) == 0 {
		runs = []*Level{l}
	}
	tokens, joules := 0, 0.0
	for _, r := range runs {
		if r.GPU == nil {
			continue
		}
		if j, _, ok := r.GPU.Figures.Joules(); ok {
			tokens, joules = tokens+r.asked.output, joules+j
		}
	}
	return scrape.Ratio(float64(tokens), joules)
}

// asked are tokens of measured requests that ended well.
type asked struct {
	requests, prompt, shared, output int
	others                           int // measured requests that ended otherwise
}

func (a *asked) add(s *record.Sample) {
	if !s.Valid() {
		a.others++
		return
	}
	a.requests++
	a.prompt += s.Counted.PromptByClient()
	a.shared += s.SharedTokens
	a.output += s.Counted.OSL
}

func (a asked) with(b asked) asked {
	return asked{a.requests + b.requests, a.prompt + b.prompt, a.shared + b.shared, a.output + b.output, a.others + b.others}
}

// cache is what is known of the prefix cache: by the usage of the answers, else by the server's counters, which know requests only in sum. These are
// taken only where they are of this load and no other: all requests ended well, and as many as the server completed.
func (l *Level) cache() steady.Cache {
	a := l.asked
	if l.Cache.Requests > 0 || l.Server == nil || a.others > 0 {
		return l.Cache
	}
	f := &l.Server.Figures
	queries, told := f.Counters[scrape.Queries]
	completed, counted := f.Counters[scrape.Completed]
	if !told || queries <= 0 || f.HitUnit != "tokens" || !counted || int(completed) != a.requests {
		return l.Cache
	}
	c := steady.Cache{Requests: a.requests, Prompt: int(queries), Hits: int(f.Counters[scrape.Hits]), Shared: a.shared}
	c.Unplanned = max(0, c.Hits-c.Shared-max(0, c.Prompt-a.prompt)) // the rest is the server's template, which all prompts have in common
	return c
}
