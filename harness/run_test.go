package harness

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/mockserver/memnet"
)

const (
	oneChunk = `data: {"choices":[{"index":0,"delta":{"content":"word"}}]}` + "\n\n"
	endMark  = "data: [DONE]\n\n"
)

// stage is a sweep in a bubble, against a handler over in-memory connections.
type stage struct {
	sweep *Sweep
	ctx   context.Context
}

// perform opens a sweep of the given flags inside a bubble and calls play. chat answers the requests.
func perform(t *testing.T, args []string, chat http.HandlerFunc, play func(t *testing.T, s stage)) {
	t.Helper()
	performIn(t, t.TempDir(), args, chat, play)
}

// performIn is perform with results in dir.
func performIn(t *testing.T, dir string, args []string, chat http.HandlerFunc, play func(t *testing.T, s stage)) {
	t.Helper()
	performBefore(t, dir, args, func(listener *memnet.Listener) (end func()) {
		server := &http.Server{Handler: chat, Protocols: new(http.Protocols)}
		server.Protocols.SetHTTP1(true)
		server.Protocols.SetUnencryptedHTTP2(true)
		go func() { _ = server.Serve(listener) }()
		return func() { _ = server.Close() }
	}, play)
}

// performBefore is performIn with a server of any kind.
func performBefore(t *testing.T, dir string, args []string, serve func(*memnet.Listener) (end func()), play func(t *testing.T, s stage)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		listener := memnet.Listen("server:80")
		defer serve(listener)()
		fs := flag.NewFlagSet("test", flag.ContinueOnError)
		flags := RegisterFlags(fs)
		require.NoError(t, fs.Parse(flagsOf(dir, args)))
		plan, err := flags.Plan(func(string) string { return "" })
		require.NoError(t, err)
		sweep, err := Open(t.Context(), plan, Output{})
		require.NoError(t, err)
		defer sweep.Close()
		sweep.Dial = listener.DialContext
		require.NoError(t, sweep.begin(record.Target{}))
		play(t, stage{sweep, t.Context()})
	})
}

// flagsOf are the flags of a small run, with prompts and answers of four tokens unless a file or a mixture has them.
func flagsOf(dir string, args []string) []string {
	all := []string{"-endpoint=server:80", "-benchmark-name=b", "-output-dir=" + dir}
	switch given := strings.Join(args, " "); {
	case strings.Contains(given, "-seq-dist="):
	case strings.Contains(given, "-input-file="):
		all = append(all, "-osl=4")
	default:
		all = append(all, "-osl=4", "-isl=4", "-std=0")
	}
	return append(all, args...)
}

// answerAfter answers each request after d.
func answerAfter(d time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/event-stream")
		select {
		case <-time.After(d):
			fmt.Fprint(w, oneChunk+endMark)
		case <-r.Context().Done():
		}
	}
}

func (s stage) run(t *testing.T, i int) *record.Level {
	t.Helper()
	l, err := s.sweep.RunLevel(s.ctx, s.sweep.Levels()[i])
	require.NoError(t, err)
	return l
}

func (s stage) samples(t *testing.T, i int) []*record.Sample {
	t.Helper()
	var samples []*record.Sample
	bad, err := record.ReadLog(filepath.Join(s.sweep.LevelDir(s.sweep.Levels()[i]), record.LogFile), func(x *record.Sample) error {
		samples = append(samples, x)
		return nil
	})
	require.NoError(t, err)
	require.Empty(t, bad)
	return samples
}

// TestClosedLoop: slot k starts k ns after the level, each takes its next request the instant its last one ended, warm-up comes first.
func TestClosedLoop(t *testing.T) {
	perform(t, []string{"-concurrencies=3", "-request-count=7", "-warmup-requests=2"}, answerAfter(100*time.Millisecond), func(t *testing.T, s stage) {
		l := s.run(t, 0)
		assert.Equal(t, record.Done, l.Status)
		assert.Equal(t, record.Counts{Planned: 7, Outcomes: map[record.Outcome]int{record.OK: 7}}, l.Counts)
		assert.Equal(t, record.Counts{Planned: 2, Outcomes: map[record.Outcome]int{record.OK: 2}}, l.Warmup)
		starts := map[record.Phase]map[int]int64{record.Warmup: {}, record.Profiling: {}}
		for _, x := range s.samples(t, 0) {
			starts[x.Phase][x.Index] = x.StartNS
			assert.Equal(t, x.ScheduledNS, x.StartNS)
			assert.Equal(t, x.StartNS+100e6, x.EndNS)
		}
		assert.Equal(t, map[int]int64{0: 0, 1: 1}, starts[record.Warmup])
		const begin = 100e6 + 1
		assert.Equal(t, map[int]int64{
			0: begin, 1: begin + 1, 2: begin + 2, 3: begin + 100e6, 4: begin + 100e6 + 1, 5: begin + 100e6 + 2, 6: begin + 200e6,
		}, starts[record.Profiling])
	})
}

