package harness_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness"
	"github.com/llmsweep/llmsweep/harness/record"
)

// authority signs certificates for one test.
type authority struct {
	t    *testing.T
	dir  string
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	file string // its own certificate
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	a := &authority{t: t, dir: t.TempDir(), key: key}
	a.cert = &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	pair := a.sign("authority", a.cert, key)
	a.cert = pair.Leaf
	a.file = filepath.Join(a.dir, "authority.pem")
	return a
}

// sign makes a certificate and leaves it and its key as PEM files, <name>.pem and <name>.key.
func (a *authority) sign(name string, template *x509.Certificate, key *ecdsa.PrivateKey) tls.Certificate {
	a.t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	require.NoError(a.t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(a.t, err)
	write := func(file, kind string, data []byte) {
		require.NoError(a.t, os.WriteFile(filepath.Join(a.dir, file), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: data}), 0o600))
	}
	write(name+".pem", "CERTIFICATE", der)
	write(name+".key", "PRIVATE KEY", private)
	leaf, err := x509.ParseCertificate(der)
	require.NoError(a.t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// issue makes a certificate for a host, or for a client of that name.
func (a *authority) issue(host string, change ...func(*x509.Certificate)) tls.Certificate {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(a.t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: host}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if ip := net.ParseIP(host); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{host}
	}
	for _, c := range change {
		c(template)
	}
	return a.sign(strings.ReplaceAll(host, ":", "-"), template, key)
}

// files are the flags for a client certificate that was issued.
func (a *authority) files(name string) []string {
	return []string{"-client-cert=" + filepath.Join(a.dir, name+".pem"), "-client-key=" + filepath.Join(a.dir, name+".key")}
}

// secureServer serves the model "m" and one chunk to each request, by HTTP/1.1 and HTTP/2.
func secureServer(t *testing.T, config *tls.Config) string {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			fmt.Fprint(w, list("m"))
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, `data: {"choices":[{"index":0,"delta":{"content":"word"}}]}`+"\n\ndata: [DONE]\n\n")
	}))
	server.TLS, server.EnableHTTP2, server.Config.ErrorLog = config, true, log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.URL
}

// TestWhomTLSTrusts: probes and load of each transport refuse a server by the same rules, and say what would help.
func TestWhomTLSTrusts(t *testing.T) {
	ours, others := newAuthority(t, "ours"), newAuthority(t, "others")
	ours.issue("client")
	others.issue("client")
	expired := func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }
	knownTo := x509.NewCertPool()
	knownTo.AddCert(ours.cert)
	asking := &tls.Config{Certificates: []tls.Certificate{ours.issue("127.0.0.1")}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: knownTo}
	askingEarly := asking.Clone()
	askingEarly.MaxVersion = tls.VersionTLS12 // which refuses within the handshake; of a later refusal only the end of the connection may arrive
	const works, notTrusted, address = "works", "which is not trusted here: name that authority with -ca-cert; -insecure measures all the same", "/v1/chat/completions"
	trusting := "-ca-cert=" + ours.file
	for name, c := range map[string]struct {
		server *tls.Config
		args   []string
		want   string // of the error
	}{
		"by default nobody's own authority": {nil, nil, notTrusted},
		"another authority":                 {nil, []string{"-ca-cert=" + others.file}, notTrusted},
		"the named authority":               {nil, []string{trusting}, works},
		"anyone":                            {nil, []string{"-insecure"}, works},
		"another host":                      {&tls.Config{Certificates: []tls.Certificate{ours.issue("models.example")}}, []string{trusting}, `the certificate is for models.example (until `},
		"expired":                           {&tls.Config{Certificates: []tls.Certificate{ours.issue("127.0.0.1", expired)}}, []string{trusting}, "the certificate for 127.0.0.1 expired on "},
		"no client certificate":             {asking, []string{trusting}, ""},
		"no client certificate, TLS 1.2":    {askingEarly, []string{trusting}, "tls: handshake failure (the server may ask who the client is: -client-cert and -client-key say it)"},
		"a stranger's client certificate":   {asking, append(others.files("client"), trusting), ""},
		"our client certificate":            {asking, append(ours.files("client"), trusting), works},
		"our client certificate, TLS 1.2":   {askingEarly, append(ours.files("client"), trusting), works},
	} {
		if c.server == nil {
			c.server = &tls.Config{Certificates: []tls.Certificate{ours.issue("127.0.0.1")}}
		}
		url := secureServer(t, c.server)
		for _, transport := range []string{"own", "nethttp", "http2"} {
			t.Run(name+" "+transport, func(t *testing.T) {
				args := append([]string{"-endpoint=" + url, "-wait-ready=0", "-request-count=2", "-isl=4", "-osl=1", "-transport=" + transport}, c.args...)
				plan := planOf(t, nil, append(args, "-benchmark-name=x", "-model=m", "-concurrencies=1", "-output-dir="+t.TempDir())...)
				sweep, err := harness.Open(t.Context(), plan, harness.Output{})
				require.NoError(t, err)
				defer sweep.Close()
				sweep.Dial = new(net.Dialer).DialContext // so that no time goes into readings of the machine
				ready := sweep.Ready(t.Context())
				require.NoError(t, os.MkdirAll(sweep.Dir(), 0o755)) // a run that never began leaves none
				level, err := sweep.RunLevel(t.Context(), sweep.Levels()[0])
				require.NoError(t, err)
				assert.Equal(t, transport, level.Transport)
				if c.want == works {
					require.NoError(t, ready)
					assert.Equal(t, map[record.Outcome]int{record.OK: 2}, level.Counts.Outcomes)
					insecure := strings.Contains(strings.Join(stored(t, sweep).Warnings, "\n"), "the server's certificate was not verified (-insecure)")
					assert.Equal(t, plan.TLS.Insecure, insecure, "an unverified server is marked, and no other")
					return
				}
				assert.ErrorContains(t, ready, `endpoint "`+url+address+`": `)
				assert.ErrorContains(t, ready, c.want)
				assert.Equal(t, map[record.Outcome]int{record.ConnectionFailed: 2}, level.Counts.Outcomes)
				if c.want != "" {
					assert.Contains(t, level.Reason, "tls: ")
				}
			})
		}
	}
}

