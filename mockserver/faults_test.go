package mockserver_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/mockserver"
	"github.com/llmsweep/llmsweep/mockserver/engine"
	"github.com/llmsweep/llmsweep/mockserver/fault"
)

// patience is how long a client waits for an answer to end.
const patience = time.Hour

// wireRead is what a client read from its connection, and when, since it dialed.
type wireRead struct {
	at      time.Duration
	text    string
	dropped int // letters x where a zero byte stands in the text
}

// mostKept is how much of a read is kept at either end; in the middle stands nothing but a long line.
const mostKept = 1 << 17

// add appends what came at the same instant.
func (r *wireRead) add(b []byte) {
	r.text += string(b)
	if middle := len(r.text) - mostKept; middle > mostKept {
		r.dropped += strings.Count(r.text[mostKept/2:mostKept/2+middle], "x")
		r.text = r.text[:mostKept/2] + "\x00" + r.text[mostKept/2+middle:]
	}
}

// transcript is all that a client saw of its connection.
type transcript struct {
	reads []wireRead
	ended time.Duration
	how   string
}

// String has a line for each instant, and one for bytes that come one by one.
func (c transcript) String() string {
	var b strings.Builder
	for k := 0; k < len(c.reads); {
		last := c.dripping(k)
		text, dropped := "", 0
		for _, r := range c.reads[k : last+1] {
			text += r.text
			dropped += r.dropped
		}
		fmt.Fprintf(&b, "%v", c.reads[k].at)
		if last > k {
			fmt.Fprintf(&b, ", each %v", c.reads[k+1].at-c.reads[k].at)
			if chunks := regexp.MustCompile(`(?s)1\r\n(.)\r\n`); len(chunks.ReplaceAllString(text, "")) == 0 {
				b.WriteString(" in a chunk")
				text = chunks.ReplaceAllString(text, "$1")
			}
		}
		fmt.Fprintf(&b, "\n%s\n", shorten(text, dropped))
		k = last + 1
	}
	fmt.Fprintf(&b, "%v\n%s\n", c.ended, c.how)
	return b.String()
}

// dripping is the last of the reads from one on that have a byte each, in equal distances.
func (c transcript) dripping(k int) int {
	last := k
	for last+1 < len(c.reads) && len(c.reads[last].text) <= len("1\r\nx\r\n") && len(c.reads[last+1].text) <= len("1\r\nx\r\n") &&
		c.reads[last+1].at-c.reads[last].at == c.reads[k+1].at-c.reads[k].at {
		last++
	}
	return last
}

