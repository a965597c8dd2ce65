//go:build unix

package mockserver_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/mockserver"
	"github.com/llmsweep/llmsweep/mockserver/engine"
)

// TestDrain is the client of the benchmarks, in a process of its own so that the figures of the server are the server's. It opens
// connections and sends a request on each. Then it reads to the end without a look at what it reads or, asked for no tokens, says
// when every answer has begun and waits for the end of its input.
func TestDrain(t *testing.T) {
	arguments := os.Getenv("MOCKSERVER_DRAIN")
	if arguments == "" {
		t.Skip("it is started by the benchmarks")
	}
	var address string
	var streams, tokens int
	_, err := fmt.Sscan(arguments, &address, &streams, &tokens)
	require.NoError(t, err)
	var begun, ended sync.WaitGroup
	hold := make(chan struct{})
	begun.Add(streams)
	for range streams {
		c, err := net.Dial("tcp", address)
		require.NoError(t, err)
		ended.Go(func() {
			defer c.Close()
			body := chatBody(5, max(tokens, 1), true)
			fmt.Fprintf(c, "POST /v1/chat/completions HTTP/1.1\r\nHost: mock\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
			buffer := make([]byte, 4<<10)
			_, err := c.Read(buffer)
			begun.Done()
			if tokens == 0 {
				<-hold
				return
			}
			for ; err == nil; _, err = c.Read(buffer) {
			}
		})
	}
	if tokens == 0 {
		begun.Wait()
		fmt.Println("begun")
		_, err := io.Copy(io.Discard, os.Stdin)
		require.NoError(t, err)
		close(hold)
	}
	ended.Wait()
}

// client is the process of TestDrain.
func client(l net.Listener, streams, tokens int) *exec.Cmd {
	c := exec.Command(os.Args[0], "-test.run=^TestDrain$", "-test.count=1")
	c.Env = append(os.Environ(), fmt.Sprintf("MOCKSERVER_DRAIN=%s %d %d", l.Addr(), streams, tokens))
	return c
}

// drain runs the client against an address until it has read everything, and returns what that cost this process.
func drain(b *testing.B, l net.Listener, streams, tokens int) time.Duration {
	b.Helper()
	reader := client(l, streams, tokens)
	var out bytes.Buffer
	reader.Stdout, reader.Stderr = &out, &out
	runtime.GC()
	before := processor(b)
	require.NoError(b, reader.Run(), "%s", &out)
	return processor(b) - before
}

// processor is the processor time that this process has had.
func processor(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// serving starts a mock server on the loopback for a benchmark, and returns how to stop it.
func serving(b *testing.B, change func(*mockserver.Options)) (l net.Listener, stop func()) {
	b.Helper()
	o := mockserver.DefaultOptions()
	o.NumGPUBlocks, o.MaxNumSeqs = 1<<24, 1<<20
	change(&o)
	server, err := mockserver.New(o)
	require.NoError(b, err)
	l, err = net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	return l, func() {
		require.NoError(b, server.Close())
		require.NoError(b, <-served)
	}
}

// load drains a mock server and returns what that cost it.
func load(b *testing.B, streams, tokens int, change func(*mockserver.Options)) time.Duration {
	l, stop := serving(b, change)
	defer stop()
	return drain(b, l, streams, tokens)
}

// bare is a server that knows beforehand what it sends: the same event in each HTTP chunk, some in a write. pace says when.
func bare(b *testing.B, streams, perWrite int, pace func(connections []net.Conn, chunk []byte)) net.Listener {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	event := bytes.Repeat([]byte(`data: {"id":"chatcmpl-7143460e1a4f153138da78f4f6dcb6f2","object":"chat.completion.chunk","created":946684800,`+
		`"model":"Qwen/Qwen3-0.6B","choices":[{"index":0,"delta":{"content":" another"},"finish_reason":null,"logprobs":null}]}`+"\n\n"), perWrite)
	chunk := fmt.Appendf(nil, "%x\r\n%s\r\n", len(event), event)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		var connections []net.Conn
		for range streams {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = bufio.NewReader(c).ReadString('}')
			connections = append(connections, c)
		}
		pace(connections, chunk)
		for _, c := range connections {
			_ = c.Close()
		}
	}()
	b.Cleanup(func() { _ = l.Close(); <-ended })
	return l
}

// atOnce writes to each connection as often as it can.
func atOnce(times int) func([]net.Conn, []byte) {
	return func(connections []net.Conn, chunk []byte) {
		var all sync.WaitGroup
		for _, c := range connections {
			all.Go(func() { send(c, chunk, times) })
		}
		all.Wait()
	}
}

// together writes to every connection at the same instants, as an engine's passes do.
func together(times int, interval time.Duration) func([]net.Conn, []byte) {
	return func(connections []net.Conn, chunk []byte) {
		due := time.Now()
		for range times {
			for _, c := range connections {
				_, _ = c.Write(chunk)
			}
			due = due.Add(interval)
			time.Sleep(time.Until(due))
		}
	}
}

// inTurn writes to each connection at instants of its own, evenly apart, and waits with the server's own kind of timer.
func inTurn(times int, interval time.Duration, fine bool) func([]net.Conn, []byte) {
	return func(connections []net.Conn, chunk []byte) {
		wait, end := mockserver.Waiter(fine)
		defer end()
		due := time.Now()
		for range times {
			for _, c := range connections {
				if left := time.Until(due); left > 0 {
					wait(left)
				}
				_, _ = c.Write(chunk)
				due = due.Add(interval / time.Duration(len(connections)))
			}
		}
	}
}

func send(c net.Conn, chunk []byte, times int) {
	for range times {
		_, _ = c.Write(chunk)
	}
}

// verdict reports a figure against its limit.
func verdict(b *testing.B, name string, figure, limit float64, atLeast bool) {
	b.Helper()
	b.ReportMetric(figure, strings.ReplaceAll(strings.ReplaceAll(name, ",", ""), " ", "-"))
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

// BenchmarkUnpaced: 250 streams without waiting, on one core.
func BenchmarkUnpaced(b *testing.B) {
	const streams, tokens = 250, 8192
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var rates, bares []float64
	for range b.N {
		cpu := load(b, streams, tokens, func(o *mockserver.Options) { o.SpeedupRatio = 0 })
		rates = append(rates, streams*tokens/cpu.Seconds())
		cpu = drain(b, bare(b, streams, 256, atOnce(tokens/256)), streams, tokens)
		bares = append(bares, streams*tokens/cpu.Seconds())
	}
	b.ReportMetric(median(bares), "bare-events/cpu-s")
	verdict(b, "events/cpu-s", median(rates), 1e6, true)
}

// BenchmarkPaced: 50 tokens/s to each of 250 and 1000 streams, one token a write, against writes and nothing else that come at the
// same kind of instants and are waited for with the same timer. What it costs to begin is taken off both.
//
// The tokens of an engine's pass are due together. Those of the plain server are due at instants of each stream's own, which the
// fine timer tells apart and Go's does not.
func BenchmarkPaced(b *testing.B) {
	const interval = 20 * time.Millisecond
	plain := func(fine bool) func(*mockserver.Options) {
		return func(o *mockserver.Options) {
			o.Plain, o.FineTimer = &engine.Plain{TTFT: time.Second, ITL: interval}, fine
		}
	}
	const repetitions, events = 5, 50_000
	for _, c := range []struct {
		name    string
		options func(*mockserver.Options)
		pace    func(times int) func([]net.Conn, []byte)
	}{
		{"engine", func(o *mockserver.Options) { o.Timing = constant(interval) },
			func(times int) func([]net.Conn, []byte) { return together(times, interval) }},
		{"plain", plain(false),
			func(times int) func([]net.Conn, []byte) { return inTurn(times, interval, false) }},
		{"plain,fine", plain(true),
			func(times int) func([]net.Conn, []byte) { return inTurn(times, interval, true) }},
	} {
		for _, streams := range []int{250, 1000} {
			b.Run(fmt.Sprintf("%s-%d", c.name, streams), func(b *testing.B) {
				tokens := events / streams
				var ratios []float64
				for range b.N * repetitions {
					mock := load(b, streams, tokens+1, c.options) - load(b, streams, 1, c.options)
					least := drain(b, bare(b, streams, 1, c.pace(tokens+1)), streams, tokens+1) -
						drain(b, bare(b, streams, 1, c.pace(1)), streams, 1)
					ratios = append(ratios, least.Seconds()/mock.Seconds())
				}
				verdict(b, "of bare writes, median", median(ratios), 0.6, true)
				b.Logf("from %.3g to %.3g in %d repetitions", slices.Min(ratios), slices.Max(ratios), len(ratios))
			})
		}
	}
}

// constant is the duration of every pass.
type constant time.Duration

func (c constant) Prefill(engine.Work) float64 { return float64(c) / 1e6 }
func (c constant) Decode(w engine.Work) float64 {
	if w.Prefilling > 0 {
		return 0
	}
	return float64(c) / 1e6
}

// BenchmarkLateness: how late tokens leave at 1000 streams x 50 tokens/s, by the server's own record, less how late a timer is
// that does nothing else.
func BenchmarkLateness(b *testing.B) {
	const streams, tokens, interval, first, repetitions = 1000, 150, 20 * time.Millisecond, time.Second, 3
	var above []float64
	for range b.N * repetitions {
		record := new(bytes.Buffer)
		ended := make(chan struct{})
		floor := make(chan []float64)
		go func() { floor <- timerLateness(ended) }()
		load(b, streams, tokens, func(o *mockserver.Options) {
			o.Plain, o.Record, o.FineTimer = &engine.Plain{TTFT: first, ITL: interval}, record, true
		})
		close(ended)
		late := lateness(b, record.String(), first, interval)
		require.Len(b, late, streams*tokens)
		timer := percentile(<-floor, 0.99)
		b.Logf("p50 %.3f ms, p99 %.3f ms, timer's p99 %.3f ms", percentile(late, 0.5), percentile(late, 0.99), timer)
		above = append(above, percentile(late, 0.99)-timer)
	}
	verdict(b, "p99 ms above the timer, median", median(above), 1, false)
}

// lateness is by how many milliseconds each token of a record was written after it was due.
func lateness(b *testing.B, record string, first, interval time.Duration) []float64 {
	b.Helper()
	var late []float64
	for line := range strings.Lines(record) {
		var l struct {
			Arrival int64   `json:"arrival_ns"`
			Writes  []int64 `json:"writes_ns"`
			Tokens  []int   `json:"write_tokens"`
		}
		require.NoError(b, json.Unmarshal([]byte(line), &l))
		k := 0
		for i, at := range l.Writes {
			for range l.Tokens[i] {
				late = append(late, float64(at-l.Arrival-int64(first)-int64(k)*int64(interval))/1e6)
				k++
			}
		}
	}
	return late
}

// timerLateness is by how many milliseconds the server's kind of timer is late, every 20 ms again.
func timerLateness(ended <-chan struct{}) []float64 {
	wait, end := mockserver.Waiter(true)
	defer end()
	var late []float64
	for due := time.Now(); ; {
		due = due.Add(20 * time.Millisecond)
		wait(time.Until(due))
		late = append(late, float64(time.Since(due))/1e6)
		select {
		case <-ended:
			return late
		default:
		}
	}
}

func percentile(x []float64, q float64) float64 {
	slices.Sort(x)
	return x[int(q*float64(len(x)-1))]
}

// BenchmarkOpenStreams: the server's memory of 10,000 streams that wait for their first token.
func BenchmarkOpenStreams(b *testing.B) {
	const streams = 10_000
	var files syscall.Rlimit
	require.NoError(b, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files))
	if files.Cur < streams+100 {
		b.Fatalf("%d open files are allowed, %d streams need %d: raise the limit (ulimit -n)", files.Cur, streams, streams+100)
	}
	for range b.N {
		openStreams(b, streams)
	}
}

func openStreams(b *testing.B, streams int) {
	l, stop := serving(b, func(o *mockserver.Options) { o.Plain = &engine.Plain{TTFT: time.Hour} })
	defer stop()
	before := memory()
	reader := client(l, streams, 0)
	in, err := reader.StdinPipe()
	require.NoError(b, err)
	out, err := reader.StdoutPipe()
	require.NoError(b, err)
	require.NoError(b, reader.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(b, err)
	require.Equal(b, "begun\n", line)
	b.Logf("%d streams", streams)
	verdict(b, "KiB a stream", float64(memory()-before)/1024/float64(streams), 32, false)
	require.NoError(b, in.Close())
	require.NoError(b, reader.Wait())
}

func memory() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}

func median(x []float64) float64 {
	slices.Sort(x)
	return x[len(x)/2]
}
