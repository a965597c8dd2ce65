package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// layer packs what a recipe copies out of a context into one layer. It returns the layer, compressed, and the digest of what it holds
// uncompressed, which is what an image's configuration names it by.
func (r *recipe) layer(context string) (packed []byte, diffID string, err error) {
	entries, err := r.entries(context)
	if err != nil {
		return nil, "", err
	}
	var out bytes.Buffer
	zipped, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil, "", err
	}
	plain := sha256.New()
	archive := tar.NewWriter(io.MultiWriter(zipped, plain))
	for _, e := range entries {
		if err := e.write(archive); err != nil {
			return nil, "", fmt.Errorf("packing %s: %w", e.path, err)
		}
	}
	if err := errors.Join(archive.Close(), zipped.Close()); err != nil {
		return nil, "", err
	}
	return out.Bytes(), digest(plain.Sum(nil)), nil
}

// entry is one file, folder or link of a layer.
type entry struct {
	header *tar.Header
	path   string // in the context
}

// entries lists what a recipe copies, by name. A name from two folders is an error: the owner and mode that win would depend on the
// builder.
func (r *recipe) entries(context string) ([]entry, error) {
	var all []entry
	for _, c := range r.copies {
		found, err := c.entries(filepath.Join(context, filepath.FromSlash(c.from)))
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	slices.SortFunc(all, func(a, b entry) int { return strings.Compare(a.header.Name, b.header.Name) })
	for i, e := range all[1:] {
		if e.header.Name == all[i].header.Name {
			return nil, fmt.Errorf("%q is copied twice, as %s and %s", e.header.Name, all[i].path, e.path)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("nothing to copy in %s", context)
	}
	return all, nil
}

func (c copied) entries(root string) ([]entry, error) {
	var found []entry
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		header, err := c.header(root, path, d)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		found = append(found, entry{header, path})
		return nil
	})
	return found, err
}

// header describes an entry by what belongs in an image: name, kind, mode and size, and the owner that COPY gives it.
func (c copied) header(root, path string, d fs.DirEntry) (*tar.Header, error) {
	info, err := d.Info()
	if err != nil {
		return nil, err
	}
	target := ""
	switch kind := info.Mode().Type(); kind {
	case 0, fs.ModeDir:
	case fs.ModeSymlink:
		if target, err = os.Readlink(path); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("is a %v: an image has files, folders and links", kind)
	}
	name, err := filepath.Rel(root, path)
	if err != nil {
		return nil, err
	}
	full, err := tar.FileInfoHeader(info, target)
	if err != nil {
		return nil, err
	}
	header := &tar.Header{
		Typeflag: full.Typeflag, Name: filepath.ToSlash(name), Linkname: target, Size: full.Size, Mode: full.Mode, Uid: c.uid, Gid: c.gid,
		ModTime: time.Unix(0, 0),
	}
	switch full.Typeflag {
	case tar.TypeDir:
		header.Name += "/"
	case tar.TypeSymlink:
		header.Mode = 0o777 // the mode of a link means nothing, and differs between systems
	}
	return header, nil
}

func (e entry) write(archive *tar.Writer) error {
	if err := archive.WriteHeader(e.header); err != nil {
		return err
	}
	if e.header.Typeflag != tar.TypeReg {
		return nil
	}
	file, err := os.Open(e.path)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = io.Copy(archive, file)
	return err
}
