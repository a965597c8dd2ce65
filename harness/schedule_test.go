package harness

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/mockserver/memnet"
)

// schedule is one random run: a plan, how dials fail, and when somebody ends it.
type schedule struct {
	seed                       uint64
	requests, warmup           int
	limits                     timeLimits
	retry, fresh, nethttp, cap bool
	failingDials               bool
	args                       []string
	signal, deadline           time.Duration // 0: none
}

const connectLimitOfSchedules = time.Second

func newSchedule(seed uint64) schedule {
	random := rand.New(rand.NewPCG(seed, 3))
	some := func(chance int) bool { return random.IntN(chance) == 0 }
	instant := func() time.Duration { return time.Duration(1 + random.Int64N(int64(8*time.Second))) }
	s := schedule{
		seed: seed, requests: 1 + random.IntN(25), warmup: max(0, random.IntN(6)-2), limits: timeLimits{2 * time.Second, time.Second, 5 * time.Second},
		retry: some(2), fresh: some(4), nethttp: some(4), failingDials: some(3),
	}
	rate := []string{"1", "1", "1", "0.3"}[random.IntN(4)]
	s.args = []string{
		fmt.Sprintf("-concurrencies=%d", 1+random.IntN(8)), fmt.Sprintf("-request-count=%d", s.requests), fmt.Sprintf("-warmup-requests=%d", s.warmup),
		fmt.Sprintf("-nonce=%d", seed), "-max-error-rate=" + rate, fmt.Sprintf("-retry-429=%t", s.retry), fmt.Sprintf("-connect-timeout=%v", connectLimitOfSchedules),
	}
	switch random.IntN(5) {
	case 0:
		s.signal = instant()
	case 1:
		s.deadline = instant()
	case 2:
		s.cap = true
		s.args = append(s.args, fmt.Sprintf("-max-duration=%v", instant()))
	}
	if some(6) {
		s.args = append(s.args, fmt.Sprintf("-max-tokens-total=%d", 1+random.IntN(100)))
	}
	if s.signal+s.deadline > 0 || s.cap {
		if some(2) { // nothing else ends what stalls
			s.limits = timeLimits{}
		}
	}
	s.args = append(s.args, fmt.Sprintf("-first-token-timeout=%v", s.limits.first), fmt.Sprintf("-idle-timeout=%v", s.limits.idle), fmt.Sprintf("-request-timeout=%v", s.limits.whole))
	if s.fresh {
		s.args = append(s.args, "-connection-reuse=never")
	}
	if s.nethttp {
		s.args = append(s.args, "-transport=nethttp")
	}
	return s
}

// dials says what becomes of the n-th dial.
func (s *schedule) dials(n int) error {
	random := rand.New(rand.NewPCG(s.seed, uint64(n)<<8|4))
	if !s.failingDials || random.IntN(4) > 0 {
		return nil
	}
	return []error{
		errHang,
		&net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)},
		&net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "server", IsNotFound: true}},
		&net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.EHOSTUNREACH)},
		errors.New("tls: failed to verify certificate"),
	}[random.IntN(5)]
}

// interrupted is a context that ends as the schedule wants it, with the instant at which it does.
func (s *schedule) interrupted(t *testing.T, stage *stage) {
	if s.signal > 0 {
		ctx, cancel := context.WithCancelCause(stage.ctx)
		time.AfterFunc(s.signal, func() { cancel(because(record.BySignal, "received terminated")) })
		stage.ctx = ctx
	}
	if s.deadline > 0 {
		ctx, err := stage.sweep.StopBefore(stage.ctx, time.Now().Add(spare+s.deadline))
		require.NoError(t, err)
		stage.ctx = ctx
	}
}

// run plays the schedule and holds everything that it left behind against what the server knows. It returns the reasons by outcome.
func (s *schedule) run(t *testing.T) map[record.Outcome]map[record.Reason]int {
	seen := map[record.Outcome]map[record.Reason]int{}
	var server *faultyServer
	performBefore(t, t.TempDir(), s.args, func(listener *memnet.Listener) func() {
		server = &faultyServer{seed: s.seed, dials: s.dials, listener: listener, seen: map[string]int{}}
		var served sync.WaitGroup
		served.Go(server.serve)
		return func() {
			_ = listener.Close()
			served.Wait()
		}
	}, func(t *testing.T, stage stage) {
		stage.sweep.Dial = server.dial
		s.interrupted(t, &stage)
		l := stage.run(t, 0)
		synctest.Wait() // for what the server of a cancelled request still counts
		samples := stage.samples(t, 0)
		adds(t, l.Counts, s.requests, record.Profiling, samples)
		adds(t, l.Warmup, s.warmup, record.Warmup, samples)
		var stored record.Level
		require.NoError(t, record.ReadJSON(filepath.Join(stage.sweep.LevelDir(stage.sweep.Levels()[0]), record.LevelFile), &stored))
		assert.Equal(t, l.Counts, stored.Counts)
		if l.Status == record.Done {
			assert.Zero(t, l.Counts.NotStarted)
		}
		for _, x := range samples {
			s.judge(t, server, x)
			if seen[x.Outcome] == nil {
				seen[x.Outcome] = map[record.Reason]int{}
			}
			seen[x.Outcome][x.Reason]++
		}
	})
	return seen
}

