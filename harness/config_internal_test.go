package harness

import (
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// planFrom is the plan of a command line in an environment.
func planFrom(t testing.TB, env map[string]string, args ...string) (*Plan, error) {
	t.Helper()
	set := flag.NewFlagSet("test", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	flags := RegisterFlags(set)
	require.NoError(t, set.Parse(args))
	return flags.Plan(func(name string) string { return env[name] })
}

// configFile writes a configuration file.
func configFile(t testing.TB, text string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "c.yaml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// alike removes from a plan what no two have alike.
func alike(p *Plan) *Plan {
	p.choices = nil
	if !p.NonceGiven {
		p.Nonce = 0
	}
	return p
}

// TestConfigSaysWhatFlagsSay, in every form that YAML has for it.
func TestConfigSaysWhatFlagsSay(t *testing.T) {
	env := map[string]string{"TOKEN": "secret"}
	want, err := planFrom(t, env, "-endpoint=a:1", "-endpoint=b:2", "-benchmark-name=x", "-isl=500", "-seed=18446744073709551615", "-concurrencies=1,10", "-retry-429",
		"-plot=false", "-max-error-rate=0.5", "-max-duration=1h", "-header=X-A: 1:2", "-header=X-B:env:TOKEN", "-extra-inputs=temperature:0.5", "-extra-inputs=stop:[\"a\",null]",
		"-extra-inputs=day:2026-01-02", "-extra-inputs=seed:123456789012345678901234567890", "-extra-inputs=hex:16", "-extra-inputs=on:true", "-extra-inputs=nvext:{\"a\":{}}")
	require.NoError(t, err)
	for name, text := range map[string]string{
		"lists": `
endpoint: [a:1, 'b:2']
header:
  - X-A: 1:2
  - X-B:env:TOKEN
extra-inputs:
  - temperature:0.5
  - {"stop": ["a", null], "day": 2026-01-02}
  - 'seed:123456789012345678901234567890'
  - hex: 0x10
    on: true
  - {"nvext": {"a": {}}}
concurrencies: [1, 10]
`,
		"mappings": `
endpoint-url:
- http://a:1
- http://b:2
header: {X-A: "1:2", X-B: env:TOKEN}
extra-inputs:
  temperature: 0.5
  stop: [a, null]
  day: 2026-01-02
  seed: 123456789012345678901234567890
  hex: 0x10
  on: true
  nvext:
    a: {}
concurrencies: 1,10
`,
	} {
		rest := "benchmark-name: x\nisl: 500\nseed: 18446744073709551615\nretry-429: true\nplot: false\nmax-error-rate: 0.5\nmax-duration: 1h # an hour\n...\nok  \tgithub.com/x: 0.1s\n"
		got, err := planFrom(t, env, "-config="+configFile(t, text+rest))
		require.NoError(t, err, name)
		want.Nonce, got.Nonce = 0, 0
		assert.Equal(t, alike(want), alike(got), name)
	}
	for _, text := range []string{"", "# nothing\n", "---\n", "---\n...\n", "null\n"} {
		_, err := planFrom(t, nil, "-config="+configFile(t, text))
		assert.NoError(t, err, "%q says nothing", text)
	}
	arms, err := planFrom(t, nil, "-config="+configFile(t, "arm: {base: 'mock:-ttft=1ms', candidate: http://a}\narm-command:\n  candidate: serve --port=80\n"))
	require.NoError(t, err)
	assert.Equal(t, []string{"base", "candidate"}, []string{arms.Arms[0].Name, arms.Arms[1].Name}, "in the order of the file")
	assert.Equal(t, "serve --port=80", arms.Arms[1].Command)
}

func TestConfigPrecedence(t *testing.T) {
	file := configFile(t, "isl: 3\nosl: 3\nstd: 3\nendpoint: [c, d]\nbenchmark-name: x\n")
	env := map[string]string{"BENCH_CONFIG": file, "BENCH_ISL": "2", "BENCH_OSL": "2", "ENDPOINT": " "}
	plan, err := planFrom(t, env, "-isl=1")
	require.NoError(t, err)
	assert.Equal(t, []int{1, 2, 3, 0}, []int{plan.ISL, plan.OSL, plan.StdDev, plan.WarmupRequests})
	assert.Len(t, plan.Endpoints, 2)
	plan, err = planFrom(t, env, "-endpoint=a")
	require.NoError(t, err)
	assert.Equal(t, []string{"http://a/v1/chat/completions"}, plan.Endpoints, "the flag alone counts")

	plan, err = planFrom(t, env, "-config="+configFile(t, "isl: x\nwarmup-requests: 4"), "-isl=1", "-osl=1")
	require.NoError(t, err, "what a flag beats is not even read")
	assert.Equal(t, []int{10, 4}, []int{plan.StdDev, plan.WarmupRequests}, "the file of the flag alone")

	set := flag.NewFlagSet("test", flag.ContinueOnError)
	flags := RegisterFlags(set)
	require.NoError(t, set.Parse([]string{"-gpus=1"}))
	for name, want := range map[string]bool{"gpus": true, "std": true, "repeats": false, "nonce": false} {
		assert.Equal(t, want, flags.Chosen(name, func(name string) string { return env[name] }), name)
	}
	assert.False(t, flags.Chosen("std", func(string) string { return "" }))
}

// TestBadConfig gives one bad file after another; each error has the line, and none a value that may be a secret.
func TestBadConfig(t *testing.T) {
	for text, want := range map[string]string{
		"isl: 1\nislx: 5":    `FILE:2: key "islx": is no flag of llmsweep; did you mean "isl"?`,
		"request_count: 5":   `FILE:1: key "request_count": is no flag of llmsweep; did you mean "request-count"?`,
		"apikey: top-secret": `FILE:1: key "apikey": is no flag of llmsweep`,
		"<<: {isl: 1}":       `FILE:1: key "<<": is no flag of llmsweep`,
		"config: other.yaml": `FILE:1: key "config": is for the command line and the environment only`,
		"print-config: true": `FILE:1: key "print-config": is for the command line and the environment only`,
		"isl: 1\n\nisl: 2":   `FILE:3: key "isl": is there twice, first in line 1`,
		"benchmark-name: x\nendpoint: a\nendpoint-url: b": `FILE:3: key "endpoint-url": is there twice, first in line 2`,
		"isl: [1, 2]":                      `FILE:1: isl: must be one value, not a list`,
		"isl: {a: 1}":                      `FILE:1: isl: must be a value, not keys with values`,
		"isl:":                             `FILE:1: isl: has no value: leave the key out for the default`,
		"header: []":                       `FILE:1: header: is empty: leave the key out for the default`,
		"extra-inputs: {}":                 `FILE:1: extra-inputs: is empty: leave the key out for the default`,
		"concurrencies: [1, [2]]":          `FILE:1: concurrencies: must be one value, not a list`,
		"concurrencies: [1, ~]":            `FILE:1: concurrencies: has no value: leave the key out for the default`,
		"concurrencies: [1, x]":            `concurrency "x": must be a whole number`,
		"concurrencies: [1, '']":           `FILE:1: concurrencies "1,": has an empty item; write levels as 1,10,100`,
		"endpoint: {a: b}":                 `FILE:1: endpoint: must be a value, not keys with values`,
		"endpoint:\n- a\n- [b]":            `FILE:1: endpoint: must be one value, not a list`,
		"header: {A: [b]}":                 `FILE:1: header: must be one value, not a list`,
		"header: top-secret":               `header "[redacted]": must be NAME:VALUE`,
		"header: 'A:env:NONE'":             `header "A": environment variable "NONE" is empty`,
		"header: 'A:[redacted]'":           `FILE:1: header: has [redacted] in place of a secret: write it out; the value of a header may be env:NAME`,
		"endpoint: http://h/v1?[redacted]": `FILE:1: endpoint: has [redacted] in place of a secret`,
		"extra-inputs: {a: .inf}":          `FILE:1: extra-inputs: cannot be written as JSON: json: unsupported value: +Inf`,
		"extra-inputs: {a: {b: 1, b: 2}}":  `FILE:1: extra-inputs: field "b": is there twice`,
		"extra-inputs: {a: [!x 1]}":        `FILE:1: extra-inputs: has the tag !x: must be plain text, a number, true or false`,
		"extra-inputs: bare":               `FILE:1: extra-inputs "bare": must be key:value or a JSON object`,
		"extra-inputs: {n: 2}":             `extra-inputs "n": cannot be set this way`,
		"model: &a x\nbenchmark-name: *a":  `FILE:2: benchmark-name: *a: write the value out: a file of flags has no aliases`,
		"extra-inputs: &a {a: *a}":         `FILE:1: extra-inputs: *a: write the value out`,
		"model: !!binary aGVsbG8=":         `FILE:1: model: has the tag !!binary: must be plain text, a number, true or false`,
		"osl: 1\nisl: many":                `FILE:2: isl "many": must be a whole number`,
		"isl: 0x10":                        `FILE:1: isl "0x10": must be a whole number`,
		"isl: 1e3":                         `FILE:1: isl "1e3": must be a whole number`,
		"isl: true":                        `FILE:1: isl "true": must be a whole number`,
		"seed: -1":                         `FILE:1: seed "-1": must be a whole number from 0 to 18446744073709551615`,
		"overwrite: yes":                   `FILE:1: overwrite "yes": must be true or false`,
		"idle-timeout: 5":                  `FILE:1: idle-timeout "5": must be a duration such as 90s, 10m or 1h30m`,
		"max-error-rate: 5%":               `FILE:1: max-error-rate "5%": must be a share from 0 to 1`,
		"resume: always":                   `FILE:1: resume "always": must be level`,
		"gpus: 0":                          `gpus "0": must be at least 1`,
		"- isl: 1":                         `FILE:1: must be names of flags with their values, such as isl: 500`,
		"isl=1":                            `FILE:1: must be names of flags with their values, such as isl: 500`,
		"isl: 1\n---\nosl: 1":              `config "FILE" has a second YAML document: put all flags into one`,
		"isl: [1":                          `config "FILE" is not YAML: yaml: line 1: did not find expected ',' or ']'`,
		"isl: 1\n\tosl: 2":                 `config "FILE" is not YAML: yaml: `,
		"model: \xff":                      `config "FILE" is not YAML: yaml: `,
		"#" + strings.Repeat("x", 1<<20):   `config "FILE": is larger than 1048576 bytes: it is no file of flags`,
	} {
		path := configFile(t, text)
		plan, err := planFrom(t, nil, "-config="+path)
		if assert.ErrorContains(t, err, strings.ReplaceAll(want, "FILE", path), text) {
			assert.Len(t, strings.Split(err.Error(), "\n"), 1, "%q: one problem, one line: %v", text, err)
			assert.NotContains(t, err.Error(), "top-secret")
		}
		assert.NotNil(t, plan)
	}
	for _, path := range []string{"no such file", t.TempDir()} {
		_, err := planFrom(t, nil, "-config="+path, "-isl=0")
		assert.ErrorContains(t, err, fmt.Sprintf("config %q cannot be read", path))
	}
	path := configFile(t, "a: 1\nisl: 0\nosl: x\nstd: [1]\n")
	_, err := planFrom(t, nil, "-config="+path)
	assert.EqualError(t, err, strings.ReplaceAll("FILE:1: key \"a\": is no flag of llmsweep; did you mean \"arm\"?\nFILE:4: std: must be one value, not a list\n"+
		"FILE:3: osl \"x\": must be a whole number\nisl \"0\": must be at least 1", "FILE", path), "all problems at once")
}

// written is the plan as a configuration file.
func written(t testing.TB, p *Plan) string {
	t.Helper()
	var b strings.Builder
	require.NoError(t, p.WriteConfig(&b))
	require.NoError(t, yaml.Unmarshal([]byte(b.String()), new(map[string]any)), b.String())
	return b.String()
}

func TestPrintedConfig(t *testing.T) {
	file := configFile(t, "\nosl: 5\nextra-inputs: {a: [1]}\n")
	env := map[string]string{"CONCURRENCIES": "10, 1,10", "SERVICE_PROTOCOL": "https", "TOKEN": "x", "OPENAI_API_KEY": "key"}
	plan, err := planFrom(t, env, "-config="+file, "-endpoint=h:80", "-benchmark-name= x ", "-header=x-a: env:TOKEN", "-model=null", "-mock-args=", "-nonce=7", "-gpus=1")
	require.NoError(t, err)
	text := written(t, plan)
	for _, want := range []string{
		"# OPENAI_API_KEY is set. It stays in the environment.\n", "\nosl: 5 # file " + file + ", line 2\n", "\nendpoint: # flag\n  - https://h:80/v1/chat/completions\n",
		"\nbenchmark-name: x # flag\n", "\nisl: 2000 # default\n", "\nconcurrencies: [1, 10] # environment CONCURRENCIES\n", "\nmodel: \"null\" # flag\n", "\nseed: 100 # default\n",
		"\nheader: # flag\n  - x-a:env:TOKEN\n", "\nextra-inputs: # file " + file + ", line 3\n  - '{\"a\":[1]}'\n", "\n# gate: not set\n", "\noverwrite: false # default\n", "\nwait-ready: 5m # default\n", "\nplot: true # default\n",
		"\nmock-args: \"\" # flag\n", "\nnonce: 7 # flag\n", "\ngpus: 1 # flag\n",
	} {
		assert.Contains(t, strings.ReplaceAll(squeezed(text), " \n", "\n"), want)
	}
	assert.NotContains(t, text, "\nconfig:")
	assert.True(t, strings.HasSuffix(text, "\n...\n"))

	plan, err = planFrom(t, nil)
	require.NoError(t, err)
	text = squeezed(written(t, plan))
	assert.Contains(t, text, "\n# gpus: 1 # default\n", "given, it would not be assumed")
	assert.Contains(t, text, "\n# nonce: not set\n", "fixed, it would make runs meet each other's prefix cache")
	assert.Contains(t, text, "\nbenchmark-name: mock # default\n")
	plan, err = planFrom(t, nil, "-model=\xff")
	require.NoError(t, err)
	assert.EqualError(t, plan.WriteConfig(io.Discard), `model "\xff": cannot be written as YAML: it is no UTF-8 text`)
}

// squeezed has single blanks before the comments.
func squeezed(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		if head, comment, found := strings.Cut(line, " # "); found {
			line = strings.TrimRight(head, " ") + " # " + comment
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "")
}

// TestPrintedConfigKeepsSecrets to itself, wherever they came from; read again, it says what is missing.
func TestPrintedConfigKeepsSecrets(t *testing.T) {
	env := map[string]string{"OPENAI_API_KEY": "secret-key", "TOKEN": "secret-token", "BENCH_HEADER": "X-A: secret-a\nX-B: env:TOKEN\nCookie: s=secret-c"}
	plan, err := planFrom(t, env, "-benchmark-name=x", "-endpoint=http://user:secret-pw@h/v1?api-key=secret-q", "-extra-inputs=k:secret-token", "-config="+configFile(t, "compat: openai"),
		"-server-metrics=auto,http://u:secret-page@h/metrics", "-gpu-telemetry=http://g/metrics?key=secret-g")
	require.NoError(t, err)
	text := written(t, plan)
	assert.NotContains(t, text, "secret")
	assert.Contains(t, text, "  - http://[redacted]@h/v1/chat/completions?[redacted]\n")
	for _, want := range []string{"  - X-A:[redacted]\n", "  - X-B:env:TOKEN\n", "  - Cookie:[redacted]\n", "  - k:[redacted]\n"} {
		assert.Contains(t, strings.ReplaceAll(text, "'", ""), want)
	}
	_, err = planFrom(t, map[string]string{"TOKEN": "x"}, "-config="+configFile(t, text))
	for _, key := range []string{"endpoint", "header", "extra-inputs", "server-metrics", "gpu-telemetry"} {
		assert.ErrorContains(t, err, ": "+key+": has [redacted] in place of a secret")
	}

	plan, err = planFrom(t, nil, "-arm=a=http://u:secret@h", "-arm=b=mock:-ttft=1ms", "-arm-command=a=serve")
	require.NoError(t, err)
	text = written(t, plan)
	assert.NotContains(t, text, "secret")
	assert.Contains(t, strings.ReplaceAll(text, "'", ""), "  - a=http://[redacted]@h/v1/chat/completions\n  - b=mock:-ttft=1ms\n")
}

// samples are values for each flag, and some that no YAML reader should take for anything else.
func samples() map[string][]string {
	nasty := []string{
		"plain", "yes", "1e3", "null", "~", "- x", "a: b", "a #b", `say "x"`, "it's", "$HOME", "a\nb: c", "a\r\nb", "a\rb", "a\n  b\n\nc", "\ta\n b", "a \nb", "tab\tx", "{a: b}", "[x]", "*x", "&x", "!x", "%x", "@x", "`x`", `back\slash`,
		"é, 漢字", "\u2028", "\u0085", "\x7f", "\x01", "\ufeff", "x:", "---", "...", "| x", "> x", "\U0001F600", "#", "0x10", "1_000", "007", "0.10", "-0", ".inf", "2026-01-02", "true", "=", "<<",
	}
	var inputs []string
	for i, text := range nasty {
		inputs = append(inputs, fmt.Sprintf("k%d:%s", i%3, text))
	}
	return map[string][]string{
		"endpoint": {"h:8000", "http://[::1%25eth0]:1/v1", "k8s://ns/svc:8000", "https://h/openai/chat/completions"}, "benchmark-name": {"x", "007", "null", "-", "1e3", "true"},
		"model": nasty, "isl": {"1", " 500 "}, "std": {"0"}, "osl": {"8"},
		"seq-dist": {"256|10,128|5:40;512,256:60", " 1-9,lognormal(5|1) "}, "isl-counts": {"server", "client"}, "input-file": {"f: x.jsonl"}, "shared-system-prompt-length": {"0", "7"}, "prefix-length": {"20"},
		"prefix-ratio": {"0.5", "0"}, "concurrency-ramp-duration": {"30s"}, "request-rate-ramp-duration": {"0"}, "prefix-pool": {"3"}, "concurrencies": {"1", "10, 1,5", "100,100"}, "prefill-concurrency": {"0", "4"}, "cancel-rate": {"0", "12.5"}, "cancel-delay": {"0", "1s"}, "request-count": {"0", "7"}, "request-rate": {"5", "0.5, 2"}, "arrival": {"gamma", "poisson", "constant"}, "burstiness": {"1", "0.5"}, "warmup-requests": {"3"}, "warmup-duration": {"30s", "0"}, "warmup-concurrency": {"4"}, "warmup-request-rate": {"0.5"}, "warmup-grace-period": {"0s", "1m"},
		"repeats": {"1", "5"}, "seed": {"0", "18446744073709551615"}, "nonce": {"0", "281474976710655"}, "output-dir": {"/tmp/r", "r: s"}, "overwrite": {"true", "1", "false"},
		"resume": {"request", "false"}, "header": {"A: b", "X-T:env:TOKEN", "X-T: env:OTHER"}, "extra-inputs": append(inputs, `{"a":1e400,"b":[null]}`, "temperature: 0.50"),
		"endpoint-type": {"completions"}, "streaming": {"false", "0"}, "gpus": {"1", "8"}, "dry-run": {"true"}, "preflight-only": {"true"}, "wait-ready": {"0", "90s"}, "request-timeout": {"1h30m"}, "first-token-timeout": {"1m"}, "idle-timeout": {"5s"},
		"connect-timeout": {"1s"}, "retry-429": {"true"}, "transport": {"own", "nethttp"}, "connection-reuse": {"never"}, "ca-cert": {"/ca: pem"}, "client-cert": {"c"}, "client-key": {"k"},
		"insecure": {"true"}, "max-duration": {"1h"}, "max-tokens-total": {"5000000000"}, "max-error-rate": {"0.10", "1"}, "continue-on-error": {"true"}, "compat": {"openai"}, "gate": nasty,
		"data-dir": {"d"}, "baseline": {"b"}, "candidate": {"c"}, "sensitivity": {"s"}, "arm": {"a=http://a:1", "b=mock:-ttft=5ms -itl=1ms", "c=b:2"}, "arm-command": {"a=serve: 'x'"},
		"blocks": {"6"}, "inconclusive": {"fail"}, "mock-args": {"-ttft=5ms -itl=1ms", ""}, "virtual": {"true"}, "verbose": {"true"}, "definitions": {"vllm"}, "export": {"none", "csv, vllm"}, "markdown": {"true"}, "slo": {"request_latency:250", " time_to_first_token:500  inter_token_latency:50 "}, "plot": {"false"}, "formats": {"png", "svg,png"},
		"server-metrics": {"off", "auto, http://a:9", "https://[::1]:9/x"}, "gpu-telemetry": {"http://g:9400,http://h:9400/metrics"},
	}
}

// TestPrintedConfigIsReadBack: of random flags, from anywhere, the printed configuration makes the same plan.
func TestPrintedConfigIsReadBack(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	variables := map[string]string{"TOKEN": "token-value", "OTHER": "other", "OPENAI_API_KEY": "the-api-key"}
	seen := map[string]int{}
	for i := range 600 {
		env := maps.Clone(variables)
		var args []string
		if random.IntN(3) == 0 {
			env["SERVICE_PROTOCOL"] = "https"
		}
		for k := range 1 + random.IntN(5) {
			o := options()[random.IntN(len(options()))]
			if k == 0 {
				o = options()[i%len(options())]
			}
			texts := samples()[o.name]
			if len(texts) == 0 {
				continue // that of a flag that needs none: its default is tested
			}
			text := texts[random.IntN(len(texts))]
			if random.IntN(3) == 0 && strings.TrimSpace(text) != "" && (o.repeat == "" || !strings.Contains(text, o.repeat)) {
				env[envName(o.name)] = text
			} else {
				args = append(args, "-"+o.name+"="+text)
			}
		}
		if random.IntN(2) == 0 {
			args = append(args, "-benchmark-name=y", "-endpoint=h")
		}
		want, err := planFrom(t, env, args...)
		if err != nil || slices.ContainsFunc(slices.Collect(maps.Values(want.Headers)), func(v string) bool { return v == redacted }) {
			continue // contradictions are refused, and secrets are not printed
		}
		for _, s := range want.choices {
			if s.given {
				seen[s.option.name]++
			}
		}
		text := written(t, want)
		got, err := planFrom(t, variables, "-config="+configFile(t, text))
		require.NoError(t, err, "%q %v\n%s", args, env, text)
		require.Equal(t, alike(want), alike(got), "%q %v\n%s", args, env, text)
	}
	for name := range samples() {
		if !slices.Contains([]string{"baseline", "candidate", "arm-command", "client-cert", "client-key", "prefix-pool", "warmup-concurrency", "warmup-request-rate", "warmup-grace-period"}, name) { // that go together
			assert.NotZero(t, seen[name], "no plan has -%s", name)
		}
	}
}

// FuzzConfig: any file is refused in lines that say where, or makes a plan that is printed and read back as it is.
func FuzzConfig(f *testing.F) {
	for _, text := range []string{
		"isl: 1\nheader: [A:env:TOKEN]\n", "extra-inputs: {a: [1, {b: ~}]}", "arm: {a: 'mock:', b: h}", "concurrencies: [1, 2]\n...\nrest", "model: |\n  a\n  b\n", "a: &a [*a]",
		"model: \"\\u2028\\x00\"", "? isl\n: 5", "extra-inputs: {? [a] : 1}", "{isl: 5, osl: 0o7}", "output-dir: ''", "model: !!str 5", "gpus: 1 #\n%x", "- - -", "extra-inputs: {a: 1_0.5e+3, b: -.5}",
	} {
		f.Add([]byte(text))
	}
	variables := map[string]string{"TOKEN": "token-value"}
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := parseConfig("c.yaml", text)
		require.True(t, c != nil || err != nil)
		if err != nil {
			for line := range strings.Lines(err.Error()) {
				assert.Contains(t, line, "c.yaml")
			}
		}
		want, err := planFrom(t, variables, "-config="+configFile(t, string(text)))
		require.NotNil(t, want)
		if err != nil || strings.Contains(string(text), "header") {
			return
		}
		printed := written(t, want)
		if strings.Contains(printed, redacted) {
			return
		}
		require.True(t, utf8.ValidString(printed))
		got, err := planFrom(t, variables, "-config="+configFile(t, printed))
		require.NoError(t, err, printed)
		assert.Equal(t, alike(want), alike(got), printed)
	})
}
