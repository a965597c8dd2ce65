package main

import (
	"archive/tar"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// manifestName is the tar's last entry.
const manifestName = "MANIFEST.json"

// maxManifest bounds the manifest in bytes: it is the one entry that is held in memory.
const maxManifest = 64 << 20

// manifest is what the sender says that it sent.
type manifest struct {
	Count int         `json:"count"`
	Files []fileProof `json:"files"`
}

// fileProof is one file; its size is in bytes.
type fileProof struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// received is a folder that came whole, in a temporary place below root.
type received struct {
	root    *os.Root
	staging string // to be removed with everything in it
	files   []fileProof
	bytes   int64
	report  func(files int, bytes int64, name string)
}

// inStaging is where a file lies until it gets its place. One folder deeper than necessary: what a killed download leaves must not look like a
// benchmark with levels.
func (r *received) inStaging(name string) string { return path.Join(r.staging, "files", name) }

// receive unpacks a tar into a new folder below root and holds it against its manifest. Nothing is left there when it fails.
func receive(stream io.Reader, root *os.Root, report func(files int, bytes int64, name string)) (_ *received, err error) {
	r := &received{root: root, staging: ".download-" + rand.Text(), report: report}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.discard())
		}
	}()
	if err := root.MkdirAll(r.inStaging(""), 0o755); err != nil {
		return nil, err
	}
	archive := tar.NewReader(stream)
	for {
		header, err := archive.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil, r.broken(errors.New("it ended without " + manifestName))
		case err != nil:
			return nil, r.broken(err)
		case header.Name == manifestName:
			return r, r.verify(archive, header)
		}
		if err := r.take(archive, header); err != nil {
			return nil, err
		}
	}
}

// broken says what had come when the stream broke.
func (r *received) broken(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = errors.New("it ended in the middle")
	}
	if len(r.files) == 0 && r.bytes == 0 {
		return err
	}
	return fmt.Errorf("the stream broke after %d files (%s), and nothing was kept: %w", len(r.files), megabytes(r.bytes), err)
}

// take writes one entry under its name in the temporary place.
func (r *received) take(archive *tar.Reader, header *tar.Header) error {
	name := header.Name
	if header.Typeflag != tar.TypeReg {
		return fmt.Errorf("entry %q: is no regular file, and llmsweep sends nothing else: nothing was kept", name)
	}
	if !fs.ValidPath(name) || name == "." || !filepath.IsLocal(filepath.FromSlash(name)) || strings.ContainsAny(name, "\\\x00") {
		return fmt.Errorf("entry %q: is no name of a file below the folder: nothing was kept", name)
	}
	if err := r.root.MkdirAll(path.Dir(r.inStaging(name)), 0o755); err != nil {
		return fmt.Errorf("entry %q: %w", name, err)
	}
	// Exclusive: a name that comes twice is an error, also where the file system does not tell its letters apart.
	file, err := r.root.OpenFile(r.inStaging(name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fmt.Errorf("entry %q: %w", name, err)
	}
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(file, sum, counter{r, name}), archive)
	if closing := file.Close(); err == nil {
		err = closing
	}
	var local *fs.PathError
	switch {
	case errors.As(err, &local):
		return fmt.Errorf("writing %q: %w", name, err)
	case err != nil:
		return r.broken(err)
	}
	r.files = append(r.files, fileProof{Name: name, Size: n, SHA256: hex.EncodeToString(sum.Sum(nil))})
	return r.root.Chtimes(r.inStaging(name), time.Time{}, header.ModTime)
}

// counter counts what is written and reports it.
type counter struct {
	r    *received
	name string
}

// Write counts p.
func (c counter) Write(p []byte) (int, error) {
	c.r.bytes += int64(len(p))
	c.r.report(len(c.r.files), c.r.bytes, c.name)
	return len(p), nil
}

// verify reads the manifest and holds what came against it.
func (r *received) verify(archive *tar.Reader, header *tar.Header) error {
	if header.Size > maxManifest || header.Typeflag != tar.TypeReg {
		return fmt.Errorf("%s: is no list of files: nothing was kept", manifestName)
	}
	text, err := io.ReadAll(archive)
	if err != nil {
		return r.broken(err)
	}
	var m manifest
	if err := json.Unmarshal(text, &m); err != nil {
		return fmt.Errorf("%s: %w: nothing was kept", manifestName, err)
	}
	if err := compare(m, r.files); err != nil {
		return fmt.Errorf("%w: nothing was kept; try again", err)
	}
	switch next, err := archive.Next(); {
	case err == nil:
		return fmt.Errorf("entry %q: comes after %s: nothing was kept", next.Name, manifestName)
	case !errors.Is(err, io.EOF):
		return r.broken(err)
	}
	return nil
}

// compare holds the files that came against those that were sent.
func compare(sent manifest, came []fileProof) error {
	if sent.Count != len(sent.Files) || sent.Count != len(came) {
		return fmt.Errorf("%d files came of %d that were sent", len(came), sent.Count)
	}
	want := map[string]fileProof{}
	for _, file := range sent.Files {
		want[file.Name] = file
	}
	for _, file := range came {
		if want[file.Name] != file {
			return fmt.Errorf("%q came otherwise than it was sent: %d bytes with SHA-256 %.12s… instead of %d with %.12s…",
				file.Name, file.Size, file.SHA256, want[file.Name].Size, want[file.Name].SHA256)
		}
	}
	return nil
}

// discard removes the temporary place.
func (r *received) discard() error { return r.root.RemoveAll(r.staging) }

// levelFile is a file that only the folder of a benchmark has at this place.
var levelFile = regexp.MustCompile(`^c[0-9]+/(level\.json|profile_export.*)$`)

// isBenchmark reports whether the folder is that of one benchmark, and not one that holds several.
func (r *received) isBenchmark() bool {
	for _, file := range r.files {
		if file.Name == "run.json" || levelFile.MatchString(file.Name) {
			return true
		}
	}
	return false
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

// place gives the files their names below dir. Before the first of them it looks for files that are there already: one that differs is an
// error, unless it may be overwritten. A report that is there stays: it also shows benchmarks that did not come. kept says so.
func (r *received) place(dir string, overwrite bool) (kept bool, err error) {
	var moves []string
	for _, file := range r.files {
		target := path.Join(dir, file.Name)
		switch same, err := r.same(target, file); {
		case errors.Is(err, fs.ErrNotExist):
			moves = append(moves, file.Name)
		case err != nil:
			return false, err
		case same:
		case !overwrite && !r.isBenchmark() && strings.HasPrefix(file.Name, plots):
			kept = true
		case !overwrite:
			return false, fmt.Errorf("%q exists in %s and differs: pass -overwrite, or choose another -output-dir; nothing was changed", target, r.root.Name())
		default:
			moves = append(moves, file.Name)
		}
	}
	for _, name := range moves {
		target := path.Join(dir, name)
		if err := r.root.MkdirAll(path.Dir(target), 0o755); err != nil {
			return false, err
		}
		if err := r.root.Rename(r.inStaging(name), target); err != nil {
			return false, err
		}
	}
	return kept, nil
}

// same reports whether the file at target is the one that came.
func (r *received) same(target string, file fileProof) (bool, error) {
	info, err := r.root.Lstat(target)
	if err != nil {
		return false, err
	}
	if !info.Mode().IsRegular() || info.Size() != file.Size {
		return false, nil
	}
	existing, err := r.root.Open(target)
	if err != nil {
		return false, err
	}
	defer existing.Close()
	sum := sha256.New()
	_, err = io.Copy(sum, existing)
	return hex.EncodeToString(sum.Sum(nil)) == file.SHA256, err
}
