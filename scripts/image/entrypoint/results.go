package main

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// manifestName is the last entry of a tar of results.
const manifestName = "MANIFEST.json"

// manifest lets a receiver tell a whole tar from one whose connection broke: it is the last entry, and names all others. The download
// command reads it with a type of its own: the image that packs and the command that unpacks may be of different versions, and meet in bytes.
type manifest struct {
	Count int         `json:"count"`
	Files []fileProof `json:"files"`
}

// fileProof is one file of a manifest; its size is in bytes.
type fileProof struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// results runs "results tar", which writes a folder's regular files to stdout as a tar.
func (im *image) results(args []string) int {
	if len(args) == 0 || args[0] != "tar" {
		return im.usage(fmt.Sprintf("results %q: must be results tar [-dir DIR] [-no-config]", strings.Join(args, " ")))
	}
	set := flag.NewFlagSet("results tar", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	dir := im.getenv("BENCH_OUTPUT_DIR")
	if strings.TrimSpace(dir) == "" {
		dir = im.resultsDir()
	}
	set.StringVar(&dir, "dir", dir, "")
	noConfig := set.Bool("no-config", false, "")
	if err := set.Parse(args[1:]); err != nil {
		return im.usage("results tar: " + err.Error() + ": it takes -dir DIR and -no-config")
	}
	if set.NArg() > 0 {
		return im.usage(fmt.Sprintf("results tar: unexpected argument %q: it takes -dir DIR and -no-config", set.Arg(0)))
	}
	if err := writeTar(im.stdout, dir, *noConfig); err != nil {
		return im.fail(fmt.Sprintf("results tar: packing %q: %v", dir, err))
	}
	return exitOK
}

// writeTar packs the regular files under dir with relative names, in lexical order, then the manifest. Links are neither followed nor
// packed. What a running benchmark renames or removes meanwhile is left out. On an error the tar ends without manifest.
func writeTar(w io.Writer, dir string, noConfig bool) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	archive := tar.NewWriter(w)
	proofs := []fileProof{}
	err = fs.WalkDir(root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return unlessVanished(name, err)
		}
		if !entry.Type().IsRegular() || leftOut(name, noConfig) {
			return nil
		}
		proof, err := packFile(archive, root, name)
		if err != nil {
			return unlessVanished(name, fmt.Errorf("%s: %w", name, err))
		}
		proofs = append(proofs, proof)
		return nil
	})
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(manifest{Count: len(proofs), Files: proofs}, "", "  ")
	if err != nil {
		return err
	}
	header := &tar.Header{Typeflag: tar.TypeReg, Name: manifestName, Mode: 0o644, Size: int64(len(text)), ModTime: time.Now().Truncate(time.Second)}
	if err := archive.WriteHeader(header); err != nil {
		return err
	}
	if _, err := archive.Write(text); err != nil {
		return err
	}
	return archive.Close()
}

// unlessVanished passes an error on, unless it says that something in the folder is gone since it was listed.
func unlessVanished(name string, err error) error {
	if name != "." && errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// temporary is how a run calls a file until it is whole, as in .run.json.123456, and what is there only while it runs.
var temporary = regexp.MustCompile(`^(?:\..+\.(?:[0-9]+|reserve|kept)|run\.lock)$`)

// leftOut names configuration that was not asked for, files that are still being written, and the manifest of an earlier download, whose
// name ours needs.
func leftOut(name string, noConfig bool) bool {
	if temporary.MatchString(path.Base(name)) {
		return true
	}
	ending := strings.ToLower(path.Ext(name))
	return name == manifestName || noConfig && (ending == ".yaml" || ending == ".yml")
}

// packFile adds a file as long as it was when it was opened: the log of a running benchmark grows meanwhile.
func packFile(archive *tar.Writer, root *os.Root, name string) (fileProof, error) {
	// The entry may have become a link or a pipe since it was listed: root refuses a link that leads out, and a pipe must not block.
	file, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return fileProof{}, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return fileProof{}, err
	}
	if !info.Mode().IsRegular() {
		return fileProof{}, errors.New("is no regular file any more")
	}
	header := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: info.Size(), ModTime: info.ModTime()}
	if err := archive.WriteHeader(header); err != nil {
		return fileProof{}, err
	}
	sum := sha256.New()
	if _, err := io.CopyN(io.MultiWriter(archive, sum), file, info.Size()); err != nil {
		return fileProof{}, err
	}
	return fileProof{Name: name, Size: info.Size(), SHA256: hex.EncodeToString(sum.Sum(nil))}, nil
}
