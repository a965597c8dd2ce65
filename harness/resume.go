package harness

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/llmsweep/llmsweep/harness/host"
	"github.com/llmsweep/llmsweep/harness/record"
)

// past is what an earlier process left of a level, and what becomes of it.
type past struct {
	fate   fate
	record record.Level
	log    *ledger
	torn   int // lines of the log that cannot be read
}

type fate int

const (
	kept      fate = iota // it is finished
	repeated              // from its beginning
	continued             // from its first request that did not end
)

// recall reads the run that -resume goes on with, if there is one, and takes its nonce. A run of another plan is refused.
func (s *Sweep) recall() error {
	if s.Plan.Resume == "" {
		return nil
	}
	path := filepath.Join(s.dir, record.RunFile)
	var run record.Run
	err := record.ReadJSON(path, &run)
	if errors.Is(err, fs.ErrNotExist) {
		return s.beginNew(path)
	}
	if err != nil {
		return fmt.Errorf("benchmark-name %q: -resume: %w: it says what the run was, so that it cannot be gone on with; move %s away, or choose another -benchmark-name",
			s.Plan.BenchmarkName, err, s.dir)
	}
	if run.SchemaVersion != record.SchemaVersion {
		return fmt.Errorf("-resume: %s has schema version %q, and this llmsweep %q: choose another -benchmark-name", path, run.SchemaVersion, record.SchemaVersion)
	}
	is := s.Plan.Plan
	if !s.Plan.NonceGiven {
		is.Nonce = run.Plan.Nonce
	}
	if different := differences(&run.Plan, &is); len(different) > 0 {
		return fmt.Errorf("benchmark-name %q: -resume: the plan is not the one of %s:\n  %s\npass the options of that run, or choose another -benchmark-name",
			s.Plan.BenchmarkName, path, strings.Join(different, "\n  "))
	}
	s.Plan.Nonce, s.earlier = is.Nonce, &run
	return nil
}

// beginNew lets -resume begin a run where there is none. Levels without their run.json cannot be gone on with: what was asked is not known.
func (s *Sweep) beginNew(missing string) error {
	levels, err := s.folders()
	if err != nil {
		return err
	}
	for _, level := range levels {
		ours, foreign, err := contents(level.Path)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(ours, isResult) || len(foreign) > 0 {
			return fmt.Errorf("benchmark-name %q: -resume: %s is missing beside the results in %s: it says what the run was, so that it cannot be gone on with; "+
				"put it back, move %s away, or choose another -benchmark-name", s.Plan.BenchmarkName, missing, level.Path, s.dir)
		}
	}
	s.progress.print(fmt.Sprintf("-resume: there is no run in %s yet: a new one begins", s.dir))
	return nil
}

// survey decides what becomes of each level that the earlier process began, and counts what was spent on it.
func (s *Sweep) survey() error {
	if s.earlier == nil {
		return nil
	}
	if was := s.earlier; was.WorkloadSHA256 != s.run.WorkloadSHA256 {
		return fmt.Errorf("-resume: llmsweep %s draws other requests from this plan than %s, which began the run: go on with that one, or choose another -benchmark-name",
			Version, record.Printable(was.Tool.Version))
	}
	s.past = map[string]*past{}
	for _, l := range s.levels {
		if err := s.interrupted(); err != nil {
			return err
		}
		p, err := s.find(l)
		if err != nil {
			return fmt.Errorf("-resume: %w", err)
		}
		if p == nil {
			continue
		}
		s.past[l.Name] = p
		s.elapsed += p.took()
		s.spent.Add(p.tokens())
	}
	if t := s.earlier.Template; t != nil {
		s.spent.Add(t.Spent)
	}
	return nil
}

