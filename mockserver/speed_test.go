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
	"strconv"
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
// connections, sends a request on each, and reads to the end without a look at what it reads.
func TestDrain(t *testing.T) {
	arguments := os.Getenv("MOCKSERVER_DRAIN")
	if arguments == "" {
		t.Skip("it is started by the benchmarks")
	}
	var address string
	var streams, tokens int
	_, err := fmt.Sscan(arguments, &address, &streams, &tokens)
	require.NoError(t, err)
	var all sync.WaitGroup
	for range streams {
		c, err := net.Dial("tcp", address)
		require.NoError(t, err)
		all.Go(func() {
			defer c.Close()
			body := chatBody(5, tokens, true)
			fmt.Fprintf(c, "POST /v1/chat/completions HTTP/1.1\r\nHost: mock\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
			buffer := make([]byte, 4<<10)
			for err := error(nil); err == nil; _, err = c.Read(buffer) {
			}
		})
	}
	all.Wait()
}

// drain runs the client against an address until it has read everything, and returns what that cost this process.
func drain(b *testing.B, l net.Listener, streams, tokens int) time.Duration {
	b.Helper()
	client := exec.Command(os.Args[0], "-test.run=^TestDrain$", "-test.count=1")
	client.Env = append(os.Environ(), fmt.Sprintf("MOCKSERVER_DRAIN=%s %d %d", l.Addr(), streams, tokens))
	var out bytes.Buffer
	client.Stdout, client.Stderr = &out, &out
	runtime.GC()
	before := processor(b)
	require.NoError(b, client.Run(), "%s", &out)
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

// bare is a server that knows beforehand what it sends: the same event in each HTTP chunk, some in a write, one write to every
// connection each interval.
func bare(b *testing.B, streams, tokens, perWrite int, interval time.Duration) net.Listener {
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
		if interval == 0 {
			var all sync.WaitGroup
			for _, c := range connections {
				all.Go(func() { send(c, chunk, tokens/perWrite) })
			}
			all.Wait()
		}
		for start := time.Now(); interval > 0 && tokens > 0; tokens-- {
			for _, c := range connections {
				_, _ = c.Write(chunk)
			}
			time.Sleep(time.Until(start.Add(interval)))
			start = start.Add(interval)
		}
		for _, c := range connections {
			_ = c.Close()
		}
	}()
	b.Cleanup(func() { _ = l.Close(); <-ended })
	return l
}

func send(c net.Conn, chunk []byte, times int) {
	for range times {
		_, _ = c.Write(chunk)
	}
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

// BenchmarkUnpaced: 250 streams without waiting, on one core.
func BenchmarkUnpaced(b *testing.B) {
	const streams, tokens = 250, 8192
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var rates, bares []float64
	for range b.N {
		cpu := load(b, streams, tokens, func(o *mockserver.Options) { o.SpeedupRatio = 0 })
		rates = append(rates, streams*tokens/cpu.Seconds())
		cpu = drain(b, bare(b, streams, tokens, 256, 0), streams, tokens)
		bares = append(bares, streams*tokens/cpu.Seconds())
	}
	b.ReportMetric(median(bares), "bare-events/cpu-s")
	verdict(b, "events/cpu-s", median(rates), 1e6, true)
}

// BenchmarkPaced: 50 tokens/s to each of 250 and 1000 streams, one token a write, against writes and nothing else. What it costs to
// begin is taken off both. The tokens of a pass are due together, as the bare writes are.
func BenchmarkPaced(b *testing.B) {
	const interval = 20 * time.Millisecond
	batched := func(o *mockserver.Options) { o.Timing = constant(interval) }
	for _, streams := range []int{250, 1000} {
		b.Run(strconv.Itoa(streams), func(b *testing.B) {
			tokens := 100_000 / streams
			var ratios []float64
			for range b.N {
				mock := load(b, streams, tokens+1, batched) - load(b, streams, 1, batched)
				least := drain(b, bare(b, streams, tokens+1, 1, interval), streams, tokens+1) -
					drain(b, bare(b, streams, 1, 1, interval), streams, 1)
				b.Logf("processor time for an event: %v, bare %v", mock/time.Duration(streams*tokens), least/time.Duration(streams*tokens))
				ratios = append(ratios, least.Seconds()/mock.Seconds())
			}
			verdict(b, "of bare writes", median(ratios), 0.6, true)
		})
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
	const streams, tokens, interval, first = 1000, 150, 20 * time.Millisecond, time.Second
	for range b.N {
		record := new(bytes.Buffer)
		ended := make(chan struct{})
		floor := make(chan []float64)
		go func() { floor <- timerLateness(ended) }()
		load(b, streams, tokens, func(o *mockserver.Options) {
			o.Plain, o.Record, o.FineTimer = &engine.Plain{TTFT: first, ITL: interval}, record, true
		})
		close(ended)
		var late []float64
		for line := range strings.Lines(record.String()) {
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
		require.Len(b, late, streams*tokens)
		timer := percentile(<-floor, 0.99)
		b.Logf("p50 %.3f ms, p99 %.3f ms, timer's p99 %.3f ms", percentile(late, 0.5), percentile(late, 0.99), timer)
		verdict(b, "p99 ms above the timer", percentile(late, 0.99)-timer, 1, false)
	}
}

// timerLateness is by how many milliseconds a timer of 20 ms is late, again and again.
func timerLateness(ended <-chan struct{}) []float64 {
	var late []float64
	for due := time.Now(); ; {
		due = due.Add(20 * time.Millisecond)
		select {
		case <-ended:
			return late
		case <-time.After(time.Until(due)):
			late = append(late, float64(time.Since(due))/1e6)
		}
	}
}

func percentile(x []float64, q float64) float64 {
	slices.Sort(x)
	return x[int(q*float64(len(x)-1))]
}

// BenchmarkOpenStreams: the memory of 10,000 streams that wait for their first token. Both ends of a stream need a descriptor.
func BenchmarkOpenStreams(b *testing.B) {
	const streams, inProcess = 10_000, 2
	l, stop := serving(b, func(o *mockserver.Options) { o.Plain = &engine.Plain{TTFT: time.Hour} })
	defer stop()
	var files syscall.Rlimit
	require.NoError(b, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files))
	n := min(streams, (int(files.Cur)-100)/inProcess)
	for range b.N {
		before := memory()
		connections := make([]net.Conn, n)
		for k := range connections {
			c, err := net.Dial("tcp", l.Addr().String())
			require.NoError(b, err)
			body := chatBody(2000, 256, true)
			fmt.Fprintf(c, "POST /v1/chat/completions HTTP/1.1\r\nHost: mock\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
			connections[k] = c
		}
		header := make([]byte, 100)
		for _, c := range connections {
			_, err := io.ReadFull(c, header)
			require.NoError(b, err)
		}
		b.Logf("%d streams", n)
		verdict(b, "KiB a stream", float64(memory()-before)/1024/float64(n), 32, false)
		for _, c := range connections {
			_ = c.Close()
		}
	}
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
