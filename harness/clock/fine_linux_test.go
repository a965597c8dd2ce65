package clock_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/llmsweep/llmsweep/harness/clock"
)

// TestFineAlarmIsNotTheCoarse compares their lateness in one run, in turns: on an idle machine the kernel's is a tenth of Go's. The least
// tenth is compared, which other work on the machine leaves alone.
func TestFineAlarmIsNotTheCoarse(t *testing.T) {
	late := map[bool][]time.Duration{}
	for range 60 {
		for _, fine := range []bool{false, true} {
			a, _ := clock.New(fine)
			until := time.Now().Add(1500 * time.Microsecond)
			a.Wait(until)
			late[fine] = append(late[fine], time.Since(until))
			a.Close()
		}
	}
	slices.Sort(late[false])
	slices.Sort(late[true])
	t.Logf("lateness, tenth of 60: Go's timer %v, timerfd %v; median %v, %v", late[false][6], late[true][6], late[false][30], late[true][30])
	assert.Less(t, late[true][6], late[false][6])
}
