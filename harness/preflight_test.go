package harness_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness"
	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/mockserver/memnet"
)

// serves lists the model "m", which takes 4096 tokens.
func serves(_ string, _ time.Duration, w http.ResponseWriter) { fmt.Fprint(w, list("m")) }

func TestContextIsJudgedByTheLongestPrompt(t *testing.T) {
	const refused = "preflight: context length: the model takes 4096 tokens, the longest request has "
	got := ready(t, serves, "-isl=4000", "-std=0", "-osl=97")
	assert.EqualError(t, got.err, refused+"4097: a prompt of 4000 and an answer of 97; lower -isl by 17, or serve the model with a longer context")
	assert.Equal(t, "preflight: 1 check ok, 1 refused\n", got.log)
	assert.Nil(t, got.run)

	got = ready(t, serves, "-isl=3980", "-std=0", "-osl=100")
	require.NoError(t, got.err)
	assert.Empty(t, got.run.Warnings)

	// No prompt of this seed is as long as the mean and three deviations, and none is sent that was not drawn.
	got = ready(t, serves, "-isl=3800", "-std=50", "-osl=150")
	require.NoError(t, got.err)
	got = ready(t, serves, "-isl=3900", "-std=50", "-osl=150")
	assert.ErrorContains(t, got.err, refused)
	assert.Regexp(t, `a prompt of (39[5-9]\d|40\d\d) and an answer of 150`, got.err.Error())
	got = ready(t, serves, "-isl=3900", "-std=50", "-osl=150", "-request-count=3", "-warmup-requests=2000")
	assert.Regexp(t, `a prompt of 40[4-9]\d and an answer of 150`, got.err.Error(), "warm-up is sent, too")
	got = ready(t, serves, "-isl=3900", "-std=50", "-osl=150", "-concurrencies=1,500")
	assert.Regexp(t, `a prompt of 40[4-9]\d and an answer of 150`, got.err.Error(), "of all levels")
}

func TestReplicaWithLessContext(t *testing.T) {
	calls := 0
	got := ready(t, func(path string, _ time.Duration, w http.ResponseWriter) {
		if path != "/v1/models" {
			fail(w, 404, "")
			return
		}
		calls++
		fmt.Fprintf(w, `{"data":[{"id":"m","max_model_len":%d}]}`, 2048*calls)
	}, "-endpoint=second", "-isl=2000", "-std=0", "-osl=100")
	assert.ErrorContains(t, got.err, "the model takes 2048 tokens, the longest request has 2100")
}

func TestWarningsOfThePreflightAreKept(t *testing.T) {
	closes := func(path string, _ time.Duration, w http.ResponseWriter) {
		if path == "/v1/chat/completions" {
			fail(w, 404, "")
			return
		}
		w.Header().Set("Connection", "close")
		fmt.Fprint(w, list("m"))
	}
	got := ready(t, closes)
	require.NoError(t, got.err)
	const warning = "preflight: http: server closes a connection after an answer (HTTP/1.1): requests make new ones, inside their latency; " +
		"allow keep-alive on the server or on the proxy before it"
	assert.Equal(t, []string{warning}, got.run.Warnings)
	assert.Equal(t, "preflight: 1 check ok, 1 warning\nwarning: "+warning+"\n"+noTemplate, got.log)

	got = ready(t, closes, "-verbose")
	require.NoError(t, got.err)
	assert.Equal(t, []string{warning}, got.run.Warnings)
	assert.Equal(t, `preflight: 1 check ok, 1 warning
  warning  http              server closes a connection after an answer
                             (HTTP/1.1): requests make new ones, inside their
                             latency; allow keep-alive on the server or on the
                             proxy before it
  ok       context length    the model takes 4096 tokens, the longest request
                             has 2270: a prompt of 2014 and an answer of 256
`+noTemplate, got.log)

	got = ready(t, closes, "-connection-reuse=never")
	require.NoError(t, got.err)
	assert.Empty(t, got.run.Warnings, "as it was asked for")
}

