// Command download copies results from the volume of a cluster to this machine.
//
//	go run ./scripts/cluster/download -namespace N -output-dir benchmarks/results -folder /data/results/NAME
//
// A volume can only be read by a pod that mounts it. So the command starts a
// pod as in access-pod.yaml under a name of its own, lets the program in its
// image write the folder as one tar to kubectl exec, and removes the pod again,
// whatever happened.
//
// Nothing that comes from the cluster is trusted: only regular files below the
// folder are taken, and a file gets its name only when all have come and their
// SHA-256 are those of the tar's last entry. A stream that broke leaves nothing.
//
// Two runs are never mixed in the folder of one benchmark: it gets the files that
// it lacks, or is replaced as a whole (-overwrite), or nothing is changed.
//
// The folder of one benchmark becomes DIR/NAME, unless DIR itself is called NAME;
// a folder with several becomes DIR/NAME for each. So the report is
//
//	go run ./reporting/cmd/report -data-dir benchmarks/results
//
// either way. Exit codes: 0, 1 if anything failed, 2 on bad usage.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/llmsweep/llmsweep/harness"
	"github.com/llmsweep/llmsweep/harness/kubectl"
	"github.com/llmsweep/llmsweep/scripts/cluster"
)

const (
	exitOK = iota
	exitFailure
	exitUsage
)

func main() {
	ctx, release := harness.Owned(context.Background())
	code := run(ctx, os.Stdout, os.Stderr, os.Args[1:])
	release()
	os.Exit(code)
}

// download is what the command line says.
type download struct {
	namespace, outputDir, folder, image, pvc string
	noConfig, overwrite                      bool
	timeout                                  time.Duration // until the access pod is ready
	stall                                    time.Duration // of the stream, until it is given up

	tool   *kubectl.Tool
	pod    string // its name
	saying sync.Mutex
	stdout io.Writer
}

// run is the command without the process: it returns the exit code. When ctx ends, it stops with the cause and still removes the pod.
func run(ctx context.Context, stdout, stderr io.Writer, args []string) int {
	d, err := parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(stdout, help)
		return exitOK
	}
	if err == nil {
		err = d.check()
	}
	if err != nil {
		fmt.Fprintf(stderr, "%v\nAll flags: go run ./scripts/cluster/download -h\n", err)
		return exitUsage
	}
	d.stdout = stdout
	if err := d.run(ctx); err != nil {
		fmt.Fprintln(stderr, "download:", err)
		return exitFailure
	}
	return exitOK
}

func parse(args []string) (*download, error) {
	d := &download{stall: stallLimit}
	fs := flag.NewFlagSet("download", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	for _, name := range []string{"namespace", "n"} {
		fs.StringVar(&d.namespace, name, "", "")
	}
	for _, name := range []string{"output-dir", "o"} {
		fs.StringVar(&d.outputDir, name, "", "")
	}
	fs.StringVar(&d.folder, "folder", "", "")
	fs.StringVar(&d.image, "image", "", "")
	fs.StringVar(&d.pvc, "pvc", "dynamo-pvc", "")
	fs.BoolVar(&d.noConfig, "no-config", false, "")
	fs.BoolVar(&d.overwrite, "overwrite", false, "")
	fs.DurationVar(&d.timeout, "timeout", time.Minute, "")
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	if fs.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q: flags are written -name=value or -name value", fs.Arg(0))
	}
	return d, nil
}

// check reports everything that is wrong with the command line.
func (d *download) check() error {
	var problems []error
	fault := func(flag, value, reason string) {
		problems = append(problems, fmt.Errorf("%s %q: %s", flag, value, reason))
	}
	if !kubectl.ValidLabel(d.namespace) {
		fault("namespace", d.namespace, "must be the namespace of the volume: lower-case letters, digits and -")
	}
	if d.outputDir == "" {
		fault("output-dir", "", "must be given: where the results go on this machine")
	}
	if !kubectl.ValidSubdomain(d.pvc) {
		fault("pvc", d.pvc, "must be the name of a claim: lower-case letters, digits and -")
	}
	if d.timeout <= 0 {
		fault("timeout", d.timeout.String(), "must be more than 0")
	}
	if strings.ContainsAny(d.image, " \t\n") {
		fault("image", d.image, "must be an image such as registry/name:tag")
	}
	switch clean := path.Clean("/" + d.folder); {
	case d.folder == "":
		fault("folder", "", "must be given: "+cluster.VolumeMount+"/results/NAME, or "+cluster.VolumeMount+"/results for all benchmarks")
	case strings.ContainsFunc(d.folder, unicode.IsControl):
		fault("folder", d.folder, "has a control character")
	case strings.Contains("/"+d.folder+"/", "/../"):
		fault("folder", d.folder, `must not have ".." in it`)
	case clean == cluster.VolumeMount:
		fault("folder", d.folder, "is the whole volume: name a folder on it, such as "+cluster.VolumeMount+"/results")
	case !strings.HasPrefix(clean, cluster.VolumeMount+"/"):
		fault("folder", d.folder, "must be below "+cluster.VolumeMount+", where the volume is: "+cluster.VolumeMount+clean)
	case !strings.HasPrefix(d.folder, "/"):
		fault("folder", d.folder, "must begin with /: "+clean)
	default:
		d.folder = clean
	}
	return errors.Join(problems...)
}

const help = `download copies results from the volume of a cluster to this machine.

  go run ./scripts/cluster/download -namespace N -output-dir DIR -folder FOLDER

Examples:
  # one benchmark, into benchmarks/results/vllm-agg
  go run ./scripts/cluster/download -n benchmarking -o benchmarks/results \
    -folder /data/results/vllm-agg

  # all of them, and a report
  go run ./scripts/cluster/download -n benchmarking -o benchmarks/results \
    -folder /data/results
  go run ./reporting/cmd/report -data-dir benchmarks/results

kubectl must be on PATH; it chooses the cluster by KUBECONFIG and its current
context. A pod named pvc-access-pod-xxxxx, new for each download, is started and
always removed again.

Flags:
  -namespace NAME, -n NAME
        namespace of the volume
  -output-dir DIR, -o DIR
        where the results go; a benchmark NAME becomes DIR/NAME, or DIR itself
        if that is called NAME
  -folder FOLDER
        what to copy: an absolute path below /data
  -no-config
        leave out configuration (*.yaml, *.yml)
  -overwrite
        replace benchmarks that are there and differ, each as a whole
  -pvc NAME
        claim of the volume (default dynamo-pvc)
  -image IMAGE
        llmsweep's image (default that of scripts/cluster/access-pod.yaml)
  -timeout D
        how long to wait until the access pod is ready (default 1m)
`
