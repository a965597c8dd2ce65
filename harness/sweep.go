package harness

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/llmsweep/llmsweep/harness/ceiling"
	"github.com/llmsweep/llmsweep/harness/host"
	"github.com/llmsweep/llmsweep/harness/instrument"
	"github.com/llmsweep/llmsweep/harness/kubectl"
	"github.com/llmsweep/llmsweep/harness/lock"
	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/workload"
)

// Version of llmsweep, in run.json and in the User-Agent.
const Version = "0.1.0"

// Level is one point of a sweep, ready to run.
type Level struct {
	Name string
	record.Point
	Requests   int
	Number, Of int // which level of how many, from 1
	// Again is how often this level was measured before, with -repeats.
	Again       int
	seed        uint64                           // of its lengths and schedule
	warmupText  string                           // its warm-up in words; "": none
	warmup      record.Point                     // load of its warm-up,
	warmups     int                              // and the requests of that
	starts      map[record.Phase][]time.Duration // of an open loop
	rate        float64                          // of the measured ones, in the mean
	lasts       time.Duration                    // sending is over by then; 0: when all are sent
	uncounted   bool                             // Requests are as many as are prepared: how many it will be by then nobody knows
	own         int                              // records of a file that it has for itself by each phase of which nobody knows the number of requests; 0: no file
	inFlight    map[record.Phase]int             // at most, as far as can be told
	connected   map[record.Phase]int             // connections to make beforehand
	work        *workload.Level
	fingerprint string
}

// Sweep is a run on its way. Its methods are called one after another, not concurrently.
type Sweep struct {
	Plan *Plan
	// Dial replaces the network, as in virtual time. Nil: TCP. Beside a network that is not the machine's no reading of the machine is taken.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Loopback replaces the TCP loopback that canaries run over. Nil where Dial is set: no canaries.
	Loopback instrument.Loopback

	forwards map[string]*kubectl.Forward // by the host:port of a target

	tls           *tls.Config // of https endpoints; nil: the default
	dir           string      // of the benchmark
	made          []string    // folders that were not there before, the innermost first
	lock          *lock.Lock
	input         *input // of the prompts; nil: they are made up
	levels        []Level
	spec          workload.Spec // of these
	template      int           // tokens of each prompt that are the server's, where its lengths are
	serverPages   []page        // that are asked beside the load
	gpuPages      []page
	covered       bool // the pages are those of all endpoints, as far as that can be told
	run           record.Run
	earlier       *record.Run      // what -resume goes on with; nil: the run is new
	past          map[string]*past // what it left, by the names of levels
	progress      *progress
	spent         atomic.Int64  // tokens, for -max-tokens-total
	elapsed       time.Duration // of finished levels, for -max-duration
	deadline      time.Time     // of go test; zero: none
	floor         *record.TimerFloor
	ceiling       *ceiling.Table // of this machine, or nil
	ceilingSought bool
	// interrupted returns why the run should stop, or nil.
	interrupted func() error
	// inputsLimit is the size of a level's bodies in bytes above which inputs.json holds their recipe.
	inputsLimit int64
	// scrapesLimit is that of a file of scrapes, from which on only the edges of the level are added, a page each at most.
	scrapesLimit int64
}

// Open reads the certificates, claims the benchmark's folder and draws the workload; nothing is sent. It refuses a folder that another process works
// on, and one that holds results of an earlier run unless the plan overwrites it or goes on with it. When ctx ends, preparations end with its cause; in virtual time too, where ctx is outside
// the bubble and is only ever asked.
func Open(ctx context.Context, plan *Plan, output Output) (*Sweep, error) {
	s := &Sweep{Plan: plan, interrupted: func() error { return context.Cause(ctx) }, dir: filepath.Join(plan.ResultsDir(), plan.BenchmarkName), progress: newProgress(output), inputsLimit: maxInputs, scrapesLimit: maxScrapes}
	err := plan.sought()
	if err != nil {
		return nil, err
	}
	if s.tls, err = plan.TLSConfig(); err != nil {
		return nil, err
	}
	for _, step := range []func() error{s.openInput, s.claim, s.recall, s.vacant, s.draw, s.survey} {
		if err := step(); err != nil {
			s.abandon()
			return nil, err
		}
	}
	for _, note := range s.inputNotes() {
		s.progress.print(note)
	}
	for _, warning := range s.run.Warnings {
		s.progress.print("warning: " + warning)
	}
	return s, nil
}

