package preflight_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/preflight"
)

// signed makes a certificate for names, signed by itself.
func signed(t *testing.T, from, until time.Time, names ...string) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a test"}, NotBefore: from, NotAfter: until, DNSNames: names}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	c, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return c
}

// verify is what Go says of a certificate at an instant, wrapped as net/http does.
func verify(c *x509.Certificate, host string, roots ...*x509.Certificate) error {
	pool := x509.NewCertPool()
	for _, r := range roots {
		pool.AddCert(r)
	}
	_, err := c.Verify(x509.VerifyOptions{DNSName: host, Roots: pool, CurrentTime: now()})
	return fmt.Errorf("asking /v1/models: %w", &tls.CertificateVerificationError{UnverifiedCertificates: []*x509.Certificate{c}, Err: err})
}

func TestUnreachableInPlainWords(t *testing.T) {
	day := 24 * time.Hour
	good := signed(t, now().Add(-day), now().Add(day), "a.example", "b.example")
	old := signed(t, now().Add(-2*day), now().Add(-day), "a.example")
	early := signed(t, now().Add(day), now().Add(2*day), "a.example")
	nameless := signed(t, now().Add(-2*day), now().Add(-day))
	for _, c := range []struct {
		err   error
		want  string
		final bool
	}{
		{verify(old, "a.example", old), "the certificate for a.example expired on 2026-02-28 12:00 UTC: renew it; -insecure measures all the same", true},
		{verify(nameless, "", nameless), "the certificate for a test expired on 2026-02-28 12:00 UTC: renew it; -insecure measures all the same", true},
		{
			verify(early, "a.example", early),
			"the certificate for a.example is not valid before 2026-03-02 12:00 UTC, and this machine's clock says 2026-03-01 12:00 UTC: set the clock, or the certificate right; -insecure measures all the same", true,
		},
		{
			verify(good, "c.example", good),
			`the certificate is for a.example, b.example (until 2026-03-02 12:00 UTC), not for "c.example": use a name that it is for in -endpoint, or get one for this name; -insecure measures all the same`, true,
		},
		{verify(good, "a.example"), `the certificate for a.example, b.example is signed by "CN=a test", which is not trusted here: name that authority with -ca-cert; -insecure measures all the same`, true},
		{x509.UnknownAuthorityError{}, "the certificate's authority is not trusted here: name it with -ca-cert; -insecure measures all the same", true},
		{&net.OpError{Op: "dial", Err: &net.DNSError{Name: "x.invalid", Err: "no such host", IsNotFound: true}}, `the name "x.invalid" does not resolve: no such host`, false},
		{&net.DNSError{Name: "x.example", Err: "server misbehaving", Server: "10.0.0.2:53"}, `the name "x.example" cannot be looked up: server misbehaving`, false},
		{tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"}, "the server speaks no TLS: is its endpoint http:// rather than https://?", true},
		{errors.New("http: server gave HTTP response to HTTPS client"), "the server speaks no TLS: is its endpoint http:// rather than https://?", true},
		{errors.New("connection refused"), "", false},
		{nil, "", false},
	} {
		text, final := preflight.Unreachable(c.err, now())
		assert.Equal(t, c.want, text)
		assert.Equal(t, c.final, final, c.want)
	}
}