// shorten quotes text for a golden file, a line of it on a line, and counts what a long line is filled with.
func shorten(text string, dropped int) string {
	text = regexp.MustCompile(`x{64}[x\r\n0-9a-f\x00]*x`).ReplaceAllStringFunc(text, func(fill string) string {
		return fmt.Sprintf("[%d x]", dropped+strings.Count(fill, "x"))
	})
	var lines []string
	for line := range strings.SplitAfterSeq(text, "\n") {
		if line != "" {
			quoted := fmt.Sprintf("%q", line)
			lines = append(lines, "  "+strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`))
		}
	}
	return strings.Join(lines, "\n")
}

// watch sends a request on a connection of its own and writes down all that comes.
func (r *rig) watch(body string, header ...string) (seen transcript) {
	start := r.now()
	end := func(how string) transcript {
		seen.ended, seen.how = r.now()-start, how
		return seen
	}
	c, err := r.listener.DialContext(r.t.Context(), "mem", "mock:80")
	if errors.Is(err, syscall.ECONNREFUSED) {
		return end("refused")
	}
	check(r.t, err)
	defer c.Close()
	check(r.t, c.SetReadDeadline(time.Now().Add(patience)))
	_, err = fmt.Fprintf(c, "POST /v1/chat/completions HTTP/1.1\r\nHost: mock\r\nConnection: close\r\nContent-Length: %d\r\n%s\r\n%s",
		len(body), strings.Join(header, ""), body)
	check(r.t, err)
	buffer := make([]byte, 1<<20)
	for {
		n, err := c.Read(buffer)
		if last := len(seen.reads) - 1; n > 0 && last >= 0 && seen.reads[last].at == r.now()-start {
			seen.reads[last].add(buffer[:n])
		} else if n > 0 {
			seen.reads = append(seen.reads, wireRead{at: r.now() - start, text: string(buffer[:n])})
		}
		switch {
		case errors.Is(err, io.EOF):
			return end("closed")
		case errors.Is(err, syscall.ECONNRESET):
			return end("reset")
		case errors.Is(err, os.ErrDeadlineExceeded):
			return end("the client leaves")
		case err != nil:
			return end(err.Error())
		}
	}
}

// truth is what a line of the record says of faults, beside the line itself.
type truth struct {
	line  string
	Fault *struct {
		Kind        fault.Kind
		Rule        int
		Request     int
		At          int64  `json:"at_ns"`
		Until       int64  `json:"until_ns"`
		Sees        string `json:"client_sees"`
		Connections *int   `json:"refused_connections"`
	}
	Number int
}

// replayed are three requests to a server: what their clients saw, and what the server recorded.
type replayed struct {
	seen   []transcript
	record []truth
}

// of is the line of a request by the number of its answer, or of what was no request.
func (r replayed) of(number int) truth {
	for _, l := range r.record {
		if l.Number == number {
			return l
		}
	}
	return truth{}
}

// question is a request of fixed text for an answer of four tokens.
func question(who string, stream bool) string {
	return fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":"%s asks this"}],"max_tokens":4,"stream":%v}`, model, who, stream)
}

// replay sends three requests, the second and third of which overlap unless the third comes later.
func replay(t *testing.T, plan fault.Plan, third time.Duration, stream bool, change func(*mockserver.Options)) replayed {
	t.Helper()
	var file strings.Builder
	result := replayed{seen: make([]transcript, 3)}
	configure := func(o *mockserver.Options) {
		o.Record, o.Faults = &file, plan
		o.Plain = &engine.Plain{TTFT: 20 * time.Millisecond, ITL: 5 * time.Millisecond}
		if change != nil {
			change(o)
		}
	}
	inBubble(t, configure, func(r *rig) {
		var clients sync.WaitGroup
		for k, at := range []time.Duration{time.Second, 2*time.Second + time.Millisecond, third} {
			clients.Go(func() {
				r.at(at)
				result.seen[k] = r.watch(question(fmt.Sprint("client ", k), stream))
			})
		}
		clients.Wait()
		synctest.Wait() // until the server has heard of those that left
	})
	for line := range strings.Lines(file.String()) {
		l := truth{line: line}
		require.NoError(t, json.Unmarshal([]byte(line), &l))
		result.record = append(result.record, l)
	}
	return result
}

// example reads the plan of a file in docs/faults.
func example(t *testing.T, kind fault.Kind) fault.Plan {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("../docs/faults", string(kind)+".yaml"))
	require.NoError(t, err)
	plan, err := fault.Parse(data)
	require.NoError(t, err)
	require.Len(t, plan.Rules, 1)
	require.Equal(t, kind, plan.Rules[0].Kind)
	return plan
}

// thirdAt is when the third request comes: in the middle of the second's answer, or when connections are taken again.
func thirdAt(kind fault.Kind) time.Duration {
	if kind == fault.Refuse {
		return 5 * time.Second
	}
	return 2*time.Second + 24*time.Millisecond
}

// TestExamples replays the example of each kind in virtual time. What hit clients saw, byte by byte and to the nanosecond, and what the
// record says of it, is held against a file; the others must see what they see of a server without faults, and the record must say
// the same of them.
func TestExamples(t *testing.T) {
	t.Parallel()
	for _, kind := range fault.Kinds() {
		for _, stream := range []bool{true, false} {
			name := string(kind)
			if !stream {
				name += "_whole"
			}
			if !stream && kind.StreamsOnly() {
				continue
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				plan := example(t, kind)
				got, clean := replay(t, plan, thirdAt(kind), stream, nil), replay(t, fault.Plan{}, thirdAt(kind), stream, nil)
				assertGolden(t, name, kind, got, clean)
			})
		}
	}
}

// assertGolden judges the three requests of a replay.
func assertGolden(t *testing.T, name string, kind fault.Kind, got, clean replayed) {
	t.Helper()
	var text strings.Builder
	hits := 0
	for k := range got.seen {
		line, number := got.of(k+1), k+1
		if kind == fault.Refuse { // whose request got no number
			line, number = got.of([]int{1, 0, 2}[k]), []int{1, 0, 2}[k]
		}
		if line.Fault == nil {
			if number == k+1 {
				assert.Equal(t, clean.seen[k].String(), got.seen[k].String(), "request %d", k+1)
				assert.Equal(t, clean.of(k+1).line, line.line)
			}
			continue
		}
		hits++
		assert.Equal(t, kind, line.Fault.Kind)
		assert.Equal(t, 1, line.Fault.Rule)
		fmt.Fprintf(&text, "request %d\n%s%s", k+1, got.seen[k], line.line)
	}
	assert.Positive(t, hits)
	assert.Less(t, hits, 3, "nobody is healthy")
	file := filepath.Join("testdata/faults", name+".txt")
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(text.String()), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, string(want), text.String())
}

// Kinds that spoil what the engine has made leave a batch of requests as it was: the others keep their instants in an engine where
// each request makes the others slower.
func TestFaultsOnTheWayLeaveTheEngineAlone(t *testing.T) {
	t.Parallel()
	batched := func(o *mockserver.Options) { o.Plain = nil }
	clean := replay(t, fault.Plan{}, thirdAt(""), true, batched)
	for _, kind := range []fault.Kind{
		fault.StallBeforeHeaders, fault.Stall, fault.SlowHeaders, fault.SlowBody, fault.MalformedJSON, fault.Duplicate, fault.WrongContentType,
		fault.Spike, fault.Drift, fault.ColdStart,
	} {
		got := replay(t, example(t, kind), thirdAt(kind), true, batched)
		healthy := 0
		for k := range got.seen {
			if got.of(k+1).Fault == nil {
				healthy++
				assert.Equal(t, clean.seen[k], got.seen[k], "%s, request %d", kind, k+1)
			}
		}
		assert.Positive(t, healthy, kind)
	}
}

