package results

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/record"
)

func TestInParallelCallsEachOnce(t *testing.T) {
	for _, n := range []int{0, 1, 100} {
		calls := make([]int, n)
		var now, most atomic.Int32
		InParallel(n, func(i int) {
			k := now.Add(1)
			for m := most.Load(); k > m && !most.CompareAndSwap(m, k); m = most.Load() {
			}
			calls[i]++
			time.Sleep(time.Millisecond) // which all that may run at a time do together
			now.Add(-1)
		})
		for i, k := range calls {
			assert.Equal(t, 1, k, i)
		}
		assert.LessOrEqual(t, most.Load(), int32(maxWorkers))
	}
}

// TestLevelsKeepTheirPlaces: levels that are read at the same time are in the order of their loads, and so are the warnings on those that cannot be read.
func TestLevelsKeepTheirPlaces(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "b"), 0o755))
	require.NoError(t, record.WriteJSON(filepath.Join(dir, "b", record.RunFile), &record.Run{}))
	for c := range 20 {
		place := filepath.Join(dir, "b", record.LevelName(c+1))
		if c%5 == 3 {
			require.NoError(t, os.MkdirAll(place, 0o755))
			continue
		}
		require.NoError(t, os.Rename(recordLevel(t, answers(20-c)).Path, place))
	}
	b, err := Read(dir, "b")
	require.NoError(t, err)
	require.Len(t, b.Levels, 16)
	skipped := slices.DeleteFunc(b.Warnings, func(w string) bool { return !strings.Contains(w, "skipped") })
	require.Len(t, skipped, 4)
	at := 0
	for c := range 20 {
		if c%5 == 3 {
			assert.Contains(t, skipped[c/5], fmt.Sprintf("c%d skipped: ", c+1))
			continue
		}
		assert.Equal(t, c+1, b.Levels[at].Concurrency)
		assert.Equal(t, 20-c, b.Levels[at].Timeline.Requests)
		at++
	}
}

func TestLogBytes(t *testing.T) {
	d := recordLevel(t, answers(3))
	info, err := os.Stat(filepath.Join(d.Path, record.LogFile))
	require.NoError(t, err)
	assert.Equal(t, info.Size(), logBytes(d.Path))
	assert.Equal(t, info.Size(), logBytes(filepath.Dir(d.Path)), "of all runs")
	assert.Zero(t, logBytes(filepath.Join(d.Path, "none")))
}
