package bench

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/record"
	reportcmd "github.com/llmsweep/llmsweep/reporting/cmd"
)

// secrets are those that the run below is given, one in each place, with characters that every encoding writes in its own way.
func secrets() map[string]string {
	return map[string]string{
		"key": `sk-test/01"23&45`, "header": "tok-header+98/7654", "plain": "plain-secret=value", "password": "pw-url-5/5555",
		"query": "query-key/77<7>", "cookie": "cookie-4444", "proxy": "proxy-pw-3333", "page password": "page-pw-6/66", "page query": "page-query-8/88",
	}
}

// echoes are answers of a server that gives back what it was sent, each in a spelling of its own; dump is the head of the request.
func echoes() map[string]func(w http.ResponseWriter, dump string) {
	refuse := func(spell func(string) string) func(http.ResponseWriter, string) {
		return func(w http.ResponseWriter, dump string) { http.Error(w, spell(dump), http.StatusBadRequest) }
	}
	quoted := func(dump string) string {
		data, _ := json.Marshal(dump)
		return string(data)
	}
	return map[string]func(http.ResponseWriter, string){
		"as it is":     refuse(func(dump string) string { return dump }),
		"JSON":         refuse(quoted),
		"escaped JSON": refuse(func(dump string) string { return strings.ReplaceAll(quoted(dump), "/", `\/`) }),
		"URL":          refuse(url.QueryEscape),
		"HTML":         refuse(html.EscapeString),
		"base64":       refuse(func(dump string) string { return base64.StdEncoding.EncodeToString([]byte(dump)) }),
		"cut off": refuse(func(dump string) string {
			return strings.Repeat(".", 4096-len("Bearer sk-test/01")) + "Bearer " + secrets()["key"]
		}),
		"error event": func(w http.ResponseWriter, dump string) {
			stream(w, `data: {"error":{"message":`+quoted(dump)+"}}\n\n")
		},
		"no JSON": func(w http.ResponseWriter, _ string) {
			stream(w, "data: {"+strings.Repeat(".", 200-len("{Bearer sk-test/01"))+"Bearer "+secrets()["key"]+"\n\n")
		},
		"finish_reason": func(w http.ResponseWriter, _ string) {
			stream(w, chunk+`data: {"choices":[{"index":0,"delta":{},"finish_reason":"`+secrets()["header"]+"\"}]}\n\ndata: [DONE]\n\n")
		},
		"content type": func(w http.ResponseWriter, _ string) {
			w.Header().Set("Content-Type", "text/html; charset="+secrets()["header"])
			fmt.Fprint(w, "<p>log in")
		},
	}
}

