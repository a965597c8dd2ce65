package harness_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness"
	"github.com/llmsweep/llmsweep/harness/record"
)

func mustParse(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := harness.ParseEndpoint(text, "")
	require.NoError(t, err)
	return u
}

func TestParseEndpoint(t *testing.T) {
	const chat = "/v1/chat/completions"
	for text, want := range map[string]string{
		"http://localhost:8000":                       "http://localhost:8000" + chat,
		"  https://api.example.com/  ":                "https://api.example.com" + chat,
		"HTTP://h:1":                                  "http://h:1" + chat,
		"localhost":                                   "http://localhost" + chat,
		"svc.ns.svc.cluster.local:8000":               "http://svc.ns.svc.cluster.local:8000" + chat,
		"10.0.0.1:8000/":                              "http://10.0.0.1:8000" + chat,
		"svc:8000/prefix":                             "http://svc:8000/prefix" + chat,
		"http://h/v1":                                 "http://h" + chat,
		"http://h/v1/":                                "http://h" + chat,
		"http://h/v1/chat":                            "http://h" + chat,
		"http://h" + chat:                             "http://h" + chat,
		"http://h" + chat + "/":                       "http://h" + chat,
		"http://h/api/v1":                             "http://h/api" + chat,
		"http://h/api/v1/chat":                        "http://h/api" + chat,
		"http://h/api/v3/chat/completions":            "http://h/api/v3/chat/completions",
		"http://h/openai/deployments/d?api-version=1": "http://h/openai/deployments/d" + chat + "?api-version=1",
		"http://h/xv1":                                "http://h/xv1" + chat,
		"http://h/v1/completions/":                    "http://h/v1/completions",
		"k8s://n/s:1/v1/completions":                  "k8s://n/s:1/v1/completions",
		"http://h/chat":                               "http://h/chat" + chat,
		"http://h#frag":                               "http://h" + chat,
		"http://[::1]:8000":                           "http://[::1]:8000" + chat,
		"[2001:db8::1]:80/v1":                         "http://[2001:db8::1]:80" + chat,
		"[::1]":                                       "http://[::1]" + chat,
		"http://user:pw@h:1":                          "http://user:pw@h:1" + chat,
		"http://h:65535":                              "http://h:65535" + chat,
	} {
		u, err := harness.ParseEndpoint(text, "")
		if assert.NoError(t, err, text) {
			assert.Equal(t, want, u.String(), text)
		}
	}
	u, err := harness.ParseEndpoint("h:1", "https")
	require.NoError(t, err)
	assert.Equal(t, "https://h:1"+chat, u.String())
	u, err = harness.ParseEndpoint("http://h:1", "https")
	require.NoError(t, err)
	assert.Equal(t, "http", u.Scheme, "a scheme of its own wins")
}

// TestEndpointType: a route of the one type is changed to that of the other where that is asked for, and not the reverse.
func TestEndpointType(t *testing.T) {
	for endpoint, want := range map[string]string{
		"http://h": "http://h/v1/completions", "http://h/v1/completions": "http://h/v1/completions", "http://u:p@h/api/v3/chat/completions?k=v": "http://h/api/v3/completions?[redacted]",
		"k8s://n/s:1": "k8s://n/s:1/v1/completions",
	} {
		plan := planOf(t, nil, "-benchmark-name=x", "-endpoint-type=completions", "-endpoint="+endpoint)
		assert.Equal(t, []string{want}, plan.Endpoints)
		assert.True(t, strings.HasSuffix(plan.Targets[0].Path, "/completions") && !strings.Contains(plan.Targets[0].Path, "chat"), plan.Targets[0])
		assert.True(t, plan.AsksCompletions())
	}
	plan := planOf(t, nil, "-endpoint-type=completions", "-arm=a=http://h", "-arm=b=mock:")
	assert.Equal(t, "/v1/completions", plan.Arms[0].Target.Path)
	for _, arg := range []string{"-endpoint=http://h/v1/completions", "-arm=a=http://h/v1/completions"} {
		_, err := resolve(t, nil, "-benchmark-name=x", arg)
		assert.EqualError(t, err, `endpoint "http://h/v1/completions": is the completions route: pass -endpoint-type=completions`)
	}
	assert.False(t, planOf(t, nil).AsksCompletions())
	assert.False(t, (&record.Plan{}).AsksCompletions(), "a plan of before there were two")
}

