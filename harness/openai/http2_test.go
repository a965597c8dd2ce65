package openai_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/openai"
	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/workload"
	"github.com/llmsweep/llmsweep/mockserver/memnet"
)

func onlyHTTP2() *http.Protocols {
	p := new(http.Protocols)
	p.SetHTTP2(true)
	p.SetUnencryptedHTTP2(true)
	return p
}

// Three streams share a connection. The events of each come at instants of its own, and its stamps are those, whatever the others read.
func TestHTTP2(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		listener := memnet.Listen("mock:80")
		server := &http.Server{Protocols: onlyHTTP2(), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			assert.Equal(t, 2, r.ProtoMajor)
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Type", "text/event-stream")
			for range 3 {
				time.Sleep(100*ms + time.Duration(len(r.Header.Get("X-Request-Id")))*ms)
				fmt.Fprint(w, text("a"))
				_ = http.NewResponseController(w).Flush()
			}
			fmt.Fprint(w, done)
		})}
		var served sync.WaitGroup
		served.Go(func() { _ = server.Serve(listener) })
		c := openai.New(openai.Config{
			Endpoints: []*url.URL{endpoint(t, "http://mock:80"+openai.ChatPath)}, Concurrency: 3, Epoch: time.Now(), Dial: listener.DialContext,
			Transport: openai.HTTP2, Header: http.Header{},
		})
		assert.Equal(t, "http2", c.Transport())
		// The first makes the connection, which the others take.
		first := c.Do(t.Context(), &workload.Request{ID: "abcd", OSL: 3, Body: []byte("x")}, 0)
		require.Equal(t, record.OK, first.Outcome, "%+v", first.Error)
		var streams sync.WaitGroup
		for k := 1; k <= 3; k++ {
			streams.Go(func() {
				start := c.Now()
				s := c.Do(t.Context(), &workload.Request{ID: "abc"[:k], OSL: 3, Body: []byte("x")}, start)
				assert.Equal(t, record.OK, s.Outcome, "%+v", s.Error)
				assert.Equal(t, record.BodyRead, s.StampSource)
				assert.True(t, s.Conn.Reused)
				gap := (100*ms + time.Duration(k)*ms).Nanoseconds()
				assert.Equal(t, []int64{start + gap, start + 2*gap, start + 3*gap}, s.ChunksNS)
			})
		}
		streams.Wait()
		c.Close()
		require.NoError(t, server.Close())
		served.Wait()
	})
}

// By TLS the protocol is agreed upon, and a server that has it not is an error, not a silent HTTP/1.1: neither one that offers something else
// nor one that knows nothing of offers, and neither for requests nor for questions.
func TestHTTP2OverTLS(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		offers  []string
		outcome record.Outcome
		message string
	}{
		{[]string{"h2", "http/1.1"}, record.OK, ""},
		{[]string{"http/1.1"}, record.ConnectionFailed, "tls: no application protocol"},
		{nil, record.ConnectionFailed, "tls: the server does not offer HTTP/2 (ALPN)"},
	} {
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			fmt.Fprint(w, text("a")+done)
		}))
		server.Config.ErrorLog = log.New(io.Discard, "", 0)
		server.EnableHTTP2 = true
		server.StartTLS()
		server.TLS.NextProtos = c.offers // no handshake has been yet
		trust := server.Client().Transport.(*http.Transport).TLSClientConfig
		client := openai.New(openai.Config{
			Endpoints: []*url.URL{endpoint(t, server.URL+openai.ChatPath)}, Concurrency: 1, Epoch: time.Now(), Transport: openai.HTTP2,
			TLS: trust, Header: http.Header{},
		})
		s := client.Do(t.Context(), &workload.Request{OSL: 1, Body: []byte("x")}, 0)
		probe := openai.NewTransport(nil, true)
		probe.TLSClientConfig = trust.Clone()
		_, err := (&openai.Prober{Chat: endpoint(t, server.URL+openai.ChatPath), Transport: probe, HTTP2: true}).Version(t.Context())
		warm := client.Warm(t.Context(), 1)
		assert.Equal(t, c.outcome, s.Outcome, "%+v", s.Error)
		if c.message == "" {
			require.NoError(t, err)
			require.NoError(t, warm)
		} else {
			assert.Equal(t, record.TLS, s.Reason)
			for _, message := range []string{s.Error.Message, err.Error(), warm.Error()} {
				assert.Contains(t, message, c.message)
			}
		}
		client.Close()
		probe.CloseIdleConnections()
		server.Close()
	}
}

