// Package kubectl drives the user's own kubectl as a child process: its contexts, its credentials and its plugins are then ours, and
// no Kubernetes library is.
//
// Three things are added to the bare command. Every call has a bound. What kubectl says on its standard error becomes one line: what was
// refused, why, and what to do (Error). And no kubectl outlives us (package process).
//
// The room knows nothing of benchmarks. Only flags that kubectl has had for years are used.
package kubectl

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"time"

	"github.com/llmsweep/llmsweep/harness/process"
)

// Tool is a kubectl that was found.
type Tool struct{ path string }

// Find looks for kubectl on PATH.
func Find() (*Tool, error) {
	path, err := exec.LookPath("kubectl")
	if err != nil {
		return nil, &Error{Kind: NotInstalled, text: "kubectl: not found on PATH: install it (https://kubernetes.io/docs/tasks/tools), or run inside the cluster"}
	}
	return &Tool{path}, nil
}

// Command is one call of kubectl.
type Command struct {
	Namespace string        // "": that of the context
	Args      []string      // without the namespace
	Stdin     io.Reader     // nil: nothing
	Stdout    io.Writer     // nil: thrown away
	Limit     time.Duration // of the whole call; 0: that of its context alone
}

// line is the command with its namespace. Flags come before the arguments of "exec", which end at "--".
func (c Command) line() []string {
	if c.Namespace == "" {
		return c.Args
	}
	return append([]string{"--namespace", c.Namespace}, c.Args...)
}

// Do runs a command to its end. When it fails, the error is an *Error; when ctx ends, the cause of ctx.
func (t *Tool) Do(ctx context.Context, c Command) error {
	limited := ctx
	if c.Limit > 0 {
		var cancel context.CancelFunc
		limited, cancel = context.WithTimeout(ctx, c.Limit)
		defer cancel()
	}
	p, err := t.start(c.Stdin, c.Stdout, c.line())
	if err != nil {
		return err
	}
	select {
	case <-p.Ended():
	case <-limited.Done():
	}
	// Before its end is looked at: what ended in the same instant has not failed.
	status := p.Stop()
	switch {
	case status == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case limited.Err() != nil:
		return &Error{Kind: TimedOut, text: fmt.Sprintf("kubectl %s: no answer within %v: %s", verb(c.Args), c.Limit, checkConnection)}
	}
	return failure(p, c.Namespace, verb(c.Args), status)
}

// start runs kubectl, whose texts are then the untranslated ones. The caller must stop it, also when it ended by itself.
func (t *Tool) start(stdin io.Reader, stdout io.Writer, args []string) (*process.Process, error) {
	return process.Start(process.Spec{Path: t.path, Args: args, Env: []string{"LC_ALL=C"}, Stdin: stdin, Stdout: stdout})
}

// Output runs a command within a limit and returns what it wrote to its standard output.
func (t *Tool) Output(ctx context.Context, namespace string, limit time.Duration, args ...string) ([]byte, error) {
	var out bytes.Buffer
	err := t.Do(ctx, Command{Namespace: namespace, Args: args, Stdout: &out, Limit: limit})
	return out.Bytes(), err
}

// NamespaceMissing reports whether the cluster says that a namespace does not exist. A cluster asked for something inside answers
// only that this is not there.
func (t *Tool) NamespaceMissing(ctx context.Context, namespace string) bool {
	_, err := t.Output(ctx, "", queryLimit, "get", "namespace", namespace, "--output", "name")
	var failure *Error
	return errors.As(err, &failure) && failure.Kind == NotFound
}

// queryLimit is how long a question about one object may take; slow credential plugins included.
const queryLimit = 20 * time.Second

// verb is the first word of a command, "get" say.
func verb(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}
