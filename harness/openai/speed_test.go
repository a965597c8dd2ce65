//go:build linux

package openai_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/openai"
	"github.com/llmsweep/llmsweep/harness/openai/internal/http1"
	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/workload"
)

// The readers that are compared. bare reads the same bytes and looks at none; transport is ours without the decoding of events.
const (
	bare      = "bare"
	transport = "transport"
	own       = "own"
	nethttp   = "nethttp"
)

// process is the server of TestServe.
type process struct {
	*exec.Cmd
	address string
	in      io.Closer
	out     *bufio.Reader
}

func serving(b testing.TB, mode string, streams, events int) *process {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), 2*time.Minute)
	b.Cleanup(cancel)
	p := &process{Cmd: exec.CommandContext(ctx, os.Args[0], "-test.run=^TestServe$", "-test.count=1")}
	p.Env = append(os.Environ(), fmt.Sprintf("OPENAI_SERVE=%s %d %d", mode, streams, events))
	p.Stderr = os.Stderr
	in, err := p.StdinPipe()
	require.NoError(b, err)
	out, err := p.StdoutPipe()
	require.NoError(b, err)
	require.NoError(b, p.Start())
	p.in, p.out = in, bufio.NewReader(out)
	line, err := p.out.ReadString('\n')
	require.NoError(b, err)
	p.address = strings.TrimSpace(strings.TrimPrefix(line, "listening "))
	return p
}

// end returns what the server noted.
func (p *process) end(b testing.TB) (written [][]int64) {
	b.Helper()
	require.NoError(b, p.in.Close())
	line, err := p.out.ReadBytes('\n')
	require.NoError(b, err)
	require.NoError(b, json.Unmarshal(line, &written))
	_, _ = io.Copy(io.Discard, p.out)
	require.NoError(b, p.Wait())
	return written
}

// bench is one way to read streams.
type bench struct {
	b       testing.TB
	kind    string
	address string
	epoch   time.Time
	chunks  atomic.Int64 // that came
	client  *openai.Client
	plain   *http1.Transport
	route   *http1.Route
	looping []net.Conn // of bareLoop
}

func newBench(b testing.TB, kind, address string) *bench {
	r := &bench{b: b, kind: kind, address: address, epoch: time.Now()}
	u, err := url.Parse("http://" + address + openai.ChatPath)
	require.NoError(b, err)
	switch kind {
	case own, nethttp:
		r.client = openai.New(openai.Config{
			Endpoints: []*url.URL{u}, Concurrency: 10_000, Epoch: r.epoch, Header: http.Header{}, UserAgent: "bench", Transport: kind, Chunks: &r.chunks,
			RequestTimeout: 10 * time.Minute, FirstTokenTimeout: time.Minute, IdleTimeout: time.Minute,
		})
	case transport:
		r.plain = &http1.Transport{Epoch: r.epoch}
		r.route, err = r.plain.Route(http.MethodPost, u, "", nil)
		require.NoError(b, err)
	}
	return r
}

func (r *bench) close() {
	if r.client != nil {
		r.client.Close()
	}
	if r.plain != nil {
		r.plain.CloseIdleConnections()
	}
	for _, c := range r.looping {
		_ = c.Close()
	}
}

// stream reads a stream to its end and returns when its events came.
func (r *bench) stream(number, events int) []int64 {
	switch r.kind {
	case bare:
		return r.bareStream(number, events)
	case transport:
		return r.transportStream(number, events)
	}
	s := r.client.Do(context.Background(), &workload.Request{Serial: number, ID: strconv.Itoa(number), Traceparent: "t", OSL: events, Body: []byte(body)}, 0)
	if s.Outcome != record.OK && s.Outcome != record.Cancelled {
		r.b.Errorf("request %d: %s %+v", number, s.Outcome, s.Error)
	}
	return s.ChunksNS
}

func (r *bench) dial() net.Conn {
	c, err := net.Dial("tcp", r.address)
	if err != nil {
		r.b.Error(err)
		runtime.Goexit()
	}
	return c
}

