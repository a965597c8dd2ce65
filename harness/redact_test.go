package harness_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness"
)

// TestSecretsInEverySpelling: a server may echo a secret as URL, JSON, HTML or base64, alone or within something longer.
func TestSecretsInEverySpelling(t *testing.T) {
	asJSON := func(text string) string {
		data, err := json.Marshal(text)
		require.NoError(t, err)
		return string(data)
	}
	spell := map[string]func(string) string{
		"plain":               func(s string) string { return s },
		"query":               url.QueryEscape,
		"path":                url.PathEscape,
		"lower-case codes":    func(s string) string { return lowerCodes(url.QueryEscape(s)) },
		"blank as %20":        func(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") },
		"JSON":                asJSON,
		"JSON of slashes":     func(s string) string { return strings.ReplaceAll(asJSON(s), "/", `\/`) },
		"Go's quotes":         func(s string) string { return fmt.Sprintf("%q", s) },
		"ASCII alone":         func(s string) string { return fmt.Sprintf("%+q", s) },
		"HTML":                html.EscapeString,
		"HTML by Python":      strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#x27;").Replace,
		"base64":              func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
		"base64 for URLs":     func(s string) string { return base64.URLEncoding.EncodeToString([]byte(s)) },
		"base64, not filled":  func(s string) string { return base64.RawStdEncoding.EncodeToString([]byte(s)) },
		"base64 of a header":  func(s string) string { return base64.StdEncoding.EncodeToString([]byte("Bearer " + s + "\n")) },
		"base64 of a request": func(s string) string { return base64.StdEncoding.EncodeToString([]byte("GET /?a=" + s + " HTTP")) },
		"base64 of a line":    func(s string) string { return base64.StdEncoding.EncodeToString([]byte("key: " + s + ", more")) },
	}
	for _, secret := range []string{"sk-live-0123456789", `pa/ss wo"rd+<&>'1`, "schlüssel-€-7", "a=b;c%d==", "abcdefgh", "abcdefghi", "abcdefghij"} {
		plan := &harness.Plan{APIKey: secret}
		for name, form := range spell {
			got := plan.Redact("before " + form(secret) + " after")
			assert.Contains(t, got, "[redacted]", "%s of %s", name, secret)
			if !strings.Contains(name, " of a ") {
				assert.Regexp(t, `^before "?\[redacted\]=*"? after$`, got, "%s of %s", name, secret)
				continue
			}
			left := strings.Split(strings.TrimSuffix(strings.TrimPrefix(got, "before "), " after"), "[redacted]")
			require.Len(t, left, 2)
			for _, part := range left {
				for _, end := range []string{secret[:2], secret[len(secret)-2:]} {
					assert.NotContains(t, decoded(part), end, "%s of %s", name, secret)
				}
			}
		}
	}
}

// lowerCodes writes %2F as %2f.
func lowerCodes(text string) string {
	parts := strings.Split(text, "%")
	for i, part := range parts[1:] {
		parts[i+1] = strings.ToLower(part[:2]) + part[2:]
	}
	return strings.Join(parts, "%")
}

// decoded is what a piece of base64 gives wherever in a group of characters it begins.
func decoded(piece string) string {
	var all strings.Builder
	for before := range 4 {
		text := strings.Repeat("A", before) + strings.TrimRight(piece, "=")
		plain, _ := base64.RawStdEncoding.DecodeString(text[:len(text)/4*4])
		all.Write(plain)
	}
	return all.String()
}

// TestEveryPlaceOfASecret: what is secret of each thing that a run is given, and nothing else.
func TestEveryPlaceOfASecret(t *testing.T) {
	env := map[string]string{
		"HTTP_PROXY": "http://someone:proxy-pw-1@proxy:3128", "https_proxy": "proxy-user:proxy-pw-2@proxy:3128", "HTTPS_PROXY": "http://x:proxy-pw-3@bad host",
	}
	plan := planOf(t, env, "-benchmark-name=x", "-header=Cookie: session=cookie-4; theme=\"cookie-5\"", "-header=Authorization: Basic "+
		base64.StdEncoding.EncodeToString([]byte("someone:basic-pw-6")), "-endpoint=https://token-7:@h/?token-8&sig=si%2fg-9")
	for _, secret := range []string{"proxy-pw-1", "proxy-pw-2", "proxy-pw-3", "cookie-4", "cookie-5", "basic-pw-6", "token-7", "token-8", "si/g-9", "si%2fg-9"} {
		assert.Equal(t, "a [redacted] b", plan.Redact("a "+secret+" b"), secret)
	}
	const public = "proxy:3128 session theme https h https://h/v1/chat/completions Cookie Authorization Basic"
	assert.Equal(t, public, plan.Redact(public))
	data, err := json.Marshal(plan)
	require.NoError(t, err)
	assert.NotRegexp(t, `[a-z]+-[0-9]"`, string(data), "none of them is stored")
}

// TestSecretsThatWereCutOff: of the beginning of a secret where a text ends, or where it says that it was cut, nothing is left from eight
// bytes on.
func TestSecretsThatWereCutOff(t *testing.T) {
	const secret = "sk-live-0123456789"
	plan := &harness.Plan{APIKey: secret}
	for n := 8; n <= len(secret); n++ {
		assert.Equal(t, "got [redacted]", plan.Redact("got "+secret[:n]))
		assert.Equal(t, `event 1 "got [redacted]…": bad`, plan.Redact(`event 1 "got `+secret[:n]+`…": bad`))
	}
	assert.Equal(t, "got sk-live", plan.Redact("got sk-live"), "this may be any word")
}

// FuzzRedact: whatever stands around a secret, it is gone.
func FuzzRedact(f *testing.F) {
	f.Add("sk-0123456789", "before ", " after")
	f.Add("aaaa", "aaa", "aaaaa")
	f.Add("ä…ö…", "…", "\xff")
	mark := "redacted"
	f.Fuzz(func(t *testing.T, secret, before, after string) {
		if len(secret) < 4 || strings.ContainsAny(secret, "[]") || strings.Contains(mark, secret) {
			return
		}
		plan := &harness.Plan{APIKey: secret}
		got := plan.Redact(before + secret + after)
		assert.NotContains(t, got, secret)
		assert.Equal(t, got, plan.Redact(got), "what is redacted stays as it is")
	})
}

// The redactor of a level looks at each failed request.
func BenchmarkRedact(b *testing.B) {
	plan := &harness.Plan{APIKey: "sk-live-0123456789"}
	body := strings.Repeat(`{"error":"too many requests"} `, 10)
	for b.Loop() {
		plan.Redact(body)
	}
}
