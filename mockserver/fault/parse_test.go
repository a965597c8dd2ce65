package fault_test

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/mockserver/fault"
)

func TestParse(t *testing.T) {
	t.Parallel()
	p, err := fault.Parse([]byte(`
rules:
  - {kind: status, requests: [3, 10-19, 50-], status: 429, retry_after: 2s, body: "busy; come: again"}
  - kind: reset
    probability: 0.1
    every: 4
    from: 10s
    until: 1m
  - {kind: endless_line, size: 5MB, tokens: 0}
  - {kind: slow_body, rate: 0.5, requests: 7}
`))
	require.NoError(t, err)
	assert.Equal(t, fault.Plan{Rules: []fault.Rule{
		{When: fault.When{Requests: []fault.Range{{3, 3}, {10, 19}, {50, math.MaxUint64}}},
			Fault: fault.Fault{Kind: fault.Status, Status: 429, RetryAfter: 2 * time.Second, Body: "busy; come: again"}},
		{When: fault.When{Probability: 0.1, Every: 4, From: 10 * time.Second, Until: time.Minute}, Fault: fault.Fault{Kind: fault.Reset, Tokens: 1}},
		{Fault: fault.Fault{Kind: fault.EndlessLine, Size: 5_000_000}},
		{When: fault.When{Requests: []fault.Range{{7, 7}}}, Fault: fault.Fault{Kind: fault.SlowBody, Rate: 0.5}},
	}}, p)
	assert.NoError(t, p.Validate())
	p, err = fault.Parse([]byte("rules: [{kind: endless_line}]"))
	require.NoError(t, err)
	assert.Equal(t, int64(1e9), p.Rules[0].Size)
}

// All that is wrong is said at once, each with its rule, its line and its key.
func TestBadFilesSayEverything(t *testing.T) {
	t.Parallel()
	_, err := fault.Parse([]byte(`rules:
  - kind: status
    status: 99
    retry_after: 1500ms
  - kind: reset
    tokens: many
    status: 503
    tokns: 1
    until: 0s
    until: 5s
  - kind: resett
  - probability: 0.5
  - stall
  - kind: refuse
    probability: 0.1
  - kind: refuse
  - kind: cold_start
    delay: 1s
  - kind: spike
  - kind: duplicate
    tokens: 0
    probability: 1.5
    from: 5s
    until: 4s
  - kind: empty
    done: [yes, {no: 1}]
`))
	require.Error(t, err)
	assert.Equal(t, []string{
		`rule 1 (line 2): status "99": must be from 200 to 599, and not 499, which the record has of clients that went away`,
		`rule 1 (line 2): retry_after "1.5s": must be whole seconds`,
		`rule 2 (line 5): tokens "many": must be a whole number`,
		`rule 2 (line 5): status: is not for kind reset, which has tokens, probability, requests, every, from and until`,
		`rule 2 (line 5): tokns: is unknown: kind reset has tokens, probability, requests, every, from and until`,
		`rule 2 (line 5): until "0s": must be above 0; leave it out for no end`,
		`rule 2 (line 5): until: is there twice`,
		`rule 3 (line 11): kind "resett": must be one of status, refuse, reset_before_headers, reset, stall_before_headers, stall, slow_headers, slow_body, ` +
			`truncate, malformed_json, broken_framing, stream_error, empty, duplicate, endless_line, wrong_content_type, spike, drift, cold_start, ` +
			`cached and fewer_tokens`,
		`rule 4 (line 12): kind: is missing: must be one of`,
		`rule 5 (line 13): must be keys with values, such as kind: reset`,
		`rule 6 (line 14): probability: is not for kind refuse: it has from and until only, since a server cannot refuse single connections`,
		`rule 7 (line 16): until "0s": must be given: the listening socket is closed until then`,
		`rule 8 (line 17): requests "": must say which requests are the first, such as 1-10, unless until does`,
		`rule 9 (line 19): delay: is missing: kind spike needs it`,
		`rule 10 (line 20): probability "1.5": must be from 0 to 1; leave it out for every request`,
		`rule 10 (line 20): until "4s": must be later than from, 5s`,
		`rule 10 (line 20): tokens "0": must be at least 1`,
		`rule 11 (line 25): done: must be a value or a list of values`,
	}, cut(strings.Split(err.Error(), "\n"), "must be one of", "cached"))
}

