package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// adoptOrphans becomes the process that orphans below it fall to, waits for a child that leaves one behind, and counts what is left.
func adoptOrphans() int {
	const setChildSubreaper = 36 // PR_SET_CHILD_SUBREAPER of prctl(2)
	if _, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, setChildSubreaper, 1, 0); errno != 0 {
		fmt.Println(errno)
		return 1
	}
	cmd := exec.Command("/bin/sh", "-c", "(sleep 0.01 &) ; sleep 0.5; exit 5")
	if err := cmd.Start(); err != nil {
		fmt.Println(err)
		return 1
	}
	status, err := await(cmd.Process.Pid, true)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Printf("status %d, zombies %d\n", status.ExitStatus(), zombies())
	return 0
}

// zombies counts the dead children of this process.
func zombies() int {
	entries, _ := os.ReadDir("/proc")
	count := 0
	for _, entry := range entries {
		stat, _ := os.ReadFile("/proc/" + entry.Name() + "/stat")
		if _, rest, ok := strings.Cut(string(stat), ") "); ok && strings.HasPrefix(rest, fmt.Sprintf("Z %d ", os.Getpid())) {
			count++
		}
	}
	return count
}
