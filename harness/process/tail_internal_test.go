package process

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestTheTailIsTheEnd(t *testing.T) {
	var kept tail
	for range 3 * tailSize / 8 {
		_, _ = kept.Write([]byte("1234567\n"))
	}
	_, _ = kept.Write([]byte("the end"))
	assert.Len(t, kept.String(), tailSize)
	assert.Equal(t, "234567\nthe end", kept.String()[tailSize-14:])
}
