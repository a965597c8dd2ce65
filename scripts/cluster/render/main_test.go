package main

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/llmsweep/llmsweep/harness"
)

// render runs the command and requires success.
func render(t *testing.T, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	require.Zero(t, run(&stdout, &stderr, args), stderr.String())
	require.Empty(t, stderr.String())
	return stdout.String()
}

// required are the flags without which there is no Job.
func required(args ...string) []string {
	return append([]string{"-benchmark-name=b", "-endpoint=svc:8000"}, args...)
}

// decoded is the part of a Job that depends on flags.
type decoded struct {
	Metadata struct{ Name, Namespace string }
	Spec     struct{ Template struct{ Spec pod } }
}

type pod struct {
	ServiceAccountName string           `yaml:"serviceAccountName"`
	ImagePullSecrets   []map[string]any `yaml:"imagePullSecrets"`
	Containers         []container
	Volumes            []struct {
		Name                  string
		PersistentVolumeClaim struct {
			ClaimName string `yaml:"claimName"`
		} `yaml:"persistentVolumeClaim"`
	}
}

type container struct {
	Name, Image string
	// Anything else than strings would be a quoting that failed.
	Args      []any
	Env       []map[string]any
	Resources struct{ Requests, Limits map[string]any }
}

func decode(t testing.TB, text string) decoded {
	t.Helper()
	var job decoded
	require.NoError(t, yaml.Unmarshal([]byte(text), &job), text)
	require.Len(t, job.Spec.Template.Spec.Containers, 1)
	return job
}

var update = flag.Bool("update", false, "rewrite ../benchmark_job.yaml")

// TestTheManifestIsWhatRenderPrints for the guide's example.
func TestTheManifestIsWhatRenderPrints(t *testing.T) {
	file := filepath.Join("..", "benchmark_job.yaml")
	got := render(t, "-model", "Qwen/Qwen3-0.6B", "-benchmark-name", "qwen3-0p6b-vllm-agg", "-endpoint", "vllm-agg-frontend:8000")
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, string(want), got, "go test ./scripts/cluster/render -update writes the file anew")
}

var digest = strings.Repeat("0a", 32)

func TestEveryFlagReachesTheJob(t *testing.T) {
	job := decode(t, render(t, required(
		"-job-name=null", "-namespace=123", "-image=reg.io:5000/a/b@sha256:"+digest, "-image-pull-secret=yes", "-service-account=on", "-pvc=1e3",
		"-cpu=500m", "-cpu-limit=2", "-memory=1Gi", "-memory-limit=1.5Gi", "-hf-token-secret=no/TRUE", "-api-key-secret=keys/3",
		"-env-secret=TOKEN=other/key.txt", "-header=X-Token:env:TOKEN", "-header=Authorization: env:OPENAI_API_KEY",
		"-isl=7", "-overwrite", "-extra-inputs=a:b", "-extra-inputs=c:d", "-endpoint=two:1", "-output-dir=/data/elsewhere")...))
	assert.Equal(t, "null", job.Metadata.Name)
	assert.Equal(t, "123", job.Metadata.Namespace)
	spec := job.Spec.Template.Spec
	assert.Equal(t, "on", spec.ServiceAccountName)
	assert.Equal(t, []map[string]any{{"name": "yes"}}, spec.ImagePullSecrets)
	assert.Equal(t, "1e3", spec.Volumes[0].PersistentVolumeClaim.ClaimName)
	c := spec.Containers[0]
	assert.Equal(t, "reg.io:5000/a/b@sha256:"+digest, c.Image)
	assert.Equal(t, map[string]any{"cpu": "500m", "memory": "1Gi"}, c.Resources.Requests)
	assert.Equal(t, map[string]any{"cpu": "2", "memory": "1.5Gi"}, c.Resources.Limits)
	secret := func(variable, name, key string) map[string]any {
		return map[string]any{"name": variable, "valueFrom": map[string]any{"secretKeyRef": map[string]any{"name": name, "key": key}}}
	}
	token := secret("HUGGING_FACE_HUB_TOKEN", "no", "TRUE")
	token["valueFrom"].(map[string]any)["secretKeyRef"].(map[string]any)["optional"] = true
	assert.Equal(t, []map[string]any{token, secret("OPENAI_API_KEY", "keys", "3"), secret("TOKEN", "other", "key.txt")}, c.Env)
	assert.Equal(t, []any{
		"--model=Qwen/Qwen3-0.6B", "--isl=7", "--std=10", "--osl=256", "--output-dir=/data/elsewhere", "--benchmark-name=b", "--endpoint-url=svc:8000",
		"--endpoint-url=two:1", "--overwrite=true", "--header=X-Token:env:TOKEN", "--header=Authorization: env:OPENAI_API_KEY",
		"--extra-inputs=a:b", "--extra-inputs=c:d",
	}, c.Args)
}

