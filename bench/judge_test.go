package bench

import (
	"context"
	"encoding/xml"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/reporting"
)

// virtualRun records a small run in virtual time.
func virtualRun(t *testing.T, dir, name string, args ...string) {
	t.Helper()
	child{args: append([]string{"-virtual", "-benchmark-name=" + name, "-concurrencies=1,8", "-isl=200", "-osl=20", "-plot=false", "-output-dir=" + dir}, args...)}.passes(t)
}

// TestRecordedRunsAreJudged compares runs of the same code, which pass, and of a slower server, which fail with one line a metric.
func TestRecordedRunsAreJudged(t *testing.T) {
	dir := t.TempDir()
	virtualRun(t, dir, "base")
	virtualRun(t, dir, "same")
	virtualRun(t, dir, "slow", "-mock-args=-decode-speedup-ratio=0.9")
	virtualRun(t, dir, "other", "-isl=300")
	against := func(name string, more ...string) result {
		args := append([]string{"-baseline=" + filepath.Join(dir, "base"), "-candidate=" + filepath.Join(dir, name)}, more...)
		return child{entry: "TestGate", args: args}.run(t)
	}
	same := against("same")
	assert.Zero(t, same.code, same.output)
	assert.Contains(t, same.output, "--- PASS: TestGate/c8/time_to_first_token/avg")

	slow := against("slow")
	assert.Equal(t, 1, slow.code)
	assert.Regexp(t, `inter_token_latency avg of c1 is 6\.3\d+ ms, worse than the baseline's 5\.7\d+ by 0\.6\d+ ms \(\+11\.\d\d %\), 10 requests, margin 0 %`, slow.output)
	assert.Contains(t, slow.output, "--- FAIL: TestGate/c1/inter_token_latency/avg")
	assert.Contains(t, slow.output, "--- PASS: TestGate/c1/time_to_first_token/avg", "a first token alone in its pass is all prefill")

	gate := filepath.Join(dir, "gate.yaml")
	require.NoError(t, os.WriteFile(gate, []byte("margins: [{metric: inter_token_latency, margin: 12%}]"), 0o600))
	markdown := filepath.Join(dir, "summary.md")
	lenient := child{
		entry: "TestGate", env: []string{"GITHUB_STEP_SUMMARY=" + markdown},
		args: []string{"-baseline=" + filepath.Join(dir, "base"), "-candidate=" + filepath.Join(dir, "slow"), "-gate=" + gate},
	}.run(t)
	assert.Zero(t, lenient.code, "1/0.9 is 11.1 % more")
	assert.Regexp(t, `ATTR  TestGate/c1/inter_token_latency/avg baseline 5\.7\d+ ms\n.* bound 6\.4\d+ ms`, lenient.output)
	text, err := os.ReadFile(markdown)
	require.NoError(t, err)
	assert.Regexp(t, `\| pass \| c1 \| inter_token_latency avg \| 6\.3\d+ ms \| 6\.4\d+ ms \| \+11\.\d\d % \| 10 \|`, string(text), "the change is the baseline's")

	other := against("other")
	assert.Equal(t, 1, other.code)
	assert.Contains(t, other.output, "refused: lengths differ: ISL 200 +/- 10, OSL 20 in base, ISL 300 +/- 10, OSL 20 in other")
	assert.Contains(t, other.output, "refused: workload fingerprints of c1 differ")
}

// TestRecordedOpenLoopsAreJudgedBySchedule: a user's waiting begins when he asks, which is what is compared unless margins are named.
func TestRecordedOpenLoopsAreJudgedBySchedule(t *testing.T) {
	dir := t.TempDir()
	for name, mock := range map[string]string{"base": "-ttft=20ms -itl=5ms", "slow": "-ttft=30ms -itl=5ms"} {
		child{args: []string{"-virtual", "-nonce=1", "-benchmark-name=" + name, "-request-rate=8.5", "-request-count=10", "-isl=20", "-osl=5", "-plot=false", "-output-dir=" + dir, "-mock-args=" + mock}}.passes(t)
	}
	r := child{entry: "TestGate", args: []string{"-baseline=" + filepath.Join(dir, "base"), "-candidate=" + filepath.Join(dir, "slow")}}.run(t)
	assert.Equal(t, 1, r.code)
	for _, want := range []string{
		"--- FAIL: TestGate/r8.5/scheduled_time_to_first_token/avg", "--- FAIL: TestGate/r8.5/scheduled_request_latency/avg", "--- PASS: TestGate/r8.5/inter_token_latency/avg",
	} {
		assert.Contains(t, r.output, want)
	}
	assert.NotContains(t, r.output, "TestGate/r8.5/time_to_first_token")
}

