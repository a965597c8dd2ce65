package harness

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/llmsweep/llmsweep/harness/record"
)

// Output is where a run shows how far it is. go test's own output is never a terminal, so live progress goes to the controlling
// terminal where there is one, and otherwise as a plain line every ten seconds to Log.
type Output struct {
	Log      io.Writer // plain lines
	Terminal *os.File  // redrawn line; nil: none
	Live     bool      // report while a level runs; not in virtual time, whose clock has nothing to do with the watcher's
}

// progress follows a sweep. Its lines are printed by one goroutine at a time.
type progress struct {
	Output
	chunks   atomic.Int64 // content chunks of the level so far, those of unfinished requests included
	stopTick func()

	mu      sync.Mutex
	level   Level
	warming bool // the level is in its warm-up,
	warmed  int  // of which so many requests ended
	started time.Time
	done    int
	failed  int
	planned int // cancellations by plan
	tokens  int // output tokens of requests that ended,
	counted int // and their chunks
	ttft    mean
	itl     mean
}

type mean struct {
	sum float64
	n   int
}

func (m *mean) add(v float64) { m.sum, m.n = m.sum+v, m.n+1 }

func (m *mean) text(unit string) string {
	if m.n == 0 {
		return "-"
	}
	return fmt.Sprintf("%.4g %s", m.sum/float64(m.n), unit)
}

func newProgress(o Output) *progress {
	if o.Log == nil {
		o.Log = io.Discard
	}
	return &progress{Output: o, stopTick: func() {}}
}

const (
	logEvery  = 10 * time.Second
	drawEvery = 250 * time.Millisecond
	clearLine = "\r\x1b[K"
	// A line that a narrow terminal wraps could not be cleared.
	cutLines, wrapLines = "\x1b[?7l", "\x1b[?7h"
)

// begin starts the display of a level.
func (p *progress) begin(l Level) {
	p.mu.Lock()
	p.level, p.started = l, time.Now()
	p.warming, p.warmed = l.warmups > 0, 0
	p.done, p.failed, p.planned, p.tokens, p.counted, p.ttft, p.itl = 0, 0, 0, 0, 0, mean{}, mean{}
	p.mu.Unlock()
	p.chunks.Store(0)
	if !p.Live {
		return
	}
	warmup := ""
	if l.warmupText != "" {
		warmup = " after a warm-up of " + l.warmupText
	}
	requests := fmt.Sprintf("%d requests", l.Requests)
	if l.uncounted {
		requests = fmt.Sprintf("requests for %v", l.lasts)
	}
	p.print(fmt.Sprintf("%-5s %s%s (level %d of %d)", l.Name, requests, warmup, l.Number, l.Of))
	every := logEvery
	if p.Terminal != nil {
		every = drawEvery
	}
	quit := make(chan struct{})
	var ticking sync.WaitGroup
	ticking.Go(func() { p.tick(every, quit) })
	p.stopTick = func() {
		close(quit)
		ticking.Wait()
	}
}

func (p *progress) tick(every time.Duration, quit <-chan struct{}) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-quit:
			return
		case <-ticker.C:
			if p.Terminal != nil {
				fmt.Fprint(p.Terminal, clearLine+cutLines+p.line()+wrapLines)
			} else {
				p.print(p.line())
			}
		}
	}
}

// measure begins the measured part of a level: warm-up is in none of the line's figures.
func (p *progress) measure() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.started, p.warming = time.Now(), false
	p.chunks.Store(0)
}

