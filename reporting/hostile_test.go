package reporting

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/record"
)

// hostile ends scripts, attributes and lines, obeys a terminal, turns the direction of text, and begins as a formula does.
const hostile = `=cmd|' /C calc'!A1</script><script>alert(1)</script><img src=x onerror=alert(1)>"'|` + "\x1b[31m\x1b]0;owned\x07\r\n::error::owned\n\u202e\u2028\x00\x9b"

// asFolder is as much of it as the name of a folder can be.
func asFolder() string { return strings.NewReplacer("/", "-", "\x00", "").Replace(hostile) }

// writeHostile records a run of somebody else: every text that a file of it can hold is hostile.
func writeHostile(t *testing.T, dir string) {
	t.Helper()
	require.NoError(t, os.CopyFS(dir, os.DirFS(filepath.Join(recorded, "ours"))))
	var run record.Run
	require.NoError(t, record.ReadJSON(filepath.Join(dir, record.RunFile), &run))
	run.Tool.Version, run.Warnings = hostile, []string{hostile}
	p := &run.Plan
	p.BenchmarkName, p.Endpoints, p.EmbeddedMock, p.MockArgs, p.Model, p.Compat, p.Tokenizer = hostile, []string{hostile}, false, []string{hostile}, hostile, hostile, hostile
	p.Headers, p.ExtraInputs = map[string]string{hostile: "env:" + hostile}, map[string]any{hostile: hostile}
	p.TLS = record.TLSOptions{Insecure: true, CACert: hostile, ClientCert: hostile, ClientKey: hostile}
	run.Host = &record.Host{OS: hostile, Arch: hostile, CPU: hostile, GoVersion: hostile}
	run.Target = record.Target{Version: hostile, Headers: map[string]string{"Server": hostile}}
	require.NoError(t, record.WriteJSON(filepath.Join(dir, record.RunFile), &run))

	path := filepath.Join(dir, "c1", record.LevelFile)
	var level record.Level
	require.NoError(t, record.ReadJSON(path, &level))
	level.Status, level.Reason, level.Warnings, level.Transport = record.Capped, hostile, []string{hostile}, hostile
	level.ErrorBodies = []record.ErrorBody{{Status: 500, Body: hostile}}
	level.Instrument = &record.Instrument{Verdict: record.ClientVerdict(hostile)}
	require.NoError(t, record.WriteJSON(path, &level))

	log, err := record.CreateLog(filepath.Join(dir, "c1", record.LogFile), level.StartedAt)
	require.NoError(t, err)
	odd := good(0, 4)
	odd.FinishReason, odd.Counted.Source = hostile, record.TokenSource(hostile)
	failed := bad(1, record.Rejected, 500)
	failed.Reason, failed.Error = hostile, &record.Error{Code: 500, Type: hostile, Message: hostile}
	require.NoError(t, log.Append(odd, nil))
	require.NoError(t, log.Append(failed, nil))
	require.NoError(t, log.Close())
}

// TestHostileRecordings: what others wrote into a folder of results, or called it, is shown as text and obeyed by nobody.
func TestHostileRecordings(t *testing.T) {
	dir := t.TempDir()
	name := asFolder()
	writeHostile(t, filepath.Join(dir, name))
	require.NoError(t, os.CopyFS(filepath.Join(dir, "plain"), os.DirFS(filepath.Join(recorded, "ours"))))
	var table bytes.Buffer
	require.NoError(t, PrintTable(&table, dir, name))
	report, err := Write(filepath.Join(dir, "plots"), Inputs{DataDir: dir, Exports: true})
	require.NoError(t, err)
	summary, err := os.ReadFile(filepath.Join(dir, "plots", SummaryFile))
	require.NoError(t, err)
	_, err = Write(filepath.Join(dir, "plots"), Inputs{DataDir: dir, Names: []string{"none"}})
	require.Error(t, err)
	for where, text := range map[string]string{
		"table": table.String(), "summary": string(summary), "warnings": strings.Join(report.AllWarnings(), "\n"), "error": err.Error(),
	} {
		assert.Contains(t, text, `\x1b[31m`, where)
		assert.NotRegexp(t, `[\x00-\x09\x0b-\x1f\x7f-\x9f\x{202e}\x{2028}]`, text, where)
		assert.NotRegexp(t, `(?m)^::`, text, "%s: a command to the runner of a workflow", where)
	}
	page, err := os.ReadFile(filepath.Join(dir, "plots", PageFile))
	require.NoError(t, err)
	assert.False(t, bytes.Contains(page, []byte("<img src=x")))
	assert.False(t, bytes.Contains(page, []byte("<script>alert")))
	assert.Len(t, regexp.MustCompile(`</?script`).FindAll(page, -1), 6, "our own two, and the data")
	hostileExports(t, filepath.Join(dir, name, "c1"))
}

