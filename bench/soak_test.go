package bench

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime/metrics"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness"
	"github.com/llmsweep/llmsweep/harness/record"
)

// TestSoak sends 200 streams, or SOAK_STREAMS of them, to a server whose answers go wrong one time in twenty, for two seconds or for what SOAK
// in the environment says:
//
//	SOAK=30m go test ./bench -run Soak -v -count=1 -timeout 0
//
// The tokens of a second are 10,000 whatever the streams: what is looked for is what grows, not what the machine can bear. Every request of the
// server's record has its sample, with the outcome of the fault that struck it. Memory and goroutines stay what they were.
func TestSoak(t *testing.T) {
	const tokens = 64
	length, streams := 2*time.Second, 200
	var err error
	if text := os.Getenv("SOAK"); text != "" {
		length, err = time.ParseDuration(text)
		require.NoError(t, err, "SOAK")
	}
	if text := os.Getenv("SOAK_STREAMS"); text != "" {
		streams, err = strconv.Atoi(text)
		require.NoError(t, err, "SOAK_STREAMS")
		require.Positive(t, streams, "SOAK_STREAMS")
	}
	itl := time.Duration(streams) * 100 * time.Microsecond
	dir := t.TempDir()
	recorded := filepath.Join(dir, "server.jsonl")
	server, err := calibration{}.serve("-ttft=50ms", "-itl="+itl.String(), "-record="+recorded, "-fault="+filepath.Join("..", "docs", "faults-soak.yaml"))
	require.NoError(t, err)
	planned := streams * (2 + int(length/(50*itl))) // each takes as long as 64 tokens, but for faults
	level, logged := soak(t, length, streams, []string{
		"-endpoint=" + server.url, "-benchmark-name=soak", "-output-dir=" + dir, "-isl=64", "-std=0", fmt.Sprint("-osl=", tokens), fmt.Sprint("-concurrencies=", streams),
		fmt.Sprint("-request-count=", planned), "-max-duration=" + length.String(), "-max-error-rate=0.2", "-idle-timeout=2500ms", "-first-token-timeout=20s", "-warmup-requests=0",
	})
	require.NoError(t, server.stop())
	assert.Equal(t, record.Capped, level.Status, level.Reason)
	assert.Len(t, logged, level.Counts.Ended(), "a line of the log for each request")
	var run record.Run
	require.NoError(t, record.ReadJSON(filepath.Join(dir, "soak", record.RunFile), &run))
	checkTruth(t, recorded, logged, run.Template.Requests)
	t.Logf("%v: %d requests ended, %d failed (%s); %s", length, level.Counts.Ended(), level.Counts.Failures(), level.Counts.Explain(record.FailedOutcomes()...), level.Client())
	t.Log(strings.Join(level.Warnings, "\n")) // a machine that pauses for longer than the idle timeout has those that the server knows nothing of
}

// soak runs one level and watches what the process uses.
func soak(t *testing.T, length time.Duration, streams int, args []string) (*record.Level, map[string]soaked) {
	t.Helper()
	set := flag.NewFlagSet("soak", flag.ContinueOnError)
	own := harness.RegisterFlags(set)
	require.NoError(t, set.Parse(args))
	plan, err := own.Plan(func(string) string { return "" })
	require.NoError(t, err)
	sweep, err := harness.Open(t.Context(), plan, harness.Output{Log: io.Discard})
	require.NoError(t, err)
	defer sweep.Close()
	require.NoError(t, sweep.Ready(t.Context()))
	only := sweep.Levels()[0]
	stop, uses := make(chan struct{}), make(chan []usage)
	go func() { uses <- watchUsage(stop, length/12) }()
	level, err := sweep.RunLevel(t.Context(), only)
	close(stop)
	checkUsage(t, streams, <-uses)
	require.NoError(t, err)
	logged := map[string]soaked{}
	warnings, err := record.ReadLog(filepath.Join(sweep.LevelDir(only), record.LogFile), func(s *record.Sample) error {
		logged[s.RequestID] = soaked{s.Outcome, s.Reason}
		return nil
	})
	require.NoError(t, err)
	assert.Empty(t, warnings)
	return level, logged
}

type soaked struct {
	outcome record.Outcome
	reason  record.Reason
}

// checkTruth holds the samples against the server's record, whose first requests asked what its template adds.
func checkTruth(t *testing.T, path string, logged map[string]soaked, before int) {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	seen, struck, wrong := map[string]bool{}, 0, 0
	expected := outcomesOfFaults()
	for line := range strings.Lines(string(data)) {
		if before--; before >= 0 {
			continue
		}
		var l truth
		require.NoError(t, json.Unmarshal([]byte(line), &l))
		require.False(t, seen[l.RequestID], "%s came twice", l.RequestID)
		seen[l.RequestID] = true
		got, found := logged[l.RequestID]
		if got.outcome == record.Cancelled {
			continue // by the end of the run, whatever would have become of it
		}
		want := soaked{outcome: record.OK}
		if l.Fault != nil {
			struck++
			want = soaked{expected[l.Fault.Kind].outcome, expected[l.Fault.Kind].reason}
		}
		if !found || got != want {
			wrong++
			t.Logf("request %s: the server says %+v, the log %+v (%t)", l.RequestID, l.Fault, got, found)
		}
	}
	for id, s := range logged {
		if !seen[id] && s.outcome != record.Cancelled {
			wrong++
			t.Logf("request %s: %+v, and the server knows nothing of it", id, s)
		}
	}
	assert.Zero(t, wrong)
	share := float64(struck) / float64(len(seen))
	assert.InDelta(t, 0.05, share, 0.05/math.Sqrt(float64(len(seen))/100)*2.5, "%d of %d struck", struck, len(seen))
	t.Logf("%d of %d requests were struck by a fault, each counted as the server says", struck, len(seen))
}

// usage is what the process had at an instant.
type usage struct{ heap, goroutines uint64 }

// watchUsage reads until stop, and at the latest after a thousand readings.
func watchUsage(stop <-chan struct{}, every time.Duration) (all []usage) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for len(all) < 1000 {
		select {
		case <-stop:
			return all
		case <-ticker.C:
		}
		samples := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/sched/goroutines:goroutines"}}
		metrics.Read(samples)
		all = append(all, usage{samples[0].Value.Uint64(), samples[1].Value.Uint64()})
	}
	return all
}

// checkUsage compares the second quarter of a run with the last but its very end, where streams end. What is in use is known from the last collection.
func checkUsage(t *testing.T, streams int, all []usage) {
	t.Helper()
	require.GreaterOrEqual(t, len(all), 11)
	for i, u := range all {
		t.Logf("%2d/12: %.1f MB in use after the last collection, %d goroutines", i+1, float64(u.heap)/1e6, u.goroutines)
	}
	peak := func(part []usage) (most usage) {
		for _, u := range part {
			most.heap, most.goroutines = max(most.heap, u.heap), max(most.goroutines, u.goroutines)
		}
		return most
	}
	early, late := peak(all[2:6]), peak(all[7:11])
	assert.LessOrEqual(t, float64(late.heap), 1.1*float64(early.heap)+8e6, "bytes in use")
	assert.LessOrEqual(t, late.goroutines, early.goroutines+uint64(streams/4), "some streams are between two requests")
}