func TestWhatMayBeLeftOut(t *testing.T) {
	text := render(t, required("-image-pull-secret=", "-service-account=", "-hf-token-secret=")...)
	for _, absent := range []string{"imagePullSecrets", "serviceAccountName", "env:", "namespace:"} {
		assert.NotContains(t, text, absent)
	}
	decode(t, text)
}

// expanded replaces $$ as the kubelet does; a reference $(NAME) must not have come about.
func expanded(t testing.TB, args []any) []string {
	t.Helper()
	var plain []string
	for _, arg := range args {
		text, isText := arg.(string)
		require.True(t, isText, "%v is %T", arg, arg)
		require.NotContains(t, strings.ReplaceAll(text, "$$", ""), "$")
		plain = append(plain, strings.ReplaceAll(text, "$$", "$"))
	}
	return plain
}

// requireSamePlan holds the plan of the Job's arguments against that of the command line.
func requireSamePlan(t testing.TB, text string, args []string) {
	t.Helper()
	planOf := func(args []string) *harness.Plan {
		fs := flag.NewFlagSet("", flag.ContinueOnError)
		fs.SetOutput(io.Discard)
		flags := harness.RegisterFlags(fs)
		require.NoError(t, fs.Parse(args))
		plan, err := flags.Plan(func(name string) string {
			return map[string]string{"BENCH_NONCE": "1", "BENCH_OUTPUT_DIR": resultsDir}[name]
		})
		require.NoError(t, err)
		return plan
	}
	got := planOf(expanded(t, decode(t, text).Spec.Template.Spec.Containers[0].Args))
	require.Equal(t, planOf(args).Plan, got.Plan)
}

func nasty() []string {
	return []string{
		"plain", "yes", "1e3", "null", "~", "- x", "a: b", "a #b", `say "x"`, "it's", "$(HOME)", "$$(HOME)", "$", "a\nkind: Pod", "tab\t", " blank ", "{a: b}", "[x]", "*x",
		"&x", "!x", "%x", "@x", "`x`", `back\slash`, "é, 漢字", "\u2028", "\u0085", "\x7f", "\x01", "\ufeff", "x:", "---", "...", "| x", "> x", "\U0001F600", "{{.PVC}}", "#",
	}
}

func TestNoValueBreaksTheYAML(t *testing.T) {
	for _, value := range nasty() {
		args := required("-model=x"+value, "-extra-inputs=text:"+value)
		requireSamePlan(t, render(t, args...), args)
	}
}

func FuzzNoValueBreaksTheYAML(f *testing.F) {
	for _, value := range nasty() {
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value string) {
		args := required("-model="+value, "-extra-inputs=text:"+value)
		var stdout, stderr bytes.Buffer
		if run(&stdout, &stderr, args) != exitOK {
			return // refused, an empty model say
		}
		requireSamePlan(t, stdout.String(), args)
	})
}

// TestTheCommandInTheCommentIsOneForAShell has a shell read the words.
func TestTheCommandInTheCommentIsOneForAShell(t *testing.T) {
	for _, word := range nasty() {
		if strings.HasPrefix(shellWord(word), "$'") {
			continue // of bash and others, not of every sh
		}
		out, err := exec.Command("/bin/sh", "-c", "printf %s "+shellWord(word)).Output()
		require.NoError(t, err, word)
		assert.Equal(t, word, string(out))
	}
	assert.Equal(t, `$'a\nb\'c'`, shellWord("a\nb'c"))
}

