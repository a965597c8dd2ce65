package arrival_test

import (
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/arrival"
)

func TestRampOverNoTime(t *testing.T) {
	assert.Equal(t, []time.Duration{0, 1, 2, 3}, arrival.Ramp(4, 0))
	assert.Empty(t, arrival.Ramp(0, 0))
	starts := arrival.Ramp(1000, 0)
	assert.Len(t, starts, 1000)
	for k, start := range starts {
		assert.Equal(t, time.Duration(k)*time.Nanosecond, start, "no two slots start at one instant")
	}
}

// TestRamp holds the starts against whole numbers of any size.
func TestRamp(t *testing.T) {
	assert.Equal(t, []time.Duration{0, 5, 10}, arrival.Ramp(3, 10))
	assert.Equal(t, []time.Duration{0}, arrival.Ramp(1, time.Minute), "one slot is the concurrency from the start")
	assert.Empty(t, arrival.Ramp(0, time.Minute))
	for _, over := range []time.Duration{0, 1, 900, 1234567, time.Second, time.Hour, 1<<63 - 1} {
		for _, n := range []int{2, 3, 1000, 20_001} {
			starts := arrival.Ramp(n, over)
			require.Len(t, starts, n)
			previous := int64(-1)
			for k, start := range starts {
				want := new(big.Int).Mul(big.NewInt(int64(k)), big.NewInt(int64(over)))
				previous = max(want.Div(want, big.NewInt(int64(n-1))).Int64(), previous+1)
				require.Equal(t, time.Duration(previous), start, "slot %d of %d over %v", k, n, over)
			}
		}
	}
}

func TestSHA256(t *testing.T) {
	// As sha256sum says of the same bytes.
	assert.Equal(t, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", arrival.SHA256(nil))
	assert.Equal(t, "4dff122ee4b83a749d9d36ba6376e1ed4d350ef4ea34d2235dec1e3fd435f937", arrival.SHA256([]time.Duration{0, 0x0102030405060708}))
	assert.NotEqual(t, arrival.SHA256([]time.Duration{0, 1}), arrival.SHA256([]time.Duration{0, 2}))
	assert.NotEqual(t, arrival.SHA256([]time.Duration{0}), arrival.SHA256([]time.Duration{0, 0}))
}
