package harness

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/llmsweep/llmsweep/harness/lock"
	"github.com/llmsweep/llmsweep/harness/record"
)

// Blocks is the folder of a comparison, which this process alone may write to: a folder for each block, with one for each arm in it, which is that of
// a benchmark.
type Blocks struct {
	Dir  string
	lock *lock.Lock
}

// OpenBlocks claims the plan's folder. It refuses one that holds the results of an earlier comparison, unless the plan overwrites them, and
// one that holds anything else.
func OpenBlocks(p *Plan) (*Blocks, error) {
	b := &Blocks{Dir: filepath.Join(p.ResultsDir(), p.BenchmarkName)}
	if err := os.MkdirAll(b.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("output-dir %q cannot be written: %w", p.OutputDir, err)
	}
	var err error
	if b.lock, _, err = lock.Acquire(filepath.Join(b.Dir, record.LockFile)); err != nil {
		return nil, fmt.Errorf("benchmark-name %q: %w", p.BenchmarkName, err)
	}
	if err := b.vacate(p.Overwrite); err != nil {
		return nil, errors.Join(fmt.Errorf("benchmark-name %q: %w", p.BenchmarkName, err), b.Close())
	}
	return b, nil
}

// Close lets go of the folder.
func (b *Blocks) Close() error { return b.lock.Release() }

// Block is the folder of a block; a repeated one has others.
func (b *Blocks) Block(block, attempt int) string {
	name := fmt.Sprintf("block-%02d", block)
	if attempt > 0 {
		name += fmt.Sprintf("-again-%d", attempt)
	}
	return filepath.Join(b.Dir, name)
}

var blockName = regexp.MustCompile(`^block-[0-9]{2,}(-again-[0-9]+)?$`)

// vacate removes the files of an earlier comparison, all or none.
func (b *Blocks) vacate(overwrite bool) error {
	entries, err := os.ReadDir(b.Dir)
	if err != nil {
		return err
	}
	var earlier []string
	for _, entry := range entries {
		path := filepath.Join(b.Dir, entry.Name())
		switch name := entry.Name(); {
		case name == record.LockFile:
			continue
		case entry.IsDir() && blockName.MatchString(name):
			if foreign, err := foreignIn(path); err != nil || foreign != "" {
				return errors.Join(err, fmt.Errorf("%s holds %q, which llmsweep did not write: move it, or choose another name", path, foreign))
			}
		case entry.IsDir() || !record.IsComparisonFile(name):
			return fmt.Errorf("%s holds %q, which is of no comparison: choose another name", b.Dir, name)
		}
		earlier = append(earlier, path)
	}
	if len(earlier) > 0 && !overwrite {
		return fmt.Errorf("%s holds a comparison already; choose another name or pass -overwrite", b.Dir)
	}
	for _, path := range earlier {
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("removing an earlier comparison: %w", err)
		}
	}
	return nil
}

// foreignIn returns a file below a block's folder that no comparison writes, or "".
func foreignIn(dir string) (foreign string, err error) {
	err = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		name := entry.Name()
		ours := record.IsLevelFile(name) || name == record.RunFile || name == record.LockFile || strings.HasSuffix(name, armLog)
		if err == nil && !entry.IsDir() && !(entry.Type().IsRegular() && ours) {
			foreign, err = path, fs.SkipAll
		}
		return err
	})
	return foreign, err
}

// armLog ends the name of the file with what the command of an arm wrote, beside the arm's folder.
const armLog = ".log"

// Log makes the file for what the command of an arm writes.
func (a Arm) Log(block string) (*os.File, error) {
	if err := os.MkdirAll(block, 0o755); err != nil {
		return nil, err
	}
	return os.Create(filepath.Join(block, a.Name+armLog))
}
