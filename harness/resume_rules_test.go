package harness

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/record"
)

// openIn opens a sweep of results in dir, as perform does, and returns what it printed.
func openIn(t *testing.T, dir string, args ...string) (*Sweep, string, error) {
	t.Helper()
	set := flag.NewFlagSet("test", flag.ContinueOnError)
	flags := RegisterFlags(set)
	require.NoError(t, set.Parse(flagsOf(dir, args)))
	plan, err := flags.Plan(func(string) string { return "" })
	require.NoError(t, err)
	var printed bytes.Buffer
	sweep, err := Open(t.Context(), plan, Output{Log: &printed})
	if err == nil {
		t.Cleanup(sweep.Close)
	}
	return sweep, printed.String(), err
}

// stopped leaves a level of ten requests, two at a time of 400 ms each, that was stopped after one second: four had ended.
func stopped(t *testing.T, args ...string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	performIn(t, dir, append([]string{"-concurrencies=2", "-request-count=10"}, args...), answerAfter(400*time.Millisecond), func(t *testing.T, s stage) {
		ctx, cancel := context.WithCancelCause(s.ctx)
		time.AfterFunc(time.Second, func() { cancel(errors.New("received interrupt")) })
		l, err := s.sweep.RunLevel(ctx, s.sweep.Levels()[0])
		require.NoError(t, err)
		require.Equal(t, record.Interrupt, l.Status)
	})
	return dir
}

// TestContinuedLevel holds a continued level to the nanosecond: what had ended stays as it was written, what had been cancelled or was never
// sent follows, and its stamps go on where the wall clock is, an hour later.
func TestContinuedLevel(t *testing.T) {
	dir := stopped(t)
	log := filepath.Join(dir, "b", "c2", record.LogFile)
	before := fileText(t, log)
	lines := bytes.SplitAfter([]byte(before), []byte("\n"))
	require.Len(t, lines, 4+2+1)
	performIn(t, dir, []string{"-concurrencies=2", "-request-count=10", "-resume=request"}, answerAfter(400*time.Millisecond), func(t *testing.T, s stage) {
		time.Sleep(time.Hour)
		l := s.run(t, 0)
		assert.Equal(t, record.Done, l.Status)
		want := record.Break{AtRequest: 4, FromNS: 1e9, ToNS: 3600e9, Kept: 4, SentAgain: 2}
		assert.Equal(t, []record.Break{want}, l.Breaks)
		assert.Equal(t, "continued from request 4 after a break of 3599.0 s (-resume=request); 2 requests that had been cancelled were sent again", want.String())
		assert.Equal(t, int64(3600e9+1200e6+1), l.EndedNS)
		assert.Equal(t, 2200*time.Millisecond+1, l.Took())
		starts := map[int]int64{}
		for _, x := range s.samples(t, 0) {
			starts[x.Index] = x.StartNS
			assert.Equal(t, record.OK, x.Outcome)
		}
		const again = 3600e9
		assert.Equal(t, map[int]int64{
			0: 0, 1: 1, 2: 400e6, 3: 400e6 + 1, 4: again, 5: again + 1, 6: again + 400e6, 7: again + 400e6 + 1, 8: again + 800e6, 9: again + 800e6 + 1,
		}, starts)
		after := fileText(t, log)
		assert.Equal(t, string(bytes.Join(lines[:4], nil)), after[:len(bytes.Join(lines[:4], nil))], "lines that stay are not touched")
	})
}

// TestClockSetBack: no stamp after the break comes before one of those before it.
func TestClockSetBack(t *testing.T) {
	dir := stopped(t)
	performIn(t, dir, []string{"-concurrencies=2", "-request-count=10", "-resume=request"}, answerAfter(400*time.Millisecond), func(t *testing.T, s stage) {
		assert.Equal(t, int64(1e9+1), s.run(t, 0).Breaks[0].ToNS, "the bubble's clock begins where the level's did")
	})
}

