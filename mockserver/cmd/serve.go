package cmd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/llmsweep/llmsweep/mockserver"
)

// serve opens what is needed and serves until the context ends.
func (c *command) serve(ctx context.Context, stdout io.Writer) (err error) {
	certificates, err := c.certificates()
	if err != nil {
		return err
	}
	listener, err := c.listen()
	if err != nil {
		return err
	}
	if c.record != "" {
		// Appended to: a second start must not cost what the first one has recorded.
		file, openErr := os.OpenFile(c.record, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		if openErr != nil {
			return errors.Join(fmt.Errorf("record: %w", openErr), listener.Close())
		}
		defer func() { err = errors.Join(err, file.Close()) }()
		c.options.Record = file
	}
	c.options.FineTimer = true
	server, err := mockserver.New(c.options)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	fmt.Fprintln(stdout, c.announcement(listener.Addr(), certificates))
	served := make(chan error, 1)
	go func() {
		if certificates == nil {
			served <- server.Serve(listener)
		} else {
			served <- server.ServeTLS(listener, certificates)
		}
	}()
	select {
	case <-ctx.Done():
		err = server.Close()
		return errors.Join(err, <-served)
	case err = <-served:
		return errors.Join(err, server.Close())
	}
}

func (c *command) listen() (net.Listener, error) {
	listener, err := net.Listen("tcp", net.JoinHostPort(c.host, strconv.Itoa(c.port)))
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%w: choose another -port, or 0 for a free one", err)
	}
	return listener, err
}

// certificates are those to serve HTTPS with, or nil.
func (c *command) certificates() (*tls.Config, error) {
	var certificate tls.Certificate
	var err error
	switch {
	case c.selfSigned:
		certificate, err = mockserver.SelfSigned(c.host)
	case c.tlsCert != "":
		if certificate, err = tls.LoadX509KeyPair(c.tlsCert, c.tlsKey); err != nil {
			err = fmt.Errorf("tls-cert %q, tls-key %q: %w", c.tlsCert, c.tlsKey, err)
		}
	default:
		return nil, nil
	}
	return &tls.Config{Certificates: []tls.Certificate{certificate}}, err
}

// announcement is the line that says where the server is, and what is not as ever.
func (c *command) announcement(address net.Addr, certificates *tls.Config) string {
	scheme := "http"
	if certificates != nil {
		scheme = "https"
	}
	return fmt.Sprintf("mockserver: serving %s on %s://%s (%s)", c.options.Model, scheme, address, strings.Join(c.traits(), ", "))
}

// traits are what tells this server from others.
func (c *command) traits() []string {
	o := c.options
	var traits []string
	switch {
	case o.Plain != nil:
		traits = append(traits, fmt.Sprintf("plain, ttft %v, itl %v", o.Plain.TTFT, o.Plain.ITL))
	case o.EngineType != mockserver.DefaultOptions().EngineType:
		traits = append(traits, string(o.EngineType))
	}
	switch engines := o.NumWorkers * o.DataParallelSize; {
	case o.NumPrefillWorkers > 0:
		traits = append(traits, fmt.Sprintf("%d prefill and %d decode workers", o.NumPrefillWorkers, o.NumWorkers))
	case engines > 1:
		traits = append(traits, fmt.Sprintf("%d engines", engines))
	}
	if c.profile != "" {
		traits = append(traits, "profile "+c.profile)
	}
	if rules := len(o.Faults.Rules); rules > 0 {
		traits = append(traits, fmt.Sprintf("faults by %d %s", rules, map[bool]string{true: "rule", false: "rules"}[rules == 1]))
	}
	if o.FaultHeader {
		traits = append(traits, "faults by header")
	}
	if c.options.APIKey != "" {
		traits = append(traits, "with API key")
	}
	return append(traits, fmt.Sprintf("speedup %v", o.SpeedupRatio))
}
