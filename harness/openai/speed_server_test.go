//go:build linux

package openai_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// How the server of the benchmarks sends: one after another at an even pace, all that it can, one answer after another, or a few
// events and then nothing.
const (
	paced   = "paced"
	unpaced = "unpaced"
	answers = "answers"
	holding = "holding"
)

const (
	pace      = 20 * time.Millisecond // between two events of a paced stream
	settle    = 300 * time.Millisecond
	lastChunk = "0\r\n\r\n"
	perSend   = 64 // events in a write of an unpaced stream
	body      = "{}"
)

var (
	event   = []byte(chunked(chunk))
	oneWord = []byte(headers + chunked(strings.Replace(chunk, `"finish_reason":null`, `"finish_reason":"stop"`, 1)) + chunked(done) + lastChunk)
)

// TestServe is the server of the benchmarks, in a process of its own so that the figures of the client are the client's.
func TestServe(t *testing.T) {
	arguments := os.Getenv("OPENAI_SERVE")
	if arguments == "" {
		t.Skip("it is started by the benchmarks")
	}
	var s sender
	_, err := fmt.Sscan(arguments, &s.mode, &s.streams, &s.events)
	require.NoError(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	fmt.Println("listening", l.Addr())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // until the benchmark is over
		_ = l.Close()
	}()
	s.serve(l)
	require.NoError(t, json.NewEncoder(os.Stdout).Encode(s.written))
}

// sender knows beforehand what it sends.
type sender struct {
	mode            string
	streams, events int
	written         [][]int64 // by the number of the request: when each event was written
	connections     []net.Conn
	begun           sync.WaitGroup
}

func (s *sender) serve(l net.Listener) {
	s.written, s.connections = make([][]int64, s.streams), make([]net.Conn, s.streams)
	var all sync.WaitGroup
	defer all.Wait()
	if s.mode == answers || s.mode == holding {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { s.answer(c) })
		}
	}
	for range s.streams {
		c, err := l.Accept()
		if err != nil {
			return
		}
		s.begun.Add(1)
		all.Go(func() { s.begin(c) })
	}
	s.begun.Wait()
	time.Sleep(settle)
	if s.mode == paced {
		s.pace()
	} else {
		s.flood()
	}
	for _, c := range s.connections {
		_, _ = io.WriteString(c, chunked(done)+lastChunk)
		all.Go(func() { _, _ = io.Copy(io.Discard, c); _ = c.Close() })
	}
}

// answer takes one request after another of a connection.
func (s *sender) answer(c net.Conn) {
	defer c.Close()
	reply := oneWord
	if s.mode == holding {
		reply = append([]byte(headers), bytes.Repeat(event, s.events)...)
	}
	for buffer := make([]byte, 4<<10); ; {
		number, err := takeRequest(c, buffer)
		if err != nil {
			return
		}
		answer := reply
		if number == warming {
			answer = []byte("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
		}
		if _, err := c.Write(answer); err != nil {
			return
		}
	}
}

// warming is the number of a request for the models, with which net/http's connections are made.
const warming = -1

// takeRequest reads a request, whose body is known, and returns its number.
func takeRequest(c net.Conn, buffer []byte) (number int, err error) {
	for n := 0; ; {
		read, err := c.Read(buffer[n:])
		if err != nil {
			return 0, err
		}
		n += read
		switch {
		case bytes.HasPrefix(buffer[:n], []byte("GET ")) && bytes.HasSuffix(buffer[:n], []byte("\r\n\r\n")):
			return warming, nil
		case bytes.HasSuffix(buffer[:n], []byte("\r\n\r\n"+body)):
			_, rest, _ := bytes.Cut(buffer[:n], []byte(requestID))
			_, err = fmt.Sscan(string(rest), &number)
			return number, err
		}
	}
}

const requestID = "X-Request-Id: "

// begin answers with the first event.
func (s *sender) begin(c net.Conn) {
	defer s.begun.Done()
	number, err := takeRequest(c, make([]byte, 4<<10))
	if err != nil {
		return
	}
	s.connections[number], s.written[number] = c, append(make([]int64, 0, s.events), monotonic())
	_, _ = c.Write(append([]byte(headers), event...))
}

// pace writes to each connection at instants of its own, evenly apart.
func (s *sender) pace() {
	due := time.Now()
	for range s.events - 1 {
		for i, c := range s.connections {
			if left := time.Until(due); left > 0 {
				time.Sleep(left)
			}
			s.written[i] = append(s.written[i], monotonic())
			_, _ = c.Write(event)
			due = due.Add(pace / time.Duration(s.streams))
		}
	}
}

// flood writes to all connections as fast as it can.
func (s *sender) flood() {
	many := bytes.Repeat(event, perSend)
	var all sync.WaitGroup
	for _, c := range s.connections {
		all.Go(func() {
			for range (s.events - 1) / perSend {
				_, _ = c.Write(many)
			}
		})
	}
	all.Wait()
	s.written = nil
}

// monotonic is the machine's clock, the same in all processes, in nanoseconds.
func monotonic() int64 {
	const clockMonotonic = 1
	var now syscall.Timespec
	_, _, _ = syscall.Syscall(syscall.SYS_CLOCK_GETTIME, clockMonotonic, uintptr(unsafe.Pointer(&now)), 0)
	return now.Nano()
}
