// Command notices collects the licences of everything that is linked into programs, as they have to go wherever the programs go.
//
//	go run ./scripts/image/notices -o THIRD_PARTY_LICENSES -platform linux/arm64 ./bench ./scripts/image/entrypoint
//
// Packages count with their tests, since one of our programs is a compiled test. The licences of modules are taken from the module cache,
// Go's own from GOROOT, and those of files that are embedded lie beside these files in our tree. A module without a licence is an error: it
// could not be given away.
//
// It runs inside the main module. Exit codes: 0, 1 if a licence is missing or the file cannot be written, 2 on bad usage.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
)

func main() { os.Exit(run(context.Background(), os.Stderr, os.Args[1:])) }

func run(ctx context.Context, stderr io.Writer, args []string) int {
	fs := flag.NewFlagSet("notices", flag.ContinueOnError)
	fs.SetOutput(stderr)
	out := fs.String("o", "", "`FILE` to write (required)")
	platform := fs.String("platform", runtime.GOOS+"/"+runtime.GOARCH, "`OS/ARCH` that the programs are for")
	fs.Usage = func() {
		fmt.Fprint(stderr, "Usage: notices -o FILE [-platform OS/ARCH] PACKAGE ...\n\n")
		fs.PrintDefaults()
	}
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	if *out == "" || fs.NArg() == 0 || strings.Count(*platform, "/") != 1 {
		fs.Usage()
		return 2
	}
	if err := write(ctx, *out, *platform, fs.Args()); err != nil {
		fmt.Fprintln(stderr, "notices:", err)
		return 1
	}
	return 0
}

const preface = `llmsweep is under the Apache License 2.0. Its programs contain these works of others, each under its own licence. The image also holds
the CA certificates of the system that it was built on, as a rule Mozilla's list (https://wiki.mozilla.org/CA) under the Mozilla Public
License 2.0 (https://www.mozilla.org/MPL/2.0/).
`

func write(ctx context.Context, out, platform string, packages []string) error {
	components, err := linked(ctx, platform, packages)
	if err != nil {
		return err
	}
	text := bytes.NewBufferString(preface)
	for _, c := range components {
		if err := c.write(text); err != nil {
			return err
		}
	}
	return os.WriteFile(out, text.Bytes(), 0o644) //nolint:gosec // for everybody to read
}