// TestBreakWithoutAnAnswer: of two resumes between which no request ended, the breaks are one.
func TestBreakWithoutAnAnswer(t *testing.T) {
	args := []string{"-concurrencies=2", "-request-count=10", "-resume=request"}
	dir := killedAt(t, stopped(t), args, answerAfter(400*time.Millisecond), 100*time.Millisecond)
	performIn(t, dir, args, answerAfter(400*time.Millisecond), func(t *testing.T, s stage) {
		time.Sleep(time.Minute)
		l := s.run(t, 0)
		assert.Equal(t, []record.Break{{AtRequest: 4, FromNS: 800e6 + 1, ToNS: 60e9, Kept: 4, SentAgain: 2}}, l.Breaks)
		assert.Equal(t, 800*time.Millisecond+1+1200*time.Millisecond+1, l.Took())
	})
}

// TestCompleteLogNeedsNoRequest: a process that was killed between the last line and level.json left nothing to do, and no break.
func TestCompleteLogNeedsNoRequest(t *testing.T) {
	dir := t.TempDir()
	args := []string{"-concurrencies=2", "-request-count=10"}
	path := filepath.Join(dir, "b", "c2", record.LevelFile)
	performIn(t, dir, args, answerAfter(400*time.Millisecond), func(t *testing.T, s stage) { s.run(t, 0) })
	var l record.Level
	require.NoError(t, record.ReadJSON(path, &l))
	ended := l.EndedNS
	l.Status, l.EndedNS, l.Counts, l.Instrument = record.Running, 0, newCounts(10), nil
	require.NoError(t, record.WriteJSON(path, &l))
	performIn(t, dir, append(args, "-resume=request"), nil, func(t *testing.T, s stage) {
		got := s.run(t, 0)
		assert.Equal(t, record.Done, got.Status)
		assert.Equal(t, ended, got.EndedNS)
		assert.Equal(t, 10, got.Counts.Outcomes[record.OK])
		assert.Empty(t, got.Breaks)
		assert.Nil(t, got.Instrument)
	})
}

// TestRepeatedLevel is one of its own, which says what its earlier attempt cost.
func TestRepeatedLevel(t *testing.T) {
	dir := stopped(t)
	performIn(t, dir, []string{"-concurrencies=2", "-request-count=10", "-resume"}, answerAfter(400*time.Millisecond), func(t *testing.T, s stage) {
		l := s.run(t, 0)
		assert.Equal(t, record.Done, l.Status)
		assert.Equal(t, int64(2e9+1), l.EndedNS)
		assert.Empty(t, l.Breaks)
		assert.Equal(t, &record.Earlier{Attempts: 1, Requests: 6, Tokens: 4*(4+1) + 2*4, Took: time.Second}, l.Earlier)
		assert.Equal(t, 3*time.Second+1, l.Took())
		assert.NoDirExists(t, s.sweep.LevelDir(s.sweep.Levels()[0])+asideSuffix)
		assert.Equal(t, []record.Resume{{
			At: time.Now().UTC().Add(-2*time.Second - 1), Mode: record.ResumeLevel,
			Repeated: []record.CutShort{{Level: "c2", Why: "stopped: received interrupt", Ended: 4, Planned: 10}},
		}}, s.sweep.run.Resumes)
		assert.Equal(t, "resumed at 2000-01-01 00:00:00 UTC; c2 (stopped: received interrupt, with 4 of 10 requests in its log) repeated", s.sweep.run.Resumes[0].String())
	})
}

// TestRepetitionThatCannotStart loses nothing: not where the run ends before a request is answered, nor where bodies cannot be written.
func TestRepetitionThatCannotStart(t *testing.T) {
	dir := stopped(t)
	level := filepath.Join(dir, "b", "c2")
	before := tree(t, level)
	for name, spoil := range map[string]func(s *stage){
		"ended before its bodies were written": func(s *stage) {
			s.sweep.interrupted = func() error { return errors.New("received interrupt") }
		},
		"ended before an answer": func(s *stage) {
			ctx, cancel := context.WithCancelCause(s.ctx)
			time.AfterFunc(100*time.Millisecond, func() { cancel(errors.New("received interrupt")) })
			s.ctx = ctx
		},
	} {
		performIn(t, dir, []string{"-concurrencies=2", "-request-count=10", "-resume"}, answerAfter(400*time.Millisecond), func(t *testing.T, s stage) {
			spoil(&s)
			_, _ = s.sweep.RunLevel(s.ctx, s.sweep.Levels()[0])
		})
		after := tree(t, level)
		var l record.Level
		require.NoError(t, record.ReadJSON(filepath.Join(level, record.LevelFile), &l))
		assert.Equal(t, map[string]*record.Earlier{"ended before an answer": {Attempts: 1, Requests: 2, Tokens: 8, Took: 100 * time.Millisecond}}[name], l.Earlier)
		l.Earlier = nil
		require.NoError(t, record.WriteJSON(filepath.Join(level, record.LevelFile), &l))
		require.Len(t, after, 3)
		assert.Equal(t, before, tree(t, level), name)
		assert.NoDirExists(t, level+asideSuffix, name)
	}
	// Killed after it had set the earlier attempt aside, and before an answer.
	require.NoError(t, os.Rename(level, level+asideSuffix))
	require.NoError(t, os.Mkdir(level, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(level, record.LogFile), nil, 0o600))
	_, _, err := openIn(t, dir, "-concurrencies=2", "-request-count=10")
	require.ErrorContains(t, err, "holds results already; choose another name or pass -overwrite, or -resume to go on with them")
	assert.Equal(t, before, tree(t, level))
}

