package memnet_test

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/mockserver/memnet"
)

// capacity is how much a direction holds: the documented figure, not the
// package's constant.
const capacity = 1 << 20

// check is require.NoError for goroutines, which must not end the test.
func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

// bubble runs a test in virtual time with the two ends of a connection.
func bubble(t *testing.T, test func(t *testing.T, client, server net.Conn)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := memnet.Listen("mock:80")
		accepted := make(chan net.Conn, 1)
		go func() {
			c, err := l.Accept()
			check(t, err)
			accepted <- c
		}()
		client, err := l.DialContext(t.Context(), "tcp", "mock:80")
		require.NoError(t, err)
		server := <-accepted
		defer func() { _ = client.Close(); _ = server.Close() }()
		test(t, client, server)
	})
}

func TestWriteReturnsBeforeThePeerReads(t *testing.T) {
	bubble(t, func(t *testing.T, client, server net.Conn) {
		n, err := client.Write([]byte("hello "))
		require.NoError(t, err)
		require.Equal(t, 6, n)
		_, err = client.Write([]byte("there"))
		require.NoError(t, err)
		got := make([]byte, 8)
		n, err = server.Read(got)
		require.NoError(t, err)
		assert.Equal(t, "hello th", string(got[:n]))
		n, err = server.Read(got)
		require.NoError(t, err)
		assert.Equal(t, "ere", string(got[:n]))
	})
}

// Two writers wait on one full connection while time goes on: with net.Pipe the
// second would wait for a mutex, and the sleep would never end.
func TestFullBufferBlocksWritersButNotTime(t *testing.T) {
	bubble(t, func(t *testing.T, client, server net.Conn) {
		_, err := client.Write(make([]byte, capacity))
		require.NoError(t, err)
		start := time.Now()
		var waited [2]time.Duration
		var writers sync.WaitGroup
		for i := range waited {
			writers.Go(func() {
				_, err := client.Write(make([]byte, 10))
				check(t, err)
				waited[i] = time.Since(start)
			})
		}
		time.Sleep(time.Second)
		assert.Zero(t, waited)
		_, err = io.ReadFull(server, make([]byte, capacity))
		require.NoError(t, err)
		writers.Wait()
		assert.Equal(t, [2]time.Duration{time.Second, time.Second}, waited)
	})
}

func TestBothDirectionsCarryMoreThanTheyHold(t *testing.T) {
	bubble(t, func(t *testing.T, client, server net.Conn) {
		up, down := noise(1, 3*capacity), noise(2, 3*capacity)
		var all sync.WaitGroup
		send := func(c net.Conn, data []byte) {
			n, err := c.Write(data)
			check(t, err)
			assert.Equal(t, len(data), n)
		}
		receive := func(c net.Conn, want []byte) {
			got := make([]byte, len(want))
			_, err := io.ReadFull(c, got)
			check(t, err)
			assert.True(t, bytes.Equal(want, got))
		}
		all.Go(func() { send(client, up) })
		all.Go(func() { send(server, down) })
		all.Go(func() { receive(server, up) })
		all.Go(func() { receive(client, down) })
		all.Wait()
	})
}

func noise(seed uint64, n int) []byte {
	data := make([]byte, n)
	r := rand.New(rand.NewPCG(seed, seed))
	for i := range data {
		data[i] = byte(r.Uint32())
	}
	return data
}

func TestReadDeadline(t *testing.T) {
	bubble(t, func(t *testing.T, client, server net.Conn) {
		start := time.Now()
		b := make([]byte, 1)
		read := func() (time.Duration, error) {
			_, err := server.Read(b)
			return time.Since(start), err
		}
		require.NoError(t, server.SetReadDeadline(start.Add(3*time.Millisecond)))
		at, err := read()
		requireTimeout(t, err)
		assert.Equal(t, 3*time.Millisecond, at)

		_, err = client.Write([]byte("x"))
		require.NoError(t, err)
		_, err = read()
		requireTimeout(t, err) // a deadline that has passed wins over data

		require.NoError(t, server.SetReadDeadline(time.Time{}))
		_, err = read()
		require.NoError(t, err)
		assert.Equal(t, "x", string(b))
	})
}

