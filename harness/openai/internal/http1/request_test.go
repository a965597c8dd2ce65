package http1_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/openai/internal/http1"
)

const emptyAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

// sent is what RoundTrip writes for a request.
func sent(t *testing.T, transport *http1.Transport, request *http.Request) (string, error) {
	t.Helper()
	w := newWire([]byte(emptyAnswer))
	transport.Dial = dialTo(w)
	response, err := transport.RoundTrip(request)
	if err == nil {
		_ = response.Body.Close()
	}
	return w.written.String(), err
}

func TestRequestsAsTheyAreWritten(t *testing.T) {
	for _, c := range []struct {
		name, method, url, body string
		header                  http.Header
		change                  func(*http.Request)
		want                    string
	}{
		{name: "get", method: "GET", url: "http://host/path?q=1#fragment", want: "GET /path?q=1 HTTP/1.1\r\nHost: host\r\n\r\n"},
		{name: "no method, no path", url: "http://host:8000", want: "GET / HTTP/1.1\r\nHost: host:8000\r\n\r\n"},
		{
			name: "post", method: "POST", url: "http://host/a%2Fb", body: "{}", header: http.Header{"B": {"2", "3"}, "A": {" 1 "}},
			want: "POST /a%2Fb HTTP/1.1\r\nHost: host\r\nA: 1\r\nB: 2\r\nB: 3\r\nContent-Length: 2\r\n\r\n{}",
		},
		{name: "post of nothing", method: "POST", url: "http://host/", want: "POST / HTTP/1.1\r\nHost: host\r\nContent-Length: 0\r\n\r\n"},
		{
			name: "framing is not the caller's", method: "POST", url: "http://host/", body: "ab",
			header: http.Header{"Content-Length": {"7"}, "Transfer-Encoding": {"chunked"}, "Trailer": {"X"}, "Host": {"other"}},
			want:   "POST / HTTP/1.1\r\nHost: host\r\nContent-Length: 2\r\n\r\nab",
		},
		{name: "another host", url: "http://host/", change: func(r *http.Request) { r.Host = "other:1" }, want: "GET / HTTP/1.1\r\nHost: other:1\r\n\r\n"},
		{name: "closing", url: "http://host/", change: func(r *http.Request) { r.Close = true }, want: "GET / HTTP/1.1\r\nHost: host\r\nConnection: close\r\n\r\n"},
		{name: "zone of an address", url: "http://[fe80::1%25eth0]:80/", want: "GET / HTTP/1.1\r\nHost: [fe80::1]:80\r\n\r\n"},
		{name: "empty port", url: "http://host:/", want: "GET / HTTP/1.1\r\nHost: host\r\n\r\n"},
		{name: "blank in a query", url: "http://host/?a b", want: "GET /?a%20b HTTP/1.1\r\nHost: host\r\n\r\n"},
		{name: "user", url: "http://user:secret@host/", want: "GET / HTTP/1.1\r\nHost: host\r\n\r\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			request, err := http.NewRequestWithContext(t.Context(), c.method, c.url, strings.NewReader(c.body))
			require.NoError(t, err)
			if c.body == "" {
				request.Body = nil
			}
			if c.header != nil {
				request.Header = c.header
			}
			request.Method = c.method
			if c.change != nil {
				c.change(request)
			}
			got, err := sent(t, &http1.Transport{Epoch: time.Now()}, request)
			require.NoError(t, err)
			assert.Equal(t, c.want, got)
		})
	}
}

// What would be read as another line, or as another request, is not sent.
func TestRefusedRequests(t *testing.T) {
	for want, change := range map[string]func(*http.Request){
		`header "A": the value`:            func(r *http.Request) { r.Header["A"] = []string{"b\r\nC: d"} },
		`header "A": the value has a line`: func(r *http.Request) { r.Header["A"] = []string{"b\x00"} },
		`header "A\r\nB": the name`:        func(r *http.Request) { r.Header["A\r\nB"] = []string{"c"} },
		`header "": the name`:              func(r *http.Request) { r.Header[""] = []string{"c"} },
		`header "Connection": the value`:   func(r *http.Request) { r.Header["Connection"] = []string{"x\ny"} },
		`method "GET /x HTTP/1.1\r\nA: b"`: func(r *http.Request) { r.Method = "GET /x HTTP/1.1\r\nA: b" },
		`host "a\r\nB: c"`:                 func(r *http.Request) { r.Host = "a\r\nB: c" },
		`host "münchen"`:                   func(r *http.Request) { r.Host = "münchen" },
		`path "/?a\r\nB:%20c"`:             func(r *http.Request) { r.URL.RawQuery = "a\r\nB:%20c" },
		"the scheme must be http or https": func(r *http.Request) { r.URL.Scheme = "ftp" },
		"has no host":                      func(r *http.Request) { r.URL.Host = ":80" },
		"must be known":                    func(r *http.Request) { r.ContentLength = -1 },
		"is not of its ContentLength 5":    func(r *http.Request) { r.ContentLength = 5 },
		"is not of its ContentLength 1":    func(r *http.Request) { r.ContentLength = 1 },
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://host/", strings.NewReader("ab"))
		require.NoError(t, err)
		change(request)
		got, err := sent(t, &http1.Transport{Epoch: time.Now()}, request)
		require.ErrorContains(t, err, want)
		assert.Empty(t, got)
	}
}

// The same at the lean door: fields of one request.
func TestRefusedFields(t *testing.T) {
	w := newWire([]byte(emptyAnswer))
	transport := transportTo(w)
	u, err := url.Parse("http://host/")
	require.NoError(t, err)
	route, err := transport.Route(http.MethodPost, u, "", nil)
	require.NoError(t, err)
	call := http1.Call{Transport: transport}
	require.ErrorContains(t, call.Do(t.Context(), route, []http1.Field{{Name: "X-Id", Value: "1\r\nA: b"}}, nil), `header "X-Id"`)
	call.Close()
	assert.Zero(t, w.written.Len())
	require.NoError(t, call.Do(t.Context(), route, []http1.Field{{Name: "X-Id", Value: "1"}}, []byte("ab")))
	call.Close()
	assert.Equal(t, "POST / HTTP/1.1\r\nHost: host\r\nX-Id: 1\r\nContent-Length: 2\r\n\r\nab", w.written.String())
}
