package apiserver

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/streaming/pkg/httpstream"
	"k8s.io/streaming/pkg/httpstream/spdy"
)

// streamTimeout is how long a client may take to open its streams.
const streamTimeout = 10 * time.Second

// connections counts streaming connections and can cut them.
type connections struct {
	mu   sync.Mutex
	open map[httpstream.Connection]bool
}

func (cs *connections) add(c httpstream.Connection) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.open == nil {
		cs.open = map[httpstream.Connection]bool{}
	}
	cs.open[c] = true
}

func (cs *connections) remove(c httpstream.Connection) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	delete(cs.open, c)
}

func (cs *connections) count() int {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return len(cs.open)
}

func (cs *connections) closeAll() {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for c := range cs.open {
		_ = c.Close()
	}
}

// upgrade turns a request into a connection of many streams. Only SPDY is spoken: kubectl tries WebSocket first and then falls back. Without
// a connection and without an error the request has been answered.
func upgrade(w http.ResponseWriter, r *http.Request, protocol string, opened httpstream.NewStreamHandler) (httpstream.Connection, error) {
	if r.Method != http.MethodPost {
		return nil, apierrors.NewBadRequest("only SPDY streams are served")
	}
	_, refused := httpstream.Handshake(r, w, []string{protocol})
	if refused == nil {
		return spdy.NewResponseUpgrader().UpgradeResponse(w, r, opened), nil
	}
	return nil, nil
}

// exec runs a program in a container, with its output, and its exit code at the end.
func (s *Server) exec(w http.ResponseWriter, r *http.Request, c *call) error {
	pod, container, err := s.containerOf(c)
	if err != nil {
		return err
	}
	host := s.running.find(podKey(pod))
	if pod.Status.Phase != corev1.PodRunning || host == nil {
		return notRunning(pod, container)
	}
	if on, _ := strconv.ParseBool(c.query.Get("stdin")); on {
		return apierrors.NewBadRequest("exec with stdin is not served")
	}
	opened := make(chan httpstream.Stream, 8) // more than there are kinds of streams
	conn, err := upgrade(w, r, "v4.channel.k8s.io", func(stream httpstream.Stream, replied <-chan struct{}) error {
		s.wait.Go(func() {
			select {
			case <-replied:
				opened <- stream
			case <-r.Context().Done():
			}
		})
		return nil
	})
	if conn == nil {
		return err
	}
	defer conn.Close()
	s.forwards.add(conn)
	defer s.forwards.remove(conn)
	streams := awaitStreams(conn, opened, expectedStreams(c))
	if streams == nil {
		return nil
	}
	cmd, err := s.runtime.Command(pod, container, c.query["command"])
	status := execStatus(s.execute(conn, host, cmd, err, streams))
	text, err := json.Marshal(status)
	if err == nil {
		_, _ = streams["error"].Write(text) // a client that has gone needs no status
	}
	for _, stream := range streams {
		_ = stream.Close()
	}
	// The client closes the connection when it has read all of it; closing it from here would cut its last bytes.
	select {
	case <-conn.CloseChan():
	case <-time.After(streamTimeout):
	}
	return nil
}

func expectedStreams(c *call) int {
	n := 1
	for _, name := range []string{"stdout", "stderr"} {
		if on, _ := strconv.ParseBool(c.query.Get(name)); on {
			n++
		}
	}
	return n
}

func awaitStreams(conn httpstream.Connection, opened <-chan httpstream.Stream, n int) map[string]httpstream.Stream {
	streams := map[string]httpstream.Stream{}
	timeout := time.After(streamTimeout)
	for len(streams) < n {
		select {
		case stream := <-opened:
			streams[stream.Headers().Get(corev1.StreamType)] = stream
		case <-conn.CloseChan():
			return nil
		case <-timeout:
			return nil
		}
	}
	return streams
}

// execute runs cmd between the streams of a connection, and ends it if the connection does, or the container's own process.
func (s *Server) execute(conn httpstream.Connection, host *process, cmd *exec.Cmd, err error, streams map[string]httpstream.Stream) error {
	if err != nil {
		return err
	}
	for name, to := range map[string]*io.Writer{"stdout": &cmd.Stdout, "stderr": &cmd.Stderr} {
		if stream, ok := streams[name]; ok {
			*to = stream
		}
	}
	ownGroup(cmd)
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	s.wait.Go(func() {
		select {
		case <-conn.CloseChan():
		case <-host.ended:
		case <-ended:
			return
		}
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	})
	err = cmd.Wait()
	close(ended)
	return err
}

// ownGroup makes a process the head of a group, so that what it starts can be ended with it.
func ownGroup(cmd *exec.Cmd) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
}

// execStatus is how the end of a program reaches kubectl.
func execStatus(err error) *metav1.Status {
	if err == nil {
		return &metav1.Status{Status: metav1.StatusSuccess}
	}
	if exit, ok := err.(*exec.ExitError); ok { //nolint:errorlint // never wrapped by package exec
		code := exitCode(exit)
		return &metav1.Status{
			Status: metav1.StatusFailure, Reason: "NonZeroExitCode", Message: fmt.Sprintf("command terminated with non-zero exit code: %v", exit),
			Details: &metav1.StatusDetails{Causes: []metav1.StatusCause{{Type: "ExitCode", Message: strconv.Itoa(code)}}},
		}
	}
	status := apierrors.NewInternalError(fmt.Errorf(
		"error executing command in container: failed to exec in container: failed to start exec: OCI runtime exec failed: exec failed: unable to start container process: %w", err)).Status()
	return &status
}
