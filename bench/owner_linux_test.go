package bench

import (
	"os/exec"
	"syscall"
)

// owned lets a child process end with this one, however that ends.
func owned(command *exec.Cmd) {
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
}
