// Package cmd is the mockserver command without its process, so that two programs can be it: cmd/mockserver, and the container image's
// bench.test under the name mockserver.
package cmd

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"github.com/llmsweep/llmsweep/mockserver"
)

const (
	exitOK = iota
	exitFailure
	exitUsage
)

// Mockserver serves the mock inference server that args describe until SIGINT or SIGTERM, and returns the exit code: 0 after a signal, 1
// when it cannot serve, 2 when args are wrong. Once it listens it writes one line, with the address, to stdout.
func Mockserver(stdout, stderr io.Writer, args []string) int {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	return run(ctx, stdout, stderr, args)
}

// command is the parsed command line.
type command struct {
	host    string
	port    int
	options mockserver.Options
}

// run is the command without signals: it serves until the context ends and returns the exit code.
func run(ctx context.Context, stdout, stderr io.Writer, args []string) int {
	c, err := parse(args)
	if errors.Is(err, flag.ErrHelp) {
		printHelp(stdout)
		return exitOK
	}
	if err != nil {
		fmt.Fprintf(stderr, "mockserver: %s (-h lists the flags)\n", strings.ReplaceAll(err.Error(), "\n", "; "))
		return exitUsage
	}
	if err := c.serve(ctx, stdout); err != nil {
		fmt.Fprintf(stderr, "mockserver: %v\n", err)
		return exitFailure
	}
	return exitOK
}

// flags returns the flags of the command, which fill c.
func (c *command) flags() *flag.FlagSet {
	fs := flag.NewFlagSet("mockserver", flag.ContinueOnError)
	// Errors and help are printed by run, once and in one form.
	fs.SetOutput(io.Discard)
	c.options = mockserver.DefaultOptions()
	fs.StringVar(&c.host, "host", "127.0.0.1", "listen on this `address`; 0.0.0.0 is every one")
	fs.IntVar(&c.port, "port", 8000, "listen on port `n`; 0 takes a free one")
	mockserver.RegisterFlags(fs, &c.options)
	return fs
}

// parse reads the command line. Its error is [flag.ErrHelp] for -h.
func parse(args []string) (*command, error) {
	c := new(command)
	fs := c.flags()
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	var extra, port error
	if fs.NArg() > 0 {
		extra = fmt.Errorf("argument %q: only flags are expected", fs.Arg(0))
	}
	if c.port < 0 || c.port > 65535 {
		port = fmt.Errorf(`port "%d": must be between 0 and 65535`, c.port)
	}
	return c, errors.Join(extra, port, c.options.Validate())
}

// serve listens, announces it and serves until the context ends.
func (c *command) serve(ctx context.Context, stdout io.Writer) error {
	listener, err := net.Listen("tcp", net.JoinHostPort(c.host, strconv.Itoa(c.port)))
	if err != nil {
		if errors.Is(err, syscall.EADDRINUSE) {
			return fmt.Errorf("%w: choose another -port, or 0 for a free one", err)
		}
		return err
	}
	server, err := mockserver.New(c.options)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	fmt.Fprintf(stdout, "mockserver: serving %s on http://%s (speedup %v)\n",
		c.options.Model, listener.Addr(), c.options.SpeedupRatio)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case <-ctx.Done():
		err = server.Close()
		return errors.Join(err, <-served)
	case err = <-served:
		return errors.Join(err, server.Close())
	}
}
