package bench

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// buildCommand builds a command of the module and returns its path.
func buildCommand(t *testing.T, pkg string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), filepath.Base(pkg))
	out, err := exec.Command("go", "build", "-o", path, module+"/"+pkg).CombinedOutput()
	require.NoError(t, err, string(out))
	return path
}

// runReport runs the report command and returns its output.
func runReport(t *testing.T, code int, args ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), buildCommand(t, "reporting/cmd/report"), args...)
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	_ = command.Run() // the exit code is what counts
	require.Equal(t, code, command.ProcessState.ExitCode(), output.String())
	return output.String()
}
