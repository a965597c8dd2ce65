package mockserver_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/mockserver"
	"github.com/llmsweep/llmsweep/mockserver/engine"
	"github.com/llmsweep/llmsweep/mockserver/fault"
)

// outline is a transcript in short: of each instant the words, what is not a word in brackets, and how it ended.
func (c transcript) outline() string {
	pieces := regexp.MustCompile(`HTTP/1.1 (\d+)|"content":"( ?\w+)"|"(role)"|"finish_reason":"(\w+)"|\[(DONE)\]|"content":"\n\n()|^no size|` +
		`"(code)":|event: (error)`)
	var all []string
	for _, r := range c.reads {
		line := []string{r.at.String()}
		for _, m := range pieces.FindAllStringSubmatch(r.text, -1) {
			piece := strings.Join(m[1:], "")
			if piece == "" {
				piece = "broken"
			}
			line = append(line, strings.TrimSpace(piece))
		}
		all = append(all, strings.Join(line, " "))
	}
	return strings.Join(append(all, c.ended.String()+" "+c.how), ", ")
}

// asking sends one request that asks for a fault to a plain server and returns what came, with the nanosecond of the first place
// in the batch taken off, and what the record has.
func asking(t *testing.T, line, body string) (transcript, truth) {
	t.Helper()
	var file strings.Builder
	var seen transcript
	inBubble(t, func(o *mockserver.Options) {
		o.Record, o.FaultHeader = &file, true
		o.Plain = &engine.Plain{TTFT: 20 * time.Millisecond, ITL: 5 * time.Millisecond}
	}, func(r *rig) {
		seen = r.watch(body, "X-Mock-Fault: "+line+"\r\n")
	})
	var l truth
	require.NoError(t, json.Unmarshal([]byte(file.String()), &l))
	for k := range seen.reads {
		seen.reads[k].at = seen.reads[k].at.Truncate(10 * time.Nanosecond)
	}
	seen.ended = seen.ended.Truncate(10 * time.Nanosecond)
	return seen, l
}

