package openai_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/openai"
	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/workload"
)

// TestNothingIsSentElsewhere: neither probes nor load follow a redirection, to another host or another path, so no credential reaches
// anyone but the endpoint that was named.
func TestNothingIsSentElsewhere(t *testing.T) {
	var elsewhere, here atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	defer other.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		for place, location := range map[string]string{"another host": other.URL + "/v1?key=theirs", "the same host": "/elsewhere"} {
			here.Store(0)
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				here.Add(1)
				assert.NotEqual(t, "/elsewhere", r.URL.Path)
				http.Redirect(w, r, location, status)
			}))
			server.Config.Protocols = new(http.Protocols)
			server.Config.Protocols.SetHTTP1(true)
			server.Config.Protocols.SetUnencryptedHTTP2(true)
			server.Start()
			chat := endpoint(t, server.URL+openai.ChatPath)
			header := http.Header{"Authorization": {"Bearer key"}, "Cookie": {"a=b"}, "X-Token": {"token"}}
			for _, transport := range []string{openai.OwnTransport, openai.NetHTTP, openai.HTTP2} {
				c := openai.New(openai.Config{Endpoints: []*url.URL{chat}, Header: header, Concurrency: 1, Epoch: time.Now(), Transport: transport})
				s := c.Do(t.Context(), &workload.Request{OSL: 1, Body: []byte("{}")}, 0)
				assert.Equal(t, record.Rejected, s.Outcome)
				assert.Equal(t, status, s.Status)
				c.Close()
			}
			carrier := openai.NewTransport(nil, false)
			p := openai.Prober{Chat: chat, Header: header, Transport: carrier}
			_, _, err := p.Models(t.Context())
			leads := map[string]string{"another host": other.URL + "/v1", "the same host": server.URL + "/elsewhere"}[place]
			var refused *openai.StatusError
			require.ErrorAs(t, err, &refused)
			assert.Equal(t, leads, refused.Location, "without the query, where keys stand")
			assert.ErrorContains(t, err, "it leads to "+leads+", and redirections are not followed")
			for _, err := range []error{p.Health(t.Context()), p.Try(t.Context(), "m", "max_tokens")} {
				assert.ErrorAs(t, err, &refused)
			}
			assert.EqualValues(t, 3+3, here.Load(), "%d to %s", status, place)
			carrier.CloseIdleConnections()
			server.Close()
		}
	}
	assert.Zero(t, elsewhere.Load())
}