// TestSecretsStayOut gives a run every kind of secret, against a server that echoes them in every spelling wherever we listen, and looks
// for them in all that it wrote and printed.
func TestSecretsStayOut(t *testing.T) {
	secret := secrets()
	var order []func(http.ResponseWriter, string)
	for _, echo := range echoes() {
		order = append(order, echo)
	}
	dump := func(r *http.Request) string { return fmt.Sprintf("%s %v", r.URL.Query().Get("api-key"), r.Header) }
	var n atomic.Int32
	server := misbehaving(t, func(w http.ResponseWriter, r *http.Request) {
		order[int(n.Add(1)-1)%len(order)](w, dump(r))
	}, func(mux *http.ServeMux) {
		mux.HandleFunc("GET /version", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Server", secret["header"])
			fmt.Fprint(w, strings.Repeat(".", 990), "Bearer ", secret["key"], dump(r))
		})
		mux.HandleFunc("GET /v1/models/", http.NotFound)
		var pages atomic.Int32
		mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
			if pages.Add(1) > 4 { // two at the preflight, two before the requests
				fmt.Fprintf(w, "Bearer %s %s %s\n", secret["key"], r.URL.RawQuery, dump(r))
				return
			}
			said := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(dump(r) + r.URL.RawQuery)
			fmt.Fprintf(w, "# TYPE a %s\na{head=\"%s\"} 1\n", secret["cookie"], said)
		})
	})
	dir := t.TempDir()
	r := child{
		env: []string{"OPENAI_API_KEY=" + secret["key"], "MY_TOKEN=" + secret["header"], "HTTP_PROXY=http://user:" + url.QueryEscape(secret["proxy"]) + "@127.0.0.1:1"},
		args: []string{
			"-endpoint=" + strings.Replace(server, "http://", "http://user:"+url.QueryEscape(secret["password"])+"@", 1) + "/v1?api-key=" + url.QueryEscape(secret["query"]),
			"-header=X-Token:env:MY_TOKEN", "-header=X-Plain:" + secret["plain"], "-header=Cookie: session=" + secret["cookie"],
			"-benchmark-name=s", "-concurrencies=1", fmt.Sprintf("-request-count=%d", len(order)), "-isl=8", "-osl=8", "-verbose", "-max-error-rate=1", "-output-dir=" + dir,
			"-server-metrics=auto," + strings.Replace(server, "http://", "http://user:"+url.QueryEscape(secret["page password"])+"@", 1) + "/metrics?key=" + url.QueryEscape(secret["page query"]),
		},
	}.run(t)
	assert.Contains(t, r.output, "X-Token", "the server's echo should be in the output")
	level := readLevel(t, filepath.Join(dir, "s", "c1"))
	assert.Equal(t, map[record.Outcome]int{record.OK: 1, record.Rejected: 7, record.StreamError: 1, record.Malformed: 2}, level.Counts.Outcomes, "every echo was heard")

	texts := map[string]string{"output": r.output}
	for name := range digestTree(t, dir) {
		data, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		texts[name] = string(data)
	}
	require.Greater(t, len(texts), 10)
	assert.Contains(t, texts["s/c1/server_metrics.jsonl"], `map[Accept`, "the page's echo should be in its file")
	assert.Contains(t, texts["s/c1/server_metrics.jsonl"], "is not Prometheus text", "and that of one that is none")
	var again bytes.Buffer
	require.Zero(t, reportcmd.Report(&again, &again, []string{"-data-dir", dir, "-output-dir", t.TempDir()}))
	texts["report"] = again.String()
	for name, text := range texts {
		for _, found := range revealed(text) {
			assert.Fail(t, "a secret is in "+name, found)
		}
	}
}

// revealed returns the secrets in a text, or their beginnings, in whatever spelling.
func revealed(text string) []string {
	views := []string{text, html.UnescapeString(text), strings.NewReplacer(`\/`, "/", `\"`, `"`, `\u0026`, "&", `\u003c`, "<", `\u003e`, ">").Replace(text)}
	for _, code := range regexp.MustCompile(`[A-Za-z0-9._~+-]*(%[0-9A-Fa-f]{2}[A-Za-z0-9._~+-]*)+`).FindAllString(text, -1) {
		plain, _ := url.QueryUnescape(code)
		views = append(views, plain)
	}
	for _, code := range regexp.MustCompile(`[A-Za-z0-9+/_-]{12,}`).FindAllString(text, -1) {
		code = strings.NewReplacer("-", "+", "_", "/").Replace(code)
		for skipped := range 4 {
			rest := code[skipped:]
			plain, _ := base64.StdEncoding.DecodeString(rest[:len(rest)/4*4])
			views = append(views, string(plain))
		}
	}
	var found []string
	for name, secret := range secrets() {
		for _, view := range views {
			if at := strings.Index(view, secret[:10]); at >= 0 {
				found = append(found, name+": "+view[max(0, at-20):min(len(view), at+30)])
				break
			}
		}
	}
	return found
}

// TestSecretsAreRecognized: the test above would see each echo.
func TestSecretsAreRecognized(t *testing.T) {
	for _, secret := range secrets() {
		data, err := json.Marshal(secret)
		require.NoError(t, err)
		for _, text := range []string{
			secret, string(data), strings.ReplaceAll(string(data), "/", `\/`), url.QueryEscape(secret), html.EscapeString(secret), "<" + secret[:10] + "…",
			base64.StdEncoding.EncodeToString([]byte("a" + secret)), base64.URLEncoding.EncodeToString([]byte("ab" + secret + "c")),
		} {
			assert.Len(t, revealed("before "+text+" after"), 1, text)
		}
	}
}