// Dir is the benchmark's folder.
func (s *Sweep) Dir() string { return s.dir }

// Levels returns the levels of the sweep by ascending load.
func (s *Sweep) Levels() []Level { return s.levels }

// LevelDir is the folder of a level.
func (s *Sweep) LevelDir(l Level) string { return filepath.Join(s.dir, l.Name) }

// Print shows a line, in place of a live one.
func (s *Sweep) Print(line string) { s.progress.print(line) }

// Close ends port-forwards and the progress display, and lets go of the folder.
func (s *Sweep) Close() {
	for _, f := range s.forwards {
		f.Close()
	}
	s.progress.close()
	s.release()
}

// release lets go of folder and input.
func (s *Sweep) release() {
	s.input.close()
	s.input = nil
	if err := s.lock.Release(); err != nil {
		s.progress.print(fmt.Sprintf("warning: %v", err))
	}
	s.lock = nil
}

// claim makes sure that results can be written, by this process alone.
func (s *Sweep) claim() error {
	for _, dir := range []string{s.dir, s.Plan.ResultsDir()} {
		if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
			s.made = append(s.made, dir)
		}
	}
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return fmt.Errorf("output-dir %q cannot be written: %w", s.Plan.OutputDir, err)
	}
	probe, err := os.CreateTemp(s.dir, ".write-test.*")
	if err != nil {
		return fmt.Errorf("output-dir %q cannot be written: %w", s.Plan.OutputDir, err)
	}
	if err := errors.Join(probe.Close(), os.Remove(probe.Name())); err != nil {
		return err
	}
	var left *lock.Holder
	s.lock, left, err = lock.Acquire(filepath.Join(s.dir, record.LockFile))
	if err != nil {
		return fmt.Errorf("benchmark-name %q: %w", s.Plan.BenchmarkName, err)
	}
	if left != nil {
		s.progress.print(fmt.Sprintf("note: %s ended without letting go of %s, which is taken over", left, s.dir))
	}
	return s.recoverLevels()
}

// vacant makes sure that no results are lost.
func (s *Sweep) vacant() error {
	if s.earlier != nil {
		return nil // they are gone on with
	}
	levels, err := s.folders()
	if err != nil {
		return err
	}
	for _, level := range levels {
		ours, foreign, err := contents(level.Path)
		switch {
		case err != nil:
			return err
		case (slices.ContainsFunc(ours, isResult) || len(foreign) > 0) && !s.Plan.Overwrite:
			return fmt.Errorf("benchmark-name %q: %s holds results already; choose another name or pass -overwrite, or -resume to go on with them", s.Plan.BenchmarkName, s.dir)
		case len(foreign) > 0:
			return fmt.Errorf("-overwrite: %s holds %q, which llmsweep did not write: move it, or choose another -benchmark-name", level.Path, foreign[0])
		}
	}
	return nil
}

// isResult reports whether a file in a level's folder holds something that was measured, as bodies and unfinished files do not.
func isResult(name string) bool { return name != record.InputsFile && !strings.HasPrefix(name, ".") }

// contents lists what a level's folder holds: the files that a run writes, unfinished ones included, and all else but the folders of its runs.
// What a link leads to is not ours.
func contents(dir string) (ours, foreign []string, err error) {
	if info, err := os.Lstat(dir); err != nil || info.Mode()&fs.ModeSymlink != 0 {
		return nil, []string{"a link"}, err
	}
	entries, err := os.ReadDir(dir)
	for _, entry := range entries {
		if name := entry.Name(); !entry.IsDir() && record.IsLevelFile(name) {
			ours = append(ours, name)
		} else if !entry.IsDir() || !record.IsRunName(name) {
			foreign = append(foreign, name)
		}
	}
	return ours, foreign, err
}

