package kubectl

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"
)

// process is a running kubectl with everything that it started.
type process struct {
	cmd    *exec.Cmd
	life   *os.File // its end ends the whole group
	stderr tail
	ended  chan struct{}
	err    error // of cmd.Wait, once ended is closed
}

// leftoverLimit is how long a process that kubectl left behind may hold on to its output.
const leftoverLimit = 2 * time.Second

// start runs kubectl. The caller must stop it, also when it ended by itself.
func (t *Tool) start(stdin io.Reader, stdout io.Writer, args []string) (*process, error) {
	watched, life, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("starting kubectl: %w", err)
	}
	defer watched.Close()
	p := &process{cmd: supervised(t.path, args, watched), life: life, ended: make(chan struct{})}
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = stdin, stdout, &p.stderr
	p.cmd.WaitDelay = leftoverLimit
	// kubectl translates some of its texts.
	p.cmd.Env = append(os.Environ(), "LC_ALL=C")
	if err := p.cmd.Start(); err != nil {
		_ = life.Close()
		return nil, fmt.Errorf("starting kubectl: %w", err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

// stop ends kubectl, waits for that, and returns the error of a kubectl that had ended by itself: nil for exit code 0.
func (p *process) stop() error {
	_ = p.life.Close() // tells the group to end; there is nothing to be lost
	select {
	case <-p.ended:
	case <-time.After(leftoverLimit):
		// Its supervisor does not listen: stopped, or killed by somebody else.
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
	if errors.Is(p.err, exec.ErrWaitDelay) {
		return nil // kubectl succeeded; something it started held on to its output
	}
	return p.err
}

// failure puts the end of kubectl into words.
func (p *process) failure(namespace, verb string, status error) *Error {
	if text := p.stderr.String(); text != "" {
		return explain(namespace, verb, text)
	}
	if status == nil {
		status = errors.New("exit status 0")
	}
	return &Error{Kind: Other, text: fmt.Sprintf("kubectl %s: ended without a word: %v", verb, status)}
}

// tail keeps the end of what is written to it. It is safe for concurrent use.
type tail struct {
	mu   sync.Mutex
	text []byte
}

// tailSize is how much of kubectl's standard error is kept, in bytes.
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