// TestTLSFilesThatCannotBeUsed are errors before anything is sent, all of them at once.
func TestTLSFilesThatCannotBeUsed(t *testing.T) {
	ours := newAuthority(t, "ours")
	ours.issue("client")
	ours.issue("other")
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	cert, key := ours.files("client")[0], ours.files("client")[1]
	empty, missing := file("empty.pem", ""), filepath.Join(dir, "missing.pem")
	garbage := file("garbage.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
	locked := file("locked.key", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n")
	large := file("large.pem", "")
	require.NoError(t, os.Truncate(large, 20<<20))
	for want, args := range map[string][]string{
		`ca-cert "` + missing + `": no such file or directory`:                                                    {"-ca-cert=" + missing},
		`ca-cert "` + dir + `": is no file`:                                                                       {"-ca-cert=" + dir},
		`ca-cert "` + large + `": is larger than 16 MiB: no PEM file`:                                             {"-ca-cert=" + large},
		`ca-cert "` + empty + `": has no certificate in PEM form (-----BEGIN CERTIFICATE-----)`:                   {"-ca-cert=" + empty},
		`ca-cert "` + garbage + `": has a certificate that cannot be read: x509: malformed certificate`:           {"-ca-cert=" + garbage},
		`ca-cert "` + filepath.Join(ours.dir, "client.key") + `": has no certificate in PEM form`:                 {"-ca-cert=" + filepath.Join(ours.dir, "client.key")},
		`insecure "true": cannot go with -ca-cert: one says that nothing is verified, the other by whom`:          {"-insecure", "-ca-cert=" + ours.file},
		`client-cert "": and -client-key go together`:                                                             {key},
		`client-cert "` + strings.TrimPrefix(cert, "-client-cert=") + `": and -client-key go together`:            {cert},
		`client-key "` + missing + `": no such file or directory`:                                                 {cert, "-client-key=" + missing},
		`client-cert "` + empty + `", client-key "` + strings.TrimPrefix(key, "-client-key=") + `": failed`:       {"-client-cert=" + empty, key},
		`client-key "` + locked + `": is encrypted: give a key without a passphrase`:                              {cert, "-client-key=" + locked},
		`client-key "` + filepath.Join(ours.dir, "other.key") + `": private key does not match public key`:        {cert, "-client-key=" + filepath.Join(ours.dir, "other.key")},
		"client-cert \"" + missing + "\": no such file or directory\nclient-key \"" + missing + "\": no such fil": {"-client-cert=" + missing, "-client-key=" + missing},
	} {
		plan, err := resolve(t, nil, append(args, "-benchmark-name=x", "-endpoint=h", "-output-dir="+t.TempDir())...)
		if err == nil {
			_, err = harness.Open(t.Context(), plan, harness.Output{})
		}
		if assert.ErrorContains(t, err, want, args) {
			assert.NotContains(t, err.Error(), "AAAA", "nothing of a file is quoted")
		}
	}
}

// TestTLSFlags: what becomes of them, and what is kept.
func TestTLSFlags(t *testing.T) {
	ours := newAuthority(t, "ours")
	ours.issue("client")
	plan := planOf(t, nil, append(ours.files("client"), "-ca-cert="+ours.file)...)
	assert.Equal(t, ours.file, plan.TLS.CACert)
	config, err := plan.TLSConfig()
	require.NoError(t, err)
	assert.Equal(t, "client", config.Certificates[0].Leaf.Subject.CommonName)
	assert.Equal(t, uint16(tls.VersionTLS12), config.MinVersion)
	assert.False(t, config.InsecureSkipVerify)
	assert.Equal(t, []string{"-insecure, -ca-cert and -client-cert have no effect: no endpoint is https"}, plan.Warnings())

	config, err = planOf(t, nil).TLSConfig()
	require.NoError(t, err)
	assert.False(t, config.InsecureSkipVerify)
	assert.Nil(t, config.RootCAs, "the system's")
}