// A stream that the server refuses is refused: the request is not sent again, and nobody waits. The numbers of streams are not in the
// message, so that equal failures are counted as one.
func TestHTTP2RefusedStream(t *testing.T) {
	t.Parallel()
	requests := 0
	overHTTP2(t, nil, func(f *framed) {
		f.begin()
		for stream := f.request(); stream != 0; stream = f.request() {
			if requests++; requests == 1 {
				f.answer(stream)
			} else {
				f.reset(stream, codeRefused)
			}
		}
	}, func(s *http2Stage) {
		require.Equal(t, record.OK, s.client.Do(s.t.Context(), request(0), 0).Outcome)
		for n := 1; n < 3; n++ {
			got := s.client.Do(s.t.Context(), request(n), 0)
			assert.Equal(t, record.ConnectionFailed, got.Outcome)
			assert.Equal(t, record.Reset, got.Reason)
			assert.Equal(t, "stream error: REFUSED_STREAM; received from peer", got.Error.Message)
			assert.Equal(t, got.StartNS, got.EndNS)
			assert.Equal(t, record.Conn{Reused: true, Remote: "mock:80", GotNS: got.StartNS}, got.Conn, "what was sent is not known")
			assert.Empty(t, got.StampSource)
		}
		assert.Equal(t, 3, requests)
		assert.Equal(t, 1, s.dialled)
	})
}

// A server takes its leave of a connection (GOAWAY) while a request is on its way there, at which it will not look. The request goes by another
// connection, at once and once, while the first goes on with another stream.
func TestHTTP2GoAway(t *testing.T) {
	t.Parallel()
	for leaving, c := range map[int]struct {
		outcome record.Outcome
		conn    record.Conn
	}{
		1: {record.OK, record.Conn{Remote: "mock:80", Stale: 1}},
		2: {record.ConnectionFailed, record.Conn{Remote: "mock:80", Stale: 1, Reused: true}},
	} {
		var requests sync.Map // by connection
		overHTTP2(t, nil, func(f *framed) {
			f.begin(0, 3, 0, 0, 0, 2) // two streams at once
			first := f.request()
			time.Sleep(ms) // the connection is not shared yet
			f.head(first)
			time.Sleep(time.Second)
			if f.number < leaving {
				seen := f.request()
				requests.Store(f.number, seen)
				f.goAway(1)
			}
			for range 100 {
				time.Sleep(ms)
				f.write(frameData, 0, first, []byte(text("b"))...)
			}
			f.write(frameData, flagEnd, first, []byte(done)...)
			f.request()
		}, func(s *http2Stage) {
			var streams sync.WaitGroup
			for n := range leaving {
				streams.Go(func() { assert.Len(t, s.client.Do(s.t.Context(), request(n), 0).ChunksNS, 100) })
			}
			time.Sleep(time.Second - begin - 1)
			got := s.client.Do(s.t.Context(), request(9), 0)
			streams.Wait()
			assert.Equal(t, c.outcome, got.Outcome, "%+v", got.Error)
			c.conn.GotNS = got.Conn.GotNS
			assert.Equal(t, c.conn, got.Conn)
			assert.Equal(t, begin+stamp(time.Second+ms), got.Conn.GotNS, "the instant of the leave")
			if c.outcome == record.OK {
				assert.Len(t, got.ChunksNS, 100)
			} else {
				assert.Equal(t, record.ClosedEarly, got.Reason)
				assert.Equal(t, "http2: Transport received Server's graceful shutdown GOAWAY", got.Error.Message)
			}
			for number := range leaving {
				seen, _ := requests.Load(number)
				assert.Equal(t, uint32(3), seen)
			}
		})
	}
}

// Before the level there are as many connections as its streams need by the server's own limit; they carry them all at once. A request that finds
// no free stream makes a connection for itself, which no other waits for.
func TestHTTP2Warmed(t *testing.T) {
	t.Parallel()
	dialling := func(c *openai.Config) {
		memory := c.Dial
		c.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			time.Sleep(dial)
			return memory(ctx, network, address)
		}
	}
	serve := func(f *framed) {
		f.begin(0, 3, 0, 0, 0, 2)
		var answers sync.WaitGroup
		for stream := f.request(); stream != 0; stream = f.request() {
			if stream == 1 && f.number < 3 { // of the model list
				f.answer(stream)
				continue
			}
			assert.LessOrEqual(f.t, stream, uint32(5))
			answers.Go(func() {
				time.Sleep(time.Second)
				f.answer(stream)
			})
		}
		answers.Wait()
	}
	overHTTP2(t, dialling, serve, func(s *http2Stage) {
		require.NoError(t, s.client.Warm(s.t.Context(), 5))
		assert.Equal(t, 3, s.dialled)
		assert.Equal(t, int64(begin+2*dial), s.client.Now(), "the first, then the others at once")
		var streams sync.WaitGroup
		for n := range 8 {
			streams.Go(func() {
				time.Sleep(time.Duration(n))
				got := s.client.Do(s.t.Context(), request(n), 0)
				require.Equal(t, record.OK, got.Outcome, "%+v", got.Error)
				assert.Equal(t, n < 6, got.Conn.Reused)
				wait := int64(0)
				if n >= 6 {
					wait = dial
				}
				assert.Equal(t, got.StartNS+wait, got.Conn.GotNS)
				assert.Equal(t, stamp(time.Second), got.ChunksNS[0]-got.Conn.GotNS)
			})
		}
		streams.Wait()
		assert.Equal(t, 5, s.dialled)
	})
}

