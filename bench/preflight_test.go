package bench

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/mockserver"
)

// small is a run of a moment.
func small(dir string, more ...string) []string {
	return append([]string{"-benchmark-name=x", "-concurrencies=1", "-request-count=2", "-osl=4", "-isl=20", "-std=0", "-plot=false", "-output-dir=" + dir}, more...)
}

// authority signs the certificates of a test's servers.
type authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	file string // PEM
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	a := authority{file: filepath.Join(t.TempDir(), "ca.pem")}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "an authority of a test"}, NotBefore: time.Now().AddDate(-1, 0, 0), NotAfter: time.Now().AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	var der []byte
	der, a.key = a.sign(t, template)
	var err error
	a.cert, err = x509.ParseCertificate(der)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(a.file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	return a
}

// sign signs a certificate for a new key; the first one by that key itself.
func (a authority) sign(t *testing.T, template *x509.Certificate) (der []byte, key *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err = x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	require.NoError(t, err)
	return der, key
}

// serve starts a server with a certificate for names that ends at until, and returns its URL at 127.0.0.1.
func (a authority) serve(t *testing.T, handler http.Handler, until time.Time, names ...string) string {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(2), NotBefore: until.AddDate(-2, 0, 0), NotAfter: until}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	der, key := a.sign(t, template)
	server := httptest.NewUnstartedServer(handler)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.URL
}

// TestPreflightRefuses: what is sure to fail is refused before any load, with the reason and without a trace in the results.
func TestPreflightRefuses(t *testing.T) {
	options := mockserver.DefaultOptions()
	options.MaxModelLen = 300
	handler, chats := countedHandler(t, options)
	plain := httptest.NewServer(handler)
	t.Cleanup(plain.Close)
	silent, err := net.Listen("tcp", "127.0.0.1:0") // whose connections nobody accepts, but the system
	require.NoError(t, err)
	t.Cleanup(func() { _ = silent.Close() })
	ca := newAuthority(t)
	trusted := "-ca-cert=" + ca.file
	year := time.Now().AddDate(1, 0, 0)
	at := func(url string) string { return "-endpoint=" + url }
	for name, c := range map[string]struct {
		child child
		want  []string // patterns
	}{
		"64 file descriptors": {
			child{limit: "ulimit -n 64", args: []string{at(plain.URL), "-concurrencies=1,100", "-request-count=0"}},
			[]string{`preflight: file descriptors: 64 allowed, c100 needs (1[2-4]\d): 100 for its connections, (\d+) are open, 16 to spare; allow more .*: (?:ulimit -n|sudo prlimit --pid \$\$ --nofile=)[ =]?1024 .* or keep -concurrencies at (\d+) or below`},
		},
		"a context that is too small": {
			child{args: []string{at(plain.URL), "-isl=200", "-osl=101"}},
			[]string{`preflight: context length: the model takes 300 tokens, the longest request has 301: a prompt of 200 and an answer of 101; lower -isl by 17, or serve`},
		},
		"a name that does not resolve": {
			child{args: []string{at("http://nobody.invalid:8000"), "-wait-ready=1s"}},
			[]string{`endpoint "http://nobody.invalid:8000/v1/chat/completions": .*the name "nobody.invalid" (does not resolve: no such host|cannot be looked up)`},
		},
		"a server that accepts and never answers": {
			child{args: []string{at("http://" + silent.Addr().String()), "-wait-ready=1s"}},
			[]string{`not ready within 1s \(-wait-ready\): asking /v1/models: the server took the connection and said nothing: no answer within 1s`},
		},
		"a server that accepts and never shakes hands": {
			child{args: []string{at("https://" + silent.Addr().String()), "-wait-ready=1s"}},
			[]string{`the server took the connection and said nothing: no answer within 1s`},
		},
		"an expired certificate": {
			child{args: []string{at(ca.serve(t, handler, time.Date(2025, 5, 4, 3, 2, 1, 0, time.UTC), "127.0.0.1", "llm.example")), "-wait-ready=1s", trusted}},
			[]string{`the certificate for llm.example, 127.0.0.1 expired on 2025-05-04 03:02 UTC: renew it`},
		},
		"a certificate for another host": {
			child{args: []string{at(ca.serve(t, handler, year, "llm.example")), "-wait-ready=1s", trusted}},
			[]string{`the certificate is for llm.example \(until 20.* UTC\), not for "127.0.0.1": use a name that it is for in -endpoint`},
		},
		"a certificate of an unknown authority": {
			child{args: []string{at(ca.serve(t, handler, year, "127.0.0.1")), "-wait-ready=1s"}},
			[]string{`the certificate for 127.0.0.1 is signed by "CN=an authority of a test", which is not trusted here: name that authority with -ca-cert`},
		},
		"https to a server without TLS": {
			child{args: []string{at(strings.Replace(plain.URL, "http:", "https:", 1)), "-wait-ready=1s"}},
			[]string{`the server speaks no TLS: is its endpoint http:// rather than https://\?`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			c.child.args = append(small(dir), c.child.args...)
			r := c.child.run(t)
			assert.NotZero(t, r.code)
			for _, want := range c.want {
				assert.Regexp(t, "no load was sent: .*"+want, r.output)
			}
			if c.child.limit != "" { // how many are open is the machine's; what follows from it is not
				found := regexp.MustCompile(c.want[0]).FindStringSubmatch(r.output)
				require.Len(t, found, 4, r.output)
				var n [4]int
				for i := 1; i < len(n); i++ {
					n[i], err = strconv.Atoi(found[i])
					require.NoError(t, err)
				}
				needs, open, most := n[1], n[2], n[3]
				assert.Equal(t, 100+open+16, needs)
				assert.Equal(t, 64-open-16, most)
			}
			assert.NoDirExists(t, filepath.Join(dir, "x"))
		})
	}
	assert.Zero(t, chats.Load(), "load was sent")
}

