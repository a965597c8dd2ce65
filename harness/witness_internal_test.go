package harness

import (
	"crypto/x509"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/llmsweep/llmsweep/harness/record"
)

// TestExpiryOfSeveralChains: a chain lasts as long as the first of its certificates to end, and one chain that lasts is enough.
func TestExpiryOfSeveralChains(t *testing.T) {
	at := func(day int) *x509.Certificate {
		return &x509.Certificate{NotAfter: time.Date(2026, 1, day, 0, 0, 0, 0, time.UTC)}
	}
	for _, c := range []struct {
		chains [][]*x509.Certificate
		day    int
	}{
		{[][]*x509.Certificate{{at(9), at(5), at(20)}}, 5},
		{[][]*x509.Certificate{{at(9), at(20)}, {at(9), at(3)}}, 9},
		{[][]*x509.Certificate{{at(9), at(3)}, {at(9), at(20)}}, 9},
	} {
		got, verified := expiry(c.chains)
		assert.Equal(t, c.day, got.Day())
		assert.True(t, verified)
	}
	_, verified := expiry(nil)
	assert.False(t, verified)
}

func TestContextLength(t *testing.T) {
	for value, want := range map[any]int{json.Number("4096"): 4096, json.Number("0"): 0, json.Number("-1"): 0, json.Number("1e3"): 0, "4096": 0, nil: 0} {
		assert.Equal(t, want, contextLength(record.Target{Model: map[string]any{"max_model_len": value}}))
	}
	assert.Zero(t, contextLength(record.Target{}))
}