// sample takes a request that ended into account.
func (p *progress) sample(s *record.Sample, values []record.MetricValue, verbose bool) {
	if verbose {
		p.print(requestLine(s, values))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.Phase != record.Profiling {
		p.warmed++
		return
	}
	p.done++
	p.tokens += s.Counted.OSL
	p.counted += len(s.ChunksNS)
	switch {
	case s.Reason == record.ByPlan:
		p.planned++
		return
	case s.Outcome != record.OK:
		p.failed++
		return
	}
	for _, v := range values {
		switch v.Tag {
		case "time_to_first_token":
			p.ttft.add(v.Value)
		case "inter_token_latency":
			p.itl.add(v.Value)
		}
	}
}

// requestLine is what -verbose prints.
func requestLine(s *record.Sample, values []record.MetricValue) string {
	line := fmt.Sprintf("%s %d: %s", s.Phase, s.Index, s.Outcome)
	for _, v := range values {
		switch v.Tag {
		case "time_to_first_token", "request_latency", "inter_token_latency":
			line += fmt.Sprintf(", %s %.4g ms", v.Tag, v.Value)
		case "output_sequence_length":
			line += fmt.Sprintf(", %.0f tokens", v.Value)
		}
	}
	if s.Error != nil {
		line += ", " + record.Printable(s.Error.Message)
	}
	return line
}

// line is the state of the level in at most 80 columns.
func (p *progress) line() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	elapsed := time.Since(p.started)
	if p.warming {
		return fmt.Sprintf("%-5s warm-up: %d requests ended in %.0f s", p.level.Name, p.warmed, elapsed.Seconds())
	}
	line := fmt.Sprintf("%-5s %d", p.level.Name, p.done)
	if !p.level.uncounted {
		line += fmt.Sprintf("/%d", p.level.Requests)
	}
	switch {
	case p.failed > 0 && p.planned > 0:
		line += fmt.Sprintf(" (%d failed, %d by plan)", p.failed, p.planned)
	case p.failed > 0:
		line += fmt.Sprintf(" (%d failed)", p.failed)
	case p.planned > 0:
		line += fmt.Sprintf(" (%d by plan)", p.planned)
	}
	tokens := p.tokensSoFar()
	line += fmt.Sprintf("  %.0f tok/s  TTFT %s  ITL %s", tokens/elapsed.Seconds(), p.ttft.text("ms"), p.itl.text("ms"))
	switch lasts := p.level.lasts; {
	case p.level.uncounted && elapsed >= lasts:
		line += fmt.Sprintf("  %v over", lasts)
	case p.level.uncounted:
		line += fmt.Sprintf("  %v of %v", elapsed.Round(time.Second), lasts)
	case p.tokens > 0 && p.done < p.level.Requests: // before, the pace of the first tokens is all that is known
		expect := float64(p.tokens) / float64(p.done) * float64(p.level.Requests) // servers may give fewer tokens than asked for
		left := time.Duration(float64(elapsed) * max(expect/max(tokens, 1)-1, 0))
		if lasts > 0 {
			left = min(left, max(lasts-elapsed, 0))
		}
		line += fmt.Sprintf("  ~%v left", left.Round(time.Second))
	}
	return line
}

// tokensSoFar estimates the output tokens of the level, those of unfinished requests included: chunks, with as many tokens each as those
// of finished requests had.
func (p *progress) tokensSoFar() float64 {
	chunks := float64(p.chunks.Load())
	if p.counted == 0 {
		return chunks
	}
	return chunks * float64(p.tokens) / float64(p.counted)
}

// end closes the display of a level with one line.
func (p *progress) end(name string, l *record.Level) {
	p.stopTick()
	p.stopTick = func() {}
	byPlan := ""
	if n := l.Counts.ByPlan(); n > 0 {
		byPlan = fmt.Sprintf(", %d cancelled by plan,", n)
	}
	text := fmt.Sprintf("%-5s %s: %d of %d requests ok%s in %.1f s", name, l.Status, l.Counts.Outcomes[record.OK], l.Counts.Planned, byPlan, float64(l.EndedNS)/1e9)
	if l.Status == record.Capped { // other reasons are the test's failure message
		text += ": " + l.Reason
	}
	if c := l.Client(); c == record.ClientSuspect || c == record.ClientLimited {
		text += ", " + string(c)
	}
	p.print(text)
}

// print writes one plain line.
func (p *progress) print(text string) {
	if p.Terminal != nil {
		fmt.Fprint(p.Terminal, clearLine)
	}
	fmt.Fprintln(p.Log, strings.TrimRight(text, "\n"))
}

func (p *progress) close() {
	p.stopTick()
	p.stopTick = func() {}
	if p.Terminal != nil {
		fmt.Fprint(p.Terminal, clearLine)
	}
}
