// Package cmd is the mockserver command without its process, so that two programs can be it: cmd/mockserver, and the container image's
// bench.test under the name mockserver. Its flags also describe the mock server that a benchmark embeds.
//
// Names and defaults are those of Dynamo's mocker. What it has and a server that stands alone cannot honour is refused with the reason.
package cmd

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/llmsweep/llmsweep/mockserver"
)

const (
	exitOK = iota
	exitFailure
	exitUsage
)

// apiKeyVariable is an environment variable, since other users of the machine can read a command line.
const apiKeyVariable = "MOCKSERVER_API_KEY"

// Mockserver serves the mock inference server that args describe until SIGINT or SIGTERM, and returns the exit code: 0 after a signal, 1
// when it cannot serve, 2 when args are wrong. Once it listens it writes one line, with the address, to stdout.
func Mockserver(stdout, stderr io.Writer, args []string) int {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	return process{stdout, stderr, os.Getenv}.run(ctx, args)
}

// process is what the command has of its process.
type process struct {
	stdout, stderr io.Writer
	getenv         func(string) string
}

// run is the command without signals: it serves until the context ends and returns the exit code.
func (p process) run(ctx context.Context, args []string) int {
	c, err := parse(args)
	if errors.Is(err, flag.ErrHelp) {
		printHelp(p.stdout)
		return exitOK
	}
	if err != nil {
		fmt.Fprintf(p.stderr, "mockserver: %v (-h lists the flags)\n", err)
		return exitUsage
	}
	if c.version {
		fmt.Fprintf(p.stdout, "mockserver %s\n", mockserver.Version)
		return exitOK
	}
	c.options.APIKey = strings.TrimSpace(p.getenv(apiKeyVariable)) // read from a file, it often ends in a line break
	for _, note := range c.Notes {
		fmt.Fprintf(p.stderr, "mockserver: %s\n", note)
	}
	if err := c.serve(ctx, p.stdout); err != nil {
		fmt.Fprintf(p.stderr, "mockserver: %v\n", oneLine(err))
		return exitFailure
	}
	return exitOK
}

// command is the parsed command line.
type command struct {
	*settings
	host       string
	port       int
	tlsCert    string
	tlsKey     string
	selfSigned bool
	record     string
	version    bool
}

// newCommand is the command with its defaults.
func newCommand() *command {
	c := &command{settings: newSettings(mockserver.DefaultOptions()), host: "127.0.0.1", port: 8000}
	f := c.flags
	f.heading("Where to serve")
	f.text(&c.host, "host", "listen on this `address`; 0.0.0.0 is every one")
	f.count(&c.port, "port", "listen on port `n`; 0 takes a free one")
	f.text(&c.tlsCert, "tls-cert", "serve HTTPS with the certificates of this PEM `file`")
	f.text(&c.tlsKey, "tls-key", "PEM `file` with the key of -tls-cert")
	f.boolean(&c.selfSigned, "tls-self-signed", "serve HTTPS with a certificate that is made for this run")
	f.text(&c.record, "record", "append a JSON line for each request, with its times, to `file`")
	f.boolean(&c.version, "version", "print the version and end")
	c.define()
	return c
}

// parse reads the command line. Its error is [flag.ErrHelp] for -h, and else has every problem on one line.
func parse(args []string) (*command, error) {
	c := newCommand()
	err := c.settings.parse(args, func(path string) string { return path })
	return c, oneLine(errors.Join(c.validate(), err))
}

// validate is about where to serve.
func (c *command) validate() error {
	var host, port, pair, both error
	if strings.TrimSpace(c.host) == "" { // the listener would take every address
		host = errors.New(`host "": must be an address; 0.0.0.0 is every one`)
	}
	if c.port < 0 || c.port > 65535 {
		port = fmt.Errorf(`port "%d": must be between 0 and 65535`, c.port)
	}
	if (c.tlsCert == "") != (c.tlsKey == "") {
		pair = fmt.Errorf("tls-cert %q, tls-key %q: must be given together", c.tlsCert, c.tlsKey)
	}
	if c.selfSigned && c.tlsCert != "" {
		both = errors.New("tls-self-signed, tls-cert: leave one of both out")
	}
	return errors.Join(host, port, pair, both)
}
