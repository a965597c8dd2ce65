package lock

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// holdVariable makes a child of this test hold the lock that it names until its input ends.
const holdVariable = "LLMSWEEP_LOCK_TEST"

func TestMain(m *testing.M) {
	if path := os.Getenv(holdVariable); path != "" {
		_, _, err := Acquire(path)
		fmt.Println(err)
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// holdInChild has another process take the lock, and returns it.
func holdInChild(t *testing.T, path string) *exec.Cmd {
	t.Helper()
	binary, err := os.Executable()
	require.NoError(t, err)
	command := exec.CommandContext(t.Context(), binary)
	command.Env = append(os.Environ(), holdVariable+"="+path)
	input, err := command.StdinPipe()
	require.NoError(t, err)
	output, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	t.Cleanup(func() {
		_ = input.Close()
		_ = command.Wait()
	})
	line, err := bufio.NewReader(output).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "<nil>\n", line)
	return command
}

// TestAnotherProcessIsRefused, and takes over as soon as the holder is dead, killed or not.
func TestAnotherProcessIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	probe, err := os.Create(path + ".probe")
	require.NoError(t, err)
	defer probe.Close()
	if errors.Is(flock(probe), errUnsupported) {
		t.Skip("no flock here")
	}
	child := holdInChild(t, path)
	host, err := os.Hostname()
	require.NoError(t, err)

	_, _, err = Acquire(path)
	var held *HeldError
	require.ErrorAs(t, err, &held)
	assert.Equal(t, child.Process.Pid, held.Holder.PID)
	assert.WithinDuration(t, time.Now(), held.Holder.Since, time.Minute)
	assert.ErrorContains(t, err, fmt.Sprintf("%s is in use by process %d on host %s, since ", filepath.Dir(path), child.Process.Pid, host))

	require.NoError(t, child.Process.Kill())
	_ = child.Wait()
	l, left, err := Acquire(path)
	require.NoError(t, err)
	require.NotNil(t, left)
	assert.Equal(t, child.Process.Pid, left.PID)

	var text Holder
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &text))
	assert.Equal(t, os.Getpid(), text.PID)
	require.NoError(t, l.Release())
	assert.NoFileExists(t, path)
}

func TestReleasedIsFree(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	for range 3 {
		l, left, err := Acquire(path)
		require.NoError(t, err)
		assert.Nil(t, left)
		require.NoError(t, os.Remove(path), "somebody deletes it")
		require.NoError(t, l.Release())
	}
	require.NoError(t, (*Lock)(nil).Release())
	_, _, err := Acquire(filepath.Join(path, "none", "lock"))
	assert.ErrorIs(t, err, os.ErrNotExist)
}

// TestRemovedWhileWaitedFor: a lock on a file that is no longer there would let two processes in.
func TestRemovedWhileWaitedFor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	tries := 0
	l, _, err := acquire(path, func(*os.File) error {
		if tries++; tries == 1 {
			require.NoError(t, os.Remove(path))
		}
		return nil
	})
	require.NoError(t, err)
	assert.Equal(t, 2, tries)
	assert.FileExists(t, path)
	require.NoError(t, l.Release())

	_, _, err = acquire(path, func(*os.File) error { return os.Remove(path) })
	assert.ErrorContains(t, err, "all the time")
}

// TestLinksAreNotFollowed: what a link leads to is somebody else's, whether or not it is there.
func TestLinksAreNotFollowed(t *testing.T) {
	dir := t.TempDir()
	target, path := filepath.Join(dir, "target"), filepath.Join(dir, "lock")
	require.NoError(t, os.Symlink(target, path))
	for _, text := range []string{"", "precious"} {
		if text != "" {
			require.NoError(t, os.WriteFile(target, []byte(text), 0o600))
		}
		_, _, err := Acquire(path)
		require.EqualError(t, err, path+": is a symbolic link, which is not followed: delete it")
		got, _ := os.ReadFile(target)
		assert.Equal(t, text, string(got))
	}
}

// TestLinkMadeMeanwhile is one that is not there yet at the first look.
func TestLinkMadeMeanwhile(t *testing.T) {
	if noFollow == 0 {
		t.Skip("this system cannot open without following")
	}
	dir := t.TempDir()
	target, path := filepath.Join(dir, "target"), filepath.Join(dir, "lock")
	l, _, err := acquire(path, func(*os.File) error {
		require.NoError(t, os.Rename(path, target))
		return os.Symlink(target, path)
	})
	require.Nil(t, l, "the file at the link is the one that was opened, and yet no lock of the path")
	require.ErrorContains(t, err, "is a symbolic link")
	before, err := os.ReadFile(target)
	require.NoError(t, err)
	assert.Empty(t, before)
}

// TestWithoutFlock: the text decides.
func TestWithoutFlock(t *testing.T) {
	none := func(*os.File) error { return errUnsupported }
	host, err := os.Hostname()
	require.NoError(t, err)
	dead := exec.CommandContext(t.Context(), "true")
	require.NoError(t, dead.Run())
	runs := exec.CommandContext(t.Context(), "sleep", "600") // our parent may be in another PID namespace, and have no number here
	require.NoError(t, runs.Start())
	t.Cleanup(func() {
		_ = runs.Process.Kill()
		_ = runs.Wait()
	})
	for name, test := range map[string]struct {
		holder Holder
		want   string
	}{
		"nobody":                  {Holder{}, ""},
		"a process that is gone":  {Holder{PID: dead.Process.Pid, Host: host}, ""},
		"this very process":       {Holder{PID: os.Getpid(), Host: host}, ""},
		"a process that runs":     {Holder{PID: runs.Process.Pid, Host: host}, "is in use by process"},
		"a process of other host": {Holder{PID: 1, Host: "other"}, "may be in use by process 1 on host other, since 0001-01-01 00:00:00 UTC: this volume cannot tell whether that still runs; if it does not, delete "},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "lock")
			data, err := json.Marshal(test.holder)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(path, data, 0o600))
			l, _, err := acquire(path, none)
			if test.want == "" {
				require.NoError(t, err)
				require.NoError(t, l.Release())
				return
			}
			var held *HeldError
			require.ErrorAs(t, err, &held)
			assert.ErrorContains(t, err, test.want)
			after, err := os.ReadFile(path)
			require.NoError(t, err)
			assert.Equal(t, string(data), string(after))
		})
	}
	assert.Equal(t, "another process", Holder{}.String())
}

// TestPipeIsNoLock: nobody would ever write to it, and the run would wait.
func TestPipeIsNoLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	require.NoError(t, syscall.Mkfifo(path, 0o600))
	refused := make(chan error, 1)
	go func() {
		_, _, err := Acquire(path)
		refused <- err
	}()
	select {
	case err := <-refused:
		assert.EqualError(t, err, path+": is a named pipe where a regular file belongs: move or delete it")
	case <-time.After(20 * time.Second):
		require.Fail(t, "waits for a writer")
	}
}
