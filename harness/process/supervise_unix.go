//go:build unix

package process

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// supervisor runs its arguments and ends, with all that they started, at the end of file descriptor 3, whose other end only our process
// holds: the kernel closes it whatever we die of. The parent-death signal of Linux would miss what the program itself starts (some kubectls
// only dispatch to another one), is bound to a thread, and does not exist elsewhere.
//
// Descriptor 4 is there because a shell gives a background command no standard input, not even by "<&0".
const supervisor = `exec 4<&0
"$@" <&4 3<&- 4<&- &
program=$!
{ read -r end <&3; kill -KILL 0; } </dev/null >/dev/null 2>&1 4<&- &
exec 3<&- 4<&- </dev/null
trap '' TERM
wait "$program"
status=$?
exec >/dev/null 2>&1
kill -TERM 0
wait
exit "$status"
`

// supervised is the command that runs a program in a process group of its own until life ends.
func supervised(path string, args []string, life *os.File) *exec.Cmd {
	cmd := exec.Command("/bin/sh", append([]string{"-c", supervisor, "program", path}, args...)...)
	cmd.ExtraFiles = []*os.File{life}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

// ask sends SIGTERM to the group, and reports whether all of it ended within grace: the program may end before what it started.
func (p *Process) ask(grace time.Duration) bool {
	group := p.cmd.Process.Pid
	if syscall.Kill(-group, syscall.SIGTERM) != nil {
		return true
	}
	limit := time.Now().Add(grace)
	select {
	case <-p.ended:
	case <-time.After(grace):
	}
	for pause := time.Millisecond; alive(group); pause = min(2*pause, 50*time.Millisecond) {
		if time.Now().After(limit) {
			_ = syscall.Kill(-group, syscall.SIGKILL) // that part of the supervisor which would do it at the end of life ended with the first signal
			return false
		}
		time.Sleep(pause)
	}
	return true
}

// alive reports whether a process of the group runs. What has ended and is not yet taken note of, which some containers' first process does
// seldom or never, does not; only Linux tells.
func alive(group int) bool {
	if syscall.Kill(-group, 0) != nil {
		return false
	}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	if len(stats) == 0 {
		return true
	}
	for _, path := range stats {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // ended
		}
		// pid (name) state parent group: the name may hold anything.
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		if len(fields) > 2 && fields[2] == strconv.Itoa(group) && fields[0] != "Z" && fields[0] != "X" {
			return true
		}
	}
	return false
}
