package bench

import (
	"encoding/json"
	"flag"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness"
	"github.com/llmsweep/llmsweep/harness/instrument"
	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/mockserver"
	"github.com/llmsweep/llmsweep/mockserver/engine"
	"github.com/llmsweep/llmsweep/mockserver/fault"
	"github.com/llmsweep/llmsweep/mockserver/memnet"
)

// outcomesOfFaults are what our client must make of faults, and the keys that a header has of them beside the kind.
func outcomesOfFaults() map[fault.Kind]struct {
	outcome record.Outcome
	reason  record.Reason
	keys    string
} {
	type expected = struct {
		outcome record.Outcome
		reason  record.Reason
		keys    string
	}
	return map[fault.Kind]expected{
		fault.Status:             {record.Rejected, record.HTTPStatus(503), "status=503"},
		fault.ResetBeforeHeaders: {record.ConnectionFailed, record.Reset, ""},
		fault.Reset:              {record.Cut, record.CutAfterToken, "tokens=3"},
		fault.StallBeforeHeaders: {record.TimedOut, record.FirstTokenTimeout, ""},
		fault.Stall:              {record.TimedOut, record.IdleTimeout, "tokens=3"},
		fault.SlowHeaders:        {record.OK, "", "interval=1ms"},
		fault.SlowBody:           {record.OK, "", "rate=1000"},
		fault.Truncate:           {record.Cut, record.CutAfterToken, "tokens=3"},
		fault.MalformedJSON:      {record.Malformed, record.BadJSON, "tokens=3"},
		fault.BrokenFraming:      {record.Cut, record.CutAfterToken, "tokens=3"},
		fault.StreamError:        {record.StreamError, record.ErrorObject, "tokens=3"},
		fault.Empty:              {record.Malformed, record.NoContent, "done=true"},
		fault.Duplicate:          {record.OK, "", "tokens=3"},
		fault.WrongContentType:   {record.Malformed, record.NoStream, ""},
		fault.Spike:              {record.OK, "", "delay=333ms"},
		fault.Drift:              {record.OK, "", "slope=7us"},
		fault.Cached:             {record.OK, "", ""},
		fault.FewerTokens:        {record.OK, "", ""},
		fault.EndlessLine:        {record.Cut, record.CutAfterToken, "size=200KB"},
	}
}

// truth is what the mock's record says of a request.
type truth struct {
	RequestID string `json:"x_request_id"`
	Fault     *struct {
		Kind    fault.Kind
		Refused int `json:"refused_connections"`
	}
	Arrival    int64 `json:"arrival_ns"`
	End        int64 `json:"end_ns"`
	Status     int
	Completion int `json:"completion_tokens"`
	Canceled   bool
	Writes     []int64 `json:"writes_ns"`
}

// TestFaultsAreCountedAsTheyHappened: twenty streams, a tenth of whose requests go wrong in one way after the other. Request by request the
// outcome is that of the fault which the server says it struck with, and all others take the time that they take without faults, but
// for the nanoseconds that keep events apart.
func TestFaultsAreCountedAsTheyHappened(t *testing.T) {
	const apart = 100 // nanoseconds: the place of a request in the batch, before and after
	for kind, want := range outcomesOfFaults() {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			line := "kind=" + string(kind)
			if want.keys != "" {
				line += "; " + want.keys
			}
			f, err := fault.ParseHeader(line)
			require.NoError(t, err)
			level, samples, lines := faulted(t, fault.Rule{When: fault.When{Probability: 0.1}, Fault: f})
			struckWith := map[string]fault.Kind{}
			for _, l := range lines {
				if l.Fault != nil {
					struckWith[l.RequestID] = l.Fault.Kind
				}
			}
			struck := 0
			for _, s := range samples {
				if struckWith[s.RequestID] == kind {
					struck++
					assert.Equal(t, want.outcome, s.Outcome, s.Reason)
					assert.Equal(t, want.reason, s.Reason)
					continue
				}
				assert.Equal(t, record.OK, s.Outcome, s.Reason)
				require.Len(t, s.ChunksNS, 8)
				assert.InDelta(t, 20*time.Millisecond, s.ChunksNS[0]-s.StartNS, apart)
				assert.InDelta(t, 7*5*time.Millisecond, s.ChunksNS[7]-s.ChunksNS[0], apart)
			}
			assert.Len(t, samples, 100)
			assert.Equal(t, len(struckWith), struck, "all that struck were measured")
			assert.Positive(t, struck)
			counts := record.Counts{Planned: 100, Outcomes: map[record.Outcome]int{record.OK: 100}}
			if want.outcome != record.OK {
				counts.Outcomes = map[record.Outcome]int{record.OK: 100 - struck, want.outcome: struck}
				counts.Reasons = map[record.Outcome]map[record.Reason]int{want.outcome: {want.reason: struck}}
			}
			assert.Equal(t, counts, level.Counts)
		})
	}
}