func TestDeadlineSetWhileReading(t *testing.T) {
	bubble(t, func(t *testing.T, client, server net.Conn) {
		start := time.Now()
		past := time.Unix(1, 0)
		for _, c := range []struct {
			name   string
			first  time.Time // set before the read
			second time.Time // set a second into it
			want   time.Duration
		}{
			{"in the past", time.Time{}, past, time.Second},
			{"earlier", start.Add(time.Hour), start.Add(4 * time.Second), 4 * time.Second},
			{"later", start.Add(6 * time.Second), start.Add(9 * time.Second), 9 * time.Second},
		} {
			begun := time.Since(start)
			require.NoError(t, server.SetReadDeadline(c.first))
			time.AfterFunc(time.Second, func() { assert.NoError(t, server.SetReadDeadline(c.second)) })
			_, err := server.Read(make([]byte, 1))
			requireTimeout(t, err)
			want := c.want
			if c.second.Equal(past) {
				want += begun
			}
			assert.Equal(t, want, time.Since(start), c.name)
		}
	})
}

// A deadline that is moved at the instant at which it passes is moved, whichever
// of the two comes first.
func TestDeadlineMovedAsItPasses(t *testing.T) {
	for range 200 {
		t.Run("", func(t *testing.T) {
			bubble(t, func(t *testing.T, client, server net.Conn) {
				_, err := client.Write([]byte("x"))
				require.NoError(t, err)
				due := time.Now().Add(time.Second)
				require.NoError(t, server.SetReadDeadline(due))
				time.Sleep(time.Until(due))
				require.NoError(t, server.SetReadDeadline(due.Add(time.Hour)))
				synctest.Wait()
				_, err = server.Read(make([]byte, 1))
				require.NoError(t, err)
			})
		})
	}
}

func TestWriteDeadline(t *testing.T) {
	bubble(t, func(t *testing.T, client, server net.Conn) {
		start := time.Now()
		require.NoError(t, client.SetDeadline(start.Add(2*time.Second)))
		n, err := client.Write(make([]byte, capacity+5))
		requireTimeout(t, err)
		assert.Equal(t, capacity, n)
		assert.Equal(t, 2*time.Second, time.Since(start))
		_, err = client.Read(make([]byte, 1))
		requireTimeout(t, err) // SetDeadline is for both

		require.NoError(t, client.SetDeadline(time.Time{}))
		_, err = io.ReadFull(server, make([]byte, capacity))
		require.NoError(t, err)
		_, err = client.Write([]byte("x"))
		require.NoError(t, err)
	})
}

func requireTimeout(t *testing.T, err error) {
	t.Helper()
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	var timeout net.Error
	require.ErrorAs(t, err, &timeout)
	require.True(t, timeout.Timeout())
}

func TestPeerReadsWhatIsLeftThenEOF(t *testing.T) {
	bubble(t, func(t *testing.T, client, server net.Conn) {
		_, err := client.Write([]byte("bye"))
		require.NoError(t, err)
		require.NoError(t, client.Close())
		got, err := io.ReadAll(server)
		require.NoError(t, err)
		assert.Equal(t, "bye", string(got))
		_, err = server.Read(make([]byte, 1))
		assert.Equal(t, io.EOF, err) // bare, as callers test it
		_, err = server.Write([]byte("x"))
		assert.ErrorIs(t, err, syscall.EPIPE)
	})
}

func TestClosedEndRefusesEverything(t *testing.T) {
	bubble(t, func(t *testing.T, client, server net.Conn) {
		_, err := server.Write([]byte("too late"))
		require.NoError(t, err)
		require.NoError(t, client.Close())
		_, err = client.Read(make([]byte, 1))
		require.ErrorIs(t, err, net.ErrClosed)
		_, err = client.Write([]byte("x"))
		require.ErrorIs(t, err, net.ErrClosed)
		require.ErrorIs(t, client.SetReadDeadline(time.Now()), net.ErrClosed)
		require.ErrorIs(t, client.SetWriteDeadline(time.Now()), net.ErrClosed)
		assert.ErrorIs(t, client.Close(), net.ErrClosed)
	})
}

