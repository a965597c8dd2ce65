// Command mockserver serves the mock inference server of package mockserver
// until it is interrupted.
//
//	go run ./mockserver/cmd/mockserver -port 8000
//
// Once it listens it prints one line, with the address. It exits with 0 after
// SIGINT or SIGTERM, with 2 when the command line is wrong and with 1 when it
// cannot serve.
package main

import (
	"os"

	"github.com/llmsweep/llmsweep/mockserver/cmd"
)

func main() { os.Exit(cmd.Mockserver(os.Stdout, os.Stderr, os.Args[1:])) }
