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
	"strings"
	"time"
	"unicode"
)

// manifestName is the tar's last entry.
const manifestName = "MANIFEST.json"

// maxManifest bounds the manifest in bytes: it is the one entry that is held in memory.
const maxManifest = 64 << 20

// maxPadding bounds what may follow the end of the tar, in bytes: tar programs fill up a block of their own size.
const maxPadding = 64 << 10

// manifest is what the sender says that it sent. The program in the image has a type of its own for it: the two may be of different versions,
// and meet in bytes.
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

// The folders that a download makes for itself. Each holds one more, lest a killed download's left-overs look like a benchmark with levels.
const (
	stagingPrefix = ".download-"
	asidePrefix   = ".replaced-"
)

// inStaging is where a file lies until it gets its place.
func (r *received) inStaging(name string) string { return path.Join(r.staging, "files", name) }

// receive unpacks a tar into a new folder below root and holds it against its manifest. Nothing is left there when it fails.
func receive(stream io.Reader, root *os.Root, report func(files int, bytes int64, name string)) (_ *received, err error) {
	r := &received{root: root, staging: stagingPrefix + rand.Text(), report: report}
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
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		err = errors.New("it ended in the middle")
	case len(r.files) == 0 && r.bytes == 0:
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
	if !fs.ValidPath(name) || name == "." || !filepath.IsLocal(filepath.FromSlash(name)) || strings.ContainsRune(name, '\\') ||
		strings.ContainsFunc(name, unicode.IsControl) {
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

// drain reads what follows the tar: kubectl must not see a closed pipe before its end. When it fails, nothing is left.
func (r *received) drain(stream io.Reader) error {
	// How the stream ends does not matter any more: all files have come.
	if n, _ := io.CopyN(io.Discard, stream, maxPadding+1); n > maxPadding {
		return errors.Join(fmt.Errorf("the stream goes on after %s: nothing was kept", manifestName), r.discard())
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
			return fmt.Errorf("%q came otherwise than it was sent: %d bytes with SHA-256 %.12q… instead of %d with %.12q…",
				file.Name, file.Size, file.SHA256, want[file.Name].Size, want[file.Name].SHA256)
		}
	}
	return nil
}

// discard removes the temporary place.
func (r *received) discard() error { return r.root.RemoveAll(r.staging) }
