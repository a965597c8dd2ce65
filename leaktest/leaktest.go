// Package leaktest ends the tests of a package with a look for goroutines that they left behind: who starts one waits for it, in our code
// and in its tests. A package whose tests start any calls Run in its TestMain.
//
// The look is goleak's, which knows the goroutines of the runtime and of package testing. Ours is the patience: on a busy machine a connection
// that was closed takes its time to end, and goleak waits for half a second.
//
// bench has none: its compiled tests are the program of the container image, and what they start in processes of their own is looked at by
// tests there.
package leaktest

import (
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// patience is how long goroutines may take to end.
const patience = 20 * time.Second

// Run runs the tests and returns the exit code: that of the tests, or 1 where they passed and left a goroutine.
func Run(m *testing.M) int {
	if code := m.Run(); code != 0 || fuzzes() {
		return code
	}
	if err := left(patience); err != nil {
		fmt.Fprintln(os.Stderr, "the tests left goroutines behind:", err)
		return 1
	}
	return 0
}

// fuzzes reports whether go test looks for new inputs: its own goroutines may then outlive a target.
func fuzzes() bool {
	pattern := flag.Lookup("test.fuzz")
	return pattern != nil && pattern.Value.String() != ""
}

// left returns the goroutines that are there and do not end within a time.
func left(within time.Duration) error {
	until := time.Now().Add(within)
	for {
		err := goleak.Find()
		if err == nil || time.Now().After(until) {
			return err
		}
	}
}
