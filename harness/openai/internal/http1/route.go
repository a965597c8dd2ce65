package http1

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Route is what many requests have in common: where they go, and the head of each but for the fields that Call.Do adds.
type Route struct {
	target *target
	method string
	head   []byte
	close  bool // the connection is not for reuse
}

// Field is one line of a head.
type Field struct{ Name, Value string }

// Route renders the head of the requests to u. host is the Host field; empty: the host of u. Of header, the fields that Do or the
// transport itself write are left out. What could smuggle a line into the request is an error.
func (t *Transport) Route(method string, u *url.URL, host string, header http.Header) (*Route, error) {
	address, err := dialAddress(u)
	if err != nil {
		return nil, err
	}
	if host == "" {
		host = u.Host
	}
	host = hostField(host)
	request := strings.ReplaceAll(u.RequestURI(), " ", "%20")
	switch {
	case !isToken(method):
		return nil, fmt.Errorf("method %q: is no token", method)
	case !isVisible(request):
		return nil, fmt.Errorf("path %q: has a control character", request)
	case !isVisible(host):
		return nil, fmt.Errorf("host %q: has a blank or a control character, or is not ASCII (write xn--...)", host)
	}
	r := &Route{target: t.target(u.Scheme, u.Hostname(), address), method: method, close: t.NoReuse || hasToken(header["Connection"], "close")}
	r.head = fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: %s\r\n", method, request, host)
	for _, name := range slices.Sorted(maps.Keys(header)) {
		if isOurs(name) {
			continue
		}
		for _, value := range header[name] {
			if r.head, err = appendField(r.head, Field{name, value}); err != nil {
				return nil, err
			}
		}
	}
	if r.close {
		r.head = append(r.head, "Connection: close\r\n"...)
	} else if r.head, err = appendFields(r.head, "Connection", header["Connection"]); err != nil {
		return nil, err
	}
	return r, nil
}

// isOurs names the fields that decide where a request ends and what becomes of its connection.
func isOurs(name string) bool {
	switch http.CanonicalHeaderKey(name) {
	case "Host", "Content-Length", "Transfer-Encoding", "Trailer", "Connection":
		return true
	}
	return false
}

// dialAddress is host:port of a URL.
func dialAddress(u *url.URL) (string, error) {
	port := u.Port()
	switch {
	case u.Hostname() == "":
		return "", fmt.Errorf("url %q: has no host", u.Redacted())
	case u.Scheme == "http" && port == "":
		port = "80"
	case u.Scheme == "https" && port == "":
		port = "443"
	case u.Scheme != "http" && u.Scheme != "https":
		return "", fmt.Errorf("url %q: the scheme must be http or https", u.Redacted())
	}
	return net.JoinHostPort(u.Hostname(), port), nil
}

// hostField is the host of a URL without the zone of an IPv6 address, which means something on this machine only, and without an
// empty port.
func hostField(host string) string {
	if zone := strings.IndexByte(host, '%'); zone >= 0 && strings.HasPrefix(host, "[") {
		if end := strings.LastIndexByte(host, ']'); end > zone {
			host = host[:zone] + host[end:]
		}
	}
	return strings.TrimSuffix(host, ":")
}

func appendFields(head []byte, name string, values []string) (_ []byte, err error) {
	for _, value := range values {
		if head, err = appendField(head, Field{name, value}); err != nil {
			return nil, err
		}
	}
	return head, nil
}

// appendField writes one line, unless it would be read as something else.
func appendField(head []byte, f Field) ([]byte, error) {
	if !isToken(f.Name) {
		return head, fmt.Errorf("header %q: the name is no token", f.Name)
	}
	if !isFieldValue(f.Value) {
		// The value may be a secret.
		return head, fmt.Errorf("header %q: the value has a line break or another control character", f.Name)
	}
	head = append(head, f.Name...)
	head = append(head, ": "...)
	head = append(head, strings.Trim(f.Value, " \t")...)
	return append(head, "\r\n"...), nil
}

// isToken knows the names of RFC 9110, 5.6.2.
func isToken[text string | []byte](name text) bool {
	for i := range len(name) {
		if c := name[i]; c >= 0x80 || !tokenBytes[c] {
			return false
		}
	}
	return len(name) > 0
}

// tokenBytes are the ASCII characters of a token.
//
//nolint:gochecknoglobals // a table, never written
var tokenBytes = func() (table [0x80]bool) {
	for _, c := range "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" {
		table[c] = true
	}
	return table
}()

// isFieldValue allows what RFC 9110, 5.5 does: blanks, tabs, visible and non-ASCII characters.
func isFieldValue[text string | []byte](value text) bool {
	for i := range len(value) {
		if c := value[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// isVisible reports whether a text is of visible ASCII characters only, and of at least one.
func isVisible(text string) bool {
	for i := range len(text) {
		if c := text[i]; c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return text != ""
}

// hasToken looks for a word in lists that commas separate.
func hasToken(lists []string, word string) bool {
	for _, list := range lists {
		for item := range strings.SplitSeq(list, ",") {
			if strings.EqualFold(strings.Trim(item, " \t"), word) {
				return true
			}
		}
	}
	return false
}

var errBodyLength = errors.New("the length of a request's body must be known")