func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"no endpoint":      {[]string{"-benchmark-name=b"}, `endpoint "": must be given: service:port, or service.namespace.svc.cluster.local:port`},
		"no name":          {[]string{"-endpoint=svc:1"}, `benchmark-name "": must not be empty`},
		"port-forward":     {[]string{"-benchmark-name=b", "-endpoint=k8s://ns/svc:8000"}, `endpoint "k8s://ns/svc:8000/v1/chat/completions": is for a benchmark outside of the cluster: inside write svc.ns.svc.cluster.local:8000`},
		"localhost":        {[]string{"-benchmark-name=b", "-endpoint=localhost:8000"}, `endpoint "http://localhost:8000/v1/chat/completions": is the pod itself: write service:port`},
		"loopback":         {[]string{"-benchmark-name=b", "-endpoint=http://[::1]:8000"}, `is the pod itself: write service:port`},
		"password":         {[]string{"-benchmark-name=b", "-endpoint=http://u:hunter22@svc:8000"}, `endpoint "http://svc:8000/v1/chat/completions": has a user or a query, which would stand in clear in the Job: use -api-key-secret or -header`},
		"key in the query": {[]string{"-benchmark-name=b", "-endpoint=http://svc:8000?key=hunter22"}, `has a user or a query`},
		"clear header":     {required("-header=X-Key: hunter22"), `header "X-Key": its value would stand in clear in the Job: write NAME:env:VARIABLE and -env-secret VARIABLE=SECRET/KEY`},
		"bare header":      {required("-header=hunter22"), `header "[redacted]": must be NAME:VALUE`},
		"header from here": {required("-header=X-Key:env:KEY"), `header "X-Key:env:KEY": the pod has no variable KEY: pass -env-secret KEY=SECRET/KEY`},
		"bad level":        {required("-concurrencies=0"), `concurrency "0": must be at least 1`},
		"output-dir":       {required("-output-dir=/tmp"), `output-dir "/tmp": must be below /data, where the volume is: anything else is lost with the pod`},
		"output-dir, ..":   {required("-output-dir=/data/../tmp"), `output-dir "/data/../tmp": must be below /data`},
		"config":           {required("-config=no-file"), `config "no-file": is a file of this machine, which the Job does not have: pass what it says as flags`},
		"print-config":     {required("-print-config"), `print-config "true": is for a benchmark on this machine: the Job runs one`},
		"page of this pod": {required("-server-metrics=auto,http://localhost:9"), `server-metrics "http://localhost:9/metrics": is the pod itself: write http://service:port/metrics`},
		"page with a key":  {required("-gpu-telemetry=http://u:hunter22@h:9"), `gpu-telemetry "h:9": has a user or a query, which would stand in clear in the Job`},
		"gate":             {required("-gate=x.yaml"), `gate "x.yaml": is for the gate, which the Job does not run`},
		"virtual":          {[]string{"-benchmark-name=b", "-virtual"}, `virtual "true": is for the embedded mock server: the Job measures an endpoint`},
		"ca-cert":          {required("-ca-cert=/etc/ca.pem"), `ca-cert "/etc/ca.pem": must be below /data, where the volume is`},
		"input-file":       {required("-input-file=prompts.jsonl"), `input-file "prompts.jsonl": must be below /data, where the volume is`},
		"mock-args":        {[]string{"-benchmark-name=b", "-mock-args=-x"}, `mock-args "-x": is for the embedded mock server`},
		"unspecified":      {[]string{"-benchmark-name=b", "-endpoint=0.0.0.0:8000"}, `endpoint "http://0.0.0.0:8000/v1/chat/completions": is the pod itself`},
		"127.x":            {[]string{"-benchmark-name=b", "-endpoint=127.0.0.9:8000"}, `is the pod itself`},
		"short 127.x":      {[]string{"-benchmark-name=b", "-endpoint=127.1:8000"}, `is the pod itself`},
		"localhost.":       {[]string{"-benchmark-name=b", "-endpoint=LocalHost.:8000"}, `is the pod itself`},
		"namespace":        {required("-namespace=A"), `namespace "A": must be a Kubernetes name: lower-case letters, digits and -, 63 characters at most`},
		"no job name":      {required("-job-name="), `job-name "": must be a Kubernetes name`},
		"long job name":    {required("-job-name=" + strings.Repeat("a", 64)), `63 characters at most`},
		"image":            {required("-image=a b"), `image "a b": must be an image such as registry/name:tag`},
		"pvc":              {required("-pvc=a\nb"), `pvc "a\nb": must be a Kubernetes name`},
		"cpu":              {required("-cpu=many"), `cpu "many": must be CPUs such as 4, 0.5 or 500m, at least 1m`},
		"over the limit":   {required("-cpu=16", "-cpu-limit=8"), `cpu "16": is more than the limit: raise -cpu-limit 8, or leave it out`},
		"over the other":   {required("-memory=2Gi", "-memory-limit=1.5Gi"), `memory "2Gi": is more than the limit: raise -memory-limit 1.5Gi`},
		"memory":           {required("-memory-limit=-1Gi"), `memory-limit "-1Gi": must be an amount of memory such as 8Gi or 512Mi, at least 1Mi`},
		"secret":           {required("-api-key-secret=name"), `api-key-secret "name": must be NAME/KEY of a secret`},
		"env-secret":       {required("-env-secret=A=b"), `env-secret "A=b": must be VARIABLE=NAME/KEY`},
		"twice":            {required("-api-key-secret=a/b", "-env-secret=OPENAI_API_KEY=a/b"), `env-secret "OPENAI_API_KEY=a/b": gives a variable a second value: -api-key-secret sets it already; leave one of them out, or empty`},
		"the token twice":  {required("-env-secret=HUGGING_FACE_HUB_TOKEN=a/b"), `gives a variable a second value: -hf-token-secret sets it already`},
		"a variable twice": {required("-env-secret=A=a/b", "-env-secret=A=a/c"), `env-secret "A=a/c": gives a variable a second value: -env-secret sets it already`},
		"secret field":     {required("-extra-inputs=api_key:hunter22"), `extra-inputs "api_key": its value would stand in clear in the Job: send a secret as a header, -header NAME:env:VARIABLE`},
		"nested secret":    {required(`-extra-inputs={"a":[{"auth":{"accessToken":"hunter22"}}]}`), `extra-inputs "a.auth": its value would stand in clear`},
		"deep secret":      {required(`-extra-inputs={"a":[{"accessToken":"hunter22"}]}`), `extra-inputs "a.accessToken": its value would stand in clear`},
		"not text":         {required("-model=\xff"), `model "\xff": is not UTF-8 text`},
		"unknown flag":     {required("-concurrencie=1"), `flag provided but not defined: -concurrencie; did you mean "concurrencies"?`},
		"argument":         {required("extra"), `unexpected argument "extra": flags are written -name=value or -name value`},
	} {
		t.Run(name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			assert.Equal(t, exitUsage, run(&stdout, &stderr, c.args))
			assert.Empty(t, stdout.String())
			assert.Contains(t, stderr.String(), c.want)
			assert.NotContains(t, stderr.String(), "hunter22")
			assert.Contains(t, stderr.String(), "All flags: go run ./scripts/cluster/render -h")
		})
	}
}