// TestColdStartIsCounted: the first ten of a hundred requests, on twenty streams, wait for the model to warm up, and no other does. The one before
// them found what the template adds.
func TestColdStartIsCounted(t *testing.T) {
	const cold = 250 * time.Millisecond
	level, samples, lines := faulted(t, fault.Rule{When: fault.When{Requests: []fault.Range{{First: 2, Last: 11}}}, Fault: fault.Fault{Kind: fault.ColdStart, Delay: cold}})
	struckWith := map[string]bool{}
	for _, l := range lines {
		struckWith[l.RequestID] = l.Fault != nil && l.Fault.Kind == fault.ColdStart
	}
	struck := 0
	for _, s := range samples {
		want := 20 * time.Millisecond
		if struckWith[s.RequestID] {
			struck++
			want += cold
		}
		assert.InDelta(t, want, s.ChunksNS[0]-s.StartNS, 100)
	}
	assert.Equal(t, 10, struck)
	assert.Equal(t, map[record.Outcome]int{record.OK: 100}, level.Counts.Outcomes)
}

// TestRefusedConnectionsAreCounted: in virtual time the network itself counts those that it refused. Others were there before.
func TestRefusedConnectionsAreCounted(t *testing.T) {
	level, samples, lines := faulted(t, fault.Rule{When: fault.When{From: 200 * time.Millisecond, Until: time.Second}, Fault: fault.Fault{Kind: fault.Refuse}})
	failed := 0
	for _, s := range samples {
		if s.Outcome != record.OK {
			failed++
			assert.Equal(t, record.ConnectionFailed, s.Outcome)
		}
	}
	assert.Positive(t, failed)
	assert.Less(t, failed, len(samples))
	refused := 0
	for _, l := range lines {
		switch {
		case l.Fault == nil:
		case l.RequestID != "": // came by a connection from before
			refused++
		default:
			assert.Positive(t, l.Fault.Refused)
			refused += l.Fault.Refused
		}
	}
	assert.Equal(t, failed, refused)
	reasons := level.Counts.Reasons[record.ConnectionFailed]
	assert.Equal(t, failed, reasons[record.Refused]+reasons[record.Reset], "%v", reasons)
	assert.Positive(t, reasons[record.Refused])
}

// openVirtual opens a sweep of one level in virtual time, whose mock server is still to be made.
func openVirtual(t *testing.T, args ...string) *harness.Sweep {
	t.Helper()
	fs := flag.NewFlagSet("test", flag.ContinueOnError)
	flags := harness.RegisterFlags(fs)
	require.NoError(t, fs.Parse(append([]string{
		"-benchmark-name=faulty", "-virtual", "-nonce=1", "-concurrencies=20", "-request-count=100", "-warmup-requests=0", "-isl=8", "-std=0", "-osl=8",
		"-max-error-rate=1", "-idle-timeout=30s", "-first-token-timeout=60s", "-output-dir=" + t.TempDir(),
	}, args...)))
	plan, err := flags.Plan(func(string) string { return "" })
	require.NoError(t, err)
	plan.EmbeddedMock = true
	u, err := harness.ParseEndpoint(virtualHost, "http")
	require.NoError(t, err)
	plan.AddTarget(u)
	sweep, err := harness.Open(t.Context(), plan, harness.Output{Log: io.Discard})
	require.NoError(t, err)
	return sweep
}

// faulted runs 100 requests on 20 streams against a plain server with one rule, in virtual time, and returns what both sides wrote down.
func faulted(t *testing.T, rule fault.Rule) (level *record.Level, samples []*record.Sample, lines []truth) {
	t.Helper()
	options := mockserver.DefaultOptions()
	options.Faults.Rules = []fault.Rule{rule}
	options.Plain = &engine.Plain{TTFT: 20 * time.Millisecond, ITL: 5 * time.Millisecond}
	level, samples, lines, _ = against(t, openVirtual(t), options)
	return level, samples, lines
}

// against runs the one level of a sweep against a mock server of the given options, and returns what both sides wrote down, and the server's metrics at the end.
func against(t *testing.T, sweep *harness.Sweep, options mockserver.Options) (level *record.Level, samples []*record.Sample, lines []truth, metrics string) {
	t.Helper()
	var file strings.Builder
	synctest.Test(t, func(t *testing.T) {
		options.Virtual, options.Record = true, &file
		mock, err := mockserver.New(options)
		require.NoError(t, err)
		listener := memnet.Listen(virtualHost)
		served := make(chan error, 1)
		go func() { served <- mock.Serve(listener) }()
		sweep.Dial = listener.DialContext
		sweep.Loopback = func() (net.Listener, instrument.Dial, error) {
			own := memnet.Listen("canary.virtual:80")
			return own, own.DialContext, nil
		}
		require.NoError(t, sweep.Ready(t.Context()))
		level, err = sweep.RunLevel(t.Context(), sweep.Levels()[0])
		require.NoError(t, err)
		samples = readSamples(t, sweep.LevelDir(sweep.Levels()[0]))
		sweep.Close()
		synctest.Wait()                    // until the server has heard of those that left
		time.Sleep(100 * time.Millisecond) // an engine lets go of them at the end of its pass
		page := httptest.NewRecorder()
		mock.ServeHTTP(page, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
		metrics = page.Body.String()
		require.NoError(t, mock.Close())
		require.NoError(t, <-served)
	})
	for line := range strings.Lines(file.String()) {
		var l truth
		require.NoError(t, json.Unmarshal([]byte(line), &l))
		lines = append(lines, l)
	}
	return level, samples, lines, metrics
}
