package bench

import (
	"context"
	"encoding/xml"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
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
	assert.Zero(t, against("slow", "-gate="+gate).code, "1/0.9 is 11.1 % more")

	other := against("other")
	assert.Equal(t, 1, other.code)
	assert.Contains(t, other.output, "refused: lengths differ: ISL 200 +/- 10, OSL 20 in base, ISL 300 +/- 10, OSL 20 in other")
	assert.Contains(t, other.output, "refused: workload fingerprints of c1 differ")
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
`), 0o600))
	report, markdown := filepath.Join(dir, "junit.xml"), filepath.Join(dir, "summary.md")
	command := exec.CommandContext(context.Background(), "go", "tool", "gotestsum", "--junitfile", report, "--", "./bench", "-run", "^TestGate$", "-count=1",
		"-gate="+gate, "-data-dir="+dir, "-benchmark-name=base")
	command.Dir = ".."
	command.Env = append(cleanEnvironment(), "GITHUB_STEP_SUMMARY="+markdown)
	out, err := command.CombinedOutput()
	require.Error(t, err, string(out))
	cases := junitCases(t, report)
	ttft := cases["TestGate/c1/time_to_first_token/avg"]
	assert.Equal(t, "pass", ttft.property("verdict"))
	assert.Regexp(t, `^1\d\.\d+ ms$`, ttft.property("value"))
	assert.Equal(t, "10000 ms", ttft.property("bound"))
	assert.Equal(t, "10", ttft.property("samples"))
	assert.Nil(t, ttft.Failure)
	itl := cases["TestGate/c8/inter_token_latency/avg"]
	require.NotNil(t, itl.Failure)
	assert.Contains(t, itl.Failure.Text, "above the limit 1 by")
	p99 := cases["TestGate/c1/request_latency/p99"]
	require.NotNil(t, p99.Skipped)
	assert.Contains(t, p99.Skipped.Message, "needs 299 requests, have 10")
	text, err := os.ReadFile(markdown)
	require.NoError(t, err)
	assert.Contains(t, string(text), "### Gate: 1 failed, 2 passed, 1 inconclusive")
	assert.Contains(t, string(text), "| fail | c8 | inter_token_latency avg |")

	now := child{entry: "TestGate", args: []string{"-virtual", "-gate=" + gate, "-concurrencies=1,8", "-isl=200", "-osl=20", "-plot=false", "-output-dir=" + filepath.Join(dir, "now")}}.run(t)
	assert.Equal(t, 1, now.code)
	assert.Contains(t, now.output, "--- PASS: TestGate/Sweep/c8")
	assert.Contains(t, now.output, "--- FAIL: TestGate/c8/inter_token_latency/avg")
}

// TestJudgingNothingFails gives the entry point nothing that it could judge, or by.
func TestJudgingNothingFails(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty.yaml")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	bad := filepath.Join(dir, "bad.yaml")
	require.NoError(t, os.WriteFile(bad, []byte("limits: [{metric: x, max: 1}]"), 0o600))
	for want, args := range map[string][]string{
		"nothing to judge by: pass -gate FILE": nil,
		"has no limits":                        {"-gate=" + empty},
		`limit 1: metric "x": no such tag`:     {"-gate=" + bad},
		"no such file or directory":            {"-gate=" + filepath.Join(dir, "missing.yaml")},
		"and -candidate go together":           {"-baseline=" + dir},
		"recorded in no run":                   nil,
	} {
		if want == "recorded in no run" {
			want, args = "no such file or directory", []string{"-baseline=" + filepath.Join(dir, "a"), "-candidate=" + filepath.Join(dir, "b")}
		}
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