// What is wrong around the rules hides nothing that is wrong in them.
func TestAllProblemsOfAFile(t *testing.T) {
	t.Parallel()
	_, err := fault.Parse([]byte("rulez: 1\nrules:\n- kind: resett\n- {kind: cached, every: 0}\ntokens: 2\n"))
	require.Error(t, err)
	lines := strings.Split(err.Error(), "\n")
	require.Len(t, lines, 4, err)
	for i, want := range []string{`line 1: key "rulez": is unknown`, `line 5: key "tokens": is unknown`, `rule 1 (line 3): kind "resett": must be one of`, `rule 2 (line 4): every "0": must be`} {
		assert.Contains(t, lines[i], want)
	}
	_, err = fault.Parse([]byte("rule:\n- kind: reset\n"))
	assert.ErrorContains(t, err, "is unknown or there twice: the file has rules only\nhas no rules: must begin with")
}

// cut ends lines behind a text unless they go on to another.
func cut(lines []string, behind, unless string) []string {
	seen := false
	for k, line := range lines {
		if at := strings.Index(line, behind); at >= 0 && strings.Contains(line, unless) {
			if seen {
				lines[k] = line[:at+len(behind)]
			}
			seen = true
		}
	}
	return lines
}

func TestBadFiles(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                               `has no rules: must begin with "rules:" and a list of them`,
		"rules:":                         `has no rules`,
		"rules: []":                      `has no rules`,
		"- kind: reset":                  `has no rules`,
		"rules: [":                       "not YAML: ",
		"rule:\n- kind: reset":           `line 1: key "rule": is unknown or there twice: the file has rules only`,
		"rules: [{kind: cached}]\nx: 1":  `line 2: key "x": is unknown`,
		"rules: [{kind: cached}]\n---\n": "has a second YAML document: put all rules into one",
		"rules: [{kind: cached, probability: 0}]":                                     `probability "0": must be above 0: a rule that never strikes can be left out`,
		"rules: [{kind: cached, probability: .nan}]":                                  `probability ".nan": must be a number`,
		"rules: [{kind: cached, every: 0}]":                                           `every "0": must be a whole number, at least 1`,
		"rules: [{kind: cached, requests: [0]}]":                                      `requests "0": must be numbers of requests from 1 on, and ranges of them such as 10-19 or 50-`,
		"rules: [{kind: cached, requests: [5-3]}]":                                    `requests "5-3": must be numbers`,
		"rules: [{kind: cached, requests: []}]":                                       `requests "": must be numbers`,
		"rules: [{kind: cached, from: 5}]":                                            `from "5": must be a time with its unit, such as 500ms`,
		"rules: [{kind: cached, from: -5s}]":                                          `from "-5s": must not be negative`,
		"rules: [{kind: cached, from: 2000h}]":                                        `from "2000h": must be at most 1000h0m0s`,
		"rules: [{kind: slow_headers, interval: 0s}]":                                 `interval "0s": must be above 0`,
		"rules: [{kind: slow_body, rate: 0}]":                                         `rate "0": must be from 0.001 to 1000000 bytes a second`,
		"rules: [{kind: truncate, done: 1}]":                                          `done "1": must be true or false`,
		"rules: [{kind: stream_error, style: x}]":                                     `style "x": must be one of openai, vllm, flat and event`,
		"rules: [{kind: endless_line, size: 1XB}]":                                    `size "1XB": must be a number of bytes, such as 1000000, 64KB or 1GB`,
		"rules: [{kind: endless_line, size: 99999999999GB}]":                          `size "99999999999GB": must be a number of bytes`,
		"rules: [{kind: wrong_content_type, content_type: \"text/\"}]":                `content_type "text/": must be a media type`,
		"rules: [{kind: drift, slope: 0s}]":                                           `slope "0s": must be above 0`,
		"rules: [{kind: fewer_tokens, share: 1}]":                                     `share "1": must be above 0 and below 1`,
		"rules: [{kind: stall, for: -1s}]":                                            `for "-1s": must not be negative`,
		"rules: [{kind: refuse, until: 5s}, {kind: refuse, from: 4s, until: 9s}]":     `rule 2: from "4s": is within the window of rule 1, which ends at 5s: make them one rule`,
		"rules: [{kind: status, status: 499}]":                                        `must be from 200 to 599, and not 499`,
		"rules: [{kind: reset, tokens: -1}]":                                          `tokens "-1": must be at least 0`,
		"rules: [{kind: *a}]":                                                         "not YAML",
		"rules: [{kind: {reset: 1}}]":                                                 `kind: must be a value or a list of values`,
		"rules: [{kind: status, status: 503, retry_after: soon}, {kind: nothing}, 7]": `rule 3 (line 1): must be keys with values`,
	} {
		_, err := fault.Parse([]byte(text))
		assert.ErrorContains(t, err, want, text)
	}
}

