package harness

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/llmsweep/llmsweep/harness/process"
	"github.com/llmsweep/llmsweep/harness/record"
)

// armGrace is how long the command of an arm may take to end.
const armGrace = 30 * time.Second

// Serve starts the arm's command, if it has one, whose output goes to log. The context ends with ctx, and when the command ends by itself;
// stop ends the command, and with it the context. Something else that listens already where the arm's server will is an error: its figures
// would be taken for the arm's.
func (a Arm) Serve(ctx context.Context, log io.Writer, block int) (serving context.Context, stop func(), err error) {
	serving, cancel := context.WithCancelCause(ctx)
	if a.Command == "" {
		return serving, func() { cancel(nil) }, nil
	}
	if err := vacantAddress(ctx, a.Target); err != nil {
		cancel(nil)
		return nil, nil, fmt.Errorf("arm %s: %w", a.Name, err)
	}
	p, err := process.Start(process.Spec{
		Path: "/bin/sh", Args: []string{"-c", a.Command}, Dir: moduleRoot(), Stdout: log, Stderr: log,
		Env: []string{"LLMSWEEP_ARM=" + a.Name, fmt.Sprintf("LLMSWEEP_BLOCK=%d", block)},
	})
	if err != nil {
		cancel(nil)
		return nil, nil, fmt.Errorf("arm %s: %w", a.Name, err)
	}
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case <-p.Ended():
			cancel(fmt.Errorf("arm %s: its command ended by itself%s", a.Name, lastWords(p)))
		case <-serving.Done():
		}
	}()
	return serving, func() {
		cancel(nil)
		<-watched
		p.Terminate(armGrace)
	}, nil
}

// lastWords says how a program ended, with its last words.
func lastWords(p *process.Process) string {
	text := ""
	if err := p.Err(); err != nil {
		text = ": " + err.Error()
	}
	lines := strings.Split(strings.TrimSpace(p.Stderr()), "\n")
	if last := strings.TrimSpace(lines[len(lines)-1]); last != "" {
		text += ", saying: " + record.Printable(last)
	}
	return text
}

// vacantAddress is an error if something accepts connections at the target.
func vacantAddress(ctx context.Context, target *url.URL) error {
	if target.Scheme == forwardScheme {
		return nil // what its service leads to is the cluster's to say
	}
	port := target.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[target.Scheme]
	}
	address := net.JoinHostPort(target.Hostname(), port)
	dialer := net.Dialer{Timeout: time.Second}
	conn, _ := dialer.DialContext(ctx, "tcp", address)
	if conn == nil { // nobody is there, as it should be
		return nil
	}
	_ = conn.Close()
	return fmt.Errorf("something listens on %s already, before the command has started: end it, or leave out -arm-command if it is the server", address)
}