// TestPreflightKeepsEarlierResults: neither a refusal nor -preflight-only costs what was measured before.
func TestPreflightKeepsEarlierResults(t *testing.T) {
	for _, args := range [][]string{{"-preflight-only"}, {"-isl=5000"}} {
		dir := t.TempDir()
		old := filepath.Join(dir, "x", "c7", record.LogFile)
		require.NoError(t, os.MkdirAll(filepath.Dir(old), 0o700))
		require.NoError(t, os.WriteFile(old, []byte("old\n"), 0o600))
		synctest.Test(t, func(t *testing.T) {
			listener := memnet.Listen("server:80")
			server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, list("m")) })}
			var served sync.WaitGroup
			served.Go(func() { _ = server.Serve(listener) })
			sweep := open(t, dir, io.Discard, listener.DialContext, append(args, "-overwrite")...)
			err := sweep.Ready(t.Context())
			assert.Equal(t, args[0] == "-isl=5000", err != nil)
			assert.Nil(t, stored(t, sweep))
			require.NoError(t, server.Close())
			served.Wait()
		})
		assert.FileExists(t, old)
	}
}

// TestNameThatDoesNotResolve: a name that is said not to be there is given half a minute, one that could not be asked for the whole wait.
func TestNameThatDoesNotResolve(t *testing.T) {
	for _, c := range []struct {
		err  net.DNSError
		took time.Duration
		want string
	}{
		{
			net.DNSError{Err: "no such host", Name: "server", IsNotFound: true}, 30 * time.Second,
			`endpoint "http://server/v1/chat/completions": the name "server" does not resolve: no such host`,
		},
		{
			net.DNSError{Err: "server misbehaving", Name: "server", IsTemporary: true}, time.Minute,
			`endpoint "http://server/v1/chat/completions": not ready within 1m0s (-wait-ready): the name "server" cannot be looked up: server misbehaving`,
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			fails := func(context.Context, string, string) (net.Conn, error) {
				return nil, &net.OpError{Op: "dial", Err: &c.err}
			}
			assert.EqualError(t, open(t, t.TempDir(), io.Discard, fails).Ready(t.Context()), c.want)
			assert.Equal(t, c.took, time.Since(start))
		})
	}
}

// TestCertificateThatExpired: waiting does not mend it, but for a gateway that is still getting one.
func TestCertificateThatExpired(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Date(1999, 12, 31, 0, 0, 0, 0, time.UTC), DNSNames: []string{"server"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		listener := memnet.Listen("server:443")
		server := &http.Server{ErrorLog: log.New(io.Discard, "", 0), TLSConfig: &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}}
		var served sync.WaitGroup
		served.Go(func() { _ = server.ServeTLS(listener, "", "") })
		plan := planOf(t, nil, "-benchmark-name=x", "-model=m", "-endpoint=https://server", "-output-dir="+t.TempDir())
		sweep, err := harness.Open(t.Context(), plan, harness.Output{})
		require.NoError(t, err)
		defer sweep.Close()
		sweep.Dial = listener.DialContext
		err = sweep.Ready(t.Context())
		require.NoError(t, server.Close())
		served.Wait()
		assert.ErrorContains(t, err, "the certificate for server expired on 1999-12-31 00:00 UTC: renew it")
		assert.Equal(t, 10*time.Second, time.Since(start))
	})
}

// TestServerThatTakesConnectionsAndIsSilent: the message tells it from one that is not there.
func TestServerThatTakesConnectionsAndIsSilent(t *testing.T) {
	got := ready(t, func(string, time.Duration, http.ResponseWriter) { time.Sleep(time.Hour) }, "-wait-ready=40s")
	assert.EqualError(t, got.err, `endpoint "http://server/v1/chat/completions": not ready within 40s (-wait-ready): asking /v1/models: `+
		`the server took the connection and said nothing: no answer within 6s`)
	assert.Equal(t, 40*time.Second, got.took)

	synctest.Test(t, func(t *testing.T) {
		hangs := func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		err := open(t, t.TempDir(), io.Discard, hangs, "-wait-ready=5s").Ready(t.Context())
		assert.EqualError(t, err, `endpoint "http://server/v1/chat/completions": not ready within 5s (-wait-ready): asking /v1/models: no answer within 5s`)
	})
}
