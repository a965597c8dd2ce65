package harness

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/llmsweep/llmsweep/harness/record"
)

// TestEarlyFailuresAreNoErrorRate: what fails at once ends first. One request in twenty does here, and the first twenty to end are all of that kind.
func TestEarlyFailuresAreNoErrorRate(t *testing.T) {
	number := make(chan int, 2000)
	for i := range cap(number) {
		number <- i
	}
	chat := func(w http.ResponseWriter, r *http.Request) {
		if <-number%20 == 7 {
			http.Error(w, "busy", http.StatusServiceUnavailable)
			return
		}
		answerAfter(time.Second)(w, r)
	}
	perform(t, []string{"-concurrencies=400", "-request-count=2000", "-max-error-rate=0.06"}, chat, func(t *testing.T, s stage) {
		l := s.run(t, 0)
		assert.Equal(t, record.Done, l.Status, l.Reason)
		assert.Equal(t, 100, l.Counts.Failures())
	})
}

func TestFewFailuresOfFewRequestsAreNoErrorRate(t *testing.T) {
	for _, test := range []struct {
		requests, failures int
		want               record.Status
	}{{10, 1, record.Done}, {10, 5, record.Done}, {10, 6, record.Failed}, {20, 1, record.Done}, {40, 3, record.Failed}} {
		n := 0
		chat := func(w http.ResponseWriter, r *http.Request) {
			if n++; n > test.requests-test.failures {
				http.Error(w, "no", http.StatusInternalServerError)
				return
			}
			answerAfter(0)(w, r)
		}
		perform(t, []string{"-concurrencies=1", fmt.Sprintf("-request-count=%d", test.requests)}, chat, func(t *testing.T, s stage) {
			l := s.run(t, 0)
			assert.Equal(t, test.want, l.Status, "%d of %d: %s", test.failures, test.requests, l.Reason)
			assert.Equal(t, test.failures, l.Counts.Failures())
		})
	}
}