func TestReplicasTakeTurns(t *testing.T) {
	perform(t, []string{"-endpoint=other:80", "-endpoint=third:80", "-concurrencies=4", "-request-count=30"}, answerAfter(time.Millisecond), func(t *testing.T, s stage) {
		s.run(t, 0)
		spread := map[string]int{}
		for _, x := range s.samples(t, 0) {
			spread[x.Endpoint]++
		}
		assert.Equal(t, map[string]int{"server:80": 10, "other:80": 10, "third:80": 10}, spread)
	})
}

// TestCancellationLosesNothing cancels levels at random moments: every planned request is accounted for, in the file as in the counts.
func TestCancellationLosesNothing(t *testing.T) {
	for seed := range uint64(40) {
		random := rand.New(rand.NewPCG(seed, 1))
		c := 1 + random.IntN(20)
		perform(t, []string{fmt.Sprintf("-concurrencies=%d", c), "-request-count=60"}, answerAfter(10*time.Millisecond), func(t *testing.T, s stage) {
			ctx, cancel := context.WithCancelCause(s.ctx)
			s.ctx = ctx
			time.AfterFunc(time.Duration(random.Int64N(int64(700*time.Millisecond)/int64(c))), func() { cancel(errors.New("enough")) })
			l := s.run(t, 0)
			samples := s.samples(t, 0)
			assert.Len(t, samples, l.Counts.Ended())
			assert.Equal(t, 60, l.Counts.Ended()+l.Counts.NotStarted)
			if l.Status == record.Done {
				assert.Equal(t, 60, l.Counts.Outcomes[record.OK])
				return
			}
			assert.Equal(t, record.Interrupt, l.Status)
			assert.Equal(t, "enough", l.Reason)
			assert.LessOrEqual(t, l.Counts.Outcomes[record.Cancelled], c)
			assert.Equal(t, l.Counts.Ended(), l.Counts.Outcomes[record.OK]+l.Counts.Outcomes[record.Cancelled])
			for _, x := range samples {
				if x.Outcome == record.Cancelled {
					assert.Equal(t, record.ByCaller, x.Reason)
					assert.Equal(t, "enough", x.Error.Message)
				}
			}
		})
	}
}

// TestMaxDurationSpansLevels: the cap is over the sweep, lets requests in flight finish, and no longer than the drain limit.
func TestMaxDurationSpansLevels(t *testing.T) {
	args := []string{"-concurrencies=1,2", "-request-count=10", "-max-duration=12500ms"}
	perform(t, args, answerAfter(time.Second), func(t *testing.T, s stage) {
		assert.Equal(t, record.Done, s.run(t, 0).Status)
		l := s.run(t, 1)
		assert.Equal(t, record.Capped, l.Status)
		assert.Equal(t, "-max-duration 12.5s reached", l.Reason)
		assert.Equal(t, 6, l.Counts.Outcomes[record.OK])
		assert.Equal(t, int64(3e9+1), l.EndedNS, "those in flight at 2.5 s ended then")
		assert.Contains(t, l.Warnings, "4 of 10 planned requests were not started")
	})
	perform(t, []string{"-concurrencies=2", "-request-count=10", "-max-duration=15s"}, answerAfter(time.Hour), func(t *testing.T, s stage) {
		l := s.run(t, 0)
		assert.Equal(t, record.Capped, l.Status)
		assert.Equal(t, 2, l.Counts.Outcomes[record.Cancelled])
		assert.Equal(t, (15*time.Second + drainLimit).Nanoseconds(), l.EndedNS)
	})
}

// TestFullDisk: the level stops, says why, and does not go on measuring for nothing.
func TestFullDisk(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("no /dev/full on this system")
	}
	perform(t, []string{"-concurrencies=2", "-request-count=100000"}, answerAfter(time.Second), func(t *testing.T, s stage) {
		dir := s.sweep.LevelDir(s.sweep.Levels()[0])
		require.NoError(t, os.MkdirAll(dir, 0o755))
		require.NoError(t, os.Symlink("/dev/full", filepath.Join(dir, record.LogFile)))
		l, err := s.sweep.RunLevel(s.ctx, s.sweep.Levels()[0])
		require.ErrorIs(t, err, syscall.ENOSPC)
		assert.Equal(t, record.Failed, l.Status)
		assert.Contains(t, l.Reason, "no space left on device")
		assert.Less(t, l.Counts.Ended(), 20)
		var stored record.Level
		require.NoError(t, record.ReadJSON(filepath.Join(dir, record.LevelFile), &stored))
		assert.Equal(t, l.Status, stored.Status)
	})
}

