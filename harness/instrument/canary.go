package instrument

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/llmsweep/llmsweep/harness/clock"
	"github.com/llmsweep/llmsweep/harness/openai"
	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/workload"
)

// canaryInterval is the time between two chunks of a canary: the pace of a usual server.
const canaryInterval = 20 * time.Millisecond

// streamChunks is how many chunks a canary's answer has. Then it is asked for the next, over the same connection.
const streamChunks = 4096

// canaries is how many streams watch a level. Three tell the p99 of a thousand others to about a third.
func canaries(concurrency int) int {
	switch {
	case concurrency < 8:
		return 1
	case concurrency < 64:
		return 2
	default:
		return 3
	}
}

// canary is one stream from a writer to a client, both in this process. Writer and reader are a goroutine each.
type canary struct {
	epoch    time.Time
	listener net.Listener
	client   *openai.Client
	url      *url.URL
	receive  func(*bufio.Reader, net.Conn) (answer script, err error) // takes a request of the wire
	alarm    clock.Alarm                                              // of the writer
	next     time.Time                                                // when the next chunk is due

	end     atomic.Int64 // stamp of the end: what was written then or later does not count
	written chan []int64 // write stamps of an answer, when its writer is through
	cancel  context.CancelFunc
	running sync.WaitGroup

	delays  series  // of answers that ended
	stamps  []int64 // read of an answer whose write stamps did not come
	failure string  // why the reader ended early
}

// startCanary starts a stream whose first chunk is due after offset.
func startCanary(c Config, offset time.Duration) (*canary, error) {
	listener, dial, err := c.Loopback()
	if err != nil {
		return nil, fmt.Errorf("canary: %w", err)
	}
	k := &canary{epoch: c.Client.Epoch, listener: listener, receive: receive, next: time.Now().Add(offset), written: make(chan []int64, 1)}
	k.url = &url.URL{Scheme: "http", Host: listener.Addr().String(), Path: openai.ChatPath}
	client := c.Client
	client.TLS = nil // it may hold secrets
	if overTLS(c.Client.Endpoints) {
		var writer *tls.Config
		if writer, client.TLS, err = identity(); err != nil {
			_ = listener.Close()
			return nil, fmt.Errorf("canary: a certificate: %w", err)
		}
		k.url.Scheme, k.listener = "https", tls.NewListener(listener, writer)
	}
	if c.Client.Transport == openai.HTTP2 {
		k.receive = receiveHTTP2
	}
	k.end.Store(math.MaxInt64)
	k.alarm, _ = clock.New(c.RealTime)
	client.Endpoints, client.Dial, client.Concurrency = []*url.URL{k.url}, dial, 1
	client.Completions, client.Whole = false, false
	client.Header, client.Chunks, client.FirstToken = nil, nil, nil // the first may hold secrets, too, the others are of the level's requests
	client.RequestTimeout, client.FirstTokenTimeout, client.IdleTimeout = 0, 0, 0
	k.client = openai.New(client)
	ctx, cancel := context.WithCancel(context.Background())
	k.cancel = cancel
	k.running.Go(func() { k.serve(ctx) })
	k.running.Go(func() { k.read(ctx) })
	return k, nil
}

// stop ends the stream after the chunks that were written before end. It returns when both goroutines have ended.
func (k *canary) stop(end int64) {
	k.end.Store(end)
	k.alarm.Close()
	abandon := time.AfterFunc(drainLimit, k.cancel)
	defer abandon.Stop()
	k.running.Wait()
	select {
	case written := <-k.written: // of an answer that was abandoned
		k.fold(written, k.stamps)
	default:
	}
}

// drainLimit is how long the chunks that were written may take to arrive. What has not is counted as that late.
const drainLimit = time.Second

func (k *canary) ending() bool { return k.end.Load() != math.MaxInt64 }

// read asks for one answer after another.
func (k *canary) read(ctx context.Context) {
	defer func() {
		k.client.Close()
		_ = k.listener.Close()
		k.cancel() // the writer may still wait on the connection
	}()
	for serial := 0; !k.ending(); serial++ {
		s := k.client.Do(ctx, &workload.Request{
			Index: serial, ID: fmt.Sprintf("canary-%d", serial), OSL: streamChunks, Body: []byte(`{"model":"canary","stream":true}`),
		}, 0)
		k.stamps = s.ChunksNS
		if s.Outcome != record.OK {
			if !k.ending() {
				k.failure = fmt.Sprintf("%s: %s", s.Reason, s.Error.Message)
			}
			return
		}
		k.fold(<-k.written, k.stamps) // the writer handed them over before it ended the answer
	}
}

// fold pairs what was written of an answer with what was read.
func (k *canary) fold(written, read []int64) {
	for i, at := range written {
		switch {
		case at >= k.end.Load():
			return
		case i < len(read):
			k.delays.add(read[i] - at)
		case k.failure != "": // it was lost, not late
			return
		default: // it did not come in time
			k.delays.add(time.Since(k.epoch).Nanoseconds() - at)
		}
	}
}

// serve answers requests on one connection after another.
func (k *canary) serve(ctx context.Context) {
	for {
		conn, err := k.listener.Accept()
		if err != nil {
			return
		}
		abandon := context.AfterFunc(ctx, func() { _ = conn.Close() })
		for in := bufio.NewReader(conn); err == nil; {
			var s script
			if s, err = k.receive(in, conn); err == nil {
				err = k.answer(conn, &s)
			}
		}
		abandon()
		_ = conn.Close()
	}
}

// receive takes a request by HTTP/1.1 and returns how it is answered.
func receive(in *bufio.Reader, _ net.Conn) (script, error) {
	request, err := http.ReadRequest(in)
	if err != nil {
		return script{}, err
	}
	_, err = io.Copy(io.Discard, request.Body)
	return newScript(), err
}

// answer writes one stream. The instant of a write is taken from the clock and not from the timetable; an instant that passed unused is
// left out.
func (k *canary) answer(conn net.Conn, s *script) error {
	written := make([]int64, 0, streamChunks)
	_, err := conn.Write(s.head)
	for err == nil && len(written) < streamChunks && k.alarm.Wait(k.next) {
		now := time.Now()
		k.next = now.Add(canaryInterval - now.Sub(k.next)%canaryInterval) // on the timetable still
		written = append(written, now.Sub(k.epoch).Nanoseconds())
		if _, err = conn.Write(s.chunk); err != nil {
			written = written[:len(written)-1]
		}
	}
	k.written <- written // there is room: the reader takes those of an answer before it asks for the next
	if err != nil {
		return err
	}
	_, err = conn.Write(s.tail)
	return err
}

// script is an answer in the bytes of its protocol: every event is one chunk or frame, and one write.
type script struct{ head, chunk, tail []byte }

const (
	chunkEvent = `data: {"id":"chatcmpl-canary","object":"chat.completion.chunk","created":0,"model":"canary",` +
		`"choices":[{"index":0,"delta":{"content":" tweet"},"finish_reason":null}]}` + "\n\n"
	tailEvents = `data: {"object":"chat.completion.chunk","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"completion_tokens":1}}` +
		"\n\ndata: [DONE]\n\n"
)

func newScript() script {
	framed := func(event string) []byte { return fmt.Appendf(nil, "%x\r\n%s\r\n", len(event), event) }
	return script{
		head:  []byte("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"),
		chunk: framed(chunkEvent),
		tail:  append(framed(tailEvents), "0\r\n\r\n"...),
	}
}
