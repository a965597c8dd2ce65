package instrument

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net/url"
	"slices"
	"time"
)

// canaryName is in the certificate of a canary's writer.
const canaryName = "canary"

// overTLS reports whether the load is encrypted, or a part of it.
func overTLS(endpoints []*url.URL) bool {
	return slices.ContainsFunc(endpoints, func(u *url.URL) bool { return u.Scheme == "https" })
}

// identity returns how a canary's writer proves itself to its client, which trusts nobody else. The key is in memory alone; nothing of the load's
// own TLS is taken, which may have secrets.
func identity() (writer, client *tls.Config, err error) {
	key, failed := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if failed != nil {
		return nil, nil, failed
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{canaryName}, NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<37, 0), // virtual time begins in 2000
	}
	der, failed := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	leaf, err := x509.ParseCertificate(der)
	if err = errors.Join(failed, err); err != nil {
		return nil, nil, err
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	writer = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}}, NextProtos: []string{"h2", "http/1.1"}}
	return writer, &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, ServerName: canaryName}, nil
}