// TestVariants holds what the examples do not show against words: places in the stream and the options of kinds.
func TestVariants(t *testing.T) {
	t.Parallel()
	words := regexp.MustCompile(`\d+ms role (\w+), 25ms (\w+), 30ms (\w+), 35ms (\w+) length`)
	healthy, line := asking(t, "kind=wrong_content_type", question("somebody", true))
	require.Regexp(t, words, healthy.outline())
	require.NotNil(t, line.Fault)
	w := words.FindStringSubmatch(healthy.outline())[1:]
	for _, c := range []struct{ line, want, sees string }{
		{"kind=reset; tokens=0", "0s 200, 0s reset", "connection reset after 0 tokens"},
		{"kind=reset; tokens=9", "0s 200, 20ms role A, 25ms B, 30ms C, 35ms D, 35ms reset", "connection reset after 4 tokens"},
		{"kind=stall; tokens=1; for=7ms", "0s 200, 20ms role A, 27ms B, 30ms C, 35ms D length DONE, 35ms closed", "nothing for 7ms after 1 token"},
		{"kind=stall; tokens=4; for=1s", "0s 200, 20ms role A, 25ms B, 30ms C, 35ms D, 1.035s length DONE, 1.035s closed", "nothing for 1s after 4 tokens"},
		{"kind=stall; tokens=0; for=1s", "0s 200, 1s role A B C D length DONE, 1s closed", "nothing for 1s after 0 tokens"},
		{"kind=truncate", "0s 200, 20ms role A, 20ms closed", "the end without finish_reason and [DONE] after 1 token"},
		{"kind=truncate; tokens=4; done=true", "0s 200, 20ms role A, 25ms B, 30ms C, 35ms D DONE, 35ms closed", "[DONE] without finish_reason after 4 tokens"},
		{"kind=malformed_json; tokens=0", "0s 200 broken, 20ms role A, 25ms B, 30ms C, 35ms D length DONE, 35ms closed", "malformed JSON after 0 tokens"},
		{"kind=stream_error; tokens=0", "0s 200 code, 0s closed", "an error object after 0 tokens"},
		{"kind=stream_error; style=vllm", "0s 200, 20ms role A code DONE, 20ms closed", "an error object after 1 token"},
		{"kind=stream_error; style=flat", "0s 200, 20ms role A code DONE, 20ms closed", "an error object after 1 token"},
		{"kind=stream_error; style=event", "0s 200, 20ms role A error code, 20ms closed", "an error object after 1 token"},
		{"kind=empty", "0s 200, 0s closed", "an empty body"},
		{"kind=duplicate; tokens=4", "0s 200, 20ms role A, 25ms B, 30ms C, 35ms D D length DONE, 35ms closed", "an event twice after 4 tokens"},
		{"kind=endless_line; tokens=0; size=10", "0s 200, 0s closed", "a line of 10 bytes after 0 tokens"},
		{"kind=spike; delay=7ms", "0s 200, 27ms role A, 32ms B, 37ms C, 42ms D length DONE, 42ms closed", "tokens 7ms later after 0 tokens"},
		{"kind=fewer_tokens; share=0.1", "0s 200, 20ms role A stop DONE, 20ms closed", "the end after 1 token"},
		{"kind=status; status=204", "0s 204, 0s closed", "status 204"},
		{"kind=status; status=503; body=busy", "0s 503, 0s closed", "status 503"},
	} {
		seen, line := asking(t, c.line, question("somebody", true))
		want := strings.NewReplacer(" DONE", " DONE", " A", " "+w[0], " B", " "+w[1], " C", " "+w[2], " D", " "+w[3]).Replace(c.want)
		assert.Equal(t, want, seen.outline(), c.line)
		if assert.NotNil(t, line.Fault, c.line) {
			assert.Equal(t, c.sees, line.Fault.Sees, c.line)
			assert.Zero(t, line.Fault.Rule)
			assert.Equal(t, 1, line.Fault.Request)
		}
	}
	whole, _ := asking(t, "kind=spike; delay=1s", question("somebody", false))
	assert.Equal(t, time.Second+35*time.Millisecond, whole.ended)
	retry, _ := asking(t, "kind=status; status=503; retry_after=7s; body={\"busy\": 1}", question("somebody", true))
	assert.Contains(t, retry.reads[0].text, "\r\nRetry-After: 7\r\n")
	assert.Contains(t, retry.reads[0].text, "\r\nContent-Type: application/json\r\n")
	assert.True(t, strings.HasSuffix(retry.reads[0].text, "\r\n\r\n{\"busy\": 1}"))
}

// A fault that the answer is too short for does not strike, and the record does not say it did.
func TestFaultsThatDoNotStrike(t *testing.T) {
	t.Parallel()
	one := strings.Replace(question("somebody", true), `"max_tokens":4`, `"max_tokens":1`, 1)
	for _, line := range []string{"kind=fewer_tokens", "kind=spike; delay=1s; tokens=4"} {
		seen, recorded := asking(t, line, one)
		assert.Contains(t, seen.outline(), "length DONE, 20ms closed", line)
		assert.Nil(t, recorded.Fault, line)
	}
}

// The header counts only where it is allowed, and what is wrong with it is said.
func TestFaultHeader(t *testing.T) {
	t.Parallel()
	post := func(h http.Handler, stream bool, lines ...string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("POST", "/v1/chat/completions", strings.NewReader(question("somebody", stream)))
		r.Header["X-Mock-Fault"] = lines
		h.ServeHTTP(w, r)
		return w
	}
	closed := instant(t, nil)
	w := post(closed, true, "kind=empty")
	assert.Equal(t, http.StatusBadRequest, w.Code)
	assert.Contains(t, w.Body.String(), "The header X-Mock-Fault is not taken: start the server with -allow-fault-header, or leave it out.")
	assert.Contains(t, w.Body.String(), `"code":"fault_not_allowed"`)

	open := instant(t, func(o *mockserver.Options) { o.FaultHeader = true })
	for line, want := range map[string]string{
		"kind=resett":          `The header X-Mock-Fault is \"kind=resett\": kind \"resett\": must be one of`,
		"kind=reset; tokens=x": `tokens \"x\": must be a whole number.`,
	} {
		w := post(open, true, line)
		assert.Equal(t, http.StatusBadRequest, w.Code)
		assert.Contains(t, w.Body.String(), want)
		assert.Contains(t, w.Body.String(), `"code":"invalid_fault"`)
	}
	assert.Contains(t, post(open, true, "kind=empty", "kind=empty").Body.String(), "is there 2 times: send it once")
	assert.Equal(t, http.StatusTeapot, post(open, true, "kind=status; status=418").Code)
	assert.Equal(t, http.StatusOK, post(open, true).Code)

	// A handler has no connection, and a document is no stream.
	for line, want := range map[string]string{
		"kind=slow_headers": "The fault slow_headers needs the connection itself, which HTTP/1.1 without TLS on a listener of the server's own has",
		"kind=reset":        "The fault reset is for streamed answers: set stream to true.",
	} {
		w := post(open, false, line)
		assert.Equal(t, http.StatusNotImplemented, w.Code)
		assert.Contains(t, w.Body.String(), want)
		assert.Contains(t, w.Body.String(), `"code":"fault_not_possible"`)
	}
}