// TestReportsHaveTheVerdict: of a benchmark that the gate measured its page has the verdict, and of recorded ones each report that is made later.
func TestReportsHaveTheVerdict(t *testing.T) {
	dir := t.TempDir()
	gate := filepath.Join(dir, "gate.yaml")
	require.NoError(t, os.WriteFile(gate, []byte("limits: [{metric: request_latency, max: 1}, {metric: inter_token_latency, max: 1000}]"), 0o600))
	data := filepath.Join(dir, "now")
	measure := func(name string, more ...string) result {
		args := append([]string{"-virtual", "-nonce=1", "-concurrencies=1,2", "-isl=20", "-osl=4", "-output-dir=" + data, "-benchmark-name=" + name}, more...)
		return child{entry: "TestGate", args: append(args, "-gate="+gate)}.run(t)
	}
	summary := func(in string) string {
		text, err := os.ReadFile(filepath.Join(in, reporting.SummaryFile))
		require.NoError(t, err)
		return strings.Join(strings.Fields(string(text)), " ")
	}
	assert.Equal(t, 1, measure("a").code)
	const verdict = "Gate: FAIL: limits, by gate.yaml; 2 failed, 2 passed: request_latency avg of c1 "
	assert.Contains(t, summary(filepath.Join(data, "plots")), verdict)
	page, err := os.ReadFile(filepath.Join(data, "plots", reporting.PageFile))
	require.NoError(t, err)
	assert.Contains(t, string(page), `gate: FAIL</span> <span class="detail">limits, by gate.yaml: 2 failed, 2 passed<`)

	child{args: []string{"-virtual", "-nonce=2", "-concurrencies=1,2", "-isl=20", "-osl=4", "-output-dir=" + data, "-benchmark-name=a", "-overwrite"}}.passes(t)
	assert.NotContains(t, summary(filepath.Join(data, "plots")), verdict, "it was another run's")
	assert.Contains(t, summary(filepath.Join(data, "plots")), "a: the verdict in its gate.json is not shown: it is of another recording: run the gate again, or remove the file")

	require.NoError(t, os.CopyFS(filepath.Join(data, "b"), os.DirFS(filepath.Join(data, "a"))))
	child{entry: "TestGate", args: []string{"-baseline=" + filepath.Join(data, "a"), "-candidate=" + filepath.Join(data, "b")}}.passes(t)
	_, err = reporting.Write(filepath.Join(dir, "later"), reporting.Inputs{DataDir: data})
	require.NoError(t, err)
	assert.Contains(t, summary(filepath.Join(dir, "later")), "Gate: PASS: against baseline a; 10 passed; judged in virtual time")
}

// TestLimitsStandBesideAComparison: they judge the candidate, with or without margins in the file.
func TestLimitsStandBesideAComparison(t *testing.T) {
	dir := t.TempDir()
	virtualRun(t, dir, "base")
	virtualRun(t, dir, "same")
	gate := filepath.Join(dir, "gate.yaml")
	for name, margins := range map[string]string{"with margins": "\nmargins: [{metric: inter_token_latency}]", "without": ""} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, os.WriteFile(gate, []byte("limits: [{metric: inter_token_latency, max: 1}]"+margins), 0o600))
			r := child{entry: "TestGate", args: []string{"-gate=" + gate, "-baseline=" + filepath.Join(dir, "base"), "-candidate=" + filepath.Join(dir, "same")}}.run(t)
			assert.Equal(t, 1, r.code)
			assert.Contains(t, r.output, "--- PASS: TestGate/c1/inter_token_latency/avg")
			assert.Contains(t, r.output, "--- FAIL: TestGate/c1/limit/inter_token_latency/avg")
			assert.Contains(t, r.output, "above the limit 1 by")
			assert.NotContains(t, r.output, "#01")
		})
	}
}

