//go:build unix

package kubectl

import (
	"os"
	"os/exec"
	"syscall"
)

// supervisor runs its arguments and ends, with all that they started, at the end of file descriptor 3, whose other end only our process
// holds: the kernel closes it whatever we die of. The parent-death signal of Linux would miss what kubectl itself starts (some kubectls only
// dispatch to another one), is bound to a thread, and does not exist elsewhere.
//
// Descriptor 4 is there because a shell gives a background command no standard input, not even by "<&0".
const supervisor = `exec 4<&0
"$@" <&4 3<&- 4<&- &
kubectl=$!
{ read -r end <&3; kill -KILL 0; } </dev/null >/dev/null 2>&1 4<&- &
exec 3<&- 4<&- </dev/null
wait "$kubectl"
status=$?
exec >/dev/null 2>&1
trap '' TERM
kill -TERM 0
wait
exit "$status"
`

// supervised is the command that runs kubectl in a process group of its own until life ends.
func supervised(path string, args []string, life *os.File) *exec.Cmd {
	cmd := exec.Command("/bin/sh", append([]string{"-c", supervisor, "kubectl", path}, args...)...)
	cmd.ExtraFiles = []*os.File{life}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}