// Plans that Go code makes are held against the same bounds.
func TestValidate(t *testing.T) {
	t.Parallel()
	err := fault.Plan{Rules: []fault.Rule{
		{Fault: fault.Fault{Kind: fault.Cached}},
		{When: fault.When{Probability: 2}, Fault: fault.Fault{Kind: fault.Status}},
		{Fault: fault.Fault{Kind: "none"}},
		{When: fault.When{Until: 1}, Fault: fault.Fault{Kind: fault.Refuse}},
		{When: fault.When{Until: 2}, Fault: fault.Fault{Kind: fault.Refuse}},
	}}.Validate()
	require.Error(t, err)
	lines := strings.Split(err.Error(), "\n")
	require.Len(t, lines, 4)
	assert.Contains(t, lines[0], `rule 2: probability "2"`)
	assert.Contains(t, lines[1], `rule 2: status "0"`)
	assert.Contains(t, lines[2], `rule 3: kind "none"`)
	assert.Contains(t, lines[3], `rule 5: from "0s": is within the window of rule 4`)
	assert.NoError(t, fault.Plan{}.Validate())
}

func TestParseHeader(t *testing.T) {
	t.Parallel()
	f, err := fault.ParseHeader("kind=reset; tokens=5")
	require.NoError(t, err)
	assert.Equal(t, fault.Fault{Kind: fault.Reset, Tokens: 5}, f)
	f, err = fault.ParseHeader(`status = 503;body={"a": "b=c"};kind=status`)
	require.NoError(t, err)
	assert.Equal(t, fault.Fault{Kind: fault.Status, Status: 503, Body: `{"a": "b=c"}`}, f)
	for line, want := range map[string]string{
		"":                             `"": must be key=value, with semicolons between, such as kind=reset; tokens=5`,
		"reset":                        `"reset": must be key=value`,
		"kind=reset;":                  `"": must be key=value`,
		"tokens=5":                     "kind: is missing",
		"kind=refuse":                  "kind refuse: goes by time window only: a request that has come was not refused",
		"kind=reset; probability=0.5":  "probability: is not for a header, which is about its own request",
		"kind=cold_start; delay=1s":    `requests "": must say`,
		"kind=x":                       `kind "x": must be one of`,
		"kind=reset; tokens=x; done=y": "tokens \"x\": must be a whole number\ndone: is not for kind reset",
		strings.Repeat("x", 5000):      "has 5000 bytes: at most 4096 are read",
	} {
		_, err := fault.ParseHeader(line)
		assert.ErrorContains(t, err, want, line)
	}
}

// Every kind has an example, and the examples are of no other.
func TestExamplesOfEveryKind(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../docs/faults/*.yaml")
	require.NoError(t, err)
	require.Len(t, files, len(fault.Kinds()))
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		p, err := fault.Parse(data)
		require.NoError(t, err, file)
		assert.Equal(t, string(p.Rules[0].Kind)+".yaml", filepath.Base(file))
	}
}

// What is parsed is valid, and neither parser panics whatever it gets.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("../../docs/faults/*.yaml")
	require.NoError(f, err)
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(f, err)
		f.Add(string(data))
	}
	f.Add("kind=status; status=503; body=x")
	f.Add("rules: [{kind: &a status, status: *a}]")
	f.Fuzz(func(t *testing.T, text string) {
		if p, err := fault.Parse([]byte(text)); err == nil {
			assert.NoError(t, p.Validate())
			p.Decide(1, 2, time.Second)
		}
		if one, err := fault.ParseHeader(text); err == nil {
			assert.NoError(t, fault.Plan{Rules: []fault.Rule{{Fault: one}}}.Validate())
			assert.NotEmpty(t, one.Sees(1, time.Second))
		}
	})
}
