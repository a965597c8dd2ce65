package bench

import (
	"context"
	"flag"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/llmsweep/llmsweep/harness"
)

// documented is a command of the documentation that runs with Go alone, known by a part of it, and what it prints.
type documented struct {
	has, prints string
	fails       bool // as the page says
}

// documentedCommands are looked through from the top.
func documentedCommands() []documented {
	return []documented{
		{has: "benchstat", prints: "vs base"},
		{has: "make gate CANDIDATE_ARGS", prints: "FAIL bench.TestGate/c2/inter_token_latency/avg", fails: true},
		{has: "make gate", prints: "PASS bench.TestGate/c2/time_to_first_token/avg"},
		{has: "gotestsum", prints: "DONE 3 tests"},
		{has: "-run Gate -v -count=1 -virtual -benchmark-name=slower-decode", prints: "--- FAIL: TestGate/c2/inter_token_latency/avg", fails: true},
		{has: "-run SelfCompare", prints: "smallest change that 18 blocks will see"},
		{has: "-run Gate", prints: "--- PASS: TestGate/c100/"},
		{has: "make sweep", prints: "conc reach ok/fail"},
		{has: "-print-config", prints: "\nextra-inputs: "},
		{has: "-dry-run", prints: "dry run: nothing is sent and nothing is written"},
		{has: "-preflight-only", prints: "preflight: "},
		{has: "-run Sweep", prints: "\nReport:  "},
		{has: "-llmsweep.help", prints: "-benchmark-name NAME"},
		{has: "cmd/report", prints: "report.html"},
		{has: "cat benchmarks/results/plots/SUMMARY.txt", prints: "Deployment Types Found:"},
		{has: "^Load:", prints: "\nLoad:      "},
		{has: "Load|Way", prints: "\nWay:       "},
		{has: "grep", prints: "Lengths: "},
		{has: "curl", prints: `"object":"chat.completion"`},
		{has: "cmd/mockserver -h", prints: "-decode-speedup-ratio"},
		{has: "cmd/mockserver", prints: "mockserver: serving Qwen/Qwen3-0.6B on http://"},
		{has: "scripts/cluster/render", prints: "kind: Job"},
	}
}

// TestDocumentedCommands runs each block of shell commands as it stands in README and docs, made small by the environment, and looks for
// what its commands should print and for the output that the page shows. A command that documentedCommands does not know fails the test.
// Blocks that need Docker or a cluster are run by the tests in scripts/image and scripts/cluster/clustertest.
func TestDocumentedCommands(t *testing.T) {
	openSources(t)
	url, _ := countedMock(t)
	recorded := t.TempDir()
	for _, name := range []string{"mock", "baseline", "fast-decode", "vllm-agg", "vllm-disagg"} {
		child{args: []string{"-virtual", "-concurrencies=1,100", "-isl=100", "-gpus=1", "-plot=false", "-nonce=1", "-benchmark-name=" + name, "-output-dir=" + recorded}}.passes(t)
	}
	t.Run("blocks", func(t *testing.T) { // returns when all blocks ended
		seen := map[string]bool{}
		for _, p := range pages(t) {
			for i, b := range p.blocks {
				if b.info != "sh" && b.info != "go" || seen[b.text] {
					continue
				}
				seen[b.text] = true
				t.Run(p.name+"/"+b.title(), func(t *testing.T) {
					t.Parallel()
					out := b.run(t, url, recorded)
					for _, line := range p.shown(i) {
						assert.Regexp(t, shape(line), out, "%s shows a line that is not printed", p.name)
					}
				})
			}
		}
		require.Greater(t, len(seen), 5)
	})
}

