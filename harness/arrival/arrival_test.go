package arrival_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/llmsweep/llmsweep/harness/arrival"
)

func TestClosed(t *testing.T) {
	assert.Equal(t, []time.Duration{0, 1, 2, 3}, arrival.Closed(4))
	assert.Empty(t, arrival.Closed(0))
	starts := arrival.Closed(1000)
	assert.Len(t, starts, 1000)
	for k, start := range starts {
		assert.Equal(t, time.Duration(k)*time.Nanosecond, start, "no two slots start at one instant")
	}
}
