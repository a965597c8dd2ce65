package workload

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestPickAtABorder: shares are of what the percentages sum to, be it 100 or not.
func TestPickAtABorder(t *testing.T) {
	l, err := ParseLengths("1,1:49.95;2,2:49.95")
	require.NoError(t, err)
	assert.Equal(t, normal{1, 0}, l.pick(0).isl)
	assert.Equal(t, normal{1, 0}, l.pick(0.4998).isl)
	assert.Equal(t, normal{2, 0}, l.pick(0.5001).isl)
	assert.Equal(t, normal{2, 0}, l.pick(1).isl, "rounding may lead beyond the last")
}
