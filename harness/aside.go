package harness

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/llmsweep/llmsweep/harness/record"
)

// aside is the folder of a level that is repeated, renamed until its repetition has results of its own. A nil aside is of a level that is not.
type aside struct {
	dir      string
	answered int             // requests of the earlier attempt
	before   *record.Earlier // what was spent before that
}

const asideSuffix = ".before"

func (a *aside) path() string { return a.dir + asideSuffix }

// setAside renames the folder of a level that is repeated, and enters what was spent on it into the record of the repetition.
func (p *past) setAside(dir string, repetition *record.Level) (*aside, error) {
	if p == nil || p.fate != repeated {
		return nil, nil
	}
	took, was := p.took(), p.record.Earlier
	repetition.Earlier = was.Plus(record.Earlier{Attempts: 1, Requests: p.log.requests, Tokens: p.log.tokens, Took: took})
	if was != nil {
		repetition.Earlier.Took -= was.Took // took has it already
	}
	a := &aside{dir: dir, answered: p.log.requests - p.log.cancelled, before: was}
	if err := os.Rename(dir, a.path()); err != nil {
		return nil, fmt.Errorf("setting the earlier attempt aside: %w", err)
	}
	return a, nil
}

// settle keeps one of the two attempts: the repetition if it is done, or else the one in which more requests were answered. What was spent on
// the other is in its record. It reports whether the earlier one is back.
func (a *aside) settle(status record.Status, answered int, repetition record.Earlier) (back bool, err error) {
	switch {
	case a == nil:
		return false, nil
	case status == record.Done || answered > 0 && answered >= a.answered:
		return false, removeLevel(a.path())
	}
	if err := a.restore(); err != nil || repetition.Requests == 0 {
		return true, err
	}
	var was record.Level
	path := filepath.Join(a.dir, record.LevelFile)
	if err := record.ReadJSON(path, &was); err != nil {
		return true, err
	}
	was.Earlier = a.before.Plus(repetition)
	return true, record.WriteJSON(path, &was)
}

// restore brings the earlier attempt back in place of what there is of the repetition.
func (a *aside) restore() error {
	if a == nil {
		return nil
	}
	if err := removeLevel(a.dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Rename(a.path(), a.dir)
}

// recoverLevels does what a process that was killed did not come to: with the levels, and the runs of levels, that it had set aside, and with
// its unfinished run.json.
func (s *Sweep) recoverLevels() error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		path := filepath.Join(s.dir, entry.Name())
		switch {
		case !entry.IsDir():
			err = removeUnfinished(s.dir, []string{entry.Name()})
		case record.IsLevelName(entry.Name()):
			err = recoverRuns(path)
		default:
			err = recoverAside(path, record.IsLevelName)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// recoverRuns recovers the runs of a level.
func recoverRuns(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if entry.IsDir() {
			if err := recoverAside(filepath.Join(dir, entry.Name()), record.IsRunName); err != nil {
				return err
			}
		}
	}
	return nil
}

// recoverAside recovers a folder that is set aside, if it is one.
func recoverAside(path string, isName func(string) bool) error {
	dir, set := strings.CutSuffix(path, asideSuffix)
	if !set || !isName(filepath.Base(dir)) {
		return nil
	}
	if err := (&aside{dir: dir}).recover(); err != nil {
		return fmt.Errorf("bringing back %s: %w", filepath.Base(path), err)
	}
	return nil
}

// recover does what settle would have done, by the sizes of the logs.
func (a *aside) recover() error {
	var repetition record.Level
	done := record.ReadJSON(filepath.Join(a.dir, record.LevelFile), &repetition) == nil && repetition.Status == record.Done
	before, after := sizeOf(filepath.Join(a.path(), record.LogFile)), sizeOf(filepath.Join(a.dir, record.LogFile))
	if done || after > 0 && after >= before {
		return removeLevel(a.path())
	}
	return a.restore()
}

// sizeOf is the size of a file in bytes, 0 if there is none.
func sizeOf(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// removeLevel removes what a run writes into a level's folder, and the folder if nothing else is in it.
func removeLevel(dir string) error {
	ours, _, err := contents(dir)
	for _, name := range ours {
		err = errors.Join(err, os.Remove(filepath.Join(dir, name)))
	}
	return errors.Join(err, os.Remove(dir))
}

// The reserve is space for level.json: on a full volume that file could not say why the level ended.
const (
	reserveName = "." + record.LevelFile + ".reserve"
	reserveSize = 64 << 10
)

// makeReserve takes the space, with bytes that no file system stores as less.
func makeReserve(dir string) error {
	space := make([]byte, reserveSize)
	_, _ = rand.Read(space) // never fails (crypto/rand)
	if err := os.WriteFile(filepath.Join(dir, reserveName), space, 0o644); err != nil {
		return fmt.Errorf("reserving space for %s: %w", record.LevelFile, err)
	}
	return nil
}

// freeReserve gives it back. Where it cannot be removed, it is in nobody's way.
func freeReserve(dir string) { _ = os.Remove(filepath.Join(dir, reserveName)) }

// unlogged says how many requests are missing in a log that could not be written.
func (r *levelRun) unlogged() []string {
	if r.logErr == nil {
		return nil
	}
	path := filepath.Join(r.sweep.LevelDir(r.level), record.LogFile)
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return nil
	}
	lines := 0
	_, err := record.ReadLog(path, func(*record.Sample) error {
		lines++
		return nil
	})
	ended := r.record.Counts.Ended() + r.record.Warmup.Ended()
	if err != nil || lines >= ended {
		return nil
	}
	return []string{fmt.Sprintf("%d of the %d requests that ended are not in the log, which could not be written", ended-lines, ended)}
}
