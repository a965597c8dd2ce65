package http1

import (
	"fmt"
	"sync"
)

// AtOnce makes connections: it calls one for 0 to n-1, at most parallel of them at a time, and returns when all have returned. The error is the first of theirs,
// by number, and says how many there are.
func AtOnce(n, parallel int, one func(i int) error) error {
	failures := all(n, parallel, one)
	var first error
	failed := 0
	for _, err := range failures {
		if err == nil {
			continue
		}
		if failed++; first == nil {
			first = err
		}
	}
	if first == nil {
		return nil
	}
	return fmt.Errorf("%d of %d connections could not be made; the first: %w", failed, n, first)
}

func all(n, parallel int, one func(i int) error) []error {
	failures := make([]error, n)
	next := make(chan int)
	var workers sync.WaitGroup
	for range max(1, min(n, parallel)) {
		workers.Go(func() {
			for i := range next {
				failures[i] = one(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	workers.Wait()
	return failures
}
