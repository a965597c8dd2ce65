package mockserver

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/llmsweep/llmsweep/mockserver/engine"
)

// answer is where the loop counts the tokens of a request and the request's
// handler waits for them. Only their number matters: which words they are
// follows from the request. So a reader may fall behind by any number of tokens,
// at no cost.
type answer struct {
	mu     sync.Mutex
	ready  int           // tokens generated so far
	due    time.Duration // when the last of them may be written; earlier ones are overdue
	err    error
	cached int // prompt tokens found in the cache; known with the first token

	changed chan struct{} // holds one signal
}

// errStopped ends the wait for tokens that will not come.
var errStopped = errors.New("the server is shutting down")

func newAnswer() *answer {
	return &answer{changed: make(chan struct{}, 1)}
}

// add counts the tokens of a chunk.
func (a *answer) add(c engine.Chunk, due time.Duration) {
	a.mu.Lock()
	a.ready += c.Count
	a.cached = c.CachedTokens
	a.due = due
	a.mu.Unlock()
	a.signal()
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

// wait returns when more than seen tokens are ready: how many, and when the last
// of them is due. It fails when the context or the server ends.
func (a *answer) wait(ctx context.Context, stop <-chan struct{}, seen int) (int, time.Duration, error) {
	for {
		if ready, due, err := a.state(); ready > seen || err != nil {
			return ready, due, err
		}
		select {
		case <-a.changed:
		case <-ctx.Done():
			return 0, 0, ctx.Err()
		case <-stop:
			return 0, 0, errStopped
		}
	}
}

func (a *answer) state() (int, time.Duration, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.ready, a.due, a.err
}

// cachedTokens is for those who have seen a token.
func (a *answer) cachedTokens() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.cached
}
