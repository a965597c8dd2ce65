// Command render prints the Kubernetes Job of one benchmark, so that nobody edits
// YAML by hand.
//
//	go run ./scripts/cluster/render -model Qwen/Qwen3-0.6B -benchmark-name vllm-agg -endpoint vllm-agg-frontend:8000 | kubectl apply -n NAMESPACE -f -
//
// It takes the flags of a benchmark, checks them as the benchmark itself would,
// and refuses what cannot work inside a cluster, so that a typing error costs no
// pod start. Only flags count: an environment variable of this machine does not
// exist in the pod.
//
// A Job's text can be read by everybody who may read Jobs. So the API key and the
// values of headers come from Kubernetes secrets:
//
//	-api-key-secret NAME/KEY
//	-header X-Key:env:VARIABLE -env-secret VARIABLE=NAME/KEY
//
// and the value of a header, a user or a query in an endpoint, and a field of the
// request's body that is called as secrets are (api_key, say) are refused. What
// else may be a secret, in the path of an endpoint say, nothing can tell.
//
// It talks to no cluster: kubectl applies what it prints. Exit codes: 0, 1 if the
// file of -o cannot be written, 2 on bad usage.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/llmsweep/llmsweep/harness"
)

const (
	exitOK = iota
	exitFailure
	exitUsage
)

func main() { os.Exit(run(os.Stdout, os.Stderr, os.Args[1:])) }

// run is the command without the process: it returns the exit code.
func run(stdout, stderr io.Writer, args []string) int {
	s, err := parse(args)
	if errors.Is(err, flag.ErrHelp) {
		printHelp(stdout)
		return exitOK
	}
	if err == nil {
		err = s.check()
	}
	if err != nil {
		fmt.Fprintf(stderr, "%v\nAll flags: go run ./scripts/cluster/render -h\n", err)
		return exitUsage
	}
	text, err := s.job()
	if err != nil {
		fmt.Fprintln(stderr, "render:", err)
		return exitFailure
	}
	if s.output == "" {
		_, err = stdout.Write(text)
	} else {
		err = os.WriteFile(s.output, text, 0o644)
	}
	if err != nil {
		fmt.Fprintln(stderr, "render:", err)
		return exitFailure
	}
	return exitOK
}

// settings is what the command line says.
type settings struct {
	sweep  *harness.Flags
	output string

	jobName, namespace, image, imagePullSecret, serviceAccount, pvc string
	cpu, cpuLimit, memory, memoryLimit                              string
	hfTokenSecret, apiKeySecret                                     string
	envSecrets                                                      []string
}

// own describes the flags beside those of a benchmark.
func (s *settings) own() []ownFlag {
	return []ownFlag{
		{&s.output, "o", "FILE", "", "write the Job to this file; default: standard output"},
		{&s.jobName, "job-name", "NAME", "dynamo-benchmark", "name of the Job"},
		{&s.namespace, "namespace", "NAME", "", "its namespace; default: the one that kubectl apply is given"},
		{&s.image, "image", "IMAGE", "ghcr.io/llmsweep/llmsweep:latest", "llmsweep's image"},
		{&s.imagePullSecret, "image-pull-secret", "NAME", "docker-imagepullsecret", "secret to pull it with, which a public image does without; empty: none"},
		{&s.serviceAccount, "service-account", "NAME", "dynamo-sa", "service account of the pod; empty: default"},
		{&s.pvc, "pvc", "NAME", "dynamo-pvc", "claim of the volume for results, mounted at /data"},
		{&s.cpu, "cpu", "QUANTITY", "4", "CPUs to reserve"},
		{&s.cpuLimit, "cpu-limit", "QUANTITY", "", "CPUs at most; default: " + defaultCPULimit + ", or -cpu if that is more"},
		{&s.memory, "memory", "QUANTITY", "8Gi", "memory to reserve"},
		{&s.memoryLimit, "memory-limit", "QUANTITY", "", "memory at most; default: " + defaultMemoryLimit + ", or -memory if that is more"},
		{&s.hfTokenSecret, "hf-token-secret", "NAME/KEY", "hf-token-secret/HF_TOKEN", "secret with the Hugging Face token, for the tokenizers of gated models: it may be missing; empty: none"},
		{&s.apiKeySecret, "api-key-secret", "NAME/KEY", "", "secret with the API key of the endpoint"},
	}
}

type ownFlag struct {
	target                     *string
	name, value, preset, usage string
}

func parse(args []string) (*settings, error) {
	s := &settings{}
	fs := flag.NewFlagSet("render", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	s.sweep = harness.RegisterFlags(fs)
	for _, f := range s.own() {
		fs.StringVar(f.target, f.name, f.preset, f.usage)
	}
	fs.Func("env-secret", "", func(text string) error {
		s.envSecrets = append(s.envSecrets, text)
		return nil
	})
	switch err := fs.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return nil, err
	case err != nil:
		return nil, errors.New(harness.UnknownFlag(err))
	case s.sweep.Help():
		return nil, flag.ErrHelp
	case fs.NArg() > 0:
		return nil, fmt.Errorf("unexpected argument %q: flags are written -name=value or -name value", fs.Arg(0))
	}
	return s, nil
}

// printHelp writes the command's own flags within 80 columns, and where to find the others.
func printHelp(w io.Writer) {
	fmt.Fprint(w, `render prints a Kubernetes Job that runs one benchmark inside the cluster.

  go run ./scripts/cluster/render -benchmark-name NAME -endpoint URL [flags]

Examples:
  # a service in the namespace of the Job
  go run ./scripts/cluster/render -model Qwen/Qwen3-0.6B \
    -benchmark-name vllm-agg -endpoint vllm-agg-frontend:8000 |
    kubectl apply -n benchmarking -f -

  # a service in another namespace, other levels; to read before it is applied
  go run ./scripts/cluster/render -benchmark-name vllm-agg \
    -endpoint vllm-agg-frontend.serving.svc.cluster.local:8000 \
    -concurrencies 1,10,100 -o job.yaml

Each flag of a benchmark is taken too, -isl, -concurrencies or -header say:
go test ./bench -v -count=1 -llmsweep.help lists them. The environment is not
read. The Job's text is no place for secrets: the value of a header must come
from a variable, -header NAME:env:VARIABLE, and that from a Kubernetes secret.

Flags:
`)
	printFlag := func(name, value, preset, usage string) {
		if preset != "" {
			usage += " (default " + preset + ")"
		}
		fmt.Fprintf(w, "  -%s %s\n", name, value)
		for _, line := range wrap(usage, 72) {
			fmt.Fprintf(w, "        %s\n", line)
		}
	}
	for _, f := range new(settings).own() {
		printFlag(f.name, f.value, f.preset, f.usage)
	}
	printFlag("env-secret", "VARIABLE=NAME/KEY", "", "variable of the pod whose value is in a secret; repeatable")
}

// wrap breaks a text at blanks into lines of at most width columns.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines, line = append(lines, line), ""
		}
		line = strings.TrimSpace(line + " " + word)
	}
	return append(lines, line)
}
