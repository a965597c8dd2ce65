package kubectl

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"sync"
	"time"

	"github.com/llmsweep/llmsweep/harness/process"
)

// Service is a port of a service in the cluster.
type Service struct {
	Namespace, Name string
	Port            int
}

// String is namespace/name:port.
func (s Service) String() string { return fmt.Sprintf("%s/%s:%d", s.Namespace, s.Name, s.Port) }

// Forward is a running kubectl port-forward, from a port of the loopback interface to one pod of a service. Its methods are called one
// after another, not concurrently.
type Forward struct {
	tool    *Tool
	service Service
	process *process.Process // nil once closed
	address string
}

// Forward starts a port-forward and returns when its local port accepts connections, or when ctx ends; ctx does not end it later, Close does.
// A pod that does not run yet is an *Error of kind NotRunning.
func (t *Tool) Forward(ctx context.Context, service Service) (*Forward, error) {
	f := &Forward{tool: t, service: service}
	if err := f.open(ctx); err != nil {
		return nil, t.clarify(ctx, service.Namespace, err)
	}
	return f, nil
}

// clarify replaces "not found" by the missing namespace, where that is the reason.
func (t *Tool) clarify(ctx context.Context, namespace string, err error) error {
	var failure *Error
	if errors.As(err, &failure) && failure.Kind == NotFound && failure.Resource != "namespaces" && t.NamespaceMissing(ctx, namespace) {
		return explain("", "", fmt.Sprintf("Error from server (NotFound): namespaces %q not found", namespace))
	}
	return err
}

// Address is the local end, 127.0.0.1:port. A restart changes it.
func (f *Forward) Address() string { return f.address }

// Ended returns why the port-forward ended by itself, or nil if it still runs after the wait. Its connections break a moment before it has ended.
func (f *Forward) Ended(wait time.Duration) error {
	if f.process == nil {
		return &Error{Kind: Lost, text: "kubectl port-forward: is closed"}
	}
	over := time.NewTimer(wait)
	defer over.Stop()
	select {
	case <-f.process.Ended():
	case <-over.C:
		select {
		case <-f.process.Ended(): // both at once
		default:
			return nil
		}
	}
	return failure(f.process, f.service.Namespace, "port-forward", f.process.Err())
}

// Restart ends what runs and starts anew, as Tool.Forward does. The local port is another one: the old one may be taken, and who goes by
// Address does not care.
func (f *Forward) Restart(ctx context.Context) error {
	f.Close()
	return f.tool.clarify(ctx, f.service.Namespace, f.open(ctx))
}

// Close ends the port-forward and everything that it started. It may be called more than once.
func (f *Forward) Close() {
	if f.process != nil {
		_ = f.process.Stop()
		f.process = nil
	}
}

// open starts kubectl and waits for its port.
func (f *Forward) open(ctx context.Context) error {
	listens := &announcement{port: make(chan int, 1)}
	c := Command{Namespace: f.service.Namespace, Args: []string{
		"port-forward", "--address", "127.0.0.1", "--pod-running-timeout", podLimit(ctx).String(), "svc/" + f.service.Name, fmt.Sprintf(":%d", f.service.Port),
	}}
	p, err := f.tool.start(nil, listens, c.line())
	if err != nil {
		return err
	}
	select {
	case port := <-listens.port:
		f.address = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		err = accepts(ctx, f.address)
	case <-p.Ended():
		err = failure(p, c.Namespace, "port-forward", p.Err())
	case <-ctx.Done():
		err = silence(ctx)
	}
	if err != nil {
		_ = p.Stop()
		return err
	}
	f.process = p
	return nil
}

// silence is the error of a kubectl that was still silent when ctx ended.
func silence(ctx context.Context) error {
	if !errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
		return context.Cause(ctx)
	}
	return &Error{Kind: TimedOut, text: "kubectl port-forward: did not begin in time: " + checkConnection}
}

// podLimit is how long kubectl itself may wait for a pod: not beyond ctx, and a minute if that is endless.
func podLimit(ctx context.Context) time.Duration {
	at, limited := ctx.Deadline()
	if !limited {
		return time.Minute
	}
	return max(time.Until(at).Truncate(time.Second), time.Second)
}

// acceptLimit is how long a port that kubectl has announced may refuse.
const acceptLimit = 5 * time.Second

// accepts waits until the address takes a connection.
func accepts(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, acceptLimit)
	defer cancel()
	for {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("kubectl port-forward: its local port takes no connection: %w", err)
		}
	}
}

// announced is what kubectl prints when it listens. For each connection it prints another line.
var announced = regexp.MustCompile(`(?m)^Forwarding from 127\.0\.0\.1:(\d+) -> `)

// announcement finds the local port in what kubectl prints.
type announcement struct {
	mu   sync.Mutex
	text []byte // the line so far, until the port is known
	port chan int
	done bool
}

// Write looks for the port; what comes after it is thrown away.
func (a *announcement) Write(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.done {
		return len(p), nil
	}
	a.text = append(a.text, p...)
	for _, match := range announced.FindAllSubmatch(a.text, -1) {
		if port, err := strconv.ParseUint(string(match[1]), 10, 16); err == nil && port > 0 {
			a.port <- int(port)
			a.done, a.text = true, nil
			return len(p), nil
		}
	}
	a.text = a.text[bytes.LastIndexByte(a.text, '\n')+1:] // it is no earlier line
	a.text = a.text[:min(len(a.text), maxAnnouncement)]
	return len(p), nil
}

// maxAnnouncement is more than the beginning of a line that counts, in bytes.
const maxAnnouncement = 1 << 10