// TestPreflightFindings: with -preflight-only everything is shown and nothing is sent or written; a run says little, and keeps the warnings.
func TestPreflightFindings(t *testing.T) {
	handler, chats := countedHandler(t, mockserver.DefaultOptions())
	ca := newAuthority(t)
	dir := t.TempDir()
	url := ca.serve(t, handler, time.Now().Add(100*time.Hour), "localhost", "127.0.0.1")
	r := child{args: small(dir, "-endpoint="+url, "-preflight-only", "-ca-cert="+ca.file)}.passes(t)
	for _, want := range []string{
		`preflight: \d checks ok, \d unknown, 1 warning\n`,
		`  ok       file descriptors  \d+ allowed, c1 needs \d\d\n`,
		`  ok       disk space        `,
		`  warning  certificate       TLS 1.3 of 127.0.0.1 for localhost, 127.0.0.1,\n {29}valid until 20.* UTC, in 4 days; renew\n {29}it: from then on no connection will be made\n`,
		`  ok       http              HTTP/1.1, transport own\n`,
		`  unknown  context length    the server does not tell\n`,
	} {
		assert.Regexp(t, want, r.output)
	}
	assert.Zero(t, chats.Load())
	assert.NoDirExists(t, filepath.Join(dir, "x"))

	run := child{args: small(dir, "-endpoint="+url, "-ca-cert="+ca.file)}
	if runtime.GOOS == "linux" { // the only system here whose own authorities a variable names
		run = child{env: []string{"SSL_CERT_FILE=" + ca.file}, args: small(dir, "-endpoint="+url)}
	}
	r = run.passes(t)
	assert.Regexp(t, `\nwarning: preflight: certificate: TLS 1.3 of 127.0.0.1 for localhost, 127.0.0.1, valid until .*, in 4 days; renew it`, r.output)
	assert.NotContains(t, r.output, "file descriptors")
	var kept record.Run
	require.NoError(t, record.ReadJSON(filepath.Join(dir, "x", record.RunFile), &kept))
	require.Len(t, kept.Warnings, 1)
	assert.Contains(t, kept.Warnings[0], "preflight: certificate: TLS 1.3 of 127.0.0.1")
	assert.EqualValues(t, 1+2, chats.Load(), "the first for what its template adds")
}

// TestPreflightIsQuiet: an ordinary run against the embedded mock server has nothing to say, under few file descriptors that are enough, too.
func TestPreflightIsQuiet(t *testing.T) {
	for _, c := range []child{{}, {limit: "ulimit -n 64"}} {
		dir := t.TempDir()
		c.args = append(small(dir, "-concurrencies=4", "-request-count=4"), c.args...)
		r := c.passes(t)
		assert.Regexp(t, `(?m)^preflight: \d checks? ok, \d unknown$`, r.output)
		assert.NotContains(t, r.output, "warning: preflight")
		var run record.Run
		require.NoError(t, record.ReadJSON(filepath.Join(dir, "x", record.RunFile), &run))
		assert.Empty(t, run.Warnings)
	}
	r := child{args: small(t.TempDir(), "-virtual")}.passes(t)
	assert.Contains(t, r.output, "\npreflight: 1 check ok, 1 unknown\n", "nothing of the machine")
}