func TestParseEndpointRefuses(t *testing.T) {
	const notURL = "is not a URL: write http://host:port"
	for text, want := range map[string]string{
		"":                     "must not be empty",
		" \t":                  "must not be empty",
		"ftp://h":              `unknown scheme "ftp": must be http, https or k8s`,
		"unix:///run/x":        `unknown scheme "unix"`,
		"http://":              "has no host",
		"http:///v1":           "has no host",
		"http://:8000":         "has no host",
		":8000":                "has no host",
		"http:/localhost:8000": notURL,
		"https:localhost":      notURL,
		"HTTP:localhost":       notURL,
		"http://h:0":           "has a bad port: must be 1 to 65535",
		"h:65536":              "has a bad port",
		"http://h:port":        "with a port from 1 to 65535",
		"http://h:-1":          notURL,
		"http://::1":           "an IPv6 address as [::1]",
		"http://[::1":          notURL,
		"http://a b":           notURL,
		"http://a,b":           "is not one host: repeat -endpoint for each replica",
		"http://a:1,http://b":  notURL,
		"://h":                 notURL,
	} {
		_, err := harness.ParseEndpoint(text, "")
		if assert.ErrorContains(t, err, want, text) {
			assert.ErrorContains(t, err, fmt.Sprintf("endpoint %q: ", text))
		}
	}
}

func TestCredentialsStayOutOfErrors(t *testing.T) {
	for _, text := range []string{
		"ftp://user:hunter22@h", "http://user:hunter22@h:0", "http://user:hunter22@", "user:hunter22@h:99999", "http://user:hunter22@h:x", "http://hunter22@[::1",
		"http://h:0?key=hunter22", "http:user:hunter22@h",
	} {
		_, err := harness.ParseEndpoint(text, "")
		if assert.Error(t, err, text) {
			assert.NotContains(t, err.Error(), "hunter22")
			assert.NotContains(t, err.Error(), "user")
		}
	}
}

// secretive has a secret in every place that can hold one.
func secretive(t *testing.T) (*harness.Plan, []string) {
	t.Helper()
	env := map[string]string{"OPENAI_API_KEY": "sk-key-1", "TOKEN": "tok-env-2"}
	plan := planOf(t, env, "-benchmark-name=x", "-header=X-Direct:direct-3", "-header=X-Env:env:TOKEN", "-header=Proxy-Authorization:Basic YmFzaWMtNA==",
		"-endpoint=http://user-5:pa%2Fss-6@h:1/v1?api-key=query%2F7&v=22", "-endpoint=http://token-8@h:2")
	return plan, []string{"sk-key-1", "tok-env-2", "direct-3", "YmFzaWMtNA==", "pa/ss-6", "pa%2Fss-6", "query/7", "query%2F7", "token-8"}
}

func TestNoSecretIsStored(t *testing.T) {
	plan, secrets := secretive(t)
	for _, v := range []any{plan.Plan, plan} {
		data, err := json.Marshal(v)
		require.NoError(t, err)
		for _, secret := range secrets {
			assert.NotContains(t, string(data), secret)
		}
		assert.Contains(t, string(data), `"X-Env":"env:TOKEN"`)
	}
	assert.Equal(t, []string{"http://h:1/v1/chat/completions?[redacted]", "http://h:2/v1/chat/completions"}, plan.Endpoints)
	assert.Equal(t, "user-5", plan.Targets[0].User.Username(), "but it is sent")
	assert.Equal(t, "query/7", plan.Targets[0].Query().Get("api-key"))
}

func TestRedact(t *testing.T) {
	plan, secrets := secretive(t)
	for _, secret := range secrets {
		assert.Equal(t, "before [redacted] after", plan.Redact("before "+secret+" after"), secret)
	}
	assert.Equal(t, "[redacted]", plan.Redact("Bearer sk-key-1"))
	assert.Equal(t, "22 is too short to be a secret", plan.Redact("22 is too short to be a secret"))
	assert.Equal(t, "nothing", (&harness.Plan{}).Redact("nothing"))

	// The shorter one is the beginning of the longer: nothing of either may be left.
	plan = planOf(t, map[string]string{"OPENAI_API_KEY": "abcd"}, "-header=X-A:abcdefgh", "-header=X-B:abcdef")
	for range 20 {
		assert.Equal(t, "[redacted] [redacted] [redacted]", plan.Redact("abcdefgh abcdef abcd"))
	}
}

