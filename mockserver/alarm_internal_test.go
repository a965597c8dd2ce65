package mockserver

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAlarms(t *testing.T) {
	t.Parallel()
	for name, fine := range map[string]bool{"coarse": false, "fine": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAlarm(fine)
			defer a.close()
			ring := func() time.Duration {
				start := time.Now()
				select {
				case <-a.rings():
					return time.Since(start)
				case <-time.After(30 * time.Second):
					require.Fail(t, "no ring")
					return 0
				}
			}
			a.set(5 * time.Millisecond)
			assert.GreaterOrEqual(t, ring(), 4*time.Millisecond)
			a.set(0)
			ring()
			a.set(time.Hour)
			a.set(time.Millisecond) // the last one counts
			ring()
		})
	}
}
