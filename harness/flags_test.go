package harness_test

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness"
	"github.com/llmsweep/llmsweep/harness/record"
)

// resolve is the plan of a command line in an environment.
func resolve(t *testing.T, env map[string]string, args ...string) (*harness.Plan, error) {
	t.Helper()
	fs := flag.NewFlagSet("test", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	flags := harness.RegisterFlags(fs)
	require.NoError(t, fs.Parse(args))
	require.Empty(t, fs.Args())
	return flags.Plan(func(name string) string { return env[name] })
}

func planOf(t *testing.T, env map[string]string, args ...string) *harness.Plan {
	t.Helper()
	plan, err := resolve(t, env, args...)
	require.NoError(t, err)
	return plan
}

// row is one flag: its default, a value for it, and what becomes of that.
type row struct {
	name   string
	env    []string // short names
	preset any
	value  string
	want   any
	get    func(*harness.Plan) any
}

// table is the table of flags. Flags that repeat and those that the others do not resemble have tests of their own.
func table() []row {
	return []row{
		{"benchmark-name", nil, "mock", " vllm-agg ", "vllm-agg", func(p *harness.Plan) any { return p.BenchmarkName }},
		{"model", []string{"MODEL"}, "Qwen/Qwen3-0.6B", "my/model", "my/model", func(p *harness.Plan) any { return p.Model }},
		{"isl", nil, 2000, "128", 128, func(p *harness.Plan) any { return p.ISL }},
		{"std", nil, 10, "0", 0, func(p *harness.Plan) any { return p.StdDev }},
		{"osl", nil, 256, "1", 1, func(p *harness.Plan) any { return p.OSL }},
		{"seq-dist", nil, "", " 9|0 , 5-6 ", "9,5-6", func(p *harness.Plan) any { return p.SeqDist }},
		{"isl-counts", nil, "", "server", "server", func(p *harness.Plan) any { return p.ISLCounts }},
		{"shared-system-prompt-length", nil, 0, "7", 7, func(p *harness.Plan) any { return p.Prefixes.System }},
		{"prefix-length", nil, 0, "7", 7, func(p *harness.Plan) any { return p.Prefixes.Length }},
		{"prefix-ratio", nil, 0., "0.25", 0.25, func(p *harness.Plan) any { return p.Prefixes.Ratio }},
		{"concurrencies", []string{"CONCURRENCIES"}, []int{1, 2, 5, 10, 50, 100, 250}, " 10, 1,5 ,10", []int{1, 5, 10}, func(p *harness.Plan) any { return p.Concurrencies }},
		{"prefill-concurrency", nil, 0, "4", 4, func(p *harness.Plan) any { return p.PrefillCap }},
		{"cancel-rate", nil, 0., "12.5", 12.5, func(p *harness.Plan) any { return p.CancelRate }},
		{"request-count", []string{"REQUEST_COUNT"}, 0, "77", 77, func(p *harness.Plan) any { return p.RequestCount }},
		{"warmup-requests", nil, 0, "5", 5, func(p *harness.Plan) any { return p.WarmupRequests }},
		{"warmup-duration", nil, time.Duration(0), "30s", 30 * time.Second, func(p *harness.Plan) any { return p.WarmupDuration }},
		{"tokenizer", nil, "", "server", "server", func(p *harness.Plan) any { return p.TokenizerFrom }},
		{"seed", nil, uint64(100), "18446744073709551615", uint64(1<<64 - 1), func(p *harness.Plan) any { return p.Seed }},
		{"output-dir", nil, "./benchmarks/results", "/tmp/r", "/tmp/r", func(p *harness.Plan) any { return p.OutputDir }},
		{"overwrite", nil, false, "true", true, func(p *harness.Plan) any { return p.Overwrite }},
		{"resume", nil, record.ResumeMode(""), "request", record.ResumeRequest, func(p *harness.Plan) any { return p.Resume }},
		{"gpus", nil, 1, "8", 8, func(p *harness.Plan) any { return p.GPUs }},
		{"wait-ready", nil, 5 * time.Minute, "0", time.Duration(0), func(p *harness.Plan) any { return p.WaitReady }},
		{"request-timeout", nil, 10 * time.Minute, "1h30m", 90 * time.Minute, func(p *harness.Plan) any { return p.RequestTimeout }},
		{"first-token-timeout", nil, 5 * time.Minute, "90s", 90 * time.Second, func(p *harness.Plan) any { return p.FirstTokenTimeout }},
		{"idle-timeout", nil, 2 * time.Minute, "500ms", 500 * time.Millisecond, func(p *harness.Plan) any { return p.IdleTimeout }},
		{"connect-timeout", nil, 30 * time.Second, "5s", 5 * time.Second, func(p *harness.Plan) any { return p.ConnectTimeout }},
		{"retry-429", nil, false, "true", true, func(p *harness.Plan) any { return p.Retry429 }},
		{"max-duration", nil, time.Duration(0), "1h", time.Hour, func(p *harness.Plan) any { return p.MaxDuration }},
		{"max-tokens-total", nil, int64(0), "5000000000", int64(5_000_000_000), func(p *harness.Plan) any { return p.MaxTokensTotal }},
		{"max-error-rate", nil, 0.05, "0.5", 0.5, func(p *harness.Plan) any { return p.MaxErrorRate }},
		{"continue-on-error", nil, false, "1", true, func(p *harness.Plan) any { return p.ContinueOnError }},
		{"endpoint-type", nil, "chat", "completions", "completions", func(p *harness.Plan) any { return p.EndpointType }},
		{"streaming", nil, true, "false", false, func(p *harness.Plan) any { return !p.Unstreamed }},
		{"compat", nil, "llm", "openai", "openai", func(p *harness.Plan) any { return p.Compat }},
		{"definitions", nil, "aiperf", "vllm", "vllm", func(p *harness.Plan) any { return p.Definitions }},
		{"export", nil, "", "vllm, csv", "vllm, csv", func(p *harness.Plan) any { return p.Export }},
		{"markdown", nil, false, "true", true, func(p *harness.Plan) any { return p.Markdown }},
		{"slo", nil, "", "request_latency:2500  time_to_first_token:5e2", "request_latency:2500 time_to_first_token:500", func(p *harness.Plan) any { return p.SLO }},
		{"transport", nil, "auto", "nethttp", "nethttp", func(p *harness.Plan) any { return p.Transport }},
		{"connection-reuse", nil, "pooled", "never", "never", func(p *harness.Plan) any { return p.ConnectionReuse }},
		{"insecure", nil, false, "true", true, func(p *harness.Plan) any { return p.TLS.Insecure }},
		{"virtual", nil, false, "true", true, func(p *harness.Plan) any { return p.Virtual }},
		{"dry-run", nil, false, "true", true, func(p *harness.Plan) any { return p.DryRun }},
		{"preflight-only", nil, false, "true", true, func(p *harness.Plan) any { return p.PreflightOnly }},
		{"verbose", nil, false, "true", true, func(p *harness.Plan) any { return p.Verbose }},
		{"plot", nil, true, "false", false, func(p *harness.Plan) any { return p.Plot }},
		{"formats", nil, []record.Format(nil), "svg, png,svg", []record.Format{record.PNG, record.SVG}, func(p *harness.Plan) any { return p.Formats }},
	}
}

func benchEnv(flag string) string {
	return "BENCH_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

func TestFlagTable(t *testing.T) {
	for _, r := range table() {
		t.Run(r.name, func(t *testing.T) {
			assert.Equal(t, r.preset, r.get(planOf(t, nil)), "default")
			assert.Equal(t, r.want, r.get(planOf(t, nil, "-"+r.name+"="+r.value)), "flag")
			file := filepath.Join(t.TempDir(), "flags.yaml")
			require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, "%s: %s\n", r.name, r.value), 0o600))
			assert.Equal(t, r.want, r.get(planOf(t, nil, "-config="+file)), "file")
			names := append([]string{benchEnv(r.name)}, r.env...)
			for _, name := range names {
				assert.Equal(t, r.want, r.get(planOf(t, map[string]string{name: r.value})), name)
				assert.Equal(t, r.preset, r.get(planOf(t, map[string]string{name: "  "})), "a blank %s is none", name)
			}
			bare := strings.ToUpper(strings.ReplaceAll(r.name, "-", "_"))
			if len(r.env) == 0 {
				assert.Equal(t, r.preset, r.get(planOf(t, map[string]string{bare: r.value})), "%s belongs to others", bare)
			} else {
				assert.Equal(t, []string{bare}, r.env)
			}
		})
	}
}

