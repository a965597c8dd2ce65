package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness"
	"github.com/llmsweep/llmsweep/harness/record"
)

// TestLinksAreCommands starts the compiled test under the names that it has in the container image.
func TestLinksAreCommands(t *testing.T) {
	for name, test := range map[string]struct {
		link string
		args []string
		code int
		want string
	}{
		"report's help":      {"report", []string{"-h"}, 0, "Usage: report -data-dir DIR"},
		"report's result":    {"report", []string{"-data-dir", "../reporting/testdata/results", "-output-dir", t.TempDir()}, 0, "report.html"},
		"report's refusal":   {"report", []string{"-output-dir", t.TempDir()}, 2, "report: -data-dir is missing"},
		"mockserver's help":  {"mockserver", []string{"-h"}, 0, "Usage: mockserver [flags]"},
		"mockserver's limit": {"mockserver", []string{"-port", "-1"}, 2, `port "-1": must be between 0 and 65535`},
		"another name":       {"bench.test", []string{"-data-dir", "x"}, 2, "-run names none"},
	} {
		t.Run(name, func(t *testing.T) {
			binary, err := os.Executable()
			require.NoError(t, err)
			link := filepath.Join(t.TempDir(), test.link)
			require.NoError(t, os.Symlink(binary, link))
			// Not taken for the command, the test would run as a whole, this test in it: every case has arguments that it refuses.
			ctx, cancel := context.WithTimeout(t.Context(), childLimit)
			defer cancel()
			command := exec.CommandContext(ctx, link, test.args...)
			command.Env = cleanEnvironment()
			out, _ := command.CombinedOutput() // the exit code is what counts
			assert.Equal(t, test.code, command.ProcessState.ExitCode(), string(out))
			assert.Contains(t, string(out), test.want)
		})
	}
}

// TestHintsNameACommandThatExists: there is no go command in a container.
func TestHintsNameACommandThatExists(t *testing.T) {
	const here = "All flags: go test ./bench -v -count=1 -llmsweep.help\n"
	for name, args := range map[string][]string{"unknown flag": {"-nope"}, "bad value": {"-isl=0"}} {
		t.Run(name, func(t *testing.T) {
			r := child{args: args}.run(t)
			assert.NotZero(t, r.code)
			assert.Contains(t, r.output, here)
			r = child{args: args, env: []string{"LLMSWEEP_HELP=llmsweep --help"}}.run(t)
			assert.Contains(t, r.output, "All flags: llmsweep --help\n")
			assert.NotContains(t, r.output, "go test")
		})
	}
}

func TestFullVolumeIsOneLine(t *testing.T) {
	plan := &harness.Plan{Plan: record.Plan{OutputDir: "/data/results"}}
	full := &os.PathError{Op: "write", Path: "/data/results/x/.run.json.1", Err: syscall.ENOSPC}
	const want = `no space is left for results in "/data/results": free some, or choose another -output-dir ` +
		"(writing run.json: write /data/results/x/.run.json.1: no space left on device)"
	err := fmt.Errorf("writing run.json: %w", full)
	assert.Equal(t, want, plainly(plan, err))
	assert.Equal(t, want, plainly(plan, errors.Join(err, full, errors.New("and more"))))
	assert.Contains(t, plainly(plan, fmt.Errorf("quota: %w", syscall.EDQUOT)), "no space is left")
	assert.Equal(t, "other", plainly(plan, errors.New("other")))
}
