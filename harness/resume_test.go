package harness

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/record"
)

// threeLevels is a sweep of some seven virtual seconds.
func threeLevels(more ...string) []string {
	return append([]string{"-concurrencies=1,3,5", "-request-count=12", "-warmup-requests=2"}, more...)
}

// runLeft runs the levels that are not finished.
func (s stage) runLeft(t *testing.T) {
	t.Helper()
	for i, l := range s.sweep.Levels() {
		if !s.sweep.Finished(l) {
			s.run(t, i)
		}
	}
}

// killedAt copies what a process that is killed at that time would leave of a sweep: the files as they are, with the lock that nobody holds.
func killedAt(t *testing.T, dir string, args []string, chat http.HandlerFunc, at time.Duration) (left string) {
	t.Helper()
	left = t.TempDir()
	performIn(t, dir, args, chat, func(t *testing.T, s stage) {
		ctx, cancel := context.WithCancelCause(s.ctx)
		defer cancel(nil)
		s.ctx = ctx
		kill := func() {
			assert.NoError(t, os.CopyFS(left, os.DirFS(dir)))
			cancel(errors.New("killed"))
		}
		timer := time.AfterFunc(at, kill)
		for i, l := range s.sweep.Levels() {
			if !s.sweep.Finished(l) && ctx.Err() == nil {
				_, _ = s.sweep.RunLevel(ctx, s.sweep.Levels()[i])
			}
		}
		if timer.Stop() {
			kill() // after its last level
		}
	})
	return left
}

// request is a request of a level.
type request struct {
	phase record.Phase
	index int
	id    string
}

// sent are the requests in the log of a level, each with its number of lines.
func sent(t *testing.T, dir string) map[request]int {
	t.Helper()
	found := map[request]int{}
	bad, err := record.ReadLog(filepath.Join(dir, record.LogFile), func(s *record.Sample) error {
		found[request{s.Phase, s.Index, s.RequestID}]++
		return nil
	})
	require.NoError(t, err)
	require.Empty(t, bad)
	return found
}

func fileText(t *testing.T, path ...string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(path...))
	require.NoError(t, err)
	return string(data)
}

// tree maps the files below dir to their text.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	texts := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			texts[strings.TrimPrefix(path, dir)] = fileText(t, path)
		}
		return err
	}))
	return texts
}

// TestResumeAfterKills kills a sweep at random moments, up to three times, and resumes it: the requests and their bodies are those of a sweep that
// nobody killed, each has one line, finished levels are as they were, and in request mode what had reached the log is not sent again. The runs
// of repeated levels are levels too.
func TestResumeAfterKills(t *testing.T) {
	for name, c := range map[string]struct {
		more   []string
		levels []string
	}{
		"once":     {nil, []string{"c1", "c3", "c5"}},
		"repeated": {[]string{"-repeats=2"}, []string{"c1/run-1", "c3/run-1", "c5/run-1", "c1/run-2", "c3/run-2", "c5/run-2", "c1/sentinel"}},
	} {
		t.Run(name, func(t *testing.T) {
			whole := t.TempDir()
			performIn(t, whole, threeLevels(append(c.more, "-nonce=7")...), answerAfter(300*time.Millisecond), func(t *testing.T, s stage) { s.runLeft(t) })
			kinds := map[string]int{}
			for seed := range uint64(30) {
				resumeAfterKills(t, whole, c.levels, seed, c.more, kinds)
			}
			assert.Len(t, kinds, 3, "levels were kept, repeated and continued: %v", kinds)
		})
	}
}

// resumeAfterKills kills, resumes, and holds the result against a whole one. It counts what became of levels.
func resumeAfterKills(t *testing.T, whole string, levels []string, seed uint64, more []string, kinds map[string]int) {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 3))
	mode := []string{"-resume", "-resume=request"}[seed%2]
	dir, args := t.TempDir(), threeLevels(append(more, "-nonce=7")...)
	for range 1 + random.IntN(3) {
		at := time.Duration(random.Int64N(int64(2500*time.Millisecond) * int64(len(levels))))
		dir = killedAt(t, dir, args, answerAfter(300*time.Millisecond), at)
		args = threeLevels(append(more, mode)...)
	}
	before := tree(t, filepath.Join(dir, "b"))
	unsent := map[string]int{}
	var sentNow atomic.Int64
	chat := func(w http.ResponseWriter, r *http.Request) {
		sentNow.Add(1)
		answerAfter(300*time.Millisecond)(w, r)
	}
	performIn(t, dir, args, chat, func(t *testing.T, s stage) {
		for i, l := range s.sweep.Levels() {
			unsent[l.Name] = 14
			if p := s.sweep.past[l.Name]; p != nil {
				kinds[fmt.Sprint(p.fate)]++
				unsent[l.Name] = map[fate]int{kept: 0, repeated: 14, continued: 14 - len(sent(t, s.sweep.LevelDir(l)))}[p.fate]
				if p.fate == kept {
					continue
				}
			}
			start := sentNow.Load()
			got := s.run(t, i)
			assert.Equal(t, record.Done, got.Status)
			assert.Equal(t, record.Counts{Planned: 12, Outcomes: map[record.Outcome]int{record.OK: 12}}, got.Counts)
			assert.Equal(t, record.Counts{Planned: 2, Outcomes: map[record.Outcome]int{record.OK: 2}}, got.Warmup)
			assert.Equal(t, unsent[l.Name], int(sentNow.Load()-start), "%s of seed %d", l.Name, seed)
		}
	})
	for _, level := range levels {
		assert.Equal(t, fileText(t, whole, "b", level, record.InputsFile), fileText(t, dir, "b", level, record.InputsFile))
		want, got := sent(t, filepath.Join(whole, "b", level)), sent(t, filepath.Join(dir, "b", level))
		assert.Equal(t, want, got, "%s of seed %d", level, seed)
		for path, text := range before {
			if unsent[level] == 0 && strings.HasPrefix(path, "/"+level+"/") && !record.IsUnfinished(filepath.Base(path)) {
				if filepath.Base(path) != record.LevelFile || mode == "-resume" { // a complete log was called so
					assert.Equal(t, text, fileText(t, dir, "b", path))
				}
			}
		}
	}
	names := tree(t, dir)
	require.Len(t, names, 1+3*len(levels), "no lock, no unfinished file, nothing set aside: %v", reflect.ValueOf(names).MapKeys())
}