// judge holds one sample against the truth.
func (s *schedule) judge(t *testing.T, server *faultyServer, x *record.Sample) {
	assert.True(t, x.Reason.Of(x.Outcome), "%s: %q", x.Outcome, x.Reason)
	came, attempts := server.came(x.RequestID), len(x.Retries)+1
	refusals, hint, script := server.script(x.RequestID)
	if came < attempts {
		s.judgeUnsent(t, x)
		return
	}
	if came <= refusals {
		script = busy(hint)
	}
	outcome, reason, chunks, end := s.limits.truth(script, time.Duration(x.Conn.GotNS-x.StartNS))
	if x.Outcome == record.Cancelled {
		s.judgeCancelled(t, x)
		assert.LessOrEqual(t, len(x.ChunksNS), chunks)
		if came > refusals || !s.retry {
			assert.LessOrEqual(t, time.Duration(x.EndNS-x.StartNS), end)
		}
		return
	}
	assert.Equal(t, outcome, x.Outcome)
	assert.Equal(t, reason, x.Reason)
	assert.Len(t, x.ChunksNS, chunks, "what came before the end is kept")
	assert.Equal(t, end, time.Duration(x.EndNS-x.StartNS))
	if reason != "http 429" {
		assert.Len(t, x.Retries, refusals)
	} else if !s.retry {
		assert.Empty(t, x.Retries)
	}
	assert.Equal(t, attempts, came, "nothing is sent again that is not counted")
}

// judgeUnsent is about a request that the server has not seen.
func (s *schedule) judgeUnsent(t *testing.T, x *record.Sample) {
	assert.Empty(t, x.ChunksNS)
	switch x.Outcome {
	case record.Cancelled:
		s.judgeCancelled(t, x)
	case record.TimedOut: // by a limit that counts from the first time
		assert.NotEmpty(t, x.Retries)
	default:
		assert.Equal(t, record.ConnectionFailed, x.Outcome)
		if s.nethttp && x.Conn.Reused { // it may give a kept connection to a request at the instant at which the server closes it
			assert.Equal(t, record.ClosedEarly, x.Reason)
			return
		}
		assert.True(t, s.failingDials)
		assert.Contains(t, []record.Reason{record.ConnectTimeout, record.Refused, record.DNS, record.NoConnection, record.TLS}, x.Reason)
	}
}

// judgeCancelled: only what the schedule has can have cancelled a request, at its instant.
func (s *schedule) judgeCancelled(t *testing.T, x *record.Sample) {
	at := time.Duration(x.EndNS)
	switch x.Reason {
	case record.BySignal:
		assert.Equal(t, s.signal, at)
	case record.ByDeadline:
		assert.Equal(t, s.deadline, at)
	default:
		assert.Contains(t, []record.Reason{record.ByCap, record.ByErrors}, x.Reason)
		assert.Zero(t, s.limits, "with limits all ended within the drain")
		assert.GreaterOrEqual(t, at, drainLimit)
	}
}

// TestRandomSchedules runs 1,000 random schedules of faults, retries, caps, error limits, deadlines and signals: every request that was planned
// is accounted for, in the counts and in the log, each ended as the server knows that it must have, to the nanosecond and with all that had
// come, and nothing is left running. A schedule that fails is run alone by SCHEDULE=<seed>.
func TestRandomSchedules(t *testing.T) {
	if text := os.Getenv("SCHEDULE"); text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		require.NoError(t, err)
		s := newSchedule(seed)
		t.Logf("%+v", s)
		t.Logf("%v", s.run(t))
		return
	}
	schedules := uint64(1000)
	if testing.Short() || underRace {
		schedules = 100
	}
	total := map[record.Outcome]map[record.Reason]int{}
	var s schedule
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("schedule %d is run alone by: SCHEDULE=%d go test ./harness -run TestRandomSchedules -v", s.seed, s.seed)
		}
	})
	for seed := range schedules {
		s = newSchedule(seed)
		for o, reasons := range s.run(t) {
			if total[o] == nil {
				total[o] = map[record.Reason]int{}
			}
			for r, n := range reasons {
				total[o][r] += n
			}
		}
	}
	t.Logf("%v", total)
	for _, o := range record.FailedOutcomes() {
		for _, r := range record.Reasons(o) {
			if r != record.TooLarge && r != record.NoDocument { // of 64 MiB, and where no streams are asked for: elsewhere
				assert.Positive(t, total[o][r], "%s: %s did not happen", o, r)
			}
		}
	}
	for _, r := range []record.Reason{record.BySignal, record.ByDeadline, record.ByCap} {
		assert.Positive(t, total[record.Cancelled][r], "cancelled by %s did not happen", r)
	}
	assert.Positive(t, total[record.OK][""])
}