// run runs the commands of a block at the module's root with results of its own, which recorded is copied to, and returns what they print.
func (b block) run(t *testing.T, url, recorded string) string {
	t.Helper()
	dir := t.TempDir()
	results := filepath.Join(dir, "benchmarks/results")
	require.NoError(t, os.CopyFS(results, os.DirFS(recorded)))
	script := strings.NewReplacer("benchmarks/results", results, "http://localhost:8000", url, "-port 8000", "-port 0").Replace(b.text)
	environment := append(cleanEnvironment(), "BENCH_OVERWRITE=true",
		"BENCH_OUTPUT_DIR="+results, "DATA_DIR="+results, "OUT="+filepath.Join(dir, "gate"))
	for variable, beside := range map[string][]string{
		"CONCURRENCIES=1,2": {"-request-rate", "-fixed-schedule"}, "BENCH_OSL=8": {"-seq-dist"}, "REQUEST_COUNT=5": {"-fixed-schedule"},
	} {
		if !slices.ContainsFunc(beside, func(flag string) bool { return strings.Contains(script, flag) }) { // with which it cannot go
			environment = append(environment, variable)
		}
	}
	if b.info == "go" {
		file := filepath.Join(dir, "main.go")
		require.NoError(t, os.WriteFile(file, []byte(script), 0o600))
		return shell(t, environment, "go run "+file, false)
	}
	var known []documented
	for _, command := range b.commands() {
		i := slices.IndexFunc(documentedCommands(), func(d documented) bool { return strings.Contains(command, d.has) })
		require.GreaterOrEqual(t, i, 0, "no test knows the command %q", command)
		known = append(known, documentedCommands()[i])
		needCurl(t, command)
		needBenchstat(t, command)
	}
	last := known[len(known)-1]
	var out string
	if serves := strings.Contains(script, "-port 0"); serves {
		out = runsUntilStopped(t, environment, script, last.prints)
	} else {
		out = shell(t, environment, "set -e\n"+script, last.fails)
	}
	for _, command := range known {
		assert.Contains(t, out, command.prints)
	}
	return out
}

// needCurl skips what curl is needed for where there is none, which is only on machines of others.
func needCurl(t *testing.T, command string) {
	t.Helper()
	if _, err := exec.LookPath("curl"); err == nil || !strings.HasPrefix(command, "curl ") {
		return
	}
	require.Empty(t, os.Getenv("REQUIRE_CURL"), "curl is not on PATH")
	t.Skip("curl is not on PATH; REQUIRE_CURL=1 makes this a failure")
}

// needBenchstat skips what benchstat is needed for where its module can not be had.
func needBenchstat(t *testing.T, command string) {
	t.Helper()
	if !strings.Contains(command, "benchstat.mod") {
		return
	}
	build := exec.CommandContext(t.Context(), "go", "tool", "-modfile=benchstat.mod", "-n", "benchstat")
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		require.Empty(t, os.Getenv("REQUIRE_BENCHSTAT"), string(out))
		t.Skipf("benchstat cannot be built; REQUIRE_BENCHSTAT=1 makes this a failure: %s", out)
	}
}

// shape is a pattern for lines that are like this one: with any numbers, in any column, and anything for an ellipsis. A busy machine marks
// its levels.
func shape(line string) string {
	const number = `(n/a|[0-9][0-9.,]*)`
	pattern := regexp.QuoteMeta(strings.Join(strings.Fields(line), " "))
	pattern = regexp.MustCompile(number).ReplaceAllString(strings.ReplaceAll(pattern, `\.`, "."), number+`[~!]?`)
	return `(?m)^ *` + strings.NewReplacer(" ", " +", "…", ".*").Replace(pattern) + ` *$`
}

// shell runs a script at the module's root and returns what it printed; it must succeed, or fail.
func shell(t *testing.T, environment []string, script string, fails bool) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), childLimit)
	defer cancel()
	command := exec.CommandContext(ctx, "sh", "-c", script)
	command.Dir, command.Env = "..", environment
	out, err := command.CombinedOutput()
	require.NoError(t, ctx.Err(), "the commands hung:\n%s", out)
	require.Equal(t, fails, err != nil, string(out))
	return string(out)
}

// runsUntilStopped starts a command that serves, waits for its line, and stops it with its children.
func runsUntilStopped(t *testing.T, environment []string, script, want string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), childLimit)
	defer cancel()
	command := exec.CommandContext(ctx, "sh", "-c", script)
	command.Dir, command.Env = "..", environment
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	output := new(lockedBuffer)
	command.Stdout, command.Stderr = output, output
	command.WaitDelay = endLimit
	require.NoError(t, command.Start())
	assert.Eventually(t, func() bool { return strings.Contains(output.String(), want) }, childLimit, 20*time.Millisecond, output)
	require.NoError(t, syscall.Kill(-command.Process.Pid, syscall.SIGTERM))
	_ = command.Wait()
	return output.String()
}

