package apiserver

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/streaming/pkg/httpstream"
)

// Forwards counts the open connections of exec and port-forward.
func (s *Server) Forwards() int { return s.forwards.count() }

// CutForwards breaks all connections of exec and port-forward, as a restart of the API server does.
func (s *Server) CutForwards() { s.forwards.closeAll() }

// portForward serves kubectl port-forward: each forwarded connection is a pair of streams, one for data and one for an error.
func (s *Server) portForward(w http.ResponseWriter, r *http.Request, c *call) error {
	pod, container, err := s.containerOf(c)
	if err != nil {
		return err
	}
	if pod.Status.Phase != corev1.PodRunning {
		return notRunning(pod, container)
	}
	pairs := &streamPairs{waiting: map[string]httpstream.Stream{}}
	var conn httpstream.Connection
	ready := make(chan struct{})
	conn, err = upgrade(w, r, "portforward.k8s.io", func(stream httpstream.Stream, replied <-chan struct{}) error {
		if data, failure := pairs.match(stream); data != nil {
			s.wait.Go(func() {
				// A connection that breaks now sends no reply any more.
				select {
				case <-replied:
					<-ready
					s.carry(pod, conn, data, failure)
				case <-r.Context().Done():
				}
			})
		}
		return nil
	})
	close(ready)
	if conn == nil {
		return err
	}
	defer conn.Close()
	s.forwards.add(conn)
	defer s.forwards.remove(conn)
	<-conn.CloseChan()
	return nil
}

// streamPairs brings the two streams of a forwarded connection together.
type streamPairs struct {
	mu      sync.Mutex
	waiting map[string]httpstream.Stream
}

// match returns both streams with the second of a pair, and nothing with the first.
func (p *streamPairs) match(stream httpstream.Stream) (data, failure httpstream.Stream) {
	p.mu.Lock()
	defer p.mu.Unlock()
	id := stream.Headers().Get(corev1.PortForwardRequestIDHeader)
	other, ok := p.waiting[id]
	if !ok {
		p.waiting[id] = stream
		return nil, nil
	}
	delete(p.waiting, id)
	if stream.Headers().Get(corev1.StreamType) == corev1.StreamTypeData {
		return stream, other
	}
	return other, stream
}

// carry moves the bytes of one forwarded connection.
func (s *Server) carry(pod *corev1.Pod, conn httpstream.Connection, data, failure httpstream.Stream) {
	defer conn.RemoveStreams(data, failure)
	defer failure.Close()
	defer data.Close()
	port, err := strconv.Atoi(data.Headers().Get(corev1.PortHeader))
	if err != nil {
		fmt.Fprintf(failure, "port: %v", err)
		return
	}
	target, err := s.runtime.Dial(s.ctx, pod, port)
	if err != nil {
		fmt.Fprintf(failure, "failed to connect to localhost:%d inside namespace: %v", port, err)
		return
	}
	defer target.Close()
	stop := make(chan struct{})
	defer close(stop)
	s.wait.Go(func() {
		select {
		case <-conn.CloseChan():
			_ = target.Close()
		case <-stop:
		}
	})
	s.wait.Go(func() {
		_, _ = io.Copy(target, data)
		if half, ok := target.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite()
		}
	})
	_, _ = io.Copy(data, target)
}
