package memnet

import (
	"bytes"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// capacity is how many bytes a direction holds before its writer blocks: enough
// that a server never waits for a client which reads at all.
const capacity = 1 << 20

// pipe is one direction of a connection. Every change is broadcast, and waiters
// look again: with one reader and one writer that wakes nobody in vain.
type pipe struct {
	mu               sync.Mutex
	changed          sync.Cond
	data             bytes.Buffer
	reading, writing deadline
	readerClosed     bool
	writerClosed     bool
	reset            bool // by whoever closed first
}

// deadline is the state of a read or write deadline, guarded by its pipe's lock.
type deadline struct {
	timer  *time.Timer
	set    int // how many times it was set: tells a late timer from the current one
	passed bool
}

func newPipe() *pipe {
	p := new(pipe)
	p.changed.L = &p.mu
	return p
}

func (p *pipe) read(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		// A deadline that has passed wins over data that is there: the server of
		// net/http sets one in the past to take its background reader off.
		switch {
		case p.readerClosed:
			return 0, net.ErrClosed
		case p.reading.passed:
			return 0, os.ErrDeadlineExceeded
		case len(b) == 0:
			return 0, nil
		case p.data.Len() > 0:
			n, _ := p.data.Read(b)
			p.changed.Broadcast()
			return n, nil
		case p.writerClosed && p.reset:
			return 0, syscall.ECONNRESET
		case p.writerClosed:
			return 0, io.EOF
		}
		p.changed.Wait()
	}
}

func (p *pipe) write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	written := 0
	for {
		switch {
		case p.writerClosed:
			return written, net.ErrClosed
		case p.writing.passed:
			return written, os.ErrDeadlineExceeded
		case p.readerClosed && p.reset:
			return written, syscall.ECONNRESET
		case p.readerClosed:
			return written, syscall.EPIPE
		}
		n := min(len(b)-written, capacity-p.data.Len())
		if n > 0 {
			p.data.Write(b[written : written+n])
			written += n
			p.changed.Broadcast()
		}
		if written == len(b) {
			return written, nil
		}
		p.changed.Wait()
	}
}

// closeReader drops what nobody will read and makes writes fail. It reports
// whether this was the first call.
func (p *pipe) closeReader(resets bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	first := !p.readerClosed
	p.reset = p.reset || resets && !p.writerClosed
	p.readerClosed = true
	p.data = bytes.Buffer{}
	p.reading.stop()
	p.changed.Broadcast()
	return first
}

// closeWriter lets the reader have what is there, then io.EOF or news of a reset.
func (p *pipe) closeWriter(resets bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reset = p.reset || resets && !p.readerClosed
	p.writerClosed = true
	p.writing.stop()
	p.changed.Broadcast()
}

// setDeadline sets one of the pipe's two deadlines; the zero time removes it.
func (p *pipe) setDeadline(d *deadline, t time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if d == &p.reading && p.readerClosed || d == &p.writing && p.writerClosed {
		return net.ErrClosed
	}
	d.stop()
	d.set++
	d.passed = false
	if t.IsZero() {
		return nil
	}
	wait := time.Until(t)
	if wait <= 0 {
		d.passed = true
		p.changed.Broadcast()
		return nil
	}
	set := d.set
	d.timer = time.AfterFunc(wait, func() { p.expire(d, set) })
	return nil
}

// expire is what a timer does, unless the deadline was set again meanwhile.
func (p *pipe) expire(d *deadline, set int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if d.set != set {
		return
	}
	d.passed = true
	p.changed.Broadcast()
}

func (d *deadline) stop() {
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
}
