package openai

import (
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/workload"
)

// With Config.Retry429 a request that was refused with status 429 is sent again, with the same bytes, after a wait. It remains one request:
// its start is that of the first time, so that the waits are part of its latency and its time limits go on; what was received is that of the
// last time. It ends refused after maxRetries, and at once where the wait would pass a time limit: it would be for nothing.
const (
	maxRetries  = 5
	firstWait   = time.Second      // doubled each time, where the server does not say how long
	longestWait = 10 * time.Minute // that a server may ask for
)

// pause is the wait before a request is sent again.
type pause struct {
	again bool // false: it is not
	wait  time.Duration
	told  bool // by the server
}

// backoff decides whether the request that has just ended is sent again, and when: after Retry-After, or else after a random time between
// half of firstWait and all of it, doubled with each retry. The seed and the request alone draw it.
func (x *exchange) backoff(r *workload.Request) pause {
	config, retries := &x.client.config, len(x.sample.Retries)
	if !config.Retry429 || x.sample.Status != http.StatusTooManyRequests || retries == maxRetries {
		return pause{}
	}
	p := pause{again: true}
	p.wait, p.told = retryAfter(string(x.carrier.header("retry-after")), string(x.carrier.header("date")))
	if !p.told {
		random := workload.Stream(config.Seed, "retry", "", r.Serial)
		share := 0.0
		for range retries + 1 {
			share = random.Float64()
		}
		p.wait = time.Duration((1 + share) / 2 * float64(firstWait<<retries))
	}
	p.again = p.wait <= longestWait && x.watch.allows(p.wait)
	return p
}

// retryAfter reads the header of this name: seconds, or an instant, which counts from the server's own date where it has sent one, so that
// the clocks need not agree. It reports false for what is neither.
func retryAfter(value, date string) (time.Duration, bool) {
	seconds, err := strconv.ParseUint(value, 10, 63) // beyond its range it is the largest of it
	if err == nil || errors.Is(err, strconv.ErrRange) {
		return time.Duration(min(seconds, math.MaxInt64/uint64(time.Second))) * time.Second, true
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0, false
	}
	now, err := http.ParseTime(date)
	if err != nil {
		now = time.Now()
	}
	return max(0, at.Sub(now)), true
}

// pause waits. It returns why the request was ended meanwhile, or nil. The connection is free for others.
func (x *exchange) pause(p pause) error {
	refused := x.client.Now()
	x.carrier.close()
	x.watch.unsent()
	x.mu.Lock()
	if x.cause != nil {
		defer x.mu.Unlock()
		return cancelled(x.cause)
	}
	ended := make(chan struct{})
	x.paused = ended
	x.mu.Unlock()
	timer := time.NewTimer(p.wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ended:
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.paused = nil
	if x.cause != nil {
		return cancelled(x.cause)
	}
	x.sample.Retries = append(x.sample.Retries, record.Retry{RefusedNS: refused, ResumedNS: x.client.Now(), Told: p.told})
	return nil
}

// renew forgets the response, but for the connections that it cost, and makes ready to send the request again.
func (x *exchange) renew() {
	s := x.sample
	x.carrier.fill(s)
	x.stale, x.resent = x.stale+s.Conn.Stale, x.resent+s.Conn.Resent
	s.Conn, s.Status, s.StampSource, s.BytesReceived = record.Conn{}, 0, "", 0
	s.SentNS, s.HeadersNS, s.FirstByteNS, s.LastByteNS = record.Never, record.Never, record.Never, record.Never
	x.mu.Lock()
	defer x.mu.Unlock()
	x.carrier = x.newCarrier(x.detached)
	if x.cause != nil {
		x.carrier.abort(x.cause)
	}
}