// What cannot be connected to beforehand is told, and the other servers are warmed all the same.
func TestHTTP2WarmFails(t *testing.T) {
	t.Parallel()
	overHTTP2(t, func(c *openai.Config) {
		c.Endpoints = append(c.Endpoints, endpoint(t, "http://gone:80"+openai.ChatPath))
		memory := c.Dial
		c.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			if address == "gone:80" {
				return nil, errors.New("no way")
			}
			return memory(ctx, network, address)
		}
	}, func(f *framed) {
		f.begin(0, 3, 0, 0, 0, 1)
		f.answer(f.request())
		f.request()
	}, func(s *http2Stage) {
		assert.EqualError(t, s.client.Warm(s.t.Context(), 5), "1 of 2 connections could not be made; the first: no way")
		assert.Equal(t, 3, s.dialled)
	})
}

// A server stops reading: what is written there waits, and with it the end of every other stream of the connection. Ten seconds after the last
// byte went the connection is given up; the end of the first ten seconds finds that some did.
func TestHTTP2BlockedWrite(t *testing.T) {
	t.Parallel()
	overHTTP2(t, nil, func(f *framed) {
		f.begin(0, 4, 0x7f, 0, 0, 0) // a window of 2 GiB for each stream, and for the connection:
		f.write(frameWindow, 0, 0, 0x7f, 0, 0, 0)
		f.head(f.request())
		time.Sleep(25 * time.Second) // the connection holds a MiB; the first ping would come after 30 s
	}, func(s *http2Stage) {
		var first sync.WaitGroup
		first.Go(func() {
			got := s.client.Do(s.t.Context(), request(0), 0)
			assert.Equal(t, record.Cut, got.Outcome)
			assert.Equal(t, stamp(21*time.Second), got.EndNS)
		})
		time.Sleep(time.Second - begin)
		large := request(1)
		large.Body = make([]byte, 8<<20)
		got := s.client.Do(s.t.Context(), large, 0)
		assert.Equal(t, record.ConnectionFailed, got.Outcome)
		assert.Equal(t, stamp(21*time.Second), got.EndNS)
		first.Wait()
	})
}

// A connection on which nothing comes any more, not the answer to a ping either, is given up after a minute, and the next request has another.
func TestHTTP2DeadConnection(t *testing.T) {
	t.Parallel()
	overHTTP2(t, nil, func(f *framed) {
		f.begin()
		if f.number > 0 {
			f.answer(f.request())
			f.request()
			return
		}
		f.head(f.request())
		time.Sleep(time.Hour)
	}, func(s *http2Stage) {
		got := s.client.Do(s.t.Context(), request(0), 0)
		assert.Equal(t, record.Cut, got.Outcome)
		assert.Equal(t, begin+stamp(time.Minute), got.EndNS)
		got = s.client.Do(s.t.Context(), request(1), 0)
		assert.Equal(t, record.OK, got.Outcome)
		assert.False(t, got.Conn.Reused)
	})
}

// What comes instead of frames is not HTTP/2: HTTP/1.1 of a server that has nothing else, for one. Only what ends before it is as long as the head of a
// frame may have been anything.
func TestHTTP2AnsweredOtherwise(t *testing.T) {
	t.Parallel()
	for says, want := range map[string]record.Reason{
		"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n": record.NotHTTP,
		"HTTP/1.0 505 HTTP Version Not Supported\r\n\r\n":                            record.NotHTTP,
		"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + text("a"):     record.NotHTTP,
		"220 smtp.example.com ready\r\n":                                             record.NotHTTP,
		"\x00\x00\x00\x07\x00\x00\x00\x00\x01":                                       record.NotHTTP, // a frame, and not of settings
		"HTTP/1.1":                                                                   record.ClosedEarly,
	} {
		overHTTP2(t, nil, func(f *framed) {
			f.preface()
			f.request() // one that closes before can have its answer overtaken by the failure of a write
			_, _ = f.Write([]byte(says))
		}, func(s *http2Stage) {
			got := s.client.Do(s.t.Context(), request(0), 0)
			assert.Equal(s.t, record.ConnectionFailed, got.Outcome)
			assert.Equal(s.t, want, got.Reason, "%q: %+v", says, got.Error)
		})
	}
}
