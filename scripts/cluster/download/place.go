package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

// level is the folder of a level: of a concurrency, of a rate, or of a trace.
const level = `(?:c[0-9]+|r[0-9]+(?:\.[0-9]+)?|trace)`

// benchmarkFile is a file that only the folder of a benchmark has at this place; $1 is that folder, with a slash.
var benchmarkFile = regexp.MustCompile(`^((?:.*?/)??)(?:run\.json|` + level + `/(?:(?:run-[0-9]+|sentinel)/)?(?:level\.json|profile_export[^/]*))$`)

// writtenByUs is what a run writes in the folder of its benchmark, unfinished files included. It is known by its names: an image of
// another version may have written it.
var writtenByUs = regexp.MustCompile(`^(?:run\.json|run\.lock|\.run\.json\.[0-9]+|` + level + `(?:\.before)?/(?:(?:run-[0-9]+|sentinel)(?:\.before)?/)?\.?(?:level\.json|inputs\.json|profile_export[^/]*|server_metrics\.jsonl|gpu_telemetry\.jsonl)(?:\.(?:[0-9]+|reserve|kept))?)$`)

// levelName is the folder of a level.
var levelName = regexp.MustCompile(`^` + level + `$`)

// benchmarkFolder is the folder of one benchmark among what came; dir is "." if that is everything.
type benchmarkFolder struct {
	dir   string
	files []fileProof // with names below dir
}

// benchmarks returns the folders of benchmarks, none of them within another, and the files that are in none.
func (r *received) benchmarks() (found []benchmarkFolder, others []fileProof) {
	dirs := map[string]bool{}
	for _, file := range r.files {
		if match := benchmarkFile.FindStringSubmatch(file.Name); match != nil {
			dirs[path.Clean(match[1])] = true
		}
	}
	index := map[string]int{} // in found
	for _, file := range r.files {
		dir, isIn := outermost(file.Name, dirs)
		if !isIn {
			others = append(others, file)
			continue
		}
		if _, known := index[dir]; !known {
			index[dir] = len(found)
			found = append(found, benchmarkFolder{dir: dir})
		}
		file.Name = strings.TrimPrefix(file.Name, dir+"/")
		found[index[dir]].files = append(found[index[dir]].files, file)
	}
	return found, others
}

// outermost returns the first of dirs on the way to name.
func outermost(name string, dirs map[string]bool) (dir string, found bool) {
	if dirs["."] {
		return ".", true
	}
	for i, c := range name {
		if c == '/' && dirs[name[:i]] {
			return name[:i], true
		}
	}
	return "", false
}

// isBenchmark reports whether the folder is that of one benchmark, and not one that holds several.
func (r *received) isBenchmark() bool {
	found, _ := r.benchmarks()
	return len(found) == 1 && found[0].dir == "."
}

// destination is the folder below outputDir that the files go to.
func (r *received) destination(outputDir, folder string) string {
	name := path.Base(folder)
	if absolute, err := filepath.Abs(outputDir); !r.isBenchmark() || err == nil && filepath.Base(absolute) == name {
		return "."
	}
	return name
}

// plots is the folder of the report, which is drawn of all benchmarks beside it and can be drawn again.
const plots = "plots/"

// move gives something that came, a file or a folder, its place. It replaces a file that is there; a folder only if that was meant.
type move struct {
	from, to       string
	replacesFolder bool
}

// place gives the files their places below dir. Before the first of them it looks for what is there already. A benchmark that is there with
// other files is an error, unless it may be overwritten: then its folder is replaced as a whole, since files of two runs must never lie in one.
// A report that is there stays: it also shows benchmarks that did not come. kept says so.
func (r *received) place(dir string, overwrite bool) (kept bool, err error) {
	moves, kept, err := r.plan(dir, overwrite)
	if err != nil {
		return false, fmt.Errorf("%w; nothing was changed", err)
	}
	for _, m := range moves {
		if err := r.carryOut(m); err != nil {
			return false, err
		}
	}
	return kept, nil
}

// plan says what is to be moved where. It changes nothing.
func (r *received) plan(dir string, overwrite bool) (moves []move, kept bool, err error) {
	found, others := r.benchmarks()
	for _, b := range found {
		more, err := r.planBenchmark(b, path.Join(dir, b.dir), overwrite)
		if err != nil {
			return nil, false, err
		}
		moves = append(moves, more...)
	}
	for _, file := range others {
		target := path.Join(dir, file.Name)
		switch state, err := r.compareFile(target, file); {
		case err != nil:
			return nil, false, err
		case state == same:
		case state == differs && !overwrite && strings.HasPrefix(file.Name, plots):
			kept = true
		case state == differs && !overwrite:
			return nil, false, r.exists(target)
		default:
			moves = append(moves, move{from: r.inStaging(file.Name), to: target})
		}
	}
	return moves, kept, nil
}

func (r *received) exists(target string) error {
	return fmt.Errorf("%q exists in %s and differs: pass -overwrite, or choose another -output-dir", target, r.root.Name())
}