// TestAVerdictOfAPart: -run may choose verdicts, and is told so, but a gate that ran none of them fails.
func TestAVerdictOfAPart(t *testing.T) {
	dir := t.TempDir()
	virtualRun(t, dir, "base")
	gate, markdown := filepath.Join(dir, "gate.yaml"), filepath.Join(dir, "summary.md")
	require.NoError(t, os.WriteFile(gate, []byte("limits: [{metric: inter_token_latency, max: 1000}, {metric: request_latency, max: 1}]"), 0o600))
	choose := func(pattern string) result {
		return child{
			entry: "TestGate", env: []string{"GITHUB_STEP_SUMMARY=" + markdown},
			args: []string{"-test.run=^TestGate$" + pattern, "-gate=" + gate, "-data-dir=" + dir, "-benchmark-name=base"},
		}.run(t)
	}
	none := choose("/nothing")
	assert.Equal(t, 1, none.code)
	assert.Contains(t, none.output, "nothing is judged: -run or -skip left out all of the 4 verdicts")
	assert.NoFileExists(t, markdown)

	some := choose("/c8/inter_token_latency")
	assert.Zero(t, some.code, some.output)
	assert.Contains(t, some.output, "warning: 1 of 4 verdicts were asked for")
	text, err := os.ReadFile(markdown)
	require.NoError(t, err)
	assert.Contains(t, string(text), "### Gate: 0 failed, 1 passed, 0 inconclusive")
	assert.NotContains(t, choose("").output, "were asked for")
}

// TestMissingLevelsAreNoticed: a gate must not pass because a level is not there, or because it looked at results of another time.
func TestMissingLevelsAreNoticed(t *testing.T) {
	dir := t.TempDir()
	virtualRun(t, dir, "base")
	virtualRun(t, dir, "part", "-concurrencies=1")
	gate := filepath.Join(dir, "gate.yaml")
	require.NoError(t, os.WriteFile(gate, []byte("limits: [{metric: error_request_count, max: 0}]"), 0o600))
	judge := func(args ...string) result { return child{entry: "TestGate", args: args}.run(t) }

	part := judge("-baseline="+filepath.Join(dir, "base"), "-candidate="+filepath.Join(dir, "part"))
	assert.Equal(t, 1, part.code)
	assert.Contains(t, part.output, "request_latency avg of c8 cannot be judged: the candidate has no such level")

	recorded := []string{"-gate=" + gate, "-data-dir=" + dir, "-benchmark-name=base"}
	assert.Zero(t, judge(recorded...).code, "no error is an error count of zero")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "base", "c8", "level.json"), []byte("garbage"), 0o600))
	spoilt := judge(recorded...)
	assert.Equal(t, 1, spoilt.code)
	assert.Contains(t, spoilt.output, "error_request_count avg of c8 cannot be judged: it has no results that can be read")
	require.NoError(t, os.RemoveAll(filepath.Join(dir, "base", "c8")))
	assert.Equal(t, 1, judge(recorded...).code, "run.json planned it")

	now := []string{"-virtual", "-gate=" + gate, "-concurrencies=1", "-isl=20", "-osl=4", "-plot=false", "-output-dir=" + filepath.Join(dir, "now")}
	assert.Zero(t, judge(now...).code)
	again := judge(now...)
	assert.Equal(t, 1, again.code)
	assert.Contains(t, again.output, "nothing is judged: the sweep did not run to its end")
	assert.Contains(t, again.output, ": nothing was sent: benchmark-name ", "the image's entry point knows it by that")
	assert.NotContains(t, again.output, "--- PASS: TestGate/c1")
}