func TestDryRun(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	dir := filepath.Join(t.TempDir(), "none")
	r := child{args: small(dir, "-dry-run", "-endpoint=http://"+listener.Addr().String(), "-concurrencies=1,100", "-request-count=0", "-isl=1000", "-osl=101", "-warmup-requests=2", "-max-duration=1h")}.passes(t)
	url := "http://" + listener.Addr().String() + "/v1/chat/completions"
	assert.Contains(t, r.output, `
dry run: nothing is sent and nothing is written
endpoint  `+url+`
model     Qwen/Qwen3-0.6B
results   `+dir+`/x, about `)
	assert.Contains(t, r.output, `
level     requests  prompt tokens  output tokens   duration
c1              12          12000           1212   6.6s to 1m24s
c100           302         302000          30502   5.2s to 1m28s
total          314         314000          31714   12s to 2m52s

Each level has its warm-up among these: 2 requests.
Before the first level 1 short request finds what the server adds to a prompt.
The sweep stops after 1h0m0s (-max-duration) with what it has.
Durations assume a TTFT of 50ms to 2s, an ITL of 5ms to 50ms and prompts read at
100000 to 5000 tokens/s: there is no earlier run of x to go by.
`)
	assert.NoDirExists(t, dir)
	require.NoError(t, listener.(*net.TCPListener).SetDeadline(time.Now()))
	_, err = listener.Accept()
	assert.ErrorIs(t, err, os.ErrDeadlineExceeded, "somebody connected")

	r = child{args: small(dir, "-dry-run", "-preflight-only")}.run(t)
	assert.NotZero(t, r.code)
	assert.Contains(t, r.output, `dry-run "true": cannot go with -preflight-only`)
}

// TestDryRunKeepsItsWord compares what is foretold with a run in virtual time: durations lie in the range, and with an earlier run of the name in a
// narrow one; sizes are met within a fifth.
func TestDryRunKeepsItsWord(t *testing.T) {
	dir := t.TempDir()
	args := []string{"-benchmark-name=x", "-virtual", "-concurrencies=1,20,60", "-isl=500", "-osl=128", "-request-count=120", "-nonce=1", "-plot=false", "-output-dir=" + dir}
	before := child{args: append(args, "-dry-run")}.passes(t).output
	child{args: args}.passes(t)
	after := child{args: append(args, "-dry-run", "-overwrite")}.passes(t).output
	assert.Contains(t, before, "there is no earlier run of x to go by.")
	assert.Contains(t, after, "Durations are those of the earlier run of x from 2000-01-01")
	for _, c := range []string{"c1", "c20", "c60"} {
		took := time.Duration(readLevel(t, filepath.Join(dir, "x", c)).EndedNS)
		low, high := foretold(t, before, c)
		assert.True(t, low <= took && took <= high, "%s: %v is not within %v to %v", c, took, low, high)
		low, high = foretold(t, after, c)
		assert.True(t, low <= took && took <= high, "%s: %v is not within %v to %v", c, took, low, high)
		assert.LessOrEqual(t, high.Seconds()/low.Seconds(), 1.7, c)
	}
	sizes := regexp.MustCompile(`about ([0-9.]+) MB: event logs ([0-9.]+) MB, request bodies ([0-9.]+) MB`).FindStringSubmatch(after)
	require.NotNil(t, sizes, after)
	for i, pattern := range []string{"*", record.LogFile, record.InputsFile} {
		want, err := strconv.ParseFloat(sizes[i+1], 64)
		require.NoError(t, err)
		assert.InEpsilon(t, want, megabytes(t, filepath.Join(dir, "x", "c*", pattern)), 0.2, pattern)
	}
}

// foretold is the duration of a level in the output of a dry run.
func foretold(t *testing.T, output, level string) (low, high time.Duration) {
	t.Helper()
	words := regexp.MustCompile(`(?m)^` + level + ` .* (\S+) to (\S+)$`).FindStringSubmatch(output)
	require.NotNil(t, words, output)
	low, err := time.ParseDuration(words[1])
	require.NoError(t, err)
	high, err = time.ParseDuration(words[2])
	require.NoError(t, err)
	return low, high
}

// megabytes is the size of all files that match.
func megabytes(t *testing.T, pattern string) float64 {
	t.Helper()
	files, err := filepath.Glob(pattern)
	require.NoError(t, err)
	require.NotEmpty(t, files)
	total := int64(0)
	for _, file := range files {
		info, err := os.Stat(file)
		require.NoError(t, err)
		total += info.Size()
	}
	return float64(total) / 1e6
}
