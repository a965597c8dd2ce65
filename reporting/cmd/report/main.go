// Report writes charts, page and summary of recorded benchmarks.
//
//	go run ./reporting/cmd/report -data-dir benchmarks/results
//
// It exits with 1 where there is nothing to report on and with 2 on bad usage.
package main

import (
	"os"

	"github.com/llmsweep/llmsweep/reporting/cmd"
)

func main() { os.Exit(cmd.Report(os.Stdout, os.Stderr, os.Args[1:])) }