func TestCloseEndsWaitingCalls(t *testing.T) {
	read := func(client net.Conn) error { _, err := client.Read(make([]byte, 1)); return err }
	write := func(client net.Conn) error { _, err := client.Write(make([]byte, capacity+1)); return err }
	for _, c := range []struct {
		name string
		wait func(net.Conn) error
		own  bool // the waiting end is the one that closes
		want error
	}{
		{"read, by the peer", read, false, io.EOF},
		{"read, by itself", read, true, net.ErrClosed},
		{"write, by the peer", write, false, syscall.EPIPE},
		{"write, by itself", write, true, net.ErrClosed},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, client, server net.Conn) {
				ended := make(chan error)
				go func() { ended <- c.wait(client) }()
				synctest.Wait()
				if c.own {
					require.NoError(t, client.Close())
				} else {
					require.NoError(t, server.Close())
				}
				assert.ErrorIs(t, <-ended, c.want)
			})
		})
	}
}

func TestListener(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := memnet.Listen("mock:80")
		assert.Equal(t, "mock:80", l.Addr().String())
		assert.Equal(t, "mem", l.Addr().Network())

		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		_, err := l.DialContext(ctx, "tcp", "mock:80") // nobody accepts
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, 3*time.Second, time.Since(start))

		accepting, dialing := make(chan error), make(chan error)
		go func() { _, err := l.Accept(); accepting <- err }()
		synctest.Wait()
		for range 50 { // somebody accepts, but the caller has given up already
			_, err = l.DialContext(ctx, "tcp", "mock:80")
			require.ErrorIs(t, err, context.DeadlineExceeded)
		}
		require.NoError(t, l.Close())
		require.ErrorIs(t, <-accepting, net.ErrClosed)
		go func() { _, err := l.DialContext(t.Context(), "tcp", "mock:80"); dialing <- err }()
		err = <-dialing
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
		require.EqualError(t, err, "dial mem mock:80: connection refused")
		assert.NoError(t, l.Close())
	})
}

// What was written before a reset is read, as Linux has it; then both ends hear of it.
func TestResets(t *testing.T) {
	bubble(t, func(t *testing.T, client, server net.Conn) {
		_, err := server.Write([]byte("half"))
		require.NoError(t, err)
		require.NoError(t, server.(interface{ SetLinger(int) error }).SetLinger(0))
		require.NoError(t, server.Close())
		data, err := io.ReadAll(client)
		assert.Equal(t, "half", string(data))
		require.ErrorIs(t, err, syscall.ECONNRESET)
		_, err = client.Write([]byte("x"))
		assert.ErrorIs(t, err, syscall.ECONNRESET)
	})
}

func TestResetsCanBeTakenBack(t *testing.T) {
	bubble(t, func(t *testing.T, client, server net.Conn) {
		linger := server.(interface{ SetLinger(int) error })
		require.NoError(t, linger.SetLinger(0))
		require.NoError(t, linger.SetLinger(1))
		require.NoError(t, server.Close())
		_, err := io.ReadAll(client)
		assert.NoError(t, err)
	})
}

// Dials are refused and counted, those that wait for Accept too, until it ends; the listener stays as it is.
func TestRefuses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := memnet.Listen("mock:80")
		var waiting sync.WaitGroup
		waiting.Go(func() {
			_, err := l.DialContext(t.Context(), "", "")
			assert.ErrorIs(t, err, syscall.ECONNREFUSED)
		})
		synctest.Wait()
		l.Refuse()
		waiting.Wait()
		_, err := l.DialContext(t.Context(), "", "")
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
		assert.Equal(t, 2, l.Admit())
		waiting.Go(func() {
			c, err := l.Accept()
			check(t, err)
			check(t, c.Close())
		})
		c, err := l.DialContext(t.Context(), "", "")
		require.NoError(t, err)
		require.NoError(t, c.Close())
		waiting.Wait()
		l.Refuse()
		assert.Equal(t, 0, l.Admit(), "counted anew")
	})
}
