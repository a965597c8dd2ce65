package harness

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/mockserver/memnet"
)

// act is one thing that the faulty server does, a wait after the last one, and what it means to the client.
type act struct {
	wait    time.Duration
	text    string // written as it is
	end     ending
	event   bool // the text is an event; content: with content
	content bool
	final   bool // the request ends here, so:
	outcome record.Outcome
	reason  record.Reason
}

// ending is what an act does to the connection after writing.
type ending int

const (
	open ending = iota
	shut
	reset
	stall // until the client leaves
)

const (
	streamHead = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
	lastChunk  = "0\r\n\r\n"
	emptyChunk = `data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}` + "\n\n"
	stopChunk  = `data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\n"
)

func framed(text string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(text), text) }

func answer(status, header, body string) string {
	return fmt.Sprintf("HTTP/1.1 %s\r\n%sContent-Length: %d\r\n\r\n%s", status, header, len(body), body)
}

// draw makes the script of one request.
func draw(random *rand.Rand) []act {
	gap := func() time.Duration { return time.Duration(1 + random.Int64N(int64(300*time.Millisecond))) }
	last := func(outcome record.Outcome, reason record.Reason, text string, end ending) act {
		return act{wait: gap(), text: text, end: end, final: true, outcome: outcome, reason: reason}
	}
	// Before a response.
	switch random.IntN(24) {
	case 0:
		status := []int{307, 400, 401, 404, 422, 500, 503}[random.IntN(7)]
		return []act{last(record.Rejected, record.HTTPStatus(status), answer(fmt.Sprint(status), "", "no"), open)}
	case 1:
		return []act{last(record.ConnectionFailed, record.Reset, "", reset)}
	case 2:
		return []act{last(record.ConnectionFailed, record.ClosedEarly, "HTTP/1.1 200 O", shut)}
	case 3:
		return []act{last(record.ConnectionFailed, record.NotHTTP, "SSH-2.0-x\r\n\r\n", shut)}
	case 4:
		return []act{{wait: gap(), end: stall}}
	case 5:
		return []act{last(record.Malformed, record.NoStream, answer("200 OK", "Content-Type: application/json\r\n", "{}"), open)}
	case 6:
		return []act{last(record.Malformed, record.Encoded, answer("200 OK", "Content-Encoding: br\r\n", "x"), shut)}
	}
	script := []act{{wait: gap(), text: streamHead}}
	for range random.IntN(2) {
		script = append(script, act{wait: gap(), text: framed(emptyChunk), event: true})
	}
	chunks := random.IntN(5)
	for range chunks {
		script = append(script, act{wait: gap(), text: framed(oneChunk), event: true, content: true})
	}
	return append(script, drawEnd(random, chunks, last)...)
}

// drawEnd ends a stream that had some content chunks.
func drawEnd(random *rand.Rand, chunks int, last func(record.Outcome, record.Reason, string, ending) act) []act {
	cut := record.CutAfterToken
	if chunks == 0 {
		cut = record.CutBeforeToken
	}
	switch random.IntN(14) {
	case 0:
		return []act{last(record.Cut, cut, lastChunk, open)}
	case 1:
		return []act{last(record.Cut, cut, framed(oneChunk)[:30], shut)}
	case 2:
		return []act{last(record.Cut, cut, "", reset)}
	case 3:
		return []act{last(record.Cut, cut, "zz\r\n", open)}
	case 4:
		return []act{last(record.Malformed, record.BadJSON, framed("data: {]\n\n"), open)}
	case 5:
		return []act{last(record.StreamError, record.ErrorObject, framed(`data: {"error":{"message":"no"}}`+"\n\n"), open)}
	case 6:
		return []act{last(record.StreamError, record.ErrorEvent, framed("event: error\ndata: no\n\n"), open)}
	case 7:
		return []act{{end: stall}}
	case 8: // one byte a second
		var bytes []act
		for i := range oneChunk {
			bytes = append(bytes, act{wait: time.Second - time.Duration(i), text: framed(oneChunk[i : i+1])})
		}
		return append(bytes, act{end: stall})
	case 9: // lively, without an end
		var chunks []act
		for range 40 {
			chunks = append(chunks, act{wait: 300 * time.Millisecond, text: framed(oneChunk), event: true, content: true})
		}
		return append(chunks, act{end: stall})
	case 10: // well, by its finish_reason alone
		return []act{well(chunks, last, stopChunk, open)}
	case 11: // well, on a connection that is not kept
		return []act{well(chunks, last, endMark, shut)}
	}
	return []act{well(chunks, last, endMark, open)}
}

func well(chunks int, last func(record.Outcome, record.Reason, string, ending) act, mark string, end ending) act {
	if chunks == 0 {
		return last(record.Malformed, record.NoContent, framed(mark)+lastChunk, end)
	}
	return last(record.OK, "", framed(mark)+lastChunk, end)
}

// timeLimits are those of the client; 0: none.
type timeLimits struct{ first, idle, whole time.Duration }

// truth plays a script that began some time after the request's start: what becomes of it, after how many content chunks, and when, from
// the request's start. Without an end of its own and without limits it never ends.
func (l timeLimits) truth(script []act, began time.Duration) (outcome record.Outcome, reason record.Reason, chunks int, end time.Duration) {
	at, event := began, began
	for _, a := range script {
		if at += a.wait; a.end == stall {
			at = math.MaxInt64
		}
		deadline, missed := time.Duration(math.MaxInt64), record.Reason("")
		for _, limit := range []struct {
			applies bool
			at      time.Duration
			reason  record.Reason
		}{
			{l.whole > 0, l.whole, record.RequestTimeout},
			{l.first > 0 && chunks == 0, l.first, record.FirstTokenTimeout},
			{l.idle > 0 && chunks > 0, event + l.idle, record.IdleTimeout},
		} {
			if limit.applies && limit.at < deadline {
				deadline, missed = limit.at, limit.reason
			}
		}
		switch {
		case at > deadline:
			return record.TimedOut, missed, chunks, deadline
		case a.end == stall:
			return "", "", chunks, at
		case a.event:
			event = at
		case a.final:
			return a.outcome, a.reason, chunks, at
		}
		if a.content {
			chunks++
		}
	}
	panic("a script without an end")
}

// faultyServer plays a script to each request, drawn from the seed and the request's id alone. Before it, some are refused with status 429.
type faultyServer struct {
	seed     uint64
	dials    func(n int) error // what becomes of the n-th dial
	listener *memnet.Listener
	dialled  atomic.Int64
	links    sync.Map // of *resettable by local address

	mu   sync.Mutex
	seen map[string]int // how often each request came
}

// resettable is the client's end of a connection that the server can reset.
type resettable struct {
	net.Conn
	reset atomic.Bool
}

func (r *resettable) Read(p []byte) (int, error) {
	n, err := r.Conn.Read(p)
	if errors.Is(err, io.EOF) && r.reset.Load() {
		err = &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}
	}
	return n, err
}

var errHang = errors.New("the dial hangs")

func (f *faultyServer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	err := f.dials(int(f.dialled.Add(1)))
	if errors.Is(err, errHang) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	c, err := f.listener.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	r := &resettable{Conn: c}
	f.links.Store(c.LocalAddr().String(), r)
	return r, nil
}

// serve ends when the listener is closed and every client has left.
func (f *faultyServer) serve() {
	var connections sync.WaitGroup
	defer connections.Wait()
	for {
		c, err := f.listener.Accept()
		if err != nil {
			return
		}
		connections.Go(func() {
			defer c.Close()
			for r := bufio.NewReader(c); f.exchange(c, r); {
			}
		})
	}
}

// script is the one of a request, after so many refusals.
func (f *faultyServer) script(id string) (refusals int, hint string, script []act) {
	h := fnv.New64a()
	_, _ = io.WriteString(h, id)
	random := rand.New(rand.NewPCG(f.seed, h.Sum64()))
	if random.IntN(6) == 0 {
		refusals = []int{1, 1, 2, 3, 7}[random.IntN(5)]
		hint = []string{"", "Retry-After: 0\r\n", "Retry-After: 1\r\n", "Retry-After: 5\r\n"}[random.IntN(4)]
	}
	return refusals, hint, draw(random)
}

// came is how often a request came.
func (f *faultyServer) came(id string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.seen[id]
}

func (f *faultyServer) exchange(c net.Conn, r *bufio.Reader) (goOn bool) {
	request, err := http.ReadRequest(r)
	if err != nil {
		return false
	}
	_, _ = io.Copy(io.Discard, request.Body)
	id := request.Header.Get("X-Request-Id")
	f.mu.Lock()
	f.seen[id]++
	n := f.seen[id]
	f.mu.Unlock()
	refusals, hint, script := f.script(id)
	if n <= refusals {
		script = busy(hint)
	}
	for _, a := range script {
		time.Sleep(a.wait)
		if _, err := io.WriteString(c, a.text); err != nil {
			return false
		}
		switch a.end {
		case shut:
			return false
		case reset:
			link, _ := f.links.Load(c.RemoteAddr().String())
			link.(*resettable).reset.Store(true)
			return false
		case stall:
			_, _ = io.Copy(io.Discard, c)
			return false
		}
	}
	return true
}

func busy(hint string) []act {
	return []act{{wait: 10*time.Millisecond + 1, text: answer("429 Too Many Requests", hint, "busy"), final: true, outcome: record.Rejected, reason: "http 429"}}
}
