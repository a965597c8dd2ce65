package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/llmsweep/llmsweep/harness"
	"github.com/llmsweep/llmsweep/harness/compare"
)

// helpFlag is the harness's own help flag, whose text speaks of go test.
const helpFlag = "llmsweep.help"

// command is a parsed command line: the flags to check, and the same flags in the spelling of bench.test.
type command struct {
	flags *harness.Flags
	set   *flag.FlagSet // what defines them
	args  []string
}

// recorder is a flag under any of its names. It notes what was given in the order in which it was given, since the value of a repeated flag
// cannot be told apart again once package flag has it.
type recorder struct {
	flag.Value
	name string
	to   *command
}

// Set takes a value from the command line.
func (r recorder) Set(value string) error {
	r.to.args = append(r.to.args, "-"+r.name+"="+value)
	return r.Value.Set(value)
}

// IsBoolFlag lets package flag accept the flag without a value.
func (r recorder) IsBoolFlag() bool {
	b, ok := r.Value.(interface{ IsBoolFlag() bool })
	return ok && b.IsBoolFlag()
}

// shortForms are the guide's. go test has flags of these names, so they exist only here.
func shortForms() map[string]string {
	return map[string]string{"m": "model", "i": "isl", "s": "std", "o": "osl", "d": "output-dir"}
}

// parseArguments reads the flags of a benchmark. Its error is [flag.ErrHelp] for a wish for help.
func parseArguments(args []string) (*command, error) {
	c := &command{set: flag.NewFlagSet("harness", flag.ContinueOnError)}
	c.flags = harness.RegisterFlags(c.set)
	outer := flag.NewFlagSet("llmsweep", flag.ContinueOnError)
	// Errors and help are printed by the caller, once and in one form.
	outer.SetOutput(io.Discard)
	c.set.VisitAll(func(f *flag.Flag) { outer.Var(recorder{f.Value, f.Name, c}, f.Name, f.Usage) })
	for short, name := range shortForms() {
		outer.Var(recorder{c.set.Lookup(name).Value, name, c}, short, "")
	}
	if err := outer.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil, err
		}
		return nil, errors.New(harness.UnknownFlag(err))
	}
	if c.flags.Help() {
		return nil, flag.ErrHelp
	}
	if left := outer.Args(); len(left) > 0 {
		return nil, fmt.Errorf("unexpected arguments %q: flags are written --name=value or --name value", left)
	}
	return c, nil
}

// give adds a flag that the command line does not have.
func (c *command) give(name, value string) error {
	return recorder{c.set.Lookup(name).Value, name, c}.Set(value)
}

// benchmark checks the command line and runs one entry point of bench.test with it.
func (im *image) benchmark(ctx context.Context, entryPoint string, args []string) int {
	c, err := parseArguments(args)
	if errors.Is(err, flag.ErrHelp) {
		printHelp(im.stdout)
		return exitOK
	}
	if err != nil {
		return im.usage(err.Error())
	}
	if !c.flags.Chosen("output-dir", im.getenv) {
		if err := c.give("output-dir", im.resultsDir()); err != nil {
			return im.usage(err.Error())
		}
	}
	plan, err := c.flags.Plan(im.getenv)
	if err != nil {
		return im.usage(strings.Split(err.Error(), "\n")...)
	}
	if entryPoint == "TestGate" {
		if err := checkGate(plan.Gate, len(plan.Arms) > 0); err != nil {
			return im.usage(strings.Split(err.Error(), "\n")...)
		}
	}
	// Without -test.timeout=0 a compiled test has no limit either; said once more, it survives a change of that default.
	return im.test(ctx, append([]string{"-test.run=^" + entryPoint + "$", "-test.v", "-test.timeout=0"}, c.args...))
}

// checkGate returns what is wrong with a gate as far as its rules tell, a line each.
func checkGate(gate harness.Gate, arms bool) error {
	if gate.File == "" {
		if gate.Baseline == "" && !arms {
			return errors.New("gate: nothing to judge by: pass --gate FILE with limits, or --baseline DIR and --candidate DIR, or two arms")
		}
		return nil
	}
	data, err := os.ReadFile(harness.Resolve(gate.File))
	if err != nil {
		return fmt.Errorf("gate %q cannot be read: %w", gate.File, err)
	}
	rules, err := compare.ParseRules(data)
	if err == nil && !arms {
		err = rules.Lack(gate.Baseline != "")
	}
	if err != nil {
		return fmt.Errorf("gate %q: %w", gate.File, err)
	}
	return nil
}

// printHelp writes the flags of a benchmark, the sub-commands and examples, within 80 columns.
func printHelp(w io.Writer) {
	fmt.Fprint(w, `llmsweep measures LLM endpoints that speak the OpenAI API.

  llmsweep --benchmark-name NAME --endpoint-url URL [flags]
  llmsweep gate (--gate FILE | --baseline DIR --candidate DIR) [flags]
  llmsweep (gate | compare) --arm base=URL --arm candidate=URL [flags]
  llmsweep self-compare --arm NAME=URL [flags]
  llmsweep report -data-dir DIR [-benchmark-name NAME ...]
  llmsweep mockserver [-port N] [flags]
  llmsweep results tar [-dir DIR] [-no-config]
  llmsweep healthcheck [URL]
  llmsweep hold [-for D]

Examples:
  # a server in the same cluster, results on the volume at /data
  llmsweep --model Qwen/Qwen3-0.6B --isl 2000 --std 10 --osl 256 \
    --output-dir /data/results --benchmark-name qwen3-0p6b-vllm-agg \
    --endpoint-url vllm-agg-frontend:8000

  # the same in short
  llmsweep -m Qwen/Qwen3-0.6B -i 2000 -s 10 -o 256 -d /data/results \
    --benchmark-name qwen3-0p6b-vllm-agg --endpoint-url vllm-agg-frontend:8000

  # no server at all: the embedded mock, in virtual time
  llmsweep --virtual --benchmark-name mock-virtual

  # results out of a pod; the last entry, MANIFEST.json, has their SHA-256
  kubectl exec access-pod -- /llmsweep results tar -no-config > results.tar

Flags have one dash or two. Each can come from the environment as BENCH_<NAME>,
for example BENCH_REQUEST_COUNT; ENDPOINT, MODEL, CONCURRENCIES and
REQUEST_COUNT also work without the prefix. A flag beats the environment, and
that a file of -config. The API key comes from OPENAI_API_KEY only. Results go
to /data/results if there is a /data. Exit codes: 0 passed, 1 failed, 2 wrong
command line, gate file or benchmark name.

Short forms: -m --model, -i --isl, -s --std, -o --osl, -d --output-dir,
-h --help

Flags:
`)
	// The harness prints them under go test's examples, which do not hold here.
	var all bytes.Buffer
	harness.PrintHelp(&all)
	_, list, _ := strings.Cut(all.String(), "\nFlags:\n")
	list, _, _ = strings.Cut(list, "  -"+helpFlag+"\n")
	fmt.Fprint(w, list)
}