// TestResumeMayStandAlone, and takes a value too.
func TestResumeMayStandAlone(t *testing.T) {
	for arg, want := range map[string]record.ResumeMode{
		"-resume": record.ResumeLevel, "-resume=true": record.ResumeLevel, "-resume=level": record.ResumeLevel, "-resume=request": record.ResumeRequest, "-resume=false": "",
	} {
		assert.Equal(t, want, planOf(t, nil, arg, "-osl=5").Resume, arg)
	}
	assert.Equal(t, record.ResumeLevel, planOf(t, map[string]string{"BENCH_RESUME": "1"}).Resume)
	_, err := resolve(t, nil, "-resume", "-overwrite")
	require.ErrorContains(t, err, `resume "level": cannot go with -overwrite`)
	assert.False(t, planOf(t, nil).NonceGiven)
	assert.True(t, planOf(t, nil, "-nonce=0").NonceGiven)
}

func TestPrecedence(t *testing.T) {
	env := map[string]string{"BENCH_MODEL": "prefixed", "MODEL": "short"}
	assert.Equal(t, "flag", planOf(t, env, "-model=flag").Model)
	assert.Equal(t, "prefixed", planOf(t, env).Model)
	delete(env, "BENCH_MODEL")
	assert.Equal(t, "short", planOf(t, env).Model)
	assert.Equal(t, "second", planOf(t, nil, "-model=first", "-model=second").Model, "the last one counts")
	assert.False(t, planOf(t, map[string]string{"BENCH_OVERWRITE": "true"}, "-overwrite=false").Overwrite)
	for _, r := range table() {
		if _, boolean := r.preset.(bool); boolean {
			assert.Equal(t, true, r.get(planOf(t, nil, "-"+r.name)), "-%s without a value", r.name)
		}
	}

	bad := map[string]string{"BENCH_ISL": "many", "CONCURRENCIES": "0"}
	planOf(t, bad, "-isl=1", "-concurrencies=1") // what a flag beats is not even read
}

