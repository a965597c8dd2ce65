package mockserver

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/llmsweep/llmsweep/mockserver/engine"
	"github.com/llmsweep/llmsweep/mockserver/metrics"
)

// answer is where the loop counts the tokens of a request and the request's
// handler waits for them. Only their number matters: which words they are
// follows from the request. So a reader may fall behind by any number of tokens,
// at no cost.
type answer struct {
	mu       sync.Mutex
	progress // what has been generated so far
	err      error
	admitted time.Duration // when the first of its choices was, or -1

	touched bool           // by the pass that is being delivered; the loop's
	counted metrics.Answer // the loop's
	changed chan struct{}  // holds one signal
}

// progress is how far an answer has come.
type progress struct {
	ready []int // tokens of each choice
	total int   // of them all
	// ends says after how many tokens each event of a choice ends. It is nil where
	// each token is an event.
	ends   [][]int
	due    time.Duration // when the last token may be written; earlier ones are overdue
	cached int           // prompt tokens found in the cache by the first choice
}

// errStopped ends the wait for tokens that will not come.
var errStopped = errors.New("the server is shutting down")

// newAnswer returns an answer with so many choices. grouped says that several
// tokens may come at once.
func newAnswer(choices int, grouped bool) *answer {
	a := &answer{admitted: -1, changed: make(chan struct{}, 1)}
	a.ready = make([]int, choices)
	if grouped {
		a.ends = make([][]int, choices)
	}
	return a
}

// add counts the tokens of a chunk of choice k. The reader hears of it with the next
// signal.
func (a *answer) add(k int, c engine.Chunk, due time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ready[k] += c.Count
	a.total += c.Count
	a.due = due
	if k == 0 {
		a.cached = c.CachedTokens
	}
	if a.ends != nil {
		a.ends[k] = append(a.ends[k], a.ready[k])
	}
}

// admit notes when the first choice began to run.
func (a *answer) admit(at time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.admitted < 0 {
		a.admitted = at
	}
}

// fail ends the answer.
func (a *answer) fail(err error) {
	a.mu.Lock()
	a.err = err
	a.mu.Unlock()
	a.signal()
}

func (a *answer) signal() {
	select {
	case a.changed <- struct{}{}:
	default: // the one that is there has not been seen yet
	}
}

// wait returns when p is behind, having brought it up to date. It fails when the
// answer has failed or the context, whose end somebody signals, has ended.
func (a *answer) wait(ctx context.Context, p *progress) error {
	for {
		if news, err := a.state(p); news || err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		<-a.changed
	}
}

// state brings p up to date and reports whether it was behind.
func (a *answer) state(p *progress) (bool, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	behind := a.total > p.total
	p.total, p.due, p.cached = a.total, a.due, a.cached
	p.ready = append(p.ready[:0], a.ready...)
	p.ends = append(p.ends[:0], a.ends...)
	return behind, a.err
}

func (a *answer) admission() time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.admitted
}