func TestValidateAPlanMadeByHand(t *testing.T) {
	plan := planOf(t, nil)
	require.NoError(t, plan.Validate())
	plan.Concurrencies = nil
	assert.EqualError(t, plan.Validate(), `concurrencies "": must name at least one level`)
	plan.Concurrencies = []int{1, 0}
	assert.EqualError(t, plan.Validate(), `concurrency "0": must be at least 1`)
	assert.Error(t, new(harness.Plan).Validate())
}

func TestValidateTheGate(t *testing.T) {
	for want, gate := range map[string]harness.Gate{
		"": {File: "g", DataDir: "d"},
		`baseline "b": and -candidate go together`: {Baseline: "b"},
		`baseline "": and -candidate go together`:  {Candidate: "c"},
		`data-dir "d": cannot go with -baseline`:   {File: "g", DataDir: "d", Baseline: "b", Candidate: "c"},
	} {
		p := planOf(t, nil)
		p.Gate = gate
		if err := p.Validate(); want == "" {
			assert.NoError(t, err)
		} else {
			assert.ErrorContains(t, err, want)
		}
	}
}

func TestWarnings(t *testing.T) {
	assert.Empty(t, planOf(t, nil).Warnings())
	assert.Equal(t, []string{
		"c10: request-count 5 is smaller than the concurrency: the level cannot have more than 5 in flight",
		"c50: request-count 5 is smaller than the concurrency: the level cannot have more than 5 in flight",
	}, planOf(t, nil, "-concurrencies=1,5,10,50", "-request-count=5").Warnings())
}

// TestRampBeyondTheEnd is worth a warning: the level would never have its load.
func TestRampBeyondTheEnd(t *testing.T) {
	const why = "-duration is 10s, so that no level comes to its load: make that longer, or the ramp shorter"
	for args, want := range map[string][]string{
		"-duration=10s -concurrency-ramp-duration=10s":                  {"concurrency-ramp-duration 10s: " + why},
		"-duration=10s -concurrency-ramp-duration=9s":                   nil,
		"-concurrency-ramp-duration=9s":                                 nil,
		"-duration=10s -request-rate=5 -request-rate-ramp-duration=11s": {"request-rate-ramp-duration 11s: " + why},
		"-duration=10s -request-rate=5":                                 nil,
	} {
		assert.Equal(t, want, planOf(t, nil, strings.Fields(args)...).Warnings(), args)
	}
}

// TestPrefillCapWithoutEffect is worth a warning where no level can have as many requests in flight that one would wait.
func TestPrefillCapWithoutEffect(t *testing.T) {
	warning := func(capped, most int) []string {
		return []string{fmt.Sprintf("prefill-concurrency %d: no level has more than %d requests in flight, so that none waits for a place: lower it, or leave it out", capped, most)}
	}
	for args, want := range map[string][]string{
		"-concurrencies=1,10 -prefill-concurrency=9":                    nil,
		"-concurrencies=1,10 -prefill-concurrency=10":                   warning(10, 10),
		"-concurrencies=10 -request-count=30 -prefill-concurrency=500":  warning(500, 10),
		"-request-rate=5 -prefill-concurrency=500":                      nil,
		"-request-rate=5 -max-in-flight=500 -prefill-concurrency=499":   nil,
		"-request-rate=5,8 -max-in-flight=500 -prefill-concurrency=500": warning(500, 500),
		"-request-rate=5 -max-in-flight=1":                              nil,
		"-input-file=x -fixed-schedule -prefill-concurrency=1":          nil,
		"-concurrencies=1 -prefill-concurrency=0":                       nil,
	} {
		assert.Equal(t, want, planOf(t, nil, strings.Fields(args)...).Warnings(), args)
	}
	few := planOf(t, nil, "-concurrencies=10", "-request-count=4", "-prefill-concurrency=4").Warnings()
	assert.Contains(t, few, warning(4, 4)[0], "a level has no more in flight than it has requests")
}

