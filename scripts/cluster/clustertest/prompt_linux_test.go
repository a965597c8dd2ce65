package clustertest

import (
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// terminal opens a pseudo-terminal: what is written to keyboard is typed into screen's other side.
func terminal(t *testing.T) (keyboard, screen *os.File) {
	t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = keyboard.Close() })
	var number, unlock int32
	for request, argument := range map[uintptr]*int32{syscall.TIOCSPTLCK: &unlock, syscall.TIOCGPTN: &number} {
		_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, keyboard.Fd(), request, uintptr(unsafe.Pointer(argument)))
		require.Zero(t, errno)
	}
	screen, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	return keyboard, screen
}

// TestSetupAsks answers the script's question on a terminal.
func TestSetupAsks(t *testing.T) {
	t.Parallel()
	for answer, code := range map[string]int{"y": 0, "Yes": 0, "n": 1, "": 1} {
		t.Run("answer "+answer, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			c.set("NAMESPACE", namespace)
			keyboard, screen := terminal(t)
			cmd := c.command(t.Context(), outside(t, manifests+"/setup.sh"))
			cmd.Stdin, cmd.Stdout, cmd.Stderr = screen, screen, screen
			require.NoError(t, cmd.Start())
			require.NoError(t, screen.Close())
			_, err := io.WriteString(keyboard, answer+"\n")
			require.NoError(t, err)
			// Linux ends a terminal whose other side is closed with an error, not with an end of file.
			timer := time.AfterFunc(limit, func() { _ = cmd.Process.Kill() })
			defer timer.Stop()
			text, _ := io.ReadAll(keyboard)
			assert.Equal(t, code, exitCode(t, cmd), string(text))
			assert.Contains(t, string(text), "Go on? [y/N]")
			assert.Equal(t, code != 0, strings.Contains(string(text), "stopped; nothing was changed"))
			assert.Len(t, c.List("persistentvolumeclaims", ""), 1-code)
		})
	}
}