// find looks at what there is of a level; nil is nothing to keep.
func (s *Sweep) find(l Level) (*past, error) {
	dir := s.LevelDir(l)
	ours, foreign, err := contents(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err = errors.Join(err, removeUnfinished(dir, ours)); err != nil {
		return nil, err
	}
	var p past
	switch err := record.ReadJSON(filepath.Join(dir, record.LevelFile), &p.record); {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("%w: delete %s to run that level anew", err, dir)
	}
	p.fate = s.fateOf(&p.record)
	if p.fate == repeated && len(foreign) > 0 {
		return nil, fmt.Errorf("%s holds %q, which llmsweep did not write: move it, since that level is repeated", dir, foreign[0])
	}
	if p.fate == kept && s.Plan.MaxTokensTotal == 0 {
		return &p, nil // its log may be long, and nobody asks
	}
	return &p, p.readLog(filepath.Join(dir, record.LogFile), l.work)
}

// removeUnfinished removes what a killed process was writing.
func removeUnfinished(dir string, names []string) (err error) {
	for _, name := range names {
		if record.IsUnfinished(name) {
			err = errors.Join(err, os.Remove(filepath.Join(dir, name)))
		}
	}
	return err
}

// fateOf decides by how a level ended. One that failed is repeated in either mode: what failed in it would make it fail again.
func (s *Sweep) fateOf(l *record.Level) fate {
	switch {
	case l.Status == record.Done:
		return kept
	case s.Plan.Resume == record.ResumeRequest && l.Status != record.Failed:
		return continued
	default:
		return repeated
	}
}

// took is how long the level took so far.
func (p *past) took() time.Duration {
	if p.log != nil {
		p.record.EndedNS = max(p.record.EndedNS, p.log.lastNS) // of a killed one it was never written
	}
	return p.record.Took()
}

// tokens is what the level cost so far, as far as it was read.
func (p *past) tokens() int64 {
	spent := int64(0)
	if p.log != nil {
		spent += p.log.tokens
	}
	if p.record.Earlier != nil {
		spent += p.record.Earlier.Tokens
	}
	return spent
}

// cutShort says how far the level came.
func (p *past) cutShort(name string) record.CutShort {
	why := "killed"
	switch {
	case p.record.Status == record.Interrupt:
		why = "stopped: " + p.record.Reason
	case p.record.Status != record.Running:
		why = string(p.record.Status) + ": " + p.record.Reason
	}
	return record.CutShort{Level: name, Why: why, Ended: p.log.counts[record.Profiling].Ended(), Planned: p.record.Counts.Planned, Unreadable: p.torn}
}

// Finished reports whether -resume found the level finished, so that it is not run again.
func (s *Sweep) Finished(l Level) bool {
	p := s.past[l.Name]
	return p != nil && p.fate == kept
}

// NothingLeft says why a run that is resumed has nothing to send, or "".
func (s *Sweep) NothingLeft() string {
	p := s.Plan
	switch {
	case s.earlier == nil:
		return ""
	case !slices.ContainsFunc(s.levels, func(l Level) bool { return !s.Finished(l) }):
		return fmt.Sprintf("-resume: all levels of %s are finished", s.dir)
	case p.MaxDuration > 0 && s.elapsed >= p.MaxDuration:
		return fmt.Sprintf("-max-duration %v was reached before the resume: raise it to go on", p.MaxDuration)
	case p.MaxTokensTotal > 0 && s.spent.Load() >= p.MaxTokensTotal:
		return fmt.Sprintf("-max-tokens-total %d was reached before the resume: raise it to go on", p.MaxTokensTotal)
	}
	return ""
}

// goOn writes into run.json that the run is resumed, and what is not as it was.
func (s *Sweep) goOn(target record.Target) error {
	is := s.run
	if !s.Plan.Virtual {
		is.Host = host.Read()
	}
	s.run = *s.earlier
	s.run.Plan = is.Plan
	for _, w := range slices.Concat(is.Warnings, s.changes(is.Host, target)) {
		if !slices.Contains(s.run.Warnings, w) {
			s.run.Warnings = append(s.run.Warnings, w)
		}
	}
	s.run.Template = is.Template
	resume := record.Resume{At: time.Now().UTC(), Mode: s.Plan.Resume}
	for _, l := range s.levels {
		switch p := s.past[l.Name]; {
		case p == nil:
		case p.fate == kept:
			resume.Kept = append(resume.Kept, l.Name)
		case p.fate == repeated:
			resume.Repeated = append(resume.Repeated, p.cutShort(l.Name))
		case p.fate == continued:
			resume.Continued = append(resume.Continued, p.cutShort(l.Name))
		}
	}
	s.progress.print(resume.String())
	s.run.Resumes = append(s.run.Resumes, resume)
	return record.WriteJSON(filepath.Join(s.dir, record.RunFile), &s.run)
}

// changes says what is not as it was when the run began.
func (s *Sweep) changes(machine *record.Host, target record.Target) []string {
	was := s.earlier
	var warnings []string
	if was.Tool.Version != Version {
		warnings = append(warnings, fmt.Sprintf("resumed by llmsweep %s: %s began the run", Version, record.Printable(was.Tool.Version)))
	}
	if was.Host != nil && machine != nil && was.Host.Fingerprint != machine.Fingerprint {
		warnings = append(warnings, "resumed on another machine, or with other processors: levels before and after do not compare")
	}
	if was.Target.Version != target.Version || essence(was.Target.Model) != essence(target.Model) {
		warnings = append(warnings, "the server was another one after the resume: its version or model entry differ from run.json's")
	}
	return warnings
}

// essence is a model's entry without what is new at each look at it.
func essence(model map[string]any) string {
	kept := map[string]any{}
	for key, value := range model {
		if key != "created" && key != "permission" {
			kept[key] = value
		}
	}
	data, _ := json.Marshal(kept) // it came from JSON
	return string(data)
}
