package http1_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/openai/internal/http1"
	"github.com/llmsweep/llmsweep/mockserver/memnet"
)

const ms = time.Millisecond

// In virtual time every stamp is that of the write, to the nanosecond, however the bytes are cut into reads.
func TestStampsInVirtualTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		epoch := time.Now()
		l := memnet.Listen("server:80")
		defer l.Close()
		served := make(chan struct{})
		go func() {
			defer close(served)
			c, err := l.Accept()
			assert.NoError(t, err)
			defer c.Close()
			assert.NoError(t, request(bufio.NewReader(c)))
			for i, text := range []string{"HTTP/1.1 200 OK\r\nTransfer-Encod", "ing: chunked\r\n\r\n", "6\r\nab", "c", "def\r", "\n0\r\n\r\n"} {
				time.Sleep(time.Duration(i+1)*ms + 1)
				_, err := io.WriteString(c, text)
				assert.NoError(t, err)
			}
		}()
		transport := &http1.Transport{Epoch: epoch, Dial: l.DialContext}
		call := http1.Call{Transport: transport}
		waits := 0
		call.OnWait = func() { waits++ }
		require.NoError(t, call.Do(t.Context(), routeTo(t, transport, http.MethodPost), nil, nil))
		assert.Equal(t, http1.Trace{Remote: "server:80", Head: int64(3*ms) + 2, BytesSent: 52, Reads: 2}, call.Trace())
		for _, want := range []struct {
			text  string
			stamp int64
		}{{"ab", int64(6*ms) + 3}, {"c", int64(10*ms) + 4}, {"def", int64(15*ms) + 5}} {
			p, err := call.Next()
			require.NoError(t, err)
			assert.Equal(t, want.text, string(p))
			assert.Equal(t, want.stamp, call.Stamp())
		}
		_, err := call.Next()
		require.Equal(t, io.EOF, err)
		assert.Equal(t, 21*ms+6, time.Since(epoch))
		assert.Equal(t, 6, waits)
		<-served
		transport.CloseIdleConnections()
	})
}

// A call that is aborted ends at that instant, in every state, and no goroutine stays: the bubble would not end.
func TestAbortInVirtualTime(t *testing.T) {
	for after := range 6 {
		synctest.Test(t, func(t *testing.T) {
			epoch := time.Now()
			l := memnet.Listen("server:80")
			var served sync.WaitGroup
			served.Go(func() {
				time.Sleep(ms)
				c, err := l.Accept()
				if err != nil {
					return
				}
				defer c.Close()
				r := bufio.NewReader(c)
				if request(r) != nil {
					return
				}
				for _, text := range []string{"HTTP/1.1 200", " OK\r\nTransfer-Encoding: chunked\r\n\r\n", "3\r\na", "bc\r\n0\r\n\r\n"} {
					time.Sleep(ms)
					_, _ = io.WriteString(c, text)
				}
				_ = request(r)
			})
			transport := &http1.Transport{Epoch: epoch, Dial: l.DialContext}
			call := http1.Call{Transport: transport}
			cause := errors.New("enough")
			at := time.Duration(after)*ms + ms/2
			time.AfterFunc(at, func() { call.Abort(cause) })
			var got []byte
			err := call.Do(t.Context(), routeTo(t, transport, http.MethodPost), nil, nil)
			for err == nil {
				var p []byte
				p, err = call.Next()
				got = append(got, p...)
			}
			if after == 5 {
				assert.Equal(t, io.EOF, err)
				assert.Equal(t, 5*ms, time.Since(epoch))
			} else {
				assert.Equal(t, cause, err)
				assert.Equal(t, at, time.Since(epoch))
			}
			assert.Equal(t, map[int]string{4: "a", 5: "abc"}[after], string(got))
			call.Close()
			transport.CloseIdleConnections()
			assert.NoError(t, l.Close())
			served.Wait()
		})
	}
}

// The context of the making of a connection ends that, and nothing later.
func TestContextOfADial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		epoch := time.Now()
		l := memnet.Listen("server:80")
		defer l.Close()
		transport := &http1.Transport{Epoch: epoch, Dial: l.DialContext}
		ctx, cancel := context.WithTimeout(t.Context(), ms)
		defer cancel()
		call := http1.Call{Transport: transport}
		require.ErrorIs(t, call.Do(ctx, routeTo(t, transport, http.MethodPost), nil, nil), context.DeadlineExceeded)
		assert.Equal(t, ms, time.Since(epoch))
		assert.Equal(t, http1.Trace{Got: http1.Never, Sent: http1.Never, Head: http1.Never, Connect: int64(ms)}, call.Trace())
		call.Close()
	})
}

// A connection that lay idle for five minutes is not used again: what stands between may have forgotten it.
func TestIdleConnectionsGrowOld(t *testing.T) {
	for _, c := range []struct {
		idle   time.Duration
		reused bool
	}{{5*time.Minute - 1, true}, {5 * time.Minute, false}} {
		synctest.Test(t, func(t *testing.T) {
			first, second := newWire([]byte(emptyAnswer), []byte(emptyAnswer)), newWire([]byte(emptyAnswer))
			transport := &http1.Transport{Epoch: time.Now(), Dial: dialTo(first, second)}
			route := routeTo(t, transport, http.MethodPost)
			call := http1.Call{Transport: transport}
			for round := range 2 {
				require.NoError(t, call.Do(t.Context(), route, nil, nil))
				_, err := call.Next()
				require.Equal(t, io.EOF, err)
				trace := call.Trace()
				call.Close()
				assert.Equal(t, c.reused && round > 0, trace.Reused)
				assert.Equal(t, !c.reused && round > 0, trace.Stale == 1)
				time.Sleep(c.idle)
			}
			assert.Equal(t, !c.reused, first.isClosed())
		})
	}
}

// What one read brought has the stamp of that read, however late it is asked for.
func TestStampIsOfTheReadNotOfTheAsking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		transport := &http1.Transport{Epoch: time.Now(), Dial: dialTo(newWire([]byte(isChunked+"1\r\na\r\n1\r\nb\r\n"), []byte("1\r\nc\r\n0\r\n\r\n")))}
		call := http1.Call{Transport: transport}
		require.NoError(t, call.Do(t.Context(), routeTo(t, transport, http.MethodPost), nil, nil))
		for _, want := range []int64{0, 0, int64(3 * time.Second)} {
			time.Sleep(time.Second)
			_, err := call.Next()
			require.NoError(t, err)
			assert.Equal(t, want, call.Stamp())
		}
		call.Close()
	})
}