// What is refused has no number, so that the rules hit whom they would hit without it.
func TestRefusedFaultsTakeNoNumber(t *testing.T) {
	t.Parallel()
	rules, err := fault.Parse([]byte("rules: [{kind: status, status: 418, requests: [3]}, {kind: reset, requests: [5]}, {kind: status, status: 503, requests: [6]}]"))
	require.NoError(t, err)
	h := instant(t, func(o *mockserver.Options) { o.FaultHeader, o.Faults = true, rules })
	for k, step := range []struct {
		header string
		want   int
	}{
		{"", 200}, {"kind=resett", 400}, {"kind=slow_headers", 501}, {"kind=reset", 501}, {"kind=status; status=429", 429}, {"", 418}, {"", 200},
		{"", 501}, // the rule's own fault cannot be done, and its number is spent: another request would only meet it again
		{"", 503},
	} {
		r := httptest.NewRequest("POST", "/v1/chat/completions", strings.NewReader(question("somebody", false)))
		if step.header != "" {
			r.Header.Set("X-Mock-Fault", step.header)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		assert.Equal(t, step.want, w.Code, "step %d: %s", k, w.Body)
	}
}

// Embeddings have no faults, and say so where one is asked for.
func TestEmbeddingsTakeNoFaultHeader(t *testing.T) {
	t.Parallel()
	for _, allowed := range []bool{false, true} {
		h := instant(t, func(o *mockserver.Options) { o.FaultHeader = allowed })
		for header, want := range map[string]int{"": 200, "kind=status; status=418": 400} {
			r := httptest.NewRequest("POST", "/v1/embeddings", strings.NewReader(`{"model": "Qwen/Qwen3-0.6B", "input": "some words"}`))
			if header != "" {
				r.Header.Set("X-Mock-Fault", header)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			assert.Equal(t, want, w.Code, w.Body)
			if want == 400 {
				assert.Contains(t, w.Body.String(), "The header X-Mock-Fault is not taken here: faults are for /v1/chat/completions and /v1/completions; leave it out.")
			}
		}
	}
}

// Kinds that need no connection do the same over HTTP/2 as the handler of another server; the others are refused there.
func TestFaultsOfAHandler(t *testing.T) {
	t.Parallel()
	open := instant(t, func(o *mockserver.Options) { o.FaultHeader = true })
	server := httptest.NewUnstartedServer(open)
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	lines := map[fault.Kind]string{
		fault.Status: "; status=503", fault.Spike: "; delay=1ms", fault.Drift: "; slope=1ns", fault.Stall: "; for=1ms", fault.StallBeforeHeaders: "; for=1ms",
		fault.SlowBody: "; rate=1000000", fault.EndlessLine: "; size=1MB",
	}
	for _, kind := range fault.Kinds() {
		if kind == fault.Refuse || kind == fault.ColdStart {
			continue // are not for a header
		}
		request, err := http.NewRequestWithContext(t.Context(), "POST", server.URL+"/v1/chat/completions", strings.NewReader(question("somebody", true)))
		require.NoError(t, err)
		request.Header.Set("X-Mock-Fault", "kind="+string(kind)+lines[kind])
		response, err := server.Client().Do(request)
		require.NoError(t, err, kind)
		assert.Equal(t, 2, response.ProtoMajor)
		text := readAll(t, response.Body)
		if kind.NeedsConnection() {
			assert.Equal(t, http.StatusNotImplemented, response.StatusCode, kind)
			assert.Contains(t, text, fmt.Sprintf("The fault %s needs the connection itself", kind))
		} else {
			assert.NotContains(t, text, "fault_not_possible", kind)
		}
	}
}

// Tokens that are ready together are written up to the one at which the fault strikes.
func TestFaultsStrikeWithinWhatIsReady(t *testing.T) {
	t.Parallel()
	h := instant(t, func(o *mockserver.Options) { o.FaultHeader = true })
	for range 20 {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("POST", "/v1/chat/completions", strings.NewReader(chatBody(1, 200, true)))
		r.Header.Set("X-Mock-Fault", "kind=truncate; tokens=30")
		h.ServeHTTP(w, r)
		assert.Equal(t, 30, strings.Count(w.Body.String(), `"delta":{"content":`))
	}
}

// As the handler of somebody else's server, whose connections stay open.
func TestCloseEndsFaultsOfOtherServers(t *testing.T) {
	t.Parallel()
	for _, line := range []string{"kind=stall", "kind=stall_before_headers", "kind=slow_body; rate=0.001", "kind=spike; delay=900h"} {
		synctest.Test(t, func(t *testing.T) {
			o := mockserver.DefaultOptions()
			o.Virtual, o.FaultHeader = true, true
			server, err := mockserver.New(o)
			require.NoError(t, err)
			request := httptest.NewRequest("POST", "/v1/chat/completions", strings.NewReader(question("somebody", true)))
			request.Header.Set("X-Mock-Fault", line)
			var handler sync.WaitGroup
			start := time.Now()
			handler.Go(func() {
				assert.PanicsWithValue(t, http.ErrAbortHandler, func() { server.ServeHTTP(httptest.NewRecorder(), request) }, line)
			})
			time.Sleep(time.Minute)
			require.NoError(t, server.Close())
			handler.Wait()
			assert.Equal(t, time.Minute, time.Since(start), line)
		})
	}
}

// The numbers that rules count are those of understood requests: what is refused has none. And a client that keeps its connection
// notices a window in which connections are refused: with its next request, not with the answer that it is reading.
func TestNumbersAndKeptConnections(t *testing.T) {
	t.Parallel()
	var file strings.Builder
	inBubble(t, func(o *mockserver.Options) {
		o.Record = &file
		o.Faults.Rules = []fault.Rule{
			{When: fault.When{From: 10 * time.Second, Until: 20 * time.Second}, Fault: fault.Fault{Kind: fault.Refuse}},
			{When: fault.When{Requests: []fault.Range{{First: 2, Last: 2}}}, Fault: fault.Fault{Kind: fault.Status, Status: 503}},
		}
	}, func(r *rig) {
		code := func(body string) int {
			status, answer, err := r.post(r.t.Context(), "/v1/chat/completions", body)
			if err != nil {
				return 0
			}
			readAll(t, answer)
			return status
		}
		assert.Equal(t, []int{200, 400, 503, 200}, []int{code(chatBody(1, 1, true)), code(`{"n":0}`), code(chatBody(1, 1, true)), code(chatBody(1, 1, true))})
		var long sync.WaitGroup
		long.Go(func() {
			r.at(9999 * time.Millisecond)
			assert.Len(t, tokens(t, r.stream(1, 10)), 10)
		})
		r.at(12 * time.Second)
		assert.Equal(t, 0, code(chatBody(1, 1, true)))
		assert.Equal(t, 0, code(chatBody(1, 1, true)))
		r.at(21 * time.Second)
		long.Wait()
	})
	assert.Contains(t, file.String(), `"fault":{"kind":"refuse","rule":1,"at_ns":10000000000,"until_ns":20000000000,"client_sees":"connection refused",`+
		`"refused_connections":1}`)
	assert.Contains(t, file.String(), `"fault":{"kind":"refuse","rule":1,"request":5,"at_ns":12000000000,"client_sees":"connection reset before headers"}`)
}
