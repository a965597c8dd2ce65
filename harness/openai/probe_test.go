package openai_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/openai"
	"github.com/llmsweep/llmsweep/mockserver/memnet"
)

// asked is what a server was asked.
type asked struct {
	route, body string
	header      http.Header
}

// probe runs a test against a server that answers as the handler does, and returns what it was asked.
func probe(t *testing.T, chat string, handler http.HandlerFunc, test func(p *openai.Prober)) []asked {
	t.Helper()
	var all []asked
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		all = append(all, asked{r.Method + " " + r.RequestURI, string(body), r.Header})
		handler(w, r)
	}))
	defer server.Close()
	transport := openai.NewTransport(nil, false)
	defer transport.CloseIdleConnections()
	test(&openai.Prober{
		Chat: endpoint(t, server.URL+chat), Header: http.Header{"Authorization": {"Bearer key"}}, UserAgent: "agent/1", Transport: transport,
	})
	return all
}

func TestRoutesOfAProbe(t *testing.T) {
	for _, c := range []struct{ chat, api, root, query string }{
		{"/v1/chat/completions", "/v1/", "/", ""},
		{"/openai/v1/chat/completions", "/openai/v1/", "/openai/", ""},
		{"/chat/completions", "/", "/", ""},
		{"/apiv1/chat/completions", "/apiv1/", "/apiv1/", ""},
		{"/v1/v1/chat/completions", "/v1/v1/", "/v1/", ""},
		{"/v1/completions", "/v1/", "/", ""},
		{"/chat/v1/completions", "/chat/v1/", "/chat/", ""},
		{"/completions?k=v", "/", "/", "?k=v"},
		{"/openai/deployments/m/chat/completions?api-version=1", "/openai/deployments/m/", "/openai/deployments/m/", "?api-version=1"},
	} {
		got := probe(t, c.chat, func(w http.ResponseWriter, _ *http.Request) {
			_, err := io.WriteString(w, `{"data":[]}`)
			assert.NoError(t, err)
		}, func(p *openai.Prober) {
			models, _, err := p.Models(t.Context())
			assert.NoError(t, err)
			assert.Empty(t, models)
			assert.NoError(t, p.Health(t.Context()))
			_, err = p.Version(t.Context())
			assert.NoError(t, err)
			assert.NoError(t, p.Try(t.Context(), "some/model", "max_tokens"))
		})
		require.Len(t, got, 4, c.chat)
		assert.Equal(t, "GET "+c.api+"models"+c.query, got[0].route)
		assert.Equal(t, "GET "+c.root+"health"+c.query, got[1].route)
		assert.Equal(t, "GET "+c.root+"version"+c.query, got[2].route)
		assert.Equal(t, "POST "+c.chat, got[3].route)
		if strings.Contains(c.chat, "chat/completions") {
			assert.JSONEq(t, `{"model":"some/model","messages":[{"role":"user","content":"hi"}],"max_tokens":1}`, got[3].body)
		} else {
			assert.JSONEq(t, `{"model":"some/model","prompt":"hi","max_tokens":1}`, got[3].body)
		}
		assert.Equal(t, "application/json", got[3].header.Get("Content-Type"))
		for _, a := range got {
			assert.Equal(t, "Bearer key", a.header.Get("Authorization"))
			assert.Equal(t, "agent/1", a.header.Get("User-Agent"))
		}
	}
}

func TestUsersHeadersWinInAProbe(t *testing.T) {
	got := probe(t, openai.ChatPath, func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "models.example", r.Host)
	}, func(p *openai.Prober) {
		p.Header = http.Header{"User-Agent": {"mine"}, "Host": {"models.example"}}
		assert.NoError(t, p.Health(t.Context()))
	})
	assert.Equal(t, "mine", got[0].header.Get("User-Agent"))
}

func TestModels(t *testing.T) {
	const list = `{"object":"list","data":[{"id":"a","max_model_len":4096},{"id":"b"},{"owned_by":"nobody"}]}`
	probe(t, openai.ChatPath, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Server", "some/1")
		_, err := io.WriteString(w, list)
		assert.NoError(t, err)
	}, func(p *openai.Prober) {
		models, header, err := p.Models(t.Context())
		require.NoError(t, err)
		assert.Equal(t, "some/1", header.Get("Server"))
		assert.Equal(t, []openai.Model{
			{ID: "a", Fields: map[string]any{"id": "a", "max_model_len": json.Number("4096")}},
			{ID: "b", Fields: map[string]any{"id": "b"}},
			{Fields: map[string]any{"owned_by": "nobody"}},
		}, models)
		version, err := p.Version(t.Context())
		require.NoError(t, err)
		assert.Equal(t, list, version)
	})
}

func TestVersionIsBoundedAndTrimmed(t *testing.T) {
	probe(t, openai.ChatPath, func(w http.ResponseWriter, _ *http.Request) {
		_, err := io.WriteString(w, " 1.2\n"+strings.Repeat(" ", 1000)+"more")
		assert.NoError(t, err)
	}, func(p *openai.Prober) {
		version, err := p.Version(t.Context())
		require.NoError(t, err)
		assert.Equal(t, "1.2", version)
	})
}

func TestProbeErrors(t *testing.T) {
	status := func(code int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Via", "gateway")
			w.WriteHeader(code)
			_, err := io.WriteString(w, body)
			assert.NoError(t, err)
		}
	}
	probe(t, openai.ChatPath, status(http.StatusNotFound, "  no such route\n"), func(p *openai.Prober) {
		_, header, err := p.Models(t.Context())
		assert.Equal(t, &openai.StatusError{Route: "/v1/models", Status: 404, Body: "  no such route\n"}, err)
		assert.EqualError(t, err, "/v1/models answered 404: no such route")
		assert.Equal(t, "gateway", header.Get("Via"), "the headers of an error name the server too")
	})
	probe(t, openai.ChatPath, status(http.StatusTemporaryRedirect, ""), func(p *openai.Prober) {
		assert.EqualError(t, p.Health(t.Context()), "/health answered 307")
	})
	probe(t, openai.ChatPath, status(http.StatusUnauthorized, strings.Repeat("x", 600)), func(p *openai.Prober) {
		var refused *openai.StatusError
		require.ErrorAs(t, p.Try(t.Context(), "m", "max_tokens"), &refused)
		assert.Len(t, refused.Body, 500)
	})
	probe(t, openai.ChatPath, status(http.StatusOK, "<p>log in"), func(p *openai.Prober) {
		_, _, err := p.Models(t.Context())
		assert.ErrorContains(t, err, "/v1/models is not a model list: it is a web page: is that the address of the server's API?")
	})
	probe(t, openai.ChatPath, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, err := io.WriteString(w, "torn")
		assert.NoError(t, err)
	}, func(p *openai.Prober) {
		_, err := p.Version(t.Context())
		assert.EqualError(t, err, "asking /version: unexpected EOF")
	})
}

func TestProbeWaitsFifteenSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := memnet.Listen("mock:80")
		start := time.Now()
		p := openai.Prober{Chat: endpoint(t, "http://mock"+openai.ChatPath), Transport: openai.NewTransport(l.DialContext, false)}
		assert.EqualError(t, p.Health(t.Context()), "asking /health: no answer within 15s") // nobody accepts
		assert.Equal(t, 15*time.Second, time.Since(start))
		p.Transport.(*http.Transport).CloseIdleConnections()
		require.NoError(t, l.Close())
		assert.EqualError(t, p.Health(t.Context()), "asking /health: dial mem mock:80: connection refused")
	})
}
