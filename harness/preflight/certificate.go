package preflight

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

// Unreachable puts an error of the way to a server into plain words: a name that does not resolve, a certificate that is not accepted, a
// server that speaks no TLS. final is true where waiting will not mend it. An error of another kind gives "".
func Unreachable(err error, now time.Time) (text string, final bool) {
	var dns *net.DNSError
	var header tls.RecordHeaderError
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return fmt.Sprintf("the name %q does not resolve: no such host", dns.Name), false
	case errors.As(err, &dns):
		return fmt.Sprintf("the name %q cannot be looked up: %s", dns.Name, dns.Err), false
	case errors.As(err, &header), err != nil && strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return "the server speaks no TLS: is its endpoint http:// rather than https://?", true
	}
	return badCertificate(err, now)
}

// allTheSame is what is left to who cannot have the certificate changed.
const allTheSame = "; -insecure measures all the same"

func badCertificate(err error, now time.Time) (text string, final bool) {
	var invalid x509.CertificateInvalidError
	var host x509.HostnameError
	var authority x509.UnknownAuthorityError
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired && now.Before(invalid.Cert.NotBefore):
		return fmt.Sprintf("the certificate for %s is not valid before %s, and this machine's clock says %s: set the clock, or the certificate right"+allTheSame,
			holder(invalid.Cert), Date(invalid.Cert.NotBefore), Date(now)), true
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fmt.Sprintf("the certificate for %s expired on %s: renew it"+allTheSame, holder(invalid.Cert), Date(invalid.Cert.NotAfter)), true
	case errors.As(err, &invalid):
		return fmt.Sprintf("the certificate for %s is not valid: %v"+allTheSame, holder(invalid.Cert), err), true
	case errors.As(err, &host):
		return fmt.Sprintf("the certificate is for %s (until %s), not for %q: use a name that it is for in -endpoint, or get one for this name"+allTheSame,
			holder(host.Certificate), Date(host.Certificate.NotAfter), host.Host), true
	case errors.As(err, &authority):
		return unknownAuthority(authority.Cert), true
	}
	return "", false
}

func unknownAuthority(c *x509.Certificate) string {
	if c == nil {
		return "the certificate's authority is not trusted here: name it with -ca-cert" + allTheSame
	}
	return fmt.Sprintf("the certificate for %s is signed by %q, which is not trusted here: name that authority with -ca-cert"+allTheSame, holder(c), c.Issuer.String())
}

// Names are those that a certificate is for.
func Names(c *x509.Certificate) []string {
	names := append([]string(nil), c.DNSNames...)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) == 0 && c.Subject.CommonName != "" {
		names = append(names, c.Subject.CommonName)
	}
	return names
}

func holder(c *x509.Certificate) string {
	if names := Names(c); len(names) > 0 {
		return some(names)
	}
	return "nobody"
}