// bareRequest has the lines of the client's.
func bareRequest(number int) []byte {
	return fmt.Appendf(nil, "POST /v1/chat/completions HTTP/1.1\r\nHost: server\r\nAccept: text/event-stream\r\nContent-Type: application/json\r\n"+
		"User-Agent: bench\r\n"+requestID+"%d\r\nTraceparent: t\r\nContent-Length: 2\r\n\r\n"+body, number)
}

// bareStream knows how long everything is.
func (r *bench) bareStream(number, events int) []int64 {
	c := r.dial()
	defer c.Close()
	_, _ = c.Write(bareRequest(number))
	stamps := make([]int64, 0, events)
	buffer := make([]byte, 16<<10)
	for size, all := 0, len(headers)+events*len(event)+len(chunked(done)+lastChunk); size < all; {
		n, err := c.Read(buffer)
		if err != nil {
			r.b.Error(err)
			break
		}
		now := time.Since(r.epoch).Nanoseconds()
		size += n
		for len(stamps) < events && len(headers)+(len(stamps)+1)*len(event) <= size {
			stamps = append(stamps, now)
			r.chunks.Add(1)
		}
	}
	return stamps
}

func (r *bench) transportStream(number, events int) []int64 {
	call := http1.Call{Transport: r.plain}
	defer call.Close()
	if err := call.Do(context.Background(), r.route, []http1.Field{{Name: "X-Request-Id", Value: strconv.Itoa(number)}}, []byte(body)); err != nil {
		r.b.Error(err)
		return nil
	}
	stamps := make([]int64, 0, events+1)
	for {
		if _, err := call.Next(); errors.Is(err, io.EOF) {
			return stamps[:events]
		} else if err != nil {
			r.b.Error(err)
			return nil
		}
		stamps = append(stamps, call.Stamp())
		r.chunks.Add(1)
	}
}

// figures are of one run of streams.
type figures struct {
	perEvent float64   // processor time in microseconds
	late     []float64 // stamp - the server's write in microseconds, of each event but the first of a stream
}

// run reads streams of a server until they end. What it costs to begin is left out.
func run(b testing.TB, kind, mode string, streams, events int) (f figures) {
	b.Helper()
	p := serving(b, mode, streams, events)
	r := newBench(b, kind, p.address)
	offset := monotonic() - time.Since(r.epoch).Nanoseconds()
	stamps := make([][]int64, streams)
	var all sync.WaitGroup
	for i := range streams {
		all.Go(func() { stamps[i] = r.stream(i, events) })
	}
	for r.chunks.Load() < int64(streams) {
		time.Sleep(time.Millisecond)
	}
	runtime.GC()
	before := processor(b)
	all.Wait()
	f.perEvent = float64(processor(b)-before) / 1e3 / float64(streams*(events-1))
	r.close()
	for i, written := range p.end(b) {
		require.Len(b, stamps[i], events, kind)
		for k := 1; k < events; k++ {
			f.late = append(f.late, float64(stamps[i][k]+offset-written[k])/1e3)
		}
	}
	slices.Sort(f.late)
	return f
}

