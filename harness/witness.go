package harness

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"

	"github.com/llmsweep/llmsweep/harness/openai"
	"github.com/llmsweep/llmsweep/harness/preflight"
	"github.com/llmsweep/llmsweep/harness/record"
)

// witness sees the probes of one server pass, for the preflight: what the last good answer came over, and how far a request came that got none.
type witness struct {
	next   http.RoundTripper
	answer *http.Response // the last one with a status of 2xx; its body is the caller's
}

// RoundTrip passes a probe on.
func (w *witness) RoundTrip(request *http.Request) (*http.Response, error) {
	var connected atomic.Bool
	ctx := httptrace.WithClientTrace(request.Context(), &httptrace.ClientTrace{
		ConnectDone: func(_, _ string, err error) { connected.Store(connected.Load() || err == nil) },
		GotConn:     func(httptrace.GotConnInfo) { connected.Store(true) },
	})
	response, err := w.next.RoundTrip(request.WithContext(ctx))
	if err == nil && response.StatusCode/100 == 2 {
		w.answer = response
	}
	if err != nil && connected.Load() && errors.Is(request.Context().Err(), context.DeadlineExceeded) {
		err = fmt.Errorf("the server took the connection and said nothing: %w", err)
	}
	return response, err
}

// fill notes in s what is known of the server's connections.
func (w *witness) fill(s *preflight.Server) {
	if w.answer == nil {
		return
	}
	s.Protocol, s.Closes = w.answer.Proto, w.answer.Close
	if state := w.answer.TLS; state != nil {
		s.TLS = &preflight.TLS{Version: tls.VersionName(state.Version), Names: preflight.Names(state.PeerCertificates[0])}
		s.TLS.Expires, s.TLS.Verified = expiry(state.VerifiedChains)
	}
}

// expiry is the first end in the chain that lasts longest: of several ways to trust a certificate one is enough.
func expiry(chains [][]*x509.Certificate) (at time.Time, verified bool) {
	for _, chain := range chains {
		first := chain[0].NotAfter
		for _, c := range chain {
			if c.NotAfter.Before(first) {
				first = c.NotAfter
			}
		}
		if first.After(at) {
			at = first
		}
	}
	return at, len(chains) > 0
}

// nameGrace is how long a name may not resolve: that of a service that is just being created does after some seconds.
const nameGrace = 30 * time.Second

// explain puts an error of the way to the server into plain words, and makes it final where waiting does not mend it.
func explain(err error) error {
	var status *openai.StatusError
	if err == nil || errors.As(err, &status) {
		return err
	}
	text, final := preflight.Unreachable(err, time.Now())
	switch {
	case text == "":
		return err
	case final:
		return refusal{errors.New(record.Printable(text)), startGrace} // a gateway may still be getting its certificate
	case absent(err):
		return refusal{errors.New(record.Printable(text)), nameGrace}
	}
	return errors.New(record.Printable(text))
}

// absent reports whether a name is said not to be there, rather than not found out.
func absent(err error) bool {
	var dns *net.DNSError
	return errors.As(err, &dns) && dns.IsNotFound
}