func TestInputsHoldEveryBody(t *testing.T) {
	for _, limit := range []int64{maxInputs, 10} {
		perform(t, []string{"-concurrencies=2", "-request-count=5", "-warmup-requests=1"}, answerAfter(time.Second), func(t *testing.T, s stage) {
			s.sweep.inputsLimit = limit
			l := s.run(t, 0)
			var inputs struct {
				Data []struct {
					SessionID string            `json:"session_id"`
					Payloads  []json.RawMessage `json:"payloads"`
				} `json:"data"`
				Recipe map[string]any `json:"recipe"`
			}
			require.NoError(t, record.ReadJSON(filepath.Join(s.sweep.LevelDir(s.sweep.Levels()[0]), record.InputsFile), &inputs))
			if limit != maxInputs {
				assert.Empty(t, inputs.Data)
				assert.Equal(t, l.WorkloadSHA256, inputs.Recipe["workload_sha256"])
				assert.Empty(t, l.BytesSHA256)
				return
			}
			require.Len(t, inputs.Data, 6)
			ids := map[string]bool{}
			for _, d := range inputs.Data {
				require.Len(t, d.Payloads, 1)
				ids[d.SessionID] = true
			}
			for _, x := range s.samples(t, 0) {
				assert.True(t, ids[x.RequestID], "each sample's request is there")
			}
		})
	}
}

func TestWarmupThatFailsFailsTheLevel(t *testing.T) {
	chat := func(w http.ResponseWriter, r *http.Request) { http.Error(w, "not warm", http.StatusServiceUnavailable) }
	perform(t, []string{"-concurrencies=2", "-request-count=5", "-warmup-requests=50"}, chat, func(t *testing.T, s stage) {
		l := s.run(t, 0)
		assert.Equal(t, record.Failed, l.Status)
		assert.True(t, strings.HasPrefix(l.Reason, "warm-up: "), l.Reason)
		assert.Equal(t, 5, l.Counts.NotStarted)
		assert.Equal(t, 50, l.Warmup.Ended()+l.Warmup.NotStarted)
	})
}

func TestErrorBodiesAreThreeDistinctOnes(t *testing.T) {
	n := 0
	chat := func(w http.ResponseWriter, r *http.Request) {
		n++
		http.Error(w, fmt.Sprintf("error %d", n/2), http.StatusInternalServerError)
	}
	perform(t, []string{"-concurrencies=1", "-request-count=10"}, chat, func(t *testing.T, s stage) {
		l := s.run(t, 0)
		assert.Equal(t, []record.ErrorBody{{Status: 500, Body: "error 0\n"}, {Status: 500, Body: "error 1\n"}, {Status: 500, Body: "error 2\n"}}, l.ErrorBodies)
	})
}

func TestStopBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		s := &Sweep{Plan: &Plan{}, progress: newProgress(Output{Log: &log})}
		_, err := s.StopBefore(t.Context(), time.Now().Add(29*time.Second))
		require.ErrorContains(t, err, "add -timeout 0")
		ctx, err := s.StopBefore(t.Context(), time.Now().Add(10*time.Minute))
		require.NoError(t, err)
		assert.Contains(t, log.String(), "note: go test ends this run at 00:10:00; add -timeout 0")
		time.Sleep(10*time.Minute - spare - 1)
		synctest.Wait()
		require.NoError(t, ctx.Err())
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		require.ErrorContains(t, context.Cause(ctx), "go test's time is up")

		s.levels = []Level{{Point: record.Point{Concurrency: 1}, Requests: 10, Number: 1}, {Point: record.Point{Concurrency: 2}, Requests: 100, Number: 2}}
		s.forecast(s.levels[0], time.Minute) // ten minutes to go, less than a minute left
		assert.Contains(t, log.String(), "warning: about 10m0s of measurement are left")
	})
}

