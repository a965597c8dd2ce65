package bench

import (
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/llmsweep/llmsweep/harness"
)

// flags is what the command line said; TestMain sets it before any test runs.
var flags *harness.Flags

func TestMain(m *testing.M) {
	flags = harness.RegisterFlags(flag.CommandLine)
	// A wrong flag is one line, not the hundred of package testing's usage.
	flag.CommandLine.Init(os.Args[0], flag.ContinueOnError)
	flag.CommandLine.SetOutput(io.Discard)
	if err := flag.CommandLine.Parse(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "%s\nAll flags: go test ./bench -v -count=1 -llmsweep.help\n", harness.UnknownFlag(err))
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
	if flags.Given() && !namesEntryPoint("Sweep") && !namesEntryPoint("Gate") {
		fmt.Fprintln(os.Stderr, "llmsweep's flags are for an entry point, and -run names none: add -run Sweep or -run Gate")
		os.Exit(2)
	}
	os.Exit(m.Run())
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