// TestTimesAreBounded: no sum of two of them is more than a time.Duration can say, after which it would be negative.
func TestTimesAreBounded(t *testing.T) {
	for flag, with := range map[string]string{
		"duration": "", "grace-period": "-duration=1h", "warmup-duration": "", "warmup-grace-period": "-warmup-duration=1h", "cancel-delay": "-cancel-rate=5", "max-duration": "",
		"concurrency-ramp-duration": "", "request-rate-ramp-duration": "-request-rate=5", "request-timeout": "", "first-token-timeout": "", "idle-timeout": "", "connect-timeout": "", "wait-ready": "",
	} {
		_, err := resolve(t, nil, strings.Fields("-"+flag+"=1000000h1ns -request-count=4 "+with)...)
		require.EqualError(t, err, flag+` "1000000h0m0.000000001s": must be at most 1000000h`)
		planOf(t, nil, strings.Fields("-"+flag+"=1000000h -request-count=4 "+with)...)
	}
}

func TestLoadIsRefused(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"-request-rate=0"}, `request-rate "0": must be above 0`},
		{[]string{"-request-rate=NaN"}, `request-rate "NaN": must be above 0`},
		{[]string{"-request-rate=two"}, `-request-rate "two": must be rates in requests a second, as 0.5,2,10`},
		{[]string{"-request-rate=2,,3"}, `-request-rate "2,,3": must be rates`},
		{[]string{"-request-rate=2", "-concurrencies=1"}, "cannot go with -concurrencies: -max-in-flight caps an open loop"},
		{[]string{"-request-rate=2", "-arrival=uniform"}, `arrival "uniform": must be constant, poisson or gamma`},
		{[]string{"-request-rate=2", "-arrival=gamma", "-burstiness=0"}, `burstiness "0": must be above 0`},
		{[]string{"-request-rate=1", "-duration=5000h"}, "request-rate \"1\": sends more than 10000000 requests in a -duration of 5000h0m0s: shorten it or lower the rate"},
		{[]string{"-request-rate=1", "-request-count=10000001"}, "request-count \"10000001\": must be at most 10000000"},
		{[]string{"-request-rate=500000"}, "sends more than 10000000 requests in a minute: say how many with -request-count"},
		{[]string{"-max-in-flight=4"}, `max-in-flight "4": is for an open loop`},
		{[]string{"-arrival=gamma"}, `arrival "gamma": is for -request-rate`},
		{[]string{"-burstiness=2"}, `burstiness "2": is for -request-rate with -arrival=gamma`},
		{[]string{"-grace-period=3s"}, `grace-period "3s": is for -duration, after which it begins`},
		{[]string{"-request-rate=2", "-max-in-flight=-1"}, `max-in-flight "-1": must be at least 0`},
		{[]string{"-prefill-concurrency=-1"}, `prefill-concurrency "-1": must be at least 0`},
		{[]string{"-prefill-concurrency=2", "-streaming=false"}, `prefill-concurrency "2": cannot go with -streaming=false: when the first token of an answer came is known of a stream only`},
		{[]string{"-cancel-rate=101"}, `cancel-rate "101": must be a percentage from 0 to 100`},
		{[]string{"-cancel-rate=-1"}, `cancel-rate "-1": must be a percentage from 0 to 100`},
		{[]string{"-cancel-rate=NaN"}, `cancel-rate "NaN": must be a percentage from 0 to 100`},
		{[]string{"-cancel-rate=5%"}, `-cancel-rate "5%": must be a number`},
		{[]string{"-cancel-rate=5", "-cancel-delay=-1s"}, `cancel-delay "-1s": must not be negative`},
		{[]string{"-cancel-delay=1s"}, `cancel-delay "1s": is for -cancel-rate: say how many percent of the requests are to be cancelled`},
	} {
		_, err := resolve(t, nil, append(c.args, "-endpoint=server", "-benchmark-name=x")...)
		require.ErrorContains(t, err, c.want, c.args)
	}
}

// TestPresetsAreNoMistake: a file that -print-config wrote says all that is preset.
func TestPresetsAreNoMistake(t *testing.T) {
	_, err := resolve(t, nil, "-arrival=poisson", "-burstiness=1", "-grace-period=30s", "-time-scale=1", "-endpoint=server", "-benchmark-name=x")
	require.NoError(t, err)
}
