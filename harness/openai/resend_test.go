package openai_test

import (
	"context"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/openai"
	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/mockserver/memnet"
)

// TestNothingIsSentAgainUnseen: a kept connection that ends after the request was written is a failure. net/http sends again what a header of
// the user's calls repeatable, and then the sample says so.
func TestNothingIsSentAgainUnseen(t *testing.T) {
	for _, name := range []string{"X-Other", "Idempotency-Key"} {
		inBubble(t, func(c *openai.Config) { c.Header.Set(name, "1") }, func(s *stage) {
			require.Equal(t, record.OK, s.do(s.t.Context(), 0, later(0)).Outcome)
			s.answers <- []step{{at: 60 * ms, end: shut}}
			s.answers <- later(time.Second)
			got := s.client.Do(s.t.Context(), request(1), 0)
			if s.transport == openai.NetHTTP && name == "Idempotency-Key" {
				assert.Equal(t, record.OK, got.Outcome)
				assert.Equal(t, 1, got.Conn.Resent)
				assert.Zero(t, got.Conn.Stale)
				assert.Equal(t, []string{`{"n":0}`, `{"n":1}`, `{"n":1}`}, s.sent())
				return
			}
			assert.Equal(t, record.ConnectionFailed, got.Outcome)
			assert.Equal(t, record.ClosedEarly, got.Reason)
			assert.Zero(t, got.Conn.Resent)
			assert.Len(t, s.sent(), 2)
		})
	}
}

// TestConnectTimeoutCoversTLS: a server that takes the connection and no part in the handshake is one that cannot be connected to. The own
// transport counts from the start, net/http once more for TLS.
func TestConnectTimeoutCoversTLS(t *testing.T) {
	for transport, c := range map[string]struct {
		after   time.Duration
		message string
	}{
		openai.OwnTransport: {50 * ms, "no connection within 50ms (-connect-timeout)"},
		openai.NetHTTP:      {60 * ms, "net/http: TLS handshake timeout"},
	} {
		synctest.Test(t, func(t *testing.T) {
			listener := memnet.Listen("mute:443")
			var served sync.WaitGroup
			served.Go(func() {
				mute, err := listener.Accept()
				if assert.NoError(t, err) {
					_, _ = io.Copy(io.Discard, mute)
					_ = mute.Close()
				}
			})
			client := openai.New(openai.Config{
				Endpoints: []*url.URL{endpoint(t, "https://mute"+openai.ChatPath)}, Epoch: time.Now(), Transport: transport, ConnectTimeout: 50 * ms,
				Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
					time.Sleep(10 * ms)
					return listener.DialContext(ctx, network, address)
				},
			})
			s := client.Do(t.Context(), request(0), 0)
			assert.Equal(t, record.ConnectionFailed, s.Outcome)
			assert.Equal(t, record.ConnectTimeout, s.Reason)
			assert.Equal(t, c.message, s.Error.Message)
			assert.Equal(t, stamp(c.after), s.EndNS)
			assert.Equal(t, record.Never, s.SentNS)
			client.Close()
			served.Wait()
			require.NoError(t, listener.Close())
		})
	}
}