func TestEachProblemIsReportedOnce(t *testing.T) {
	for _, args := range [][]string{
		required("-mock-args=-x"), required("-virtual"), {"-benchmark-name=b", "-endpoint=svc:1", "-env-secret=HUGGING_FACE_HUB_TOKEN=a/b"},
		required("-cpu=0"), required("-pvc=A"), required("-extra-inputs=api_key:sk"),
	} {
		var stdout, stderr bytes.Buffer
		assert.Equal(t, exitUsage, run(&stdout, &stderr, args))
		assert.Equal(t, 2, strings.Count(stderr.String(), "\n"), stderr.String())
	}
}

// TestTheEnvironmentHereIsNotThatOfThePod: a variable of this machine must neither change nor pass a Job.
func TestTheEnvironmentHereIsNotThatOfThePod(t *testing.T) {
	t.Setenv("BENCH_ISL", "x")
	t.Setenv("ENDPOINT", "elsewhere:1")
	t.Setenv("OPENAI_API_KEY", "hunter22")
	text := render(t, required()...)
	assert.Contains(t, text, "--isl=2000")
	assert.NotContains(t, text, "elsewhere")
	assert.NotContains(t, text, "hunter22")
}

func TestOutputFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "job.yaml")
	assert.Empty(t, render(t, required("-o", file)...))
	written, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, render(t, required()...), string(written))

	var stdout, stderr bytes.Buffer
	assert.Equal(t, exitFailure, run(&stdout, &stderr, required("-o", filepath.Join(file, "x"))))
	assert.Contains(t, stderr.String(), "not a directory")
	assert.Equal(t, exitFailure, run(brokenPipe{}, &stderr, required()))
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestHelp(t *testing.T) {
	for _, flag := range []string{"-h", "--help", "-llmsweep.help"} {
		text := render(t, flag)
		for _, f := range new(settings).own() {
			assert.Contains(t, text, "  -"+f.name+" ")
		}
		for line := range strings.Lines(text) {
			assert.LessOrEqual(t, len(line), 81, line)
		}
	}
}