// planBenchmark says how a benchmark gets to target: its folder as a whole if there is none or another one, else the files that are missing.
func (r *received) planBenchmark(b benchmarkFolder, target string, overwrite bool) ([]move, error) {
	whole := move{from: r.inStaging(b.dir), to: target}
	switch info, err := r.root.Lstat(target); {
	case errors.Is(err, fs.ErrNotExist):
		return []move{whole}, nil
	case err != nil:
		return nil, err
	case !info.IsDir():
		return nil, fmt.Errorf("%q in %s is no folder: move it, or choose another -output-dir", target, r.root.Name())
	}
	here, err := r.list(target)
	if err != nil {
		return nil, err
	}
	missing, conflict, err := r.compareBenchmark(b, target, here)
	switch {
	case err != nil:
		return nil, err
	case conflict == nil:
		return missing, nil
	case !overwrite:
		return nil, conflict
	}
	whole.replacesFolder = true
	return []move{whole}, r.replaceable(b, target, here)
}

// replaceable refuses a folder with anything in it that neither a run wrote nor the download brings again: that would be lost.
func (r *received) replaceable(b benchmarkFolder, target string, here []string) error {
	came, _ := b.names()
	for _, name := range here {
		if !came[name] && !writtenByUs.MatchString(name) {
			return fmt.Errorf("-overwrite: %q in %s holds %q, which llmsweep did not write: move it, or choose another -output-dir", target, r.root.Name(), name)
		}
	}
	if target == "." {
		return fmt.Errorf("-overwrite: output-dir %q is the benchmark's own folder, which is replaced as a whole: pass its parent, -output-dir %q",
			r.root.Name(), filepath.Join(r.root.Name(), ".."))
	}
	return nil
}

// compareBenchmark holds the files of a benchmark against those that are here. missing adds what is not here; conflict says why that would not
// do: a file differs, or here is a level that did not come, so that the two are not of one run.
func (r *received) compareBenchmark(b benchmarkFolder, target string, here []string) (missing []move, conflict, err error) {
	for _, file := range b.files {
		name := path.Join(target, file.Name)
		switch state, err := r.compareFile(name, file); {
		case err != nil:
			return nil, nil, err
		case state == differs:
			return nil, r.exists(name), nil
		case state == absent:
			missing = append(missing, move{from: path.Join(r.inStaging(b.dir), file.Name), to: name})
		}
	}
	_, came := b.names()
	for _, name := range here {
		if level, _, _ := strings.Cut(name, "/"); levelName.MatchString(level) && !came[level] {
			return nil, fmt.Errorf("%q exists in %s and did not come, so that two runs would be mixed: pass -overwrite, or choose another -output-dir",
				path.Join(target, level), r.root.Name()), nil
		}
	}
	return missing, nil, nil
}

// names holds the names of a benchmark's files, and those of what is directly in its folder.
func (b benchmarkFolder) names() (files, top map[string]bool) {
	files, top = map[string]bool{}, map[string]bool{}
	for _, file := range b.files {
		first, _, _ := strings.Cut(file.Name, "/")
		files[file.Name], top[first] = true, true
	}
	return files, top
}

// list names what is in a folder below root, folders aside, and without what a download has left there.
func (r *received) list(dir string) (names []string, err error) {
	err = fs.WalkDir(r.root.FS(), dir, func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && strings.HasPrefix(entry.Name(), stagingPrefix):
			return fs.SkipDir
		case !entry.IsDir():
			names = append(names, strings.TrimPrefix(name, dir+"/"))
		}
		return nil
	})
	return names, err
}

// carryOut gives one thing its place.
func (r *received) carryOut(m move) error {
	if m.replacesFolder {
		return r.replace(m)
	}
	if err := r.root.MkdirAll(path.Dir(m.to), 0o755); err != nil {
		return err
	}
	return r.root.Rename(m.from, m.to)
}

// replace puts a folder in place of another, which is moved aside before and removed last: whatever ends this, one of the two is there, whole.
func (r *received) replace(m move) error {
	aside := asidePrefix + rand.Text()
	old := path.Join(aside, path.Base(m.to))
	if err := r.root.Mkdir(aside, 0o755); err != nil {
		return err
	}
	if err := r.root.Rename(m.to, old); err != nil {
		return errors.Join(fmt.Errorf("replacing %q, which is as it was: %w", m.to, err), r.root.Remove(aside))
	}
	if err := r.root.Rename(m.from, m.to); err != nil {
		if back := r.root.Rename(old, m.to); back != nil {
			return fmt.Errorf("replacing %q: %w; what was there is now %q: %w", m.to, err, filepath.Join(r.root.Name(), old), back)
		}
		return errors.Join(fmt.Errorf("replacing %q, which is as it was: %w", m.to, err), r.root.Remove(aside))
	}
	if err := r.root.RemoveAll(aside); err != nil {
		return fmt.Errorf("%q was replaced, but what was there is left: %w: remove %q", m.to, err, filepath.Join(r.root.Name(), aside))
	}
	return nil
}

// state is how a file that came compares with the one at its place.
type state int

const (
	absent state = iota
	same
	differs
)

// compareFile holds a file that came against the one at target.
func (r *received) compareFile(target string, file fileProof) (state, error) {
	info, err := r.root.Lstat(target)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return absent, nil
	case err != nil:
		return absent, err
	case !info.Mode().IsRegular() || info.Size() != file.Size:
		return differs, nil
	}
	existing, err := r.root.Open(target)
	if err != nil {
		return absent, err
	}
	defer existing.Close()
	sum := sha256.New()
	if _, err = io.Copy(sum, existing); err != nil {
		return absent, err
	}
	if hex.EncodeToString(sum.Sum(nil)) == file.SHA256 {
		return same, nil
	}
	return differs, nil
}