// A request that is broken off leaves the engine: one that waits for its place gets it when the running pass ends.
func TestBrokenOffRequestsFreeTheirPlace(t *testing.T) {
	t.Parallel()
	for _, kind := range []fault.Kind{fault.Reset, fault.Truncate, fault.BrokenFraming, fault.StreamError, fault.EndlessLine} {
		first := fault.Rule{When: fault.When{Requests: []fault.Range{{First: 1, Last: 1}}}, Fault: fault.Fault{Kind: kind, Tokens: 1, Size: 100, Style: fault.OpenAI}}
		inBubble(t, func(o *mockserver.Options) { o.MaxNumSeqs, o.Faults.Rules = 1, []fault.Rule{first} }, func(r *rig) {
			var clients sync.WaitGroup
			clients.Go(func() { r.watch(chatBody(100, 1000, true)) })
			var instants []time.Duration
			clients.Go(func() {
				r.at(time.Millisecond)
				instants = tokens(t, r.stream(100, 1))
			})
			clients.Wait()
			assert.Equal(t, []time.Duration{18_023_974 + 5_745_202 + 18_023_974 + 1}, instants, kind)
		})
	}
}

// Close ends every wait of a fault.
func TestCloseEndsFaults(t *testing.T) {
	t.Parallel()
	for _, line := range []string{
		"kind=stall", "kind=stall_before_headers", "kind=slow_headers; interval=1h", "kind=slow_body; rate=0.001", "kind=spike; delay=900h",
	} {
		for _, stream := range []bool{true, false} {
			if !stream && line == "kind=stall" {
				continue
			}
			inBubble(t, func(o *mockserver.Options) { o.FaultHeader = true }, func(r *rig) {
				time.AfterFunc(time.Minute, func() { assert.NoError(t, r.server.Close()) })
				seen := r.watch(question("somebody", stream), "X-Mock-Fault: "+line+"\r\n")
				assert.Equal(t, time.Minute, seen.ended, "%s %v", line, stream)
			})
		}
	}
}

// TestRefusedConnectionsOfTCP: the socket is closed for the window, and the one after it has the same address.
func TestRefusedConnectionsOfTCP(t *testing.T) {
	t.Parallel()
	var file strings.Builder
	o := mockserver.DefaultOptions()
	o.SpeedupRatio, o.Record = 0, &file
	o.Faults.Rules = []fault.Rule{{When: fault.When{Until: 300 * time.Millisecond}, Fault: fault.Fault{Kind: fault.Refuse}}}
	server, err := mockserver.New(o)
	require.NoError(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	refused := 0
	require.Eventually(t, func() bool {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			// One that is under way when the socket is closed is reset.
			assert.True(t, errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET), "%v", err)
			refused++
			return false
		}
		defer c.Close()
		require.NoError(t, c.SetDeadline(time.Now().Add(10*time.Second)))
		_, err = fmt.Fprint(c, "GET /live HTTP/1.0\r\n\r\n")
		answer, _ := io.ReadAll(c)
		return err == nil && strings.HasPrefix(string(answer), "HTTP/1.0 200")
	}, 30*time.Second, 5*time.Millisecond)
	assert.Positive(t, refused)
	require.NoError(t, server.Close())
	require.NoError(t, <-served)
	assert.Contains(t, file.String(), `"fault":{"kind":"refuse","rule":1,`)
	assert.Contains(t, file.String(), `"client_sees":"connection refused","refused_connections":null}`)
}

// A reset of TCP reaches the client after the tokens before it.
func TestResetOfTCP(t *testing.T) {
	t.Parallel()
	o := mockserver.DefaultOptions()
	o.Plain, o.FaultHeader = &engine.Plain{TTFT: time.Millisecond, ITL: time.Millisecond}, true
	server, err := mockserver.New(o)
	require.NoError(t, err)
	defer server.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	go func() { _ = server.Serve(l) }()
	for line, want := range map[string]int{"kind=reset; tokens=2": 2, "kind=reset_before_headers": 0} {
		c, err := net.Dial("tcp", l.Addr().String())
		require.NoError(t, err)
		defer c.Close()
		require.NoError(t, c.SetDeadline(time.Now().Add(30*time.Second)))
		body := question("somebody", true)
		_, err = fmt.Fprintf(c, "POST /v1/chat/completions HTTP/1.1\r\nHost: mock\r\nX-Mock-Fault: %s\r\nContent-Length: %d\r\n\r\n%s", line, len(body), body)
		require.NoError(t, err)
		answer, err := io.ReadAll(c)
		assert.ErrorIs(t, err, syscall.ECONNRESET, line)
		assert.Equal(t, want, strings.Count(string(answer), `"delta":{"content"`), line)
		assert.Equal(t, want > 0, strings.HasPrefix(string(answer), "HTTP/1.1 200 OK"), line)
	}
}
