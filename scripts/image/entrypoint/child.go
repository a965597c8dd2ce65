package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// drainLimit is how long the output of a child that ended is waited for: a process that it left behind may hold the pipe open for ever.
const drainLimit = 2 * time.Second

// helpCommand tells a child how its flags are listed here: bench.test would name a go command, which the image does not have.
const helpCommand = "LLMSWEEP_HELP=llmsweep --help"

// usedName is in bench.test's complaint of a benchmark name whose results are there already. Of a wrong command line it is the one part
// that only a look into the folder shows.
const usedName = ": nothing was sent: benchmark-name "

// test runs bench.test and leaves the reason of a failure as the termination message.
func (im *image) test(ctx context.Context, args []string) int {
	var said verdict
	complained := complaint{program: "bench.test"}
	cmd := exec.Command(im.bench, args...)
	cmd.Stdout = &tee{to: im.stdout, line: said.add}
	cmd.Stderr = &tee{to: im.stderr, line: complained.add}
	status, err := im.wait(ctx, cmd)
	switch {
	case err != nil:
		im.terminationMessage(err.Error())
		return im.fail(err.Error())
	case status.Exited() && status.ExitStatus() == 0:
		return exitOK
	}
	reason := cmp.Or(said.reason(), complained.reason())
	if status.Signaled() {
		// SIGKILL that nobody here sent is most often the memory limit of the container.
		reason = fmt.Sprintf("bench.test was ended by a signal: %v %s", status.Signal(), reason)
	}
	if reason == "" {
		reason = "failed"
	}
	im.terminationMessage(reason)
	if strings.Contains(reason, usedName) {
		return exitUsage
	}
	return exitFailure
}

// sibling runs a program that lies beside bench.test, leaves the reason of a failure as the termination message, and passes the exit code
// on. Replacing our own process by it would be shorter, but
// then it would be process 1, which none of them is made for.
func (im *image) sibling(ctx context.Context, name string, args []string) int {
	cmd := exec.Command(filepath.Join(filepath.Dir(im.bench), name), args...)
	complained := complaint{program: name}
	cmd.Stdout, cmd.Stderr = im.stdout, &tee{to: im.stderr, line: complained.add}
	status, err := im.wait(ctx, cmd)
	switch {
	case err != nil:
		im.terminationMessage(err.Error())
		return im.fail(err.Error())
	case status.Signaled():
		reason := fmt.Sprintf("%s was ended by a signal: %v", name, status.Signal())
		im.terminationMessage(reason)
		return im.fail(reason)
	case status.ExitStatus() != 0:
		im.terminationMessage(cmp.Or(complained.reason(), name+" failed"))
	}
	return status.ExitStatus()
}

// wait runs cmd to its end. Signals that we get meanwhile go to the child, which saves what it has; we never end before it.
func (im *image) wait(ctx context.Context, cmd *exec.Cmd) (syscall.WaitStatus, error) {
	// Watched from before the start, since a signal in between would be lost: process 1 has no default effects.
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)
	cmd.Env, cmd.WaitDelay = append(slices.Clone(im.environ), helpCommand), drainLimit
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("starting %s: %w", cmd.Path, err)
	}
	ended, passed := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(passed)
		passSignals(ctx, signals, ended, cmd.Process)
	}()
	status, err := await(cmd.Process.Pid, os.Getpid() == 1)
	close(ended)
	<-passed
	// await has taken the exit status, so this one's error says nothing: it waits for the copying of the output alone.
	_ = cmd.Wait()
	if err != nil {
		return 0, fmt.Errorf("waiting for %s: %w", cmd.Path, err)
	}
	return status, nil
}

// passSignals hands signals on until the child has ended.
func passSignals(ctx context.Context, signals <-chan os.Signal, ended <-chan struct{}, child *os.Process) {
	done := ctx.Done()
	for {
		// An error means that the child is gone, which await notices too.
		select {
		case s := <-signals:
			_ = child.Signal(s)
		case <-done:
			_ = child.Signal(syscall.SIGTERM)
			done = nil
		case <-ended:
			return
		}
	}
}

// await waits for a child and returns its status. With orphans it also takes the status of every other process that the kernel made a
// child of ours, the duty of process 1: left alone they would fill the process table. exec's own Wait cannot be used beside that,
// because each of the two would take statuses that the other waits for.
func await(pid int, orphans bool) (syscall.WaitStatus, error) {
	target := pid
	if orphans {
		target = -1
	}
	for {
		var status syscall.WaitStatus
		got, err := syscall.Wait4(target, &status, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return 0, err
		case got == pid:
			return status, nil
		}
	}
}