func TestOwnedEndsOnSignals(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
		ctx, release := Owned(context.Background())
		require.NoError(t, ctx.Err())
		require.NoError(t, syscall.Kill(os.Getpid(), signal))
		select {
		case <-ctx.Done():
		case <-time.After(10 * time.Second):
			require.Fail(t, "the signal was not noticed")
		}
		assert.EqualError(t, context.Cause(ctx), "received "+signal.String())
		release()
	}
	ctx, release := Owned(context.Background())
	release()
	assert.ErrorIs(t, context.Cause(ctx), context.Canceled)
}

// TestEarlierResultsAreSafe: nothing that a run did not write is ever removed, and nothing at all without -overwrite.
func TestEarlierResultsAreSafe(t *testing.T) {
	for name, test := range map[string]struct {
		file      string // in the benchmark's folder
		overwrite bool
		want      string
	}{
		"our log":                    {"c1/profile_export.jsonl", false, "holds results already; choose another name or pass -overwrite"},
		"a level that is not run":    {"c7/level.json", false, "holds results already"},
		"AIPerf's, nested":           {"c7/artifacts/run/profile_export_aiperf.json", false, "holds results already"},
		"AIPerf's, nested, replaced": {"c7/artifacts/run/profile_export_aiperf.json", true, `holds "artifacts", which llmsweep did not write: move it`},
		"notes":                      {"c1/my-notes.txt", true, `holds "my-notes.txt", which llmsweep did not write`},
		"our log, replaced":          {"c7/profile_export.jsonl", true, ""},
		"a file that a kill left":    {"c1/.level.json.123", false, ""},
		"bodies alone":               {"c1/inputs.json", false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "b", filepath.FromSlash(test.file))
			require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
			require.NoError(t, os.WriteFile(path, []byte("x"), 0o600))
			fs := flag.NewFlagSet("test", flag.ContinueOnError)
			flags := RegisterFlags(fs)
			require.NoError(t, fs.Parse([]string{"-endpoint=h", "-benchmark-name=b", "-concurrencies=1", "-output-dir=" + dir, fmt.Sprintf("-overwrite=%t", test.overwrite)}))
			plan, err := flags.Plan(func(string) string { return "" })
			require.NoError(t, err)
			sweep, err := Open(t.Context(), plan, Output{})
			if test.want != "" {
				require.ErrorContains(t, err, test.want)
				assert.FileExists(t, path)
				return
			}
			require.NoError(t, err)
			assert.FileExists(t, path, "before the server is ready nothing is removed")
			require.NoError(t, sweep.begin(record.Target{}))
			assert.NoFileExists(t, path)
			assert.NoDirExists(t, filepath.Dir(path))
		})
	}
}

// TestLinksAreNotFollowed: what a level's link leads to belongs to somebody else.
func TestLinksAreNotFollowed(t *testing.T) {
	perform(t, []string{"-concurrencies=1", "-overwrite"}, answerAfter(0), func(t *testing.T, s stage) {
		elsewhere := t.TempDir()
		kept := filepath.Join(elsewhere, record.LogFile)
		require.NoError(t, os.WriteFile(kept, []byte("x"), 0o600))
		require.NoError(t, os.Symlink(elsewhere, filepath.Join(s.sweep.dir, "c1")))
		require.ErrorContains(t, s.sweep.vacant(), "which llmsweep did not write")
		require.NoError(t, s.sweep.begin(record.Target{}), "the link itself goes")
		assert.FileExists(t, kept)
	})
}

// TestNothingIsLeftOfARunThatNeverBegan: only folders that were not there before are removed.
func TestNothingIsLeftOfARunThatNeverBegan(t *testing.T) {
	for _, before := range []string{"", "results", "results/b"} {
		dir := t.TempDir()
		require.NoError(t, os.MkdirAll(filepath.Join(dir, before), 0o755))
		plan := &Plan{Plan: record.Plan{BenchmarkName: "b", OutputDir: filepath.Join(dir, "results")}}
		s := &Sweep{Plan: plan, dir: filepath.Join(dir, "results", "b"), progress: newProgress(Output{})}
		require.NoError(t, s.claim())
		assert.DirExists(t, s.dir)
		s.abandon()
		var left []string
		require.NoError(t, filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
			left = append(left, path)
			return err
		}))
		assert.Equal(t, filepath.Join(dir, before), left[len(left)-1])
	}
}

