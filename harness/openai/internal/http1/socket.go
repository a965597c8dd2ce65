package http1

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
)

// blockSize is the size of a read buffer in bytes: an event is some 250, so one read takes whatever a server wrote together.
const blockSize = 16 << 10

type block [blockSize]byte

// socket is a connection below TLS. It stamps its reads, and where the system allows it waits without a buffer.
//
// One goroutine uses it, but for deadlines and Close.
type socket struct {
	net.Conn
	transport *Transport
	raw       syscall.RawConn // nil: only Conn.Read can wait

	stamp int64 // of the last read that gave something
	reads int   // that gave something

	// The read under way. attempt is made once, not for each read.
	attempt func(fd uintptr) (done bool)
	into    []byte // nil: into a block
	block   *block
	n       int
	err     error
	poll    bool // do not wait: nothing to read is os.ErrDeadlineExceeded
}

func newSocket(c net.Conn, t *Transport) *socket {
	s := &socket{Conn: c, transport: t, raw: waitable(c)}
	if s.raw != nil {
		s.attempt = s.try
	}
	return s
}

// Read reads into a buffer of the caller, as TLS does.
func (s *socket) Read(p []byte) (int, error) {
	s.into = p
	n, err := s.read()
	s.into = nil
	return n, err
}

// readBlock reads into a block, which is the caller's then.
func (s *socket) readBlock() (*block, int, error) {
	if s.raw == nil {
		s.into = s.takeBlock()[:]
	}
	n, err := s.read()
	filled := s.block
	s.block, s.into = nil, nil
	if n == 0 && filled != nil {
		s.transport.blocks.Put(filled)
		filled = nil
	}
	return filled, n, err
}

func (s *socket) takeBlock() *block {
	s.block, _ = s.transport.blocks.Get().(*block)
	if s.block == nil {
		s.block = new(block)
	}
	return s.block
}

// read returns at least one byte or an error.
func (s *socket) read() (n int, err error) {
	if s.raw != nil {
		n, err = s.wait()
	} else {
		n, err = readSome(s.Conn, s.into)
	}
	if n == 0 {
		return 0, err
	}
	s.stamp = s.transport.now()
	s.reads++
	return n, nil // an error that came with bytes comes again
}

// wait reads once there is something to read.
func (s *socket) wait() (int, error) {
	s.n, s.err = 0, nil
	if err := s.raw.Read(s.attempt); err != nil {
		var op *net.OpError
		if errors.As(err, &op) {
			err = op.Err // a read like any other, which need not be called a raw one
		}
		return 0, s.failed(err)
	}
	if s.err == nil && s.n == 0 {
		return 0, io.EOF
	}
	return s.n, s.err
}

// failed dresses an error of the system as package net does.
func (s *socket) failed(err error) error {
	return &net.OpError{Op: "read", Net: "tcp", Source: s.LocalAddr(), Addr: s.RemoteAddr(), Err: err}
}

// try is one attempt to read, made when the descriptor may be readable. The block is taken for it and given back if nothing came.
func (s *socket) try(fd uintptr) (done bool) {
	p := s.into
	if p == nil {
		p = s.takeBlock()[:]
	}
	n, err := readDescriptor(fd, p)
	switch {
	case err == nil:
		s.n = n
		return true
	case !errors.Is(err, syscall.EAGAIN):
		s.err = s.failed(os.NewSyscallError("read", err))
		return true
	}
	if s.block != nil {
		s.transport.blocks.Put(s.block)
		s.block = nil
	}
	if s.poll {
		s.err = os.ErrDeadlineExceeded
	}
	return s.poll
}

// readSome is Read that gives something or fails.
func readSome(r io.Reader, p []byte) (int, error) {
	for range 100 {
		if n, err := r.Read(p); n > 0 || err != nil {
			return n, err
		}
	}
	return 0, io.ErrNoProgress
}
