// Command llmsweep is the entry point of the container image, /llmsweep.
//
//	llmsweep --model NAME --benchmark-name NAME --endpoint-url URL [flags]
//	llmsweep gate|calibrate|report|mockserver|results tar|healthcheck|hold [arguments]
//
// The image holds nothing but static programs: there is no shell, no tar and no
// curl, so what a cluster needs of those is here. A benchmark stays what it is
// elsewhere, the compiled test of package bench, which lies beside this program
// as bench.test; report and mockserver are links to it, which are told apart by
// the name that they are started under. This program checks the command line with the same harness
// package before it starts the test, so that a typing error costs no pod start,
// and translates what only an image has: short flags, /data, a termination
// message, being process 1.
//
// Exit codes: 0 passed, 1 failed, 2 the command line is wrong, or the gate file
// or benchmark name that it names, and nothing was sent. report and mockserver
// keep their own.
//
// It draws no figures and judges none: a second place for either would drift
// from go test ./bench.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
)

const (
	exitOK = iota
	exitFailure
	exitUsage
)

func main() {
	// A reader of our output that goes away (kubectl logs | head) must not end a benchmark. The children inherit this.
	signal.Ignore(syscall.SIGPIPE)
	os.Exit(run(context.Background(), os.Stdout, os.Stderr, os.Environ(), os.Args[1:]))
}

// image is what a sub-command finds around it.
type image struct {
	stdout, stderr io.Writer
	environ        []string
	bench          string // compiled test of package bench; report and mockserver lie beside it
	volume         string // mount point of the results' volume
	termination    string // file that Kubernetes shows as the container's termination message
}

// run is the command without the process: it returns the exit code. LLMSWEEP_BENCH and TERMINATION_LOG in environ move the two files that
// have a fixed place in the image. While a child runs, SIGINT, SIGTERM and SIGHUP go to it; the end of ctx is a SIGTERM.
func run(ctx context.Context, stdout, stderr io.Writer, environ, args []string) int {
	im := image{stdout: stdout, stderr: stderr, environ: environ, volume: "/data", termination: "/dev/termination-log"}
	if path := im.getenv("TERMINATION_LOG"); path != "" {
		im.termination = path
	}
	im.bench = im.getenv("LLMSWEEP_BENCH")
	if im.bench == "" {
		self, err := os.Executable()
		if err != nil {
			return im.fail("finding bench.test: " + err.Error() + "; set LLMSWEEP_BENCH to its path")
		}
		im.bench = filepath.Join(filepath.Dir(self), "bench.test")
	}
	return im.run(ctx, args)
}

func (im *image) run(ctx context.Context, args []string) int {
	if len(args) == 0 || strings.HasPrefix(args[0], "-") {
		return im.benchmark(ctx, "TestSweep", args)
	}
	name, args := args[0], args[1:]
	switch name {
	case "gate":
		return im.benchmark(ctx, "TestGate", args)
	case "compare":
		return im.benchmark(ctx, "TestCompare", args)
	case "self-compare":
		return im.benchmark(ctx, "TestSelfCompare", args)
	case "calibrate":
		im.workOnTheVolume()
		return im.benchmark(ctx, "TestCalibrate", args)
	case "report":
		return im.sibling(ctx, "report", args)
	case "mockserver":
		// Its own default, 127.0.0.1, would be out of reach of every other container. A -host in args comes later and wins.
		return im.sibling(ctx, "mockserver", append([]string{"-host=0.0.0.0"}, args...))
	case "results":
		return im.results(args)
	case "healthcheck":
		return im.healthcheck(ctx, args)
	case "hold":
		return im.hold(ctx, args)
	}
	return im.usage(fmt.Sprintf("sub-command %q: must be gate, compare, self-compare, calibrate, report, mockserver, results, healthcheck or hold; a benchmark has flags only", name))
}

// getenv returns the last value of a variable of environ, as the children see it.
func (im *image) getenv(name string) string {
	value := ""
	for _, entry := range im.environ {
		if text, ok := strings.CutPrefix(entry, name+"="); ok {
			value = text
		}
	}
	return value
}

// resultsDir is where results go and come from if nothing is said: the volume, if there is one.
func (im *image) resultsDir() string {
	if info, err := os.Stat(im.volume); err == nil && info.IsDir() {
		return filepath.Join(im.volume, "results")
	}
	return "./benchmarks/results"
}

// workOnTheVolume moves temporary files of the children to the volume where they have no other place: the image's /tmp is often read-only.
func (im *image) workOnTheVolume() {
	if dir, err := os.MkdirTemp(im.getenv("TMPDIR"), ""); err == nil {
		_ = os.Remove(dir)
		return
	}
	im.environ = append(im.environ, "TMPDIR="+im.volume)
}

// fail reports why a command that was well asked for did not succeed.
func (im *image) fail(reason string) int {
	fmt.Fprintln(im.stderr, "llmsweep:", reason)
	return exitFailure
}

// usage reports what is wrong with the command line, one line a problem.
func (im *image) usage(problems ...string) int {
	for _, problem := range problems {
		fmt.Fprintln(im.stderr, problem)
	}
	fmt.Fprintln(im.stderr, "All flags and sub-commands: llmsweep --help")
	im.terminationMessage(strings.Join(problems, "; "))
	return exitUsage
}