// TestTheLongerAttemptStays: of two that were cut short the one with more answers is kept, whatever ended the other.
func TestTheLongerAttemptStays(t *testing.T) {
	args := []string{"-concurrencies=2", "-request-count=10", "-resume"}
	for at, want := range map[time.Duration]int{900 * time.Millisecond: 6, 1100 * time.Millisecond: 6, 1300 * time.Millisecond: 8, 500 * time.Millisecond: 6} {
		dir := stopped(t)
		performIn(t, dir, args, answerAfter(400*time.Millisecond), func(t *testing.T, s stage) {
			ctx, cancel := context.WithCancelCause(s.ctx)
			time.AfterFunc(at, func() { cancel(errors.New("received interrupt")) })
			_, err := s.sweep.RunLevel(ctx, s.sweep.Levels()[0])
			require.NoError(t, err)
			lines := 0
			for _, n := range sent(t, s.sweep.LevelDir(s.sweep.Levels()[0])) {
				lines += n
			}
			assert.Equal(t, want, lines, at)
		})
		killed := killedAt(t, stopped(t), args, answerAfter(400*time.Millisecond), at)
		_, _, err := openIn(t, killed, args...)
		require.NoError(t, err)
		assert.NoDirExists(t, filepath.Join(killed, "b", "c2"+asideSuffix))
		assert.Len(t, sent(t, filepath.Join(killed, "b", "c2")), 6, "of the repetition at most four had reached the file")
	}
}

// TestFailedLevelsAreRepeated in either mode: the failures in their logs would make them fail again.
func TestFailedLevelsAreRepeated(t *testing.T) {
	s := &Sweep{Plan: &Plan{}}
	for _, mode := range []record.ResumeMode{record.ResumeLevel, record.ResumeRequest} {
		s.Plan.Resume = mode
		again := map[record.ResumeMode]fate{record.ResumeLevel: repeated, record.ResumeRequest: continued}[mode]
		for status, want := range map[record.Status]fate{
			record.Done: kept, record.Failed: repeated, record.Running: again, record.Interrupt: again, record.Capped: again,
		} {
			assert.Equal(t, want, s.fateOf(&record.Level{Status: status}), "%s %s", mode, status)
		}
	}
}

// TestAnotherPlanIsRefused with a line for each setting, before anything is sent or changed.
func TestAnotherPlanIsRefused(t *testing.T) {
	dir := stopped(t, "-nonce=5")
	before := tree(t, dir)
	_, _, err := openIn(t, dir, "-concurrencies=2", "-request-count=10", "-resume", "-osl=8", "-model=other", "-nonce=6", "-idle-timeout=1m", "-header=X-A:b")
	require.EqualError(t, err, `benchmark-name "b": -resume: the plan is not the one of `+filepath.Join(dir, "b", record.RunFile)+`:
  model: "Qwen/Qwen3-0.6B" in the run, "other" now
  osl: "4" in the run, "8" now
  nonce: "5" in the run, "6" now
  header: "" in the run, "{\"X-A\":\"[redacted]\"}" now
  idle-timeout: "2m0s" in the run, "1m0s" now
pass the options of that run, or choose another -benchmark-name`)
	assert.Equal(t, before, tree(t, dir))
	sweep, _, err := openIn(t, dir, "-concurrencies=2", "-request-count=10", "-resume", "-wait-ready=1s", "-max-duration=1h", "-max-tokens-total=9999", "-continue-on-error")
	require.NoError(t, err, "those may change")
	assert.Equal(t, uint64(5), sweep.Plan.Nonce)
}

