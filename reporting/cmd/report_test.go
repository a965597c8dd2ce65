package cmd

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestReport(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS("../testdata/results")))
	for name, test := range map[string]struct {
		args   []string
		code   int
		stdout string
		stderr string
	}{
		"all":           {[]string{"-data-dir", dir}, 0, filepath.Join(dir, "plots", "report.html"), "warning: aiperf: c10: the run was cancelled"},
		"one":           {[]string{"-data-dir", dir, "-benchmark-name", "ours", "-output-dir", filepath.Join(dir, "p2")}, 0, filepath.Join(dir, "p2", "SUMMARY.txt"), ""},
		"definitions":   {[]string{"-data-dir", dir, "-definitions", "vllm"}, 0, filepath.Join(dir, "plots", "SUMMARY.txt"), ""},
		"no definition": {[]string{"-data-dir", dir, "-definitions", "k6"}, 2, "", `report: -definitions "k6": must be aiperf, vllm or guidellm`},
		"markdown":      {[]string{"-data-dir", dir, "-markdown"}, 0, filepath.Join(dir, "plots", "SUMMARY.md"), ""},
		"objectives":    {[]string{"-data-dir", dir, "-slo", "time_to_first_token:20"}, 0, filepath.Join(dir, "plots", "goodput_vs_concurrency.png"), ""},
		"no objective":  {[]string{"-data-dir", dir, "-slo", "ttft:20 request_latency"}, 2, "", `report: -slo "ttft:20 request_latency": "ttft:20": no such metric: name one of each request, such as time_to_first_token, inter_token_latency or request_latency; "request_latency": must be`},
		"pictures":      {[]string{"-data-dir", dir, "-benchmark-name", "ours", "-formats", "svg"}, 0, filepath.Join(dir, "plots", "distribution_request_latency_c4.svg"), ""},
		"no format":     {[]string{"-data-dir", dir, "-formats", "png,pdf"}, 2, "", `report: -formats "png,pdf": must be png, svg, or both as png,svg`},
		"help":          {[]string{"-h"}, 0, "", "Usage: report -data-dir DIR"},
		"no directory":  {nil, 2, "", "report: -data-dir is missing"},
		"unknown flag":  {[]string{"-nope"}, 2, "", "flag provided but not defined: -nope"},
		"left over":     {[]string{"-data-dir", dir, "ours"}, 2, "", `report: unexpected argument "ours"`},
		"no such name":  {[]string{"-data-dir", dir, "-benchmark-name", "x"}, 1, "", `no benchmark "x" in`},
		"no such place": {[]string{"-data-dir", filepath.Join(dir, "x")}, 1, "", "does not exist"},
		"not writable":  {[]string{"-data-dir", dir, "-output-dir", filepath.Join(dir, "ours", "run.json", "x")}, 1, "", "creating the report's folder"},
	} {
		t.Run(name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			assert.Equal(t, test.code, Report(&stdout, &stderr, test.args))
			assert.Contains(t, stdout.String(), test.stdout)
			assert.Contains(t, stderr.String(), test.stderr)
			if test.code != 0 {
				assert.Empty(t, stdout.String())
			}
		})
	}
}
