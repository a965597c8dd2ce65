package harness

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A server may echo what it was sent, in any spelling, into an error that we print and store. So nothing of a server is shown or written
// before a redactor has seen it, and what is cut off is cut off afterwards.

const redacted = "[redacted]"

// Secrets shorter than shortest bytes are not looked for: they would blank out ordinary text. Of a secret that was cut off by others the
// beginning is found from firstPart bytes on.
const (
	shortest  = 4
	firstPart = 8
)

// Redact removes every secret of the plan from a text.
func (p *Plan) Redact(text string) string { return p.redactor().redact(text) }

// redactor removes secrets. It is made once for many texts.
type redactor struct {
	spellings []string // of all secrets, the longest first: one may be the beginning of another
	whole     *strings.Replacer
}

func (p *Plan) redactor() *redactor {
	secrets := slices.DeleteFunc(p.secrets(), func(s string) bool { return len(s) < shortest })
	r := &redactor{}
	for _, secret := range secrets {
		r.spellings = append(r.spellings, spellings(secret)...)
	}
	slices.SortFunc(r.spellings, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	r.spellings = slices.Compact(r.spellings)
	pairs := make([]string, 0, 2*len(r.spellings))
	for _, s := range r.spellings {
		pairs = append(pairs, s, redacted)
	}
	r.whole = strings.NewReplacer(pairs...) // of several that begin at one place the first counts
	return r
}

func (r *redactor) redact(text string) string {
	if len(r.spellings) == 0 || text == "" {
		return text
	}
	parts := strings.Split(r.whole.Replace(text), "…") // a text that was cut off ends there, or in a mark that says so
	for i, part := range parts {
		parts[i] = r.redactEnd(part)
	}
	return strings.Join(parts, "…")
}

// redactEnd removes the beginning of a secret that a text ends in.
func (r *redactor) redactEnd(text string) string {
	for _, secret := range r.spellings {
		for n := min(len(secret)-1, len(text)); n >= firstPart; n-- {
			if strings.HasSuffix(text, secret[:n]) {
				return text[:len(text)-n] + redacted
			}
		}
	}
	return text
}

// secrets returns what must not be shown.
func (p *Plan) secrets() []string {
	all := append([]string{p.APIKey}, p.ProxySecrets...)
	for name, values := range p.Header {
		for _, v := range values {
			all = append(all, headerSecrets(name, v)...)
		}
	}
	for _, u := range slices.Concat(p.Targets, p.ServerPages, p.GPUPages) {
		all = append(all, urlSecrets(u)...)
	}
	return all
}

// headerSecrets returns the value of a header and what may be shown of it apart: credentials without their scheme, user and password of
// basic ones, and the values of cookies.
func headerSecrets(name, value string) []string {
	scheme, credentials, _ := strings.Cut(value, " ")
	all := []string{value, strings.TrimSpace(credentials)}
	if plain, err := base64.StdEncoding.DecodeString(credentials); strings.EqualFold(scheme, "Basic") && err == nil {
		_, password, _ := strings.Cut(string(plain), ":")
		all = append(all, string(plain), password)
	}
	if http.CanonicalHeaderKey(name) == "Cookie" {
		for pair := range strings.SplitSeq(value, ";") {
			_, v, _ := strings.Cut(strings.TrimSpace(pair), "=")
			all = append(all, v, strings.Trim(v, `"`))
		}
	}
	return all
}

// urlSecrets returns the credentials of a URL, plain and as they are written there.
func urlSecrets(u *url.URL) []string {
	all := []string{u.RawQuery}
	for pair := range strings.SplitSeq(u.RawQuery, "&") {
		name, value, valued := strings.Cut(pair, "=")
		if !valued {
			value = name // a token alone
		}
		plain, _ := url.QueryUnescape(value)
		all = append(all, value, plain)
	}
	if u.User == nil {
		return all
	}
	secret, _ := u.User.Password()
	if secret == "" {
		secret = u.User.Username() // a token alone
	}
	return append(all, u.User.String(), secret, url.User(secret).String())
}

// proxySecrets returns the credentials in the address of a proxy, which an error may quote.
func proxySecrets(address string) []string {
	if !strings.Contains(address, "@") {
		return nil
	}
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	u, err := url.Parse(address)
	if err != nil || u.User == nil {
		before := address[:strings.LastIndex(address, "@")]
		_, user, _ := strings.Cut(before, "://")
		_, password, _ := strings.Cut(user, ":")
		return []string{user, password}
	}
	return urlSecrets(u)
}

// spellings returns how a text may stand in what a server sends: as it is, in a URL, in JSON, in Go's or Python's quotes, in HTML, and in
// base64, alone or within something longer.
func spellings(text string) []string {
	query := strings.ReplaceAll(url.QueryEscape(text), "+", "%20")
	all := append([]string{query, url.QueryEscape(text), url.PathEscape(text)}, jsonForms(text)...)
	for _, code := range all[:3] {
		all = append(all, percentCode.ReplaceAllStringFunc(code, strings.ToLower))
	}
	all = append(all, text, html.EscapeString(text))
	all = append(all, strings.NewReplacer("&#34;", "&quot;", "&#39;", "&#x27;").Replace(html.EscapeString(text)))
	for _, quote := range []func(string) string{strconv.Quote, strconv.QuoteToASCII} {
		q := quote(text)
		all = append(all, q[1:len(q)-1])
	}
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		all = append(all, encoding.EncodeToString([]byte(text)))
		if len(text) >= firstPart {
			all = append(all, within(encoding, text)...)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

var percentCode = regexp.MustCompile("%[0-9A-F]{2}")

// within returns the characters that stand for a text in the base64 of something longer, by where in a group of three bytes it begins.
func within(encoding *base64.Encoding, text string) []string {
	var all []string
	for before := range 3 {
		code := encoding.EncodeToString(append(make([]byte, before), text...))
		if (before+len(text))%3 != 0 {
			code = code[:len(code)-1] // the last character has bits of what follows
		}
		all = append(all, code[(8*before+5)/6:])
	}
	return all
}

// jsonForms returns how a text may stand inside a JSON string.
func jsonForms(text string) []string {
	var forms []string
	for _, escapeHTML := range []bool{true, false} {
		var b strings.Builder
		encoder := json.NewEncoder(&b)
		encoder.SetEscapeHTML(escapeHTML)
		if encoder.Encode(text) != nil {
			continue
		}
		form := strings.TrimSpace(b.String())
		form = form[1 : len(form)-1]
		forms = append(forms, form, strings.ReplaceAll(form, "/", `\/`))
	}
	return forms
}