// TestInterruptionEndsPreparation: neither drawing a workload nor writing its bodies goes on after a signal.
func TestInterruptionEndsPreparation(t *testing.T) {
	perform(t, []string{"-concurrencies=1", "-request-count=1000"}, answerAfter(0), func(t *testing.T, s stage) {
		asked := 0
		s.sweep.interrupted = func() error {
			if asked++; asked > 10 {
				return errors.New("enough")
			}
			return nil
		}
		_, err := s.sweep.RunLevel(s.ctx, s.sweep.Levels()[0])
		require.ErrorContains(t, err, "enough")
		assert.Equal(t, 11, asked)
		s.sweep.levels = nil
		require.ErrorContains(t, s.sweep.draw(), "enough")
	})
}

func TestTargetIsRedacted(t *testing.T) {
	s := &Sweep{Plan: &Plan{APIKey: "sk-secret-0123"}}
	got := s.redactTarget(record.Target{
		Version: "v sk-secret-0123", Models: []string{"m", "sk-secret-0123"}, Headers: map[string]string{"Server": "x sk-secret-0123"},
		Model: map[string]any{"id": "m", "sk-secret-0123": []any{"sk-secret-0123", map[string]any{"a": "sk-secret-0123"}, 5.0, nil}},
	})
	data, err := json.Marshal(got)
	require.NoError(t, err)
	assert.NotContains(t, string(data), "secret-0123")
	assert.Equal(t, []any{redacted, map[string]any{"a": redacted}, 5.0, nil}, got.Model[redacted])
	assert.Equal(t, "body "+redacted, s.Plan.Redact("body sk-secret-"), "a body that was cut off inside a secret")
	s.Plan.APIKey = `sk-/"<&>zz`
	for _, echo := range []string{`sk-/"<&>zz`, `sk-/\"<&>zz`, `sk-/\"\u003c\u0026\u003ezz`, `sk-\/\"<&>zz`} {
		assert.Equal(t, "{"+redacted+"}", s.Plan.Redact("{"+echo+"}"), "as JSON may write it")
	}
}

// TestConnectionsAreThereBeforeTheLevel: one for each slot, by turns to the replicas, over HTTP/2 one for each replica, none of which a request
// pays for; without reuse one for each request.
func TestConnectionsAreThereBeforeTheLevel(t *testing.T) {
	for _, c := range []struct {
		args      []string
		dialled   int
		reused    bool
		transport string
	}{
		{nil, 4, true, "own"},
		{[]string{"-transport=own", "-request-count=3"}, 3, true, "own"},
		{[]string{"-transport=nethttp"}, 4, true, "nethttp"},
		{[]string{"-transport=http2"}, 2, true, "http2"},
		{[]string{"-connection-reuse=never"}, 9, false, "own"},
		{[]string{"-connection-reuse=never", "-transport=nethttp"}, 9, false, "nethttp"},
	} {
		perform(t, append([]string{"-concurrencies=4", "-request-count=9", "-endpoint=other:80"}, c.args...), answerAfter(time.Millisecond), func(t *testing.T, s stage) {
			dial := s.sweep.Dial
			var mu sync.Mutex
			to := map[string]int{}
			s.sweep.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
				mu.Lock()
				to[address]++
				mu.Unlock()
				time.Sleep(50 * time.Millisecond)
				return dial(ctx, network, address)
			}
			l := s.run(t, 0)
			assert.Equal(t, c.transport, l.Transport)
			assert.Equal(t, record.Done, l.Status)
			assert.Empty(t, l.Warnings)
			assert.Equal(t, c.dialled, to["server:80"]+to["other:80"])
			assert.InDelta(t, to["server:80"], to["other:80"], 1)
			for _, x := range s.samples(t, 0) {
				assert.Equal(t, c.reused, x.Conn.Reused)
				wait := int64(50 * time.Millisecond)
				if c.reused {
					wait = 0
					assert.GreaterOrEqual(t, x.StartNS, int64(50*time.Millisecond), "the level begins afterwards")
				}
				assert.Equal(t, x.StartNS+wait, x.Conn.GotNS)
			}
		})
	}
}

// What cannot be connected to beforehand is a warning, and its requests fail by themselves.
func TestConnectionsThatFailBeforehand(t *testing.T) {
	perform(t, []string{"-concurrencies=2", "-request-count=4"}, answerAfter(time.Millisecond), func(t *testing.T, s stage) {
		dial := s.sweep.Dial
		var dials atomic.Int32
		s.sweep.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			if dials.Add(1) <= 2 {
				return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
			}
			return dial(ctx, network, address)
		}
		l := s.run(t, 0)
		assert.Equal(t, record.Done, l.Status)
		assert.Equal(t, []string{"before the level, 2 of 2 connections could not be made; the first: dial tcp: connection refused"}, l.Warnings)
	})
}
