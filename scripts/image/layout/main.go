// Command layout writes a container image for several platforms as an OCI image layout, in one tar.
//
//	go run ./scripts/image/layout -o dist/llmsweep-oci.tar linux/amd64=CONTEXT linux/arm64=CONTEXT
//
// A CONTEXT is a folder as build.sh makes it for docker build. Its Dockerfile says what is copied and how the image is configured, so
// that the two ways to build cannot drift apart. layout knows what an image FROM scratch needs of a Dockerfile, a few instructions in
// their plain forms, and refuses all else: it runs nothing.
//
// Equal contexts give equal bytes, digests included: the image holds no time and no name of a user. Each platform has one layer.
//
// It exits with 1 when an image cannot be written and with 2 on bad usage.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

func main() { os.Exit(run(os.Stdout, os.Stderr, os.Args[1:])) }

// labels is a flag KEY=VALUE that may be repeated.
type labels map[string]string

// String is the flag's text, as package flag wants it.
func (l labels) String() string { return "" }

// Set adds a label.
func (l labels) Set(text string) error {
	key, value, found := strings.Cut(text, "=")
	if !found || key == "" {
		return errors.New("must be KEY=VALUE")
	}
	l[key] = value
	return nil
}

func run(stdout, stderr io.Writer, args []string) int {
	fs := flag.NewFlagSet("layout", flag.ContinueOnError)
	fs.SetOutput(stderr)
	out := fs.String("o", "", "`FILE` to write, a tar (required)")
	added := labels{}
	fs.Var(added, "label", "`KEY=VALUE` added to the labels of the Dockerfile; may be repeated")
	fs.Usage = func() {
		fmt.Fprint(stderr, "Usage: layout -o FILE [-label KEY=VALUE] OS/ARCH=CONTEXT ...\n\n")
		fs.PrintDefaults()
	}
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	sources, err := parseSources(fs.Args())
	if *out == "" {
		err = errors.Join(errors.New("-o is missing: name the file to write"), err)
	}
	if err != nil {
		fmt.Fprintln(stderr, "layout:", strings.ReplaceAll(err.Error(), "\n", "; "))
		return 2
	}
	if err := build(stdout, *out, sources, added); err != nil {
		fmt.Fprintln(stderr, "layout:", err)
		return 1
	}
	return 0
}

// source is where the image of a platform comes from.
type source struct {
	os, arch string
	context  string // folder with a Dockerfile
}

// parseSources reads arguments such as linux/arm64=dist/arm64.
func parseSources(args []string) ([]source, error) {
	if len(args) == 0 {
		return nil, errors.New("no image: name at least one OS/ARCH=CONTEXT")
	}
	var sources []source
	var problems []error
	for _, arg := range args {
		platform, context, _ := strings.Cut(arg, "=")
		system, arch, _ := strings.Cut(platform, "/")
		s := source{os: system, arch: arch, context: context}
		twice := slices.ContainsFunc(sources, func(o source) bool { return o.os == s.os && o.arch == s.arch })
		switch {
		case system == "" || arch == "" || strings.Contains(arch, "/") || context == "":
			problems = append(problems, fmt.Errorf("%q: must be OS/ARCH=CONTEXT, such as linux/arm64=dist/arm64", arg))
		case twice:
			problems = append(problems, fmt.Errorf("%q: the platform %q is given twice", arg, platform))
		}
		sources = append(sources, s)
	}
	return sources, errors.Join(problems...)
}

// build writes the layout of all sources to a file, and a line for each image to stdout.
func build(stdout io.Writer, path string, sources []source, added labels) error {
	store := newBlobs()
	var images []descriptor
	for _, s := range sources {
		image, err := s.image(store, added)
		if err != nil {
			return fmt.Errorf("%s/%s: %w", s.os, s.arch, err)
		}
		fmt.Fprintf(stdout, "%-12s %s\n", s.os+"/"+s.arch, image.Digest)
		images = append(images, image)
	}
	all, err := store.index(images)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "%-12s %s\n", "index", all.Digest)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return writeFile(path, func(w io.Writer) error { return store.write(w, all) })
}

// writeFile replaces a file as a whole or leaves it as it was.
func writeFile(path string, write func(io.Writer) error) error {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	err = errors.Join(write(file), file.Chmod(0o644), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}