// abandon lets go of the folder and removes what claim made of it, as far as it is empty: nothing was measured.
func (s *Sweep) abandon() {
	s.release()
	for _, dir := range s.made {
		_ = os.Remove(dir)
	}
}

// draw fixes lengths and schedule of every level.
func (s *Sweep) draw() error {
	p := s.Plan
	drawn, err := lengths(&p.Plan)
	if err != nil {
		return err
	}
	spec := workload.Spec{
		Model: p.Model, Lengths: drawn, Prefixes: workload.Prefixes(p.Prefixes), Seed: p.Seed, Nonce: p.Nonce, Compat: p.Compat, Extra: p.ExtraInputs,
		Completions: p.AsksCompletions(), Unstreamed: p.Unstreamed, Source: s.source(), Words: p.promptWords(), Count: p.countTokens(),
		ServerISL: p.ISLCounts == record.ServerISL, Template: s.template,
		Cancel: workload.Cancel{Rate: p.CancelRate, Delay: p.CancelDelay},
	}
	s.spec = spec
	runs := p.runs()
	schedules := make([]string, len(runs))
	for i, run := range runs {
		at := run.point
		l := Level{
			Name: filepath.Join(at.Name(), run.folder), Point: at, Requests: p.Requests(at), warmups: p.Warmups(at), warmupText: p.Warmup(), Number: i + 1, Of: len(runs), Again: i / len(p.Points()),
			seed: run.spec(spec).Seed, lasts: p.Duration,
		}
		l.uncounted = l.unknown(&p.Plan, record.Profiling)
		if at.Trace {
			if err := s.followable(l.Requests); err != nil {
				return err
			}
			if l.Requests, err = s.timely(l.Requests); err != nil {
				return err
			}
		}
		if schedules[i], err = l.schedule(&p.Plan); err != nil {
			return err
		}
		s.levels = append(s.levels, l)
	}
	places := s.places()
	serial := 0
	fingerprints := make([]string, 0, len(runs))
	for i, run := range runs {
		if err := s.interrupted(); err != nil {
			return err
		}
		l, own := &s.levels[i], run.spec(spec)
		own.Places = places.of(i)
		if l.work, err = own.Level(run.point.Name(), serial, l.warmups, l.Requests); err != nil {
			return err
		}
		if l.Trace {
			if schedules[i], err = l.follow(&p.Plan); err != nil {
				return err
			}
		}
		l.expect(&p.Plan)
		if l.fingerprint, err = l.work.Fingerprint(schedules[i]); err != nil {
			return err
		}
		serial += l.warmups + l.Requests
		fingerprints = append(fingerprints, l.fingerprint)
	}
	s.run = record.Run{
		SchemaVersion:  record.SchemaVersion,
		Tool:           record.Tool{Name: "llmsweep", Version: Version, Go: runtime.Version()},
		Plan:           p.Plan,
		WorkloadSHA256: workload.Combine(fingerprints),
		Warnings:       slices.Concat(p.Warnings(), s.slowWarnings(), s.inputWarnings(places)),
	}
	return nil
}

// begin empties the folder of an earlier run and writes run.json. Only what a run writes is removed. A run that is resumed goes on instead.
func (s *Sweep) begin(target record.Target) error {
	if s.earlier != nil {
		return s.goOn(target)
	}
	levels, err := s.folders()
	if err != nil {
		return err
	}
	if len(levels) > 0 {
		s.progress.print("replacing the earlier results in " + s.dir)
	}
	for _, level := range levels {
		ours, _, err := contents(level.Path)
		for _, name := range ours {
			err = errors.Join(err, os.Remove(filepath.Join(level.Path, name)))
		}
		// A folder that holds something else by now is not empty, and stays.
		if err = errors.Join(err, os.Remove(level.Path)); err != nil {
			return fmt.Errorf("removing earlier results: %w", err)
		}
	}
	if err := os.Remove(filepath.Join(s.dir, record.RunFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing earlier results: %w", err)
	}
	s.run.Target, s.run.CreatedAt = target, time.Now().UTC()
	if !s.Plan.Virtual {
		s.run.Host = host.Read()
	}
	return record.WriteJSON(filepath.Join(s.dir, record.RunFile), &s.run)
}
