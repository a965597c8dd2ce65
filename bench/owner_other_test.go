//go:build !linux

package bench

import "os/exec"

// owned lets a child process end with this one, where the system can do that.
func owned(*exec.Cmd) {}
