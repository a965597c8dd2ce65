//go:build !unix

package kubectl

import (
	"os"
	"os/exec"
)

// supervised runs kubectl bare: without process groups, it may outlive a killed process of ours.
func supervised(path string, args []string, _ *os.File) *exec.Cmd {
	return exec.Command(path, args...)
}