// processor is the processor time that this process has had.
func processor(b testing.TB) time.Duration {
	b.Helper()
	var u syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// verdict reports a figure against its limit.
func verdict(b *testing.B, name string, figure, limit float64, atLeast bool) {
	b.Helper()
	b.ReportMetric(figure, strings.ReplaceAll(name, " ", "-"))
	word, kept := "at most", figure <= limit
	if atLeast {
		word, kept = "at least", figure >= limit
	}
	result := "PASS"
	if !kept {
		result = "MISS"
	}
	b.Logf("%s: %.4g, limit: %s %.4g: %s", name, figure, word, limit, result)
}

func median(x []float64) float64 {
	slices.Sort(x)
	return x[len(x)/2]
}

func at(sorted []float64, q float64) float64 { return sorted[int(q*float64(len(sorted)-1))] }

// TestReadersOfBenchmarks: every reader can read what the server sends in each way, so that the benchmarks can be trusted to run.
func TestReadersOfBenchmarks(t *testing.T) {
	for _, kind := range []string{bare, transport, own, nethttp} {
		t.Run(kind, func(t *testing.T) {
			assert.Len(t, run(t, kind, paced, 3, 5).late, 3*4)
			assert.Positive(t, run(t, kind, unpaced, 3, 1+2*perSend).perEvent)
			if kind != transport { // which has no part in these
				assert.Positive(t, requests(t, kind, 3, 2))
			}
			if kind == own || kind == nethttp {
				waiting(t, kind, 3, 2, 4)
			}
		})
	}
}

// BenchmarkPacedStreams: 1,000 streams x 50 tokens/s. The readers take turns, three times; the medians of the ratios count.
func BenchmarkPacedStreams(b *testing.B) {
	const streams, events = 1000, 150
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var cost, late []float64
	for range 3 * b.N {
		of := map[string]figures{}
		for _, kind := range []string{bare, transport, own, nethttp} {
			f := run(b, kind, paced, streams, events)
			of[kind] = f
			b.Logf("%-9s %5.2f us of processor time for an event; stamp - write: p50 %.0f us, p99 %.0f us", kind, f.perEvent, at(f.late, 0.5), at(f.late, 0.99))
		}
		cost = append(cost, of[own].perEvent/of[bare].perEvent)
		late = append(late, at(of[own].late, 0.99)/at(of[bare].late, 0.99))
	}
	verdict(b, "times the bare reader's processor time", median(cost), 1.3, false)
	verdict(b, "times the bare reader's p99 of stamp - write", median(late), 3, false)
	b.ReportMetric(0, "ns/op")
}

// BenchmarkUnpacedStreams: 250 streams as fast as the server can send.
func BenchmarkUnpacedStreams(b *testing.B) {
	const streams, events = 250, 1 + 64*perSend
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var cost, framing []float64
	for range 3 * b.N {
		of := map[string]figures{}
		for _, kind := range []string{bare, transport, own, nethttp} {
			of[kind] = run(b, kind, unpaced, streams, events)
			b.Logf("%-9s %5.3f us of processor time for an event", kind, of[kind].perEvent)
		}
		cost = append(cost, of[own].perEvent/of[bare].perEvent)
		framing = append(framing, of[transport].perEvent/of[bare].perEvent)
	}
	b.ReportMetric(median(framing), "transport-alone")
	verdict(b, "times the bare reader's processor time", median(cost), 2.5, false)
	b.ReportMetric(0, "ns/op")
}

// BenchmarkRequests: answers of one token over 250 connections.
func BenchmarkRequests(b *testing.B) {
	const connections, each = 250, 200
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var shares []float64
	for range 3 * b.N {
		of := map[string]float64{}
		for _, kind := range []string{bare, own, nethttp} {
			of[kind] = requests(b, kind, connections, each)
			b.Logf("%-9s %.0f requests for a second of processor time", kind, of[kind])
		}
		shares = append(shares, of[own]/of[bare])
	}
	verdict(b, "of the bare request loop", median(shares), 0.5, true)
	if path, err := exec.LookPath("wrk"); err == nil {
		theirs := wrk(b, path, connections)
		verdict(b, "of wrk", requests(b, own, connections, each)/theirs, 0.5, true)
	} else {
		b.Log("wrk is not on the PATH")
	}
	b.ReportMetric(0, "ns/op")
}

// requests returns how many a reader manages for each second of processor time.
func requests(b testing.TB, kind string, connections, each int) float64 {
	b.Helper()
	p := serving(b, answers, 0, 0)
	r := newBench(b, kind, p.address)
	loop := func(slot, times int) func() {
		ask := func() { r.stream(slot, 1) }
		if kind == bare {
			ask = r.bareLoop(slot)
		}
		return func() {
			for range times {
				ask()
			}
		}
	}
	slots := make([]func(), connections)
	if r.client != nil {
		require.NoError(b, r.client.Warm(b.Context(), connections))
	}
	for slot := range slots {
		slots[slot] = loop(slot, each)
	}
	inParallel(slots) // and once more for the figure, with everything in place
	runtime.GC()
	before := processor(b)
	inParallel(slots)
	took := processor(b) - before
	r.close()
	p.end(b)
	return float64(connections*each) / took.Seconds()
}

func inParallel(all []func()) {
	var running sync.WaitGroup
	for _, f := range all {
		running.Go(f)
	}
	running.Wait()
}

// bareLoop returns what writes a request and reads up to the last chunk.
func (r *bench) bareLoop(number int) func() {
	c := r.dial()
	r.looping = append(r.looping, c)
	request, buffer := bareRequest(number), make([]byte, 16<<10)
	return func() {
		_, _ = c.Write(request)
		for n := 0; !bytes.HasSuffix(buffer[:n], []byte(lastChunk)); {
			read, err := c.Read(buffer[n:])
			if err != nil {
				r.b.Error(err)
				return
			}
			n += read
		}
	}
}

// wrk returns how many requests it manages for each second of its processor time.
func wrk(b *testing.B, path string, connections int) float64 {
	b.Helper()
	p := serving(b, answers, 0, 0)
	defer p.end(b)
	script := b.TempDir() + "/post.lua"
	require.NoError(b, os.WriteFile(script, []byte("wrk.method='POST'\nwrk.body='"+body+"'\nwrk.headers['X-Request-Id']='1'\n"), 0o600))
	command := exec.CommandContext(b.Context(), path, "-t1", "-c", strconv.Itoa(connections), "-d3s", "-s", script, "http://"+p.address+openai.ChatPath)
	out, err := command.Output()
	require.NoError(b, err)
	found := regexp.MustCompile(`(\d+) requests in`).FindSubmatch(out)
	require.NotNil(b, found, "%s", out)
	n, err := strconv.Atoi(string(found[1]))
	require.NoError(b, err)
	return float64(n) / (command.ProcessState.UserTime() + command.ProcessState.SystemTime()).Seconds()
}

// BenchmarkWaitingStreams: the client's memory of 10,000 streams in the midst of an answer.
func BenchmarkWaitingStreams(b *testing.B) {
	const streams, came, events = 10_000, 20, 256
	var files syscall.Rlimit
	require.NoError(b, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files))
	if files.Cur < streams+100 {
		b.Fatalf("%d open files are allowed, %d streams need %d: raise the limit (ulimit -n)", files.Cur, streams, streams+100)
	}
	for range b.N {
		for _, kind := range []string{nethttp, own} {
			size := waiting(b, kind, streams, came, events)
			b.Logf("%-9s %.1f KiB a stream, %d B of them for each of %d stamps", kind, size/1024, 8, events)
			if kind == own {
				verdict(b, "KiB a stream without its stamps", (size-8*events)/1024, 16, false)
			}
		}
	}
	b.ReportMetric(0, "ns/op")
}

// waiting returns the bytes for a stream that waits for its next event.
func waiting(b testing.TB, kind string, streams, came, events int) float64 {
	b.Helper()
	p := serving(b, holding, streams, came)
	before := memory()
	r := newBench(b, kind, p.address)
	ctx, cancel := context.WithCancelCause(context.Background())
	require.NoError(b, r.client.Warm(ctx, streams))
	var all sync.WaitGroup
	for i := range streams {
		all.Go(func() {
			r.client.Do(ctx, &workload.Request{Serial: i, ID: strconv.Itoa(i), Traceparent: "t", OSL: events, Body: []byte(body)}, 0)
		})
	}
	for r.chunks.Load() < int64(streams*came) {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(100 * time.Millisecond)
	size := float64(memory()-before) / float64(streams)
	cancel(errInterrupt)
	all.Wait()
	r.close()
	p.end(b)
	return size
}

func memory() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}