// TestLongAndForeignNames: names of 60 letters, of other alphabets and hostile ones leave SUMMARY.txt in its 100 columns of ASCII, and tell benchmarks apart.
func TestLongAndForeignNames(t *testing.T) {
	dir := t.TempDir()
	names := []string{strings.Repeat("a", 59) + "1", strings.Repeat("a", 59) + "2", strings.Repeat("模", 60), "modèle-😀", asFolder()}
	for _, name := range names {
		writeHostile(t, filepath.Join(dir, name))
	}
	_, err := Write(filepath.Join(dir, "plots"), Inputs{DataDir: dir, Names: names, Markdown: true, SLO: objective(t, "time_to_first_token:500 inter_token_latency:50 request_latency:5000 scheduled_request_latency:70000")})
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join(dir, "plots", SummaryFile))
	require.NoError(t, err)
	_, below, found := strings.Cut(string(text), "Generated Plots:")
	require.True(t, found)
	for line := range strings.Lines(below) {
		assert.LessOrEqual(t, len(line), 101, line)
		assert.NotRegexp(t, `[^\x0a\x20-\x7e]`, line)
	}
	for _, want := range []string{
		"\n A = " + names[0] + "\n B = " + names[1] + "\n", "\n D = mod\\u00e8le-\\U0001f600\n", "\n    4 B ", strings.Repeat(`\u6a21`, 16) + "\n",
	} {
		assert.Contains(t, below, want)
	}
	page, err := os.ReadFile(filepath.Join(dir, "plots", PageFile))
	require.NoError(t, err)
	assert.Len(t, regexp.MustCompile(`</svg>(<span class="name">)?modèle-😀(</span>)?</t[dh]>`).FindAll(page, -1), 2*2, "verbatim, with its marker, in the rows of results and of the comparison")
	assert.NotContains(t, string(page), `mod\u00e8le`)
	markdown, err := os.ReadFile(filepath.Join(dir, "plots", MarkdownFile))
	require.NoError(t, err)
	prose := regexp.MustCompile("(?m)^```sh\ngo test .*\n```$").ReplaceAllString(string(markdown), "") // in which nothing is markup
	assert.NotContains(t, prose, "```")
	assert.NotRegexp(t, `<script|<img|[\x00-\x09\x0b-\x1f\x7f-\x9f\x{202e}\x{2028}]|(?m)^::`, prose)
	for line := range strings.Lines(string(markdown)) {
		if strings.HasPrefix(line, "| ") {
			assert.NotRegexp(t, `[^\\]\|'`, line, "a cell that a name has opened")
		}
	}
	assert.Contains(t, string(markdown), "\n## modèle-😀\n")
}

// hostileExports looks at the files that other programs open.
func hostileExports(t *testing.T, dir string) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, record.AggregateTable))
	require.NoError(t, err)
	reader := csv.NewReader(bytes.NewReader(data))
	reader.FieldsPerRecord = -1
	rows, err := reader.ReadAll()
	require.NoError(t, err)
	for _, row := range rows {
		for _, cell := range row {
			assert.NotRegexp(t, `^[=+@]|[\x00-\x1f]`, cell, "a spreadsheet would run it")
		}
	}
	assert.Contains(t, rows[len(rows)-1][0], `'=cmd|`)
	for _, name := range []string{record.AggregateFile, record.RequestsFile} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		assert.True(t, json.Valid(data), name)
		assert.NotRegexp(t, `[\x00-\x09\x0b-\x1f]`, string(data), name)
		assert.NotContains(t, string(data), "<script", name)
	}
}