// TestEverySettingIsCompared: a field that is added to a plan determines a run, or is listed here.
func TestEverySettingIsCompared(t *testing.T) {
	mayChange := []string{"BenchmarkName", "OutputDir", "WaitReady", "MaxDuration", "MaxTokensTotal", "ContinueOnError", "Export", "TokenizerApproximate" /* the name says so */}
	plan := reflect.TypeFor[record.Plan]()
	for i := range plan.NumField() {
		var is record.Plan
		switch f := reflect.ValueOf(&is).Elem().Field(i); f.Kind() {
		case reflect.String:
			f.SetString("x")
		case reflect.Bool:
			f.SetBool(true)
		case reflect.Int, reflect.Int64:
			f.SetInt(7)
		case reflect.Uint64:
			f.SetUint(7)
		case reflect.Float64:
			f.SetFloat(0.5)
		case reflect.Slice:
			f.Set(reflect.MakeSlice(f.Type(), 1, 1))
			if f.Type().Elem().Kind() == reflect.String {
				f.Index(0).SetString("x")
			}
		case reflect.Map:
			f.Set(reflect.MakeMap(f.Type()))
			f.SetMapIndex(reflect.ValueOf("k"), reflect.New(f.Type().Elem()).Elem())
		case reflect.Pointer:
			f.Set(reflect.New(f.Type().Elem()))
		case reflect.Struct:
			switch f = f.Field(0); f.Kind() {
			case reflect.String:
				f.SetString("x")
			case reflect.Int:
				f.SetInt(7)
			default:
				f.SetBool(true)
			}
		default:
			require.Fail(t, "a kind that this test does not know", f.Kind())
		}
		name := plan.Field(i).Name
		different := differences(&record.Plan{}, &is)
		if slices.Contains(mayChange, name) {
			assert.Empty(t, different, name)
		} else {
			assert.Len(t, different, 1, "%s: is a run with another one still the same run? Compare it, or list it here", name)
		}
	}
}

// TestAnotherFileIsAnotherPlan: what determines a run may stand in a file that -mock-args names.
func TestAnotherFileIsAnotherPlan(t *testing.T) {
	plan := func(args string, files map[string]string) *record.Plan {
		return &record.Plan{MockArgs: strings.Fields(args), MockFiles: files}
	}
	was := plan("-fault=a.yaml", map[string]string{"a.yaml": strings.Repeat("1", 64)})
	assert.Empty(t, differences(was, plan("-fault=a.yaml", map[string]string{"a.yaml": strings.Repeat("1", 64)})))
	for want, is := range map[string]*record.Plan{
		`mock-args: the file "a.yaml" is not the one of the run: SHA-256 111111111111 then, 222222222222 now`: plan("-fault=a.yaml", map[string]string{"a.yaml": strings.Repeat("2", 64)}),
		`mock-args: the file "a.yaml" is not the one of the run: SHA-256 111111111111 then, unknown now`:      plan("-fault=a.yaml", nil),
		`mock-args: "-fault=a.yaml" in the run, "-fault=b.yaml" now`:                                          plan("-fault=b.yaml", map[string]string{"b.yaml": strings.Repeat("1", 64)}),
	} {
		assert.Equal(t, []string{want}, differences(was, is))
	}
}

// TestNothingToResume: a job that always passes -resume begins with it.
func TestNothingToResume(t *testing.T) {
	dir := t.TempDir()
	sweep, printed, err := openIn(t, dir, "-resume")
	require.NoError(t, err)
	assert.Contains(t, printed, "-resume: there is no run in "+filepath.Join(dir, "b")+" yet: a new one begins\n")
	assert.Empty(t, sweep.NothingLeft())
	sweep.abandon()
	assert.NoDirExists(t, filepath.Join(dir, "b"))

	require.NoError(t, os.MkdirAll(filepath.Join(dir, "b", "c1"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "b", "c1", record.LogFile), nil, 0o600))
	b := filepath.Join(dir, "b")
	_, printed, err = openIn(t, dir, "-resume")
	require.EqualError(t, err, `benchmark-name "b": -resume: `+filepath.Join(b, record.RunFile)+" is missing beside the results in "+filepath.Join(b, "c1")+
		": it says what the run was, so that it cannot be gone on with; put it back, move "+b+" away, or choose another -benchmark-name")
	assert.NotContains(t, printed, "a new one begins")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "b", record.RunFile), []byte("{"), 0o600))
	_, _, err = openIn(t, dir, "-resume")
	require.EqualError(t, err, `benchmark-name "b": -resume: `+filepath.Join(b, record.RunFile)+
		": unexpected end of JSON input: it says what the run was, so that it cannot be gone on with; move "+b+" away, or choose another -benchmark-name")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "b", record.RunFile), []byte(`{"schema_version":"9"}`), 0o600))
	_, _, err = openIn(t, dir, "-resume")
	require.ErrorContains(t, err, `has schema version "9"`)
}

