package harness

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/llmsweep/llmsweep/harness/record"
)

// TLSConfig is how https endpoints are met, by load and by probes alike: at least TLS 1.2, and certificates verified by the system's
// authorities and those of -ca-cert. It reads the plan's files; the error names each that cannot be used.
func (p *Plan) TLSConfig() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: p.TLS.Insecure}
	var problems []error
	if p.TLS.CACert != "" {
		pool, err := authorities(p.TLS.CACert)
		config.RootCAs = pool
		problems = append(problems, err)
	}
	if p.TLS.ClientCert != "" && p.TLS.ClientKey != "" {
		pair, err := clientCertificate(p.TLS.ClientCert, p.TLS.ClientKey)
		config.Certificates = []tls.Certificate{pair}
		problems = append(problems, err)
	}
	return config, errors.Join(problems...)
}

// authorities are the system's and those of a PEM file.
func authorities(file string) (*x509.CertPool, error) {
	data, err := readPEM("ca-cert", file)
	if err != nil {
		return nil, err
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool() // a machine without authorities of its own
	}
	found := false
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("ca-cert %q: has a certificate that cannot be read: %w", file, err)
		}
		pool.AddCert(certificate)
		found = true
	}
	if !found {
		return nil, fmt.Errorf("ca-cert %q: has no certificate in PEM form (-----BEGIN CERTIFICATE-----)", file)
	}
	return pool, nil
}

// clientCertificate is what a server gets that asks who we are. The messages of package tls name neither file nor key.
func clientCertificate(certFile, keyFile string) (tls.Certificate, error) {
	cert, certErr := readPEM("client-cert", certFile)
	key, keyErr := readPEM("client-key", keyFile)
	if err := errors.Join(certErr, keyErr); err != nil {
		return tls.Certificate{}, err
	}
	if strings.Contains(string(key), "ENCRYPTED") {
		return tls.Certificate{}, fmt.Errorf("client-key %q: is encrypted: give a key without a passphrase (openssl pkey -in KEY -out PLAIN-KEY)", keyFile)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("client-cert %q, client-key %q: %s", certFile, keyFile, strings.TrimPrefix(err.Error(), "tls: "))
	}
	return pair, nil
}

// maxPEM is far above the size of a bundle with every public authority, in bytes: larger files are something else.
const maxPEM = 16 << 20

func readPEM(flag, file string) ([]byte, error) {
	path := Resolve(file)
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("is no file")
	}
	if err == nil && info.Size() > maxPEM {
		err = errors.New("is larger than 16 MiB: no PEM file")
	}
	var data []byte
	if err == nil {
		data, err = os.ReadFile(path)
	}
	if err != nil { // the flag's text is the name that the user knows
		return nil, fmt.Errorf("%s %q: %w", flag, file, missing(file, cause(err)))
	}
	return data, nil
}

// tls checks how https endpoints are to be met.
func (c *checks) tls(p *Plan) {
	t := p.TLS
	if (t.ClientCert == "") != (t.ClientKey == "") {
		c.fault("client-cert", t.ClientCert, "and -client-key go together")
	}
	if t.Insecure && t.CACert != "" {
		c.fault("insecure", true, "cannot go with -ca-cert: one says that nothing is verified, the other by whom")
	}
}

// tlsWarnings marks a run whose server could be anyone.
func (p *Plan) tlsWarnings() []string {
	secure := false
	for _, u := range p.Targets {
		secure = secure || u.Scheme == "https"
	}
	switch {
	case p.TLS == record.TLSOptions{}:
		return nil
	case !secure:
		return []string{"-insecure, -ca-cert and -client-cert have no effect: no endpoint is https"}
	case p.TLS.Insecure:
		return []string{"the server's certificate was not verified (-insecure): it may have been anyone's, who could read the API key and answer for the server"}
	}
	return nil
}

// tlsHint says what may help where the server does not trust us, or "". Where we do not trust the server, the preflight has words for it.
func tlsHint(err error) string {
	if err == nil {
		return ""
	}
	for _, refused := range []string{"certificate required", "bad certificate", "handshake failure"} { // by TLS 1.3; by 1.2
		if strings.Contains(err.Error(), "tls: "+refused) {
			return "the server may ask who the client is: -client-cert and -client-key say it"
		}
	}
	return ""
}
