// Package process runs other programs, of which none outlives us. Each has a process group of its own, with everything that it starts: a
// Ctrl-C in the terminal does not reach it, and it ends when our process does, a SIGKILL included.
package process

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"
)

// Spec says what to run.
type Spec struct {
	Path           string   // of the program
	Args           []string // without its name
	Env            []string // NAME=value, added to our own
	Dir            string   // working directory; "": ours
	Stdin          io.Reader
	Stdout, Stderr io.Writer // nil: thrown away; of Stderr the end is kept in any case
}

// Process is a running program with everything that it started.
type Process struct {
	cmd    *exec.Cmd
	life   *os.File // its end ends the whole group
	stderr tail
	ended  chan struct{}
	err    error // of cmd.Wait, once ended is closed
}

// leftoverLimit is how long a process that was left behind may hold on to the output.
const leftoverLimit = 2 * time.Second

// Start runs a program. The caller must stop it, also when it ended by itself.
func Start(s Spec) (*Process, error) {
	watched, life, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", s.Path, err)
	}
	defer watched.Close()
	p := &Process{cmd: supervised(s.Path, s.Args, watched), life: life, ended: make(chan struct{})}
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = s.Stdin, s.Stdout, &p.stderr
	if s.Stderr != nil {
		var one sync.Mutex // both may be the same writer, and each is written to by a goroutine of its own
		p.cmd.Stderr = io.MultiWriter(locked{&one, s.Stderr}, &p.stderr)
		if s.Stdout != nil {
			p.cmd.Stdout = locked{&one, s.Stdout}
		}
	}
	p.cmd.WaitDelay = leftoverLimit
	p.cmd.Env, p.cmd.Dir = append(os.Environ(), s.Env...), s.Dir
	if err := p.cmd.Start(); err != nil {
		_ = life.Close()
		return nil, fmt.Errorf("starting %s: %w", s.Path, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

// Ended is closed when the program has ended, by itself or not.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Err is how a program ended of which Ended is closed: nil for exit code 0.
func (p *Process) Err() error { return p.err }

// Stderr is the end of what the program wrote to its standard error.
func (p *Process) Stderr() string { return p.stderr.String() }

// Stop ends the program at once, waits for that, and returns the error of one that had ended by itself: nil for exit code 0.
func (p *Process) Stop() error {
	_ = p.life.Close() // tells the group to end; there is nothing to be lost
	select {
	case <-p.ended:
	case <-time.After(leftoverLimit):
		// Its supervisor does not listen: stopped, or killed by somebody else.
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
	if errors.Is(p.err, exec.ErrWaitDelay) {
		return nil // it succeeded; something it started held on to its output
	}
	return p.err
}

// Terminate asks the program, and all that it started, to end (SIGTERM), and stops what has not ended after grace. Where the system has no
// such request, it stops it at once. killed says that something had to be stopped.
func (p *Process) Terminate(grace time.Duration) (killed bool) {
	killed = !p.ask(grace)
	_ = p.Stop()
	return killed
}

// locked is a writer that is written to under a lock.
type locked struct {
	lock *sync.Mutex
	to   io.Writer
}

// Write writes p.
func (l locked) Write(p []byte) (int, error) {
	l.lock.Lock()
	defer l.lock.Unlock()
	return l.to.Write(p)
}

// tail keeps the end of what is written to it. It is safe for concurrent use.
type tail struct {
	mu   sync.Mutex
	text []byte
}

// tailSize is how much of a standard error is kept, in bytes.
const tailSize = 16 << 10

// Write keeps the end of p.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if extra := len(t.text) - tailSize; extra > 0 {
		t.text = append(t.text[:0], t.text[extra:]...)
	}
	return len(p), nil
}

// String is what was kept.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text)
}