// TestFinishedRun: there is nothing left, and nothing is written.
func TestFinishedRun(t *testing.T) {
	dir := t.TempDir()
	args := []string{"-concurrencies=1,2", "-request-count=3"}
	performIn(t, dir, args, answerAfter(time.Second), func(t *testing.T, s stage) { s.runLeft(t) })
	before := tree(t, dir)
	sweep, _, err := openIn(t, dir, append(args, "-resume")...)
	require.NoError(t, err)
	assert.Equal(t, "-resume: all levels of "+filepath.Join(dir, "b")+" are finished", sweep.NothingLeft())
	sweep.Close()
	assert.Equal(t, before, tree(t, dir))
}

// TestCapsAreOfTheSweep, not of one process: what was spent before the resume counts.
func TestCapsAreOfTheSweep(t *testing.T) {
	dir := stopped(t) // 28 tokens, one second
	for limit, want := range map[string]string{
		"-max-tokens-total=28": "-max-tokens-total 28 was reached before the resume: raise it to go on",
		"-max-tokens-total=29": "",
		"-max-duration=1s":     "-max-duration 1s was reached before the resume: raise it to go on",
		"-max-duration=1001ms": "",
	} {
		sweep, _, err := openIn(t, dir, "-concurrencies=2", "-request-count=10", "-resume", limit)
		require.NoError(t, err)
		assert.Equal(t, want, sweep.NothingLeft(), limit)
		sweep.Close()
	}
	performIn(t, dir, []string{"-concurrencies=2", "-request-count=10", "-resume", "-max-tokens-total=40"}, answerAfter(time.Second), func(t *testing.T, s stage) {
		l := s.run(t, 0)
		assert.Equal(t, record.Capped, l.Status)
		assert.Equal(t, 4, l.Counts.Outcomes[record.OK], "three requests of five tokens are above 40 - 28; the fourth was in flight")
	})
}

// TestOneProcessAtATime names the process that is there.
func TestOneProcessAtATime(t *testing.T) {
	dir := t.TempDir()
	first, _, err := openIn(t, dir)
	require.NoError(t, err)
	for _, more := range []string{"-resume", "-overwrite", "-verbose"} {
		_, _, err = openIn(t, dir, more)
		require.ErrorContains(t, err, `benchmark-name "b": `+filepath.Join(dir, "b")+" is in use by process ")
		assert.FileExists(t, filepath.Join(dir, "b", record.LockFile))
	}
	first.Close()
	second, _, err := openIn(t, dir)
	require.NoError(t, err)
	second.Close()
	assert.NoFileExists(t, filepath.Join(dir, "b", record.LockFile))
}

// TestDeadHolderIsSaid: a lock that nobody holds is taken over.
func TestDeadHolderIsSaid(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "b"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "b", record.LockFile), []byte(`{"pid":7,"host":"pod-1","since":"2026-01-02T03:04:05Z"}`), 0o600))
	_, printed, err := openIn(t, dir)
	require.NoError(t, err)
	assert.Contains(t, printed, "note: process 7 on host pod-1, since 2026-01-02 03:04:05 UTC ended without letting go of "+filepath.Join(dir, "b")+", which is taken over\n")
}

