// Package arrival says when requests start, as offsets from the start of a level. It is pure: numbers in, numbers out; it knows
// no clock and sends nothing.
//
// In a closed loop only the first request of each slot has a start of its own; every later one starts when the slot's
// previous request ends.
package arrival

import "time"

// Closed returns the start of each of n slots of a closed loop: slot k starts k nanoseconds after the level, so that no two
// first requests share an instant (in virtual time their order would otherwise be arbitrary).
func Closed(n int) []time.Duration {
	starts := make([]time.Duration, n)
	for k := range starts {
		starts[k] = time.Duration(k)
	}
	return starts
}
