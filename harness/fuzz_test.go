package harness_test

import (
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness"
)

// FuzzParseEndpoint: an endpoint that is accepted is one that a request can be made to, and what it becomes, it stays. One that is not
// accepted is not quoted where it may hold a password.
func FuzzParseEndpoint(f *testing.F) {
	for _, text := range []string{
		"localhost:8000", "http://h/v1", "https://user:pa%2Fss@h:443/openai/deployments/m/chat/completions?api-version=1", "k8s://ns/svc:8000/v1", "http://[::1%25eth0]:1/a%2fb#c",
		"HTTP://h", "http:h", "ftp://h", "http://h:0", "http://a,b", "//h", "http://münchen", "user:pw@h:99999", "h?k=v",
	} {
		f.Add(text, "")
		f.Add(text, "https")
	}
	f.Fuzz(func(t *testing.T, text, scheme string) {
		u, err := harness.ParseEndpoint(text, scheme)
		if err != nil {
			if strings.ContainsAny(text, "@?") {
				assert.Contains(t, err.Error(), `endpoint "[redacted]": `)
			}
			return
		}
		assert.Contains(t, []string{"http", "https", "k8s"}, u.Scheme)
		assert.True(t, strings.HasSuffix(u.Path, "/completions"), u.Path)
		again, err := harness.ParseEndpoint(u.String(), "")
		if !assert.NoError(t, err, u.String()) {
			return
		}
		assert.Equal(t, u.String(), again.String())
	})
}

// FuzzFlags gives one flag any value, from the command line and from the environment: it is refused in one line that shows no secret, or
// makes a plan that can be stored and whose headers can be sent.
func FuzzFlags(f *testing.F) {
	for _, seed := range [][2]string{
		{"header", "X-A: b"}, {"header", "A:env:HOME"}, {"header", "Authorization: Bearer x\ny"}, {"header", "Cookie: a=b; c"}, {"endpoint", "http://u:p@h?q"},
		{"extra-inputs", `{"a":{"b":[1e999]}}`}, {"extra-inputs", "k: 1"}, {"concurrencies", "1,,2"}, {"isl", "0x10"}, {"wait-ready", "1h-1m"}, {"max-error-rate", "NaN"},
		{"nonce", "-0"}, {"mock-args", " -a  -b"}, {"gate", "x"}, {"model", "\x00"}, {"seq-dist", "1,2:50;lognormal(3|1),4-5:50"}, {"prefix-ratio", "NaN"}, {"request-timeout", "9999999h"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, name, value string) {
		fs := flag.NewFlagSet("fuzz", flag.ContinueOnError)
		fs.SetOutput(io.Discard)
		flags := harness.RegisterFlags(fs)
		switch {
		case fs.Lookup(name) == nil, name == "llmsweep.help", name == "config": // that is FuzzConfig's
			return
		}
		require.NoError(t, fs.Parse([]string{"-" + name + "=" + value}))
		getenv := func(string) string { return "" }
		plan, err := flags.Plan(getenv)
		require.NotNil(t, plan)
		if err != nil {
			if name == "header" && len(value) > 3 && !strings.Contains(value, ":") {
				assert.NotContains(t, err.Error(), value)
			}
			return
		}
		data, err := json.Marshal(plan)
		require.NoError(t, err)
		require.True(t, json.Valid(data))
		request, err := http.NewRequest(http.MethodPost, "http://h", nil)
		require.NoError(t, err)
		request.Header = plan.Header
		require.NoError(t, request.Write(io.Discard), "a header that cannot be sent")
		for _, values := range plan.Header {
			for _, v := range values {
				assert.False(t, strings.ContainsAny(v, "\r\n\x00"), "%q", v)
			}
		}
	})
}