// TestLimitsReachJUnit judges a recorded run and one of now, and reads every limit with its figures out of JUnit's file.
func TestLimitsReachJUnit(t *testing.T) {
	dir := t.TempDir()
	virtualRun(t, dir, "base")
	gate := filepath.Join(dir, "gate.yaml")
	require.NoError(t, os.WriteFile(gate, []byte(`
limits:
  - {metric: time_to_first_token, max: 10000}
  - {metric: inter_token_latency, max: 1, level: c8}
  - {metric: request_latency, statistic: p99, max: 10000, level: c1}
  - {metric: output_token_throughput, min: 1, level: c99}
`), 0o600))
	report, markdown := filepath.Join(dir, "junit.xml"), filepath.Join(dir, "summary.md")
	command := exec.CommandContext(context.Background(), "go", "tool", "gotestsum", "--junitfile", report, "--", "./bench", "-run", "^TestGate$", "-count=1",
		"-gate="+gate, "-data-dir="+dir, "-benchmark-name=base")
	command.Dir = ".."
	t.Setenv("GITHUB_STEP_SUMMARY", filepath.Join(dir, "the caller's"))
	command.Env = append(cleanEnvironment(), "GITHUB_STEP_SUMMARY="+markdown)
	out, err := command.CombinedOutput()
	require.Error(t, err, string(out))
	cases := junitCases(t, report)
	for name, want := range map[string]struct{ verdict, value, bound, samples string }{
		"c1/time_to_first_token/avg":      {"pass", `^1\d\.\d+ ms$`, "10000 ms", "10"},
		"c8/time_to_first_token/avg":      {"pass", `^\d+\.?\d* ms$`, "10000 ms", "24"},
		"c8/inter_token_latency/avg":      {"fail", `^\d\.\d+ ms$`, "1 ms", "24"},
		"c1/request_latency/p99":          {"inconclusive", `^\d+\.?\d* ms$`, "10000 ms", "10"},
		"c99/output_token_throughput/avg": {"fail", `^$`, "1 tokens/sec", "0"},
	} {
		c := cases["TestGate/"+name]
		assert.Equal(t, want.verdict, c.property("verdict"), name)
		assert.Regexp(t, want.value, c.property("value"), name)
		assert.Equal(t, want.bound, c.property("bound"), name)
		assert.Equal(t, want.samples, c.property("samples"), name)
		assert.Equal(t, want.verdict == "fail", c.Failure != nil, name)
		assert.Equal(t, want.verdict == "inconclusive", c.Skipped != nil, name)
	}
	data, err := os.ReadFile(report)
	require.NoError(t, err)
	assert.NotContains(t, string(data), "NaN")
	assert.Contains(t, cases["TestGate/c8/inter_token_latency/avg"].Failure.Text, "above the limit 1 by")
	assert.Contains(t, cases["TestGate/c1/request_latency/p99"].Skipped.Message, "needs 299 requests, have 10")
	text, err := os.ReadFile(markdown)
	require.NoError(t, err)
	assert.Contains(t, string(text), "### Gate: 2 failed, 2 passed, 1 inconclusive")
	assert.Contains(t, string(text), "| fail | c8 | inter_token_latency avg |")

	now := child{entry: "TestGate", args: []string{"-virtual", "-gate=" + gate, "-concurrencies=1,8", "-isl=200", "-osl=20", "-plot=false", "-output-dir=" + filepath.Join(dir, "now")}}.run(t)
	assert.Equal(t, 1, now.code)
	assert.Contains(t, now.output, "--- PASS: TestGate/Sweep/c8")
	assert.Contains(t, now.output, "--- FAIL: TestGate/c8/inter_token_latency/avg")
	assert.NoFileExists(t, filepath.Join(dir, "the caller's"), "a test's verdicts are not the caller's")
}

// TestNoVerdictOnALimitedClient judges a level whose client was limited by limits that it keeps and misses, and against a baseline: all
// are skipped, with their reason.
func TestNoVerdictOnALimitedClient(t *testing.T) {
	dir := t.TempDir()
	virtualRun(t, dir, "base")
	require.NoError(t, os.CopyFS(filepath.Join(dir, "limited"), os.DirFS(filepath.Join(dir, "base"))))
	for _, name := range []string{"c1", "c8"} {
		path := filepath.Join(dir, "limited", name, record.LevelFile)
		l := readLevel(t, filepath.Dir(path))
		require.Equal(t, record.ClientOK, l.Client())
		l.Instrument.Verdict = record.ClientLimited
		require.NoError(t, record.WriteJSON(path, &l))
	}
	gate := filepath.Join(dir, "gate.yaml")
	require.NoError(t, os.WriteFile(gate, []byte("limits: [{metric: time_to_first_token, max: 0.1}, {metric: request_latency, max: 1e9}]"), 0o600))
	for _, args := range [][]string{
		{"-gate=" + gate, "-data-dir=" + dir, "-benchmark-name=limited"},
		{"-baseline=" + filepath.Join(dir, "base"), "-candidate=" + filepath.Join(dir, "limited")},
		{"-baseline=" + filepath.Join(dir, "limited"), "-candidate=" + filepath.Join(dir, "base")},
	} {
		r := child{entry: "TestGate", args: args}.passes(t)
		assert.Contains(t, r.output, "--- SKIP: TestGate/c1/time_to_first_token/avg")
		assert.Contains(t, r.output, "--- SKIP: TestGate/c8/request_latency/avg")
		assert.NotContains(t, r.output, "--- PASS: TestGate", "nor does the gate pass")
		assert.Contains(t, r.output, "neither passed nor failed: every verdict is inconclusive (-inconclusive=fail makes that a failure)")
		assert.Contains(t, r.output, "client limited: the figures of c8 are its own as much as the server's")
	}
}