func TestNonce(t *testing.T) {
	assert.Equal(t, uint64(0), planOf(t, nil, "-nonce=0").Nonce)
	assert.Equal(t, uint64(42), planOf(t, map[string]string{"BENCH_NONCE": "42"}).Nonce)
	a, b := planOf(t, nil).Nonce, planOf(t, nil).Nonce
	assert.NotEqual(t, a, b, "new for each run")
	assert.Less(t, a, uint64(1)<<48, "short enough to be copied, and exact in any JSON reader")
}

func TestGPUsAreAssumedUnlessGiven(t *testing.T) {
	assert.True(t, planOf(t, nil).GPUsAssumed)
	assert.False(t, planOf(t, nil, "-gpus=1").GPUsAssumed)
	assert.False(t, planOf(t, map[string]string{"BENCH_GPUS": "1"}).GPUsAssumed)
}

func TestEndpointsRepeat(t *testing.T) {
	want := []string{"http://a:1/v1/chat/completions", "http://b:2/v1/chat/completions"}
	name := "-benchmark-name=x"
	assert.Equal(t, want, planOf(t, nil, name, "-endpoint=http://a:1", "-endpoint-url=http://b:2").Endpoints, "both spellings")
	for _, variable := range []string{"ENDPOINT", "BENCH_ENDPOINT", "BENCH_ENDPOINT_URL"} {
		env := map[string]string{variable: "http://a:1, http://b:2,"}
		assert.Equal(t, want, planOf(t, env, name).Endpoints, variable)
		assert.Equal(t, want[1:], planOf(t, env, name, "-endpoint=http://b:2").Endpoints, "the flag alone counts")
	}
	assert.Empty(t, planOf(t, nil).Endpoints, "none: the embedded mock server")
}

func TestSchemeInsideACluster(t *testing.T) {
	for want, env := range map[string]map[string]string{
		"http://svc:8000/v1/chat/completions":   {},
		"https://svc:8000/v1/chat/completions":  {"DYN_URL_SCHEME": "https"},
		"https://svc:8000/v1/chat/completions ": {"SERVICE_PROTOCOL": " https ", "DYN_URL_SCHEME": "http"},
	} {
		assert.Equal(t, strings.TrimSpace(want), planOf(t, env, "-benchmark-name=x", "-endpoint=svc:8000").Endpoints[0])
	}
	env := map[string]string{"SERVICE_PROTOCOL": "grpc"}
	assert.Equal(t, "http://svc/v1/chat/completions", planOf(t, env, "-benchmark-name=x", "-endpoint=http://svc").Endpoints[0])
	_, err := resolve(t, env, "-benchmark-name=x", "-endpoint=svc:8000")
	assert.EqualError(t, err, `endpoint "svc:8000": unknown scheme "grpc": must be http or https (from SERVICE_PROTOCOL or DYN_URL_SCHEME)`)
}

