package bench

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/llmsweep/llmsweep/harness"
	mockcmd "github.com/llmsweep/llmsweep/mockserver/cmd"
	reportcmd "github.com/llmsweep/llmsweep/reporting/cmd"
)

// flags is what the command line said; TestMain sets it before any test runs.
var flags *harness.Flags

func TestMain(m *testing.M) {
	if command := commandNamed(filepath.Base(os.Args[0])); command != nil {
		os.Exit(command(os.Stdout, os.Stderr, os.Args[1:]))
	}
	flags = harness.RegisterFlags(flag.CommandLine)
	// A wrong flag is one line, not the hundred of package testing's usage.
	flag.CommandLine.Init(os.Args[0], flag.ContinueOnError)
	flag.CommandLine.SetOutput(io.Discard)
	if err := flag.CommandLine.Parse(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "%s\n%s\n", harness.UnknownFlag(err), helpHint())
		os.Exit(2)
	}
	flag.CommandLine.SetOutput(os.Stderr)
	if flags.Help() {
		harness.PrintHelp(os.Stdout)
		return
	}
	if left := flag.Args(); len(left) > 0 {
		fmt.Fprintf(os.Stderr, "unexpected arguments %q: flags are written -name=value, after the package\n", left)
		os.Exit(2)
	}
	if flags.Given() && !slices.ContainsFunc(entryPoints(), namesEntryPoint) {
		fmt.Fprintf(os.Stderr, "llmsweep's flags are for an entry point, and -run names none: add -run %s\n", strings.Join(entryPoints(), ", -run "))
		os.Exit(2)
	}
	if printedConfig(os.Stdout) {
		return
	}
	os.Exit(m.Run())
}

// printedConfig prints what the flags of an entry point come to, if that is what was asked for. Here no test has begun, whose lines would
// stand before it. What is wrong with the flags the entry point says.
func printedConfig(w io.Writer) bool {
	if !slices.ContainsFunc(entryPoints(), namesEntryPoint) {
		return false
	}
	plan, err := flags.Plan(os.Getenv)
	if err != nil || !plan.PrintConfig {
		return false
	}
	for _, warning := range harness.UnknownEnvironment(os.Environ()) {
		fmt.Fprintln(w, "# warning:", warning)
	}
	if err := plan.WriteConfig(w); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return true
}

// entryPoints are the tests that -run must name.
func entryPoints() []string { return []string{"Sweep", "Gate", "Calibrate", "Compare", "SelfCompare"} }

// commandNamed returns the command that a link of this name to the compiled test stands for, or nil. Compiled, the tests hold all that
// report and mockserver are made of: as links to them, the two add nothing to the size of the container image.
func commandNamed(name string) func(stdout, stderr io.Writer, args []string) int {
	switch name {
	case "report":
		return reportcmd.Report
	case "mockserver":
		return mockcmd.Mockserver
	}
	return nil
}

// helpHint says how to list the flags. A container has no go command: the image's entry point names itself in LLMSWEEP_HELP.
func helpHint() string {
	command := os.Getenv("LLMSWEEP_HELP")
	if command == "" {
		command = "go test ./bench -v -count=1 -llmsweep.help"
	}
	return "All flags: " + command
}

// entryPoint skips t unless -run names it: a plain go test ./... must not send load.
func entryPoint(t *testing.T, name string) {
	t.Helper()
	if !namesEntryPoint(name) {
		t.Skipf("sends load: run it with -run %s", name)
	}
}

func namesEntryPoint(name string) bool {
	return strings.Contains(flag.Lookup("test.run").Value.String(), name)
}
