package clock_test

import (
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/clock"
)

func TestAlarmWaitsUntilTheInstant(t *testing.T) {
	for _, fine := range []bool{false, true} {
		a, exact := clock.New(fine)
		assert.Equal(t, fine && runtime.GOOS == "linux", exact)
		for _, wait := range []time.Duration{5 * time.Millisecond, time.Millisecond, 0, -time.Second} {
			until := time.Now().Add(wait)
			require.True(t, a.Wait(until))
			assert.False(t, time.Now().Before(until), "%v early", time.Until(until))
		}
		a.Close()
		assert.False(t, a.Wait(time.Now().Add(-time.Second)))
		assert.False(t, a.Wait(time.Now().Add(time.Hour)))
		a.Close()
	}
}

func TestCloseEndsAWait(t *testing.T) {
	for _, fine := range []bool{false, true} {
		a, _ := clock.New(fine)
		woken := make(chan bool)
		go func() { woken <- a.Wait(time.Now().Add(time.Hour)) }()
		time.Sleep(10 * time.Millisecond)
		a.Close()
		select {
		case rang := <-woken:
			assert.False(t, rang)
		case <-time.After(10 * time.Second):
			require.Fail(t, "still waiting")
		}
	}
}

// TestCoarseAlarmKeepsVirtualTime: in a bubble a wait ends at its instant, to the nanosecond, and at that of the close.
func TestCoarseAlarmKeepsVirtualTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, exact := clock.New(false)
		assert.False(t, exact)
		start := time.Now()
		require.True(t, a.Wait(start.Add(1234567)))
		assert.Equal(t, time.Duration(1234567), time.Since(start))
		time.AfterFunc(time.Second, a.Close)
		require.False(t, a.Wait(start.Add(time.Hour)))
		assert.Equal(t, time.Second+1234567, time.Since(start))
	})
}

func BenchmarkFineWait(b *testing.B) {
	a, exact := clock.New(true)
	defer a.Close()
	if !exact {
		b.Skip("this system has Go's timers alone")
	}
	b.ReportAllocs()
	for b.Loop() {
		a.Wait(time.Now())
	}
}
