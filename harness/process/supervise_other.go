//go:build !unix

package process

import (
	"os"
	"os/exec"
	"time"
)

// supervised runs a program bare: without process groups, it may outlive a killed process of ours.
func supervised(path string, args []string, _ *os.File) *exec.Cmd {
	return exec.Command(path, args...)
}

// ask has no signal to ask with.
func (p *Process) ask(time.Duration) bool { return false }
