package kubectl_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/kubectl"
	"github.com/llmsweep/llmsweep/harness/kubectl/fakekubectl"
	"github.com/llmsweep/llmsweep/leaktest"
)

func TestMain(m *testing.M) {
	fakekubectl.Main()
	if os.Getenv("FORWARD_AND_WAIT") != "" {
		forwardAndWait()
	}
	os.Exit(leaktest.Run(m))
}

// forwardAndWait is a process with a port-forward that waits to be killed.
func forwardAndWait() {
	tool, err := kubectl.Find()
	if err == nil {
		var f *kubectl.Forward
		if f, err = tool.Forward(context.Background(), frontend()); err == nil {
			fmt.Println(f.Address())
			_, _ = io.Copy(io.Discard, os.Stdin)
		}
	}
	fmt.Println(err)
	os.Exit(1)
}

func frontend() kubectl.Service {
	return kubectl.Service{Namespace: "dynamo", Name: "frontend", Port: 8000}
}

// patience bounds every wait of these tests.
const patience = 20 * time.Second

// requireGone waits until no process of pids lives; zombies are dead.
func requireGone(t *testing.T, pids ...int) {
	t.Helper()
	require.NotEmpty(t, pids)
	for _, pid := range pids {
		require.Eventually(t, func() bool { return !alive(pid) }, patience, 10*time.Millisecond, "process %d is left", pid)
	}
}

func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return runtime.GOOS != "linux" // only Linux shows zombies there
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(state, "Z")
}

func pids(calls []fakekubectl.Call) []int {
	var all []int
	for _, call := range calls {
		all = append(all, call.PID)
	}
	return all
}