// TestDocumentedBlocks holds every block of README and docs to a kind that some test looks after: commands are run or say why not, and a
// block that shows a file is that file.
func TestDocumentedBlocks(t *testing.T) {
	for _, p := range pages(t) {
		for _, b := range p.blocks {
			kind, file, _ := strings.Cut(b.info, " ")
			switch {
			case b.info == "sh not-run":
				assert.Regexp(t, `^<!-- not run: \S.* -->$`, b.before, "%s: the line before says why %q is not run", p.name, b.text)
			case slices.Contains([]string{"sh", "sh docker", "sh cluster", "go", "text"}, b.info):
			case b.info == "yaml":
				assert.NoError(t, yaml.Unmarshal([]byte(b.text), new(map[string]any)), p.name)
			case b.info == "text output":
				assert.Contains(t, []string{"sh", "go"}, b.follows, "%s: nothing runs before the output %q", p.name, b.text)
			case (kind == "text" || kind == "yaml") && file != "":
				data, err := os.ReadFile(filepath.Join("..", path.Dir(p.name), file))
				if assert.NoError(t, err, p.name) {
					assert.Equal(t, string(data), b.text, "%s shows %s", p.name, file)
				}
			default:
				assert.Fail(t, "a block of no known kind", "%s: %q before %q", p.name, b.info, b.text)
			}
		}
	}
}

// TestDocumentedFlags: the page of all options leaves none out and invents none.
func TestDocumentedFlags(t *testing.T) {
	data, err := os.ReadFile("../docs/options.md")
	require.NoError(t, err)
	fs := flag.NewFlagSet("all", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	harness.RegisterFlags(fs)
	fs.VisitAll(func(f *flag.Flag) { assert.Contains(t, string(data), "`-"+f.Name+"`") })
	for _, row := range regexp.MustCompile("(?m)^\\| `-([a-z.-]+)`").FindAllStringSubmatch(string(data), -1) {
		assert.NotNil(t, fs.Lookup(row[1]), row[1])
	}
}

// TestDocumentedFailures: what a page quotes of a failure, an ellipsis for what differs, is what our sources say.
func TestDocumentedFailures(t *testing.T) {
	sources := sourceText(t)
	quoted := 0
	for _, p := range pages(t) {
		if p.name == "docs/from-the-guide.md" {
			continue // quotes commands
		}
		for _, row := range regexp.MustCompile("(?m)^\\| (`[^|]*…[^|]*) \\|").FindAllStringSubmatch(p.prose, -1) {
			for _, quotation := range regexp.MustCompile("`([^`]*…[^`]*)`").FindAllStringSubmatch(row[1], -1) {
				for part := range strings.SplitSeq(quotation[1], "…") {
					part = strings.Trim(part, `": `)
					if len(part) < 10 || part == "no such host" { // that is Go's
						continue
					}
					quoted++
					assert.True(t, strings.Contains(sources, part), "%s: %q is in no source", p.name, part)
				}
			}
		}
	}
	require.Greater(t, quoted, 20)
}

// sourceText returns all Go code of the module, tests aside; the sweep is one too.
func sourceText(t *testing.T) string {
	t.Helper()
	var text strings.Builder
	require.NoError(t, filepath.WalkDir("..", func(file string, entry os.DirEntry, err error) error {
		isTest := strings.HasSuffix(file, "_test.go") && file != "../bench/sweep_test.go"
		if err != nil || !strings.HasSuffix(file, ".go") || isTest {
			return err
		}
		data, err := os.ReadFile(file)
		text.Write(data)
		return err
	}))
	return text.String()
}

// TestDocumentedLinks follows every link of README and docs inside the repository, anchors included.
func TestDocumentedLinks(t *testing.T) {
	all := pages(t)
	followed := 0
	for _, p := range all {
		for _, link := range p.links() {
			if strings.Contains(link, "://") {
				continue
			}
			followed++
			target, anchor, _ := strings.Cut(link, "#")
			name := p.name
			if target != "" {
				name = path.Join(path.Dir(p.name), target)
			}
			_, err := os.Stat(filepath.Join("..", name))
			assert.NoError(t, err, "%s links to %q", p.name, link)
			if anchor == "" {
				continue
			}
			i := slices.IndexFunc(all, func(q page) bool { return q.name == name })
			if assert.GreaterOrEqual(t, i, 0, "%s links to %q, which is no page", p.name, link) {
				assert.Contains(t, all[i].anchors(), anchor, "%s links to %q", p.name, link)
			}
		}
	}
	require.Greater(t, followed, 10)
}