// TestCallsOfTheWorkflowDoNotMeet: two calls in one run of GitHub's neither cancel each other nor write one artifact.
func TestCallsOfTheWorkflowDoNotMeet(t *testing.T) {
	data, err := os.ReadFile("../.github/workflows/gate.yml")
	require.NoError(t, err)
	var workflow struct {
		On struct {
			Call struct {
				Inputs map[string]struct{ Default string }
			} `yaml:"workflow_call"`
		}
		Concurrency struct{ Group string }
		Jobs        struct {
			Gate struct {
				Steps []struct {
					Uses string
					With map[string]any
				}
			}
		}
	}
	require.NoError(t, yaml.Unmarshal(data, &workflow))
	assert.Equal(t, "gate", workflow.On.Call.Inputs["name"].Default)
	const name = "${{ inputs.name || 'gate' }}" // a pull request has no inputs
	assert.Contains(t, workflow.Concurrency.Group, name)
	uploads := 0
	for _, step := range workflow.Jobs.Gate.Steps {
		if strings.HasPrefix(step.Uses, "actions/upload-artifact@") {
			uploads++
			assert.Equal(t, name, step.With["name"])
		}
	}
	assert.Equal(t, 1, uploads)
}

// TestJudgingNothingFails gives the entry point nothing that it could judge, or by.
func TestJudgingNothingFails(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty.yaml")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	bad := filepath.Join(dir, "bad.yaml")
	require.NoError(t, os.WriteFile(bad, []byte("limits: [{metric: x, max: 1}]"), 0o600))
	margins := filepath.Join(dir, "margins.yaml")
	require.NoError(t, os.WriteFile(margins, []byte("margins: [{metric: request_latency}]"), 0o600))
	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(dir, link))
	for want, args := range map[string][]string{
		"nothing to judge by: pass -gate FILE": nil,
		"has neither limits nor margins":       {"-gate=" + empty},
		"has no limits; its margins are for":   {"-gate=" + margins},
		"are the same folder":                  {"-baseline=" + dir, "-candidate=" + link},
		"cannot go with -baseline":             {"-baseline=" + dir, "-candidate=" + dir, "-data-dir=" + dir},
		`limit 1: metric "x": no such tag`:     {"-gate=" + bad},
		"no such file or directory":            {"-gate=" + filepath.Join(dir, "missing.yaml")},
		"and -candidate go together":           {"-baseline=" + dir},
		`no benchmark "a" in `:                 {"-baseline=" + filepath.Join(dir, "a"), "-candidate=" + filepath.Join(dir, "b")},
	} {
		r := child{entry: "TestGate", args: args}.run(t)
		assert.Equal(t, 1, r.code, want)
		assert.Contains(t, r.output, want)
	}
}

// junitCase is what JUnit's file says of a test.
type junitCase struct {
	Name       string `xml:"name,attr"`
	Properties []struct {
		Name  string `xml:"name,attr"`
		Value string `xml:"value,attr"`
	} `xml:"properties>property"`
	Failure *struct {
		Text string `xml:",chardata"`
	} `xml:"failure"`
	Skipped *struct {
		Message string `xml:"message,attr"`
	} `xml:"skipped"`
}

func (c junitCase) property(name string) string {
	for _, p := range c.Properties {
		if p.Name == name {
			return p.Value
		}
	}
	return ""
}

func junitCases(t *testing.T, path string) map[string]junitCase {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	var document struct {
		Suites []struct {
			Cases []junitCase `xml:"testcase"`
		} `xml:"testsuite"`
	}
	require.NoError(t, xml.Unmarshal(data, &document))
	cases := map[string]junitCase{}
	for _, suite := range document.Suites {
		for _, c := range suite.Cases {
			cases[c.Name] = c
		}
	}
	return cases
}
