package preflight

import (
	"fmt"
	"strings"
	"time"
)

// TLS is what a handshake with a server brought.
type TLS struct {
	Version  string // such as TLS 1.3
	Names    []string
	Expires  time.Time // the first end among the certificates that the trust rests on
	Verified bool
}

// judge returns the checks of one server.
func (s *Server) judge(l Load) []Finding {
	return []Finding{s.name(), s.certificate(l.Now), s.http(l), s.context(l)}
}

// shownNames is how many names or addresses are listed.
const shownNames = 4

func some(list []string) string {
	if more := len(list) - shownNames; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(list[:shownNames], ", "), more)
	}
	return strings.Join(list, ", ")
}

func (s *Server) name() Finding {
	switch {
	case !s.Resolved:
		return Finding{}
	case s.LookupErr != nil: // and yet it has answered
		return Finding{Check: "name", Result: Unknown, Text: fmt.Sprintf("%s: %v", s.Host, s.LookupErr)}
	}
	return Finding{Check: "name", Result: OK, Text: fmt.Sprintf("%s is %s", s.Host, some(s.Addresses))}
}

// soon is how long before its end a certificate is worth a warning.
const soon = 7 * 24 * time.Hour

func (s *Server) certificate(now time.Time) Finding {
	if s.TLS == nil {
		return Finding{}
	}
	f := Finding{Check: "certificate", Result: OK}
	left := s.TLS.Expires.Sub(now)
	switch {
	case !s.TLS.Verified:
		f.Result, f.Text = Unknown, fmt.Sprintf("%s of %s is not verified (-insecure)", s.TLS.Version, s.Host)
		return f
	case left < soon:
		f.Result, f.Remedy = Warning, "renew it: from then on no connection will be made"
	}
	f.Text = fmt.Sprintf("%s of %s for %s, valid until %s, %s", s.TLS.Version, s.Host, some(s.TLS.Names), Date(s.TLS.Expires), away(left))
	return f
}

// Date is an instant in the form of certificates' messages.
func Date(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// away puts a time that is left into words.
func away(left time.Duration) string {
	if left < 48*time.Hour {
		return fmt.Sprintf("in %.0f hours", left.Hours())
	}
	return fmt.Sprintf("in %d days", int(left.Hours()/24))
}

func (s *Server) http(l Load) Finding {
	if s.Protocol == "" {
		return Finding{}
	}
	f := Finding{Check: "http", Result: OK, Text: fmt.Sprintf("%s, transport %s", s.Protocol, l.Transport)}
	if s.Closes && l.Reused {
		f.Result = Warning
		f.Text = fmt.Sprintf("%s closes a connection after an answer (%s): requests make new ones, inside their latency", s.Host, s.Protocol)
		f.Remedy = "allow keep-alive on the server or on the proxy before it"
	}
	return f
}

// templateRoom is how many tokens a chat template may well add to a prompt.
func (l *Load) templateRoom() int {
	if l.NoTemplate {
		return 0
	}
	return 16
}

func (s *Server) context(l Load) Finding {
	f := Finding{Check: "context length", Result: OK}
	if s.Context == 0 {
		f.Result, f.Text = Unknown, "the server does not tell"
		return f
	}
	total := l.LongestPrompt + l.OSL
	f.Text = fmt.Sprintf("the model takes %d tokens, the longest request has %d: a prompt of %d and an answer of %d", s.Context, total, l.LongestPrompt, l.OSL)
	switch {
	case total > s.Context:
		f.Result, f.Remedy = Refusal, s.shorten(l)
	case total+l.templateRoom() > s.Context:
		f.Result = Warning
		f.Text += ", to which the server's chat template adds some"
		f.Remedy = s.shorten(l)
	}
	return f
}

// shorten says how much the larger of both must shrink.
func (s *Server) shorten(l Load) string {
	over := l.LongestPrompt + l.OSL + l.templateRoom() - s.Context
	if l.LengthsOf != "" {
		return fmt.Sprintf("shorten the longest requests of -%s by %d tokens, or serve the model with a longer context", l.LengthsOf, over)
	}
	flag := "isl"
	if l.OSL > l.LongestPrompt {
		flag = "osl"
	}
	if over >= max(l.OSL, l.LongestPrompt) {
		return "lower -isl and -osl, or serve the model with a longer context"
	}
	return fmt.Sprintf("lower -%s by %d, or serve the model with a longer context", flag, over)
}