// TestOtherSurroundingsAreSaid: what changed between a run and its resume is in run.json, once.
func TestOtherSurroundingsAreSaid(t *testing.T) {
	was := &record.Run{Tool: record.Tool{Version: Version}, Host: &record.Host{Fingerprint: "a"}, Target: record.Target{Version: "1", Model: map[string]any{"id": "m", "created": 1}}}
	s := &Sweep{earlier: was}
	assert.Empty(t, s.changes(&record.Host{Fingerprint: "a"}, record.Target{Version: "1", Model: map[string]any{"id": "m", "created": 2}}))
	was.Tool.Version = "0.0.1"
	assert.Equal(t, []string{
		"resumed by llmsweep " + Version + ": 0.0.1 began the run",
		"resumed on another machine, or with other processors: levels before and after do not compare",
		"the server was another one after the resume: its version or model entry differ from run.json's",
	}, s.changes(&record.Host{Fingerprint: "b"}, record.Target{Version: "2"}))
}

// TestKilledWhileWriting: what it was writing goes, whichever file it was.
func TestKilledWhileWriting(t *testing.T) {
	dir := stopped(t)
	for _, name := range []string{".run.json.1", "c2/.level.json.2", "c2/.profile_export_aiperf.json.3"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "b", name), nil, 0o600))
	}
	require.NoError(t, os.Remove(filepath.Join(dir, "b", "c2", record.LevelFile)), "it had not come to that")
	sweep, _, err := openIn(t, dir, "-concurrencies=2", "-request-count=10", "-resume=request")
	require.NoError(t, err)
	assert.Empty(t, sweep.past)
	sweep.Close()
	for path := range tree(t, dir) {
		assert.False(t, record.IsUnfinished(filepath.Base(path)), path)
	}
}

// TestForeignLogs: a request counts once, whatever a log repeats, and one that the level does not have makes it another run's.
func TestForeignLogs(t *testing.T) {
	dir := stopped(t)
	log := filepath.Join(dir, "b", "c2", record.LogFile)
	text := fileText(t, log)
	require.NoError(t, os.WriteFile(log, []byte(text+text), 0o600))
	performIn(t, dir, []string{"-concurrencies=2", "-request-count=10", "-resume=request"}, answerAfter(400*time.Millisecond), func(t *testing.T, s stage) {
		assert.Equal(t, record.Counts{Planned: 10, Outcomes: map[record.Outcome]int{record.OK: 10}}, s.run(t, 0).Counts)
		for request, lines := range sent(t, filepath.Dir(log)) {
			assert.Equal(t, 1, lines, request)
		}
	})
	dir = stopped(t)
	log = filepath.Join(dir, "b", "c2", record.LogFile)
	require.NoError(t, os.WriteFile(log, []byte(strings.Replace(text, `"session_num":3`, `"session_num":10`, 1)), 0o600))
	_, _, err := openIn(t, dir, "-concurrencies=2", "-request-count=10", "-resume=request")
	require.ErrorContains(t, err, "its log has profiling request 10 of 10: it is not this run's")
}

// TestForeignFilesStopARepetition: a level's folder that is to be replaced may hold what its user put there.
func TestForeignFilesStopARepetition(t *testing.T) {
	dir := stopped(t)
	notes := filepath.Join(dir, "b", "c2", "notes.txt")
	require.NoError(t, os.WriteFile(notes, nil, 0o600))
	_, _, err := openIn(t, dir, "-concurrencies=2", "-request-count=10", "-resume")
	require.ErrorContains(t, err, `holds "notes.txt", which llmsweep did not write: move it, since that level is repeated`)
	_, _, err = openIn(t, dir, "-concurrencies=2", "-request-count=10", "-resume=request")
	require.NoError(t, err)
	assert.FileExists(t, notes)
}

// TestLogReachesTheDiskEachSecond: a request that ended is in the file within a second, whether or not another one ends.
func TestLogReachesTheDiskEachSecond(t *testing.T) {
	waits := make(chan time.Duration, 2)
	waits <- 100 * time.Millisecond
	waits <- time.Minute
	chat := func(w http.ResponseWriter, r *http.Request) { answerAfter(<-waits)(w, r) }
	perform(t, []string{"-concurrencies=2", "-request-count=2"}, chat, func(t *testing.T, s stage) {
		for _, at := range []struct {
			time time.Duration
			size int
		}{{900 * time.Millisecond, 0}, {1100 * time.Millisecond, 1}, {59 * time.Second, 1}} {
			time.AfterFunc(at.time, func() { assert.Len(t, s.samples(t, 0), at.size, at.time) })
		}
		s.run(t, 0)
	})
}