func TestHelpFlag(t *testing.T) {
	fs := flag.NewFlagSet("test", flag.ContinueOnError)
	flags := harness.RegisterFlags(fs)
	assert.False(t, flags.Help())
	require.NoError(t, fs.Parse([]string{"-llmsweep.help"}))
	assert.True(t, flags.Help())
}

func TestHelpNamesEverything(t *testing.T) {
	var text strings.Builder
	harness.PrintHelp(&text)
	const indent = "        "
	before := ""
	for i, line := range strings.Split(text.String(), "\n") {
		assert.LessOrEqual(t, len(line), 80, "line %d: %s", i+1, line)
		assert.Equal(t, strings.TrimRight(line, " "), line, "line %d ends in blanks", i+1)
		if strings.HasPrefix(before, indent) && strings.HasPrefix(line, indent) {
			assert.Greater(t, len(before)+1+len(strings.Fields(line)[0]), 80, "line %d has room for the next word", i)
		}
		if strings.Contains(line, "go test ./bench") {
			assert.Contains(t, line, "go test ./bench -run Sweep -v -count=1 -timeout 0")
		}
		before = line
	}
	fs := flag.NewFlagSet("test", flag.ContinueOnError)
	harness.RegisterFlags(fs)
	fs.VisitAll(func(f *flag.Flag) {
		assert.Regexp(t, `(?m)^  (-\S+ URL, )?-`+f.Name+`( |$)`, text.String())
	})
	for _, r := range table() {
		if r.preset != "mock" && !assert.ObjectsAreEqual(r.preset, false) && fmt.Sprint(r.preset) != "0" && fmt.Sprint(r.preset) != "0s" {
			assert.Contains(t, text.String(), "(default", r.name)
		}
	}
	assert.NotContains(t, text.String(), "(default )")
	assert.NotContains(t, text.String(), "(default 0)", "the usage says what 0 means")
	for _, want := range []string{
		"BENCH_<NAME>", "ENDPOINT, MODEL, CONCURRENCIES and REQUEST_COUNT", "OPENAI_API_KEY", "SERVICE_PROTOCOL", "DYN_URL_SCHEME", "-count=1",
		"(default 1,2,5,10,50,100,250)", "(default Qwen/Qwen3-0.6B)", "(default 0.05)", "(default true)", "max(3 x concurrency, 10)", "K:env:NAME",
	} {
		assert.Contains(t, strings.Join(strings.Fields(text.String()), " "), want)
	}
}

func TestMisspeltNamesAreNoticed(t *testing.T) {
	assert.Equal(t, []string{
		`environment variable "BENCH_CONCURENCIES" is no flag of llmsweep; did you mean "BENCH_CONCURRENCIES"?`,
		`environment variable "BENCH_SOMETHING_ELSE" is no flag of llmsweep`,
	}, harness.UnknownEnvironment([]string{"BENCH_CONCURENCIES=1", "BENCH_OSL=4", "BENCH_ENDPOINT_URL=x", "HOME=/", "BENCH_SOMETHING_ELSE=1", "BENCHMARK=2"}))
	assert.Equal(t, `flag provided but not defined: -concurencies; did you mean "concurrencies"?`,
		harness.UnknownFlag(errors.New("flag provided but not defined: -concurencies")))
}

func TestArgsGiveTheCommandLineBack(t *testing.T) {
	fs := flag.NewFlagSet("test", flag.ContinueOnError)
	flags := harness.RegisterFlags(fs)
	assert.Empty(t, flags.Args(), "what nobody gave is not there")
	require.NoError(t, fs.Parse([]string{"-isl=1", "--endpoint-url", "a,b", "-overwrite", "-endpoint=c", "-isl", "2", "-header=K: v", "-model="}))
	assert.Equal(t, []string{"-endpoint=a,b", "-endpoint=c", "-model=", "-isl=2", "-overwrite=true", "-header=K: v"}, flags.Args())
}
