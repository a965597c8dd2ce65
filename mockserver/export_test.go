package mockserver

import "time"

// Waiter waits as the server's loop does, but for nothing else, for benchmarks that compare the two.
func Waiter(fine bool) (wait func(time.Duration), end func()) {
	if fine {
		return fineWaiter()
	}
	return time.Sleep, func() {}
}
