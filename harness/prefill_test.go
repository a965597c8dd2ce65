package harness

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/record"
)

// reader is a server that takes a known time over each prompt, by its number of arrival, and over the answer. Some it refuses after the first.
type reader struct {
	mu                    sync.Mutex
	came, reading, parked int // parked: at most in reading
}

func readFor(i int) time.Duration {
	return 90*time.Millisecond + time.Duration(i*37%11)*10*time.Millisecond + time.Duration(13*i)
}

func writeFor(i int) time.Duration {
	return time.Duration(100+i*53%300)*time.Millisecond + time.Duration(i*i)
}

func refused(i int) bool { return i%7 == 5 }

func (k *reader) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	if r.Method != http.MethodPost {
		return // what warms net/http's connections
	}
	k.mu.Lock()
	i := k.came
	k.came, k.reading = k.came+1, k.reading+1
	k.parked = max(k.parked, k.reading)
	k.mu.Unlock()
	time.Sleep(readFor(i))
	k.mu.Lock()
	k.reading--
	k.mu.Unlock()
	if refused(i) {
		http.Error(w, "busy", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	fmt.Fprint(w, oneChunk)
	_ = http.NewResponseController(w).Flush()
	time.Sleep(writeFor(i))
	fmt.Fprint(w, oneChunk+endMark)
}

// naiveLoad is a load played by hand.
type naiveLoad struct {
	slots   []time.Duration // of a closed loop
	rate    int             // of an open one
	flights []time.Duration // ends of those in flight, of an open loop with a cap of so many
	places  []time.Duration // when each place is free
}

// starts returns when requests are due, have a place in flight, and start. They do so in the order in which they are due.
func (n *naiveLoad) starts(count int) (due, placed, started []time.Duration) {
	last, held := time.Duration(0), time.Duration(0) // held: until when a place in flight was waited for
	for i := range count {
		var at time.Duration
		if n.rate > 0 {
			at = time.Duration(i) * time.Second / time.Duration(n.rate)
		} else {
			slices.Sort(n.slots)
			at = n.slots[0]
		}
		free := max(at, last)
		if len(n.flights) > 0 {
			slices.Sort(n.flights)
			if n.flights[0] > free {
				free, held = n.flights[0], n.flights[0]
			}
		}
		slices.Sort(n.places)
		start := max(free, n.places[0])
		n.places[0] = start + readFor(i)
		end := start + readFor(i) + writeFor(i)
		if refused(i) {
			end = start + readFor(i)
		}
		if len(n.flights) > 0 {
			n.flights[0] = end
		}
		if n.rate == 0 {
			n.slots[0] = end
		} else {
			last = start
		}
		due, started = append(due, at), append(started, start)
		placed = append(placed, max(at, held))
	}
	return due, placed, started
}

// TestPrefillConcurrency: no more requests than there are places are between their start and their first token, each starts the instant that a place is
// free, in the order in which they came, and the wait is recorded. What ends without a first token gives its place back, too.
func TestPrefillConcurrency(t *testing.T) {
	const n = 60
	for _, c := range []struct {
		args []string
		load naiveLoad
	}{
		{[]string{"-concurrencies=5"}, naiveLoad{slots: []time.Duration{0, 1, 2, 3, 4}}},
		{[]string{"-concurrencies=5", "-transport=nethttp"}, naiveLoad{slots: []time.Duration{0, 1, 2, 3, 4}}},
		{[]string{"-concurrencies=5", "-transport=http2"}, naiveLoad{slots: []time.Duration{0, 1, 2, 3, 4}}},
		{[]string{"-request-rate=16", "-arrival=constant"}, naiveLoad{rate: 16}},
		{[]string{"-request-rate=16", "-arrival=constant", "-max-in-flight=4"}, naiveLoad{rate: 16, flights: make([]time.Duration, 4)}},
	} {
		t.Run(fmt.Sprint(c.args), func(t *testing.T) {
			server := new(reader)
			args := append(slices.Clip(c.args), fmt.Sprintf("-request-count=%d", n), "-prefill-concurrency=2", "-max-error-rate=1")
			perform(t, args, server.ServeHTTP, func(t *testing.T, s stage) {
				l := s.run(t, 0)
				require.Equal(t, record.Done, l.Status)
				assert.Equal(t, 2, server.parked)
				c.load.places = make([]time.Duration, 2)
				due, placed, started := c.load.starts(n)
				samples := s.byIndex(t, 0)
				base, waited, longest := samples[0].StartNS, 0, int64(0)
				for i, x := range samples {
					require.Equal(t, started[i].Nanoseconds(), x.StartNS-base, "start of %d", i)
					assert.Equal(t, due[i].Nanoseconds(), x.ScheduledNS-base)
					assert.Equal(t, x.StartNS, x.DueNS(), "what kept it is recorded")
					if started[i] > placed[i] {
						waited++
						longest = max(longest, (started[i] - placed[i]).Nanoseconds())
						assert.Equal(t, x.StartNS, x.PrefillNS)
					}
				}
				assert.Greater(t, waited, 10)
				assert.Equal(t, waited, l.Prefill.Requests)
				assert.Equal(t, longest, l.Prefill.LongestNS)
				assert.Contains(t, fmt.Sprint(l.Warnings), fmt.Sprintf("%d requests found 2 without their first token (-prefill-concurrency) and waited for a place, up to %.3g s", waited, float64(longest)/1e9))
				assert.Zero(t, l.Instrument.Lateness.MaxMS, "it is no fault of the client's")
				if l.Instrument.InFlight != nil {
					assert.InDelta(t, 5, l.Instrument.InFlight.Mean, 1e-3, "nor that slots waited")
				}
			})
		})
	}
}
