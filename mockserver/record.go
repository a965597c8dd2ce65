package mockserver

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"sync"
	"time"
)

// line is a line of the record: what the server did to a request. Instants are nanoseconds
// since the server's start. The methods do nothing to nil, the line of a server that
// records nothing.
type line struct {
	Start       int64    `json:"server_start_unix_ns"`
	ID          string   `json:"id,omitempty"`           // of the answer
	RequestID   string   `json:"x_request_id,omitempty"` // the client's
	Number      uint64   `json:"number,omitempty"`       // of its first choice
	Path        string   `json:"path"`
	Status      int      `json:"status"`
	Error       string   `json:"error,omitempty"` // its code
	Stream      bool     `json:"stream"`
	Arrival     int64    `json:"arrival_ns"`
	Admission   *int64   `json:"admission_ns"` // of its first choice; null before it
	Prompt      int      `json:"prompt_tokens"`
	Cached      int      `json:"cached_tokens"`
	Limit       int      `json:"max_tokens"` // of each choice
	Completion  int      `json:"completion_tokens"`
	Finish      []string `json:"finish_reasons"`
	Canceled    bool     `json:"canceled"` // the client has gone
	Writes      []int64  `json:"writes_ns"`
	WriteTokens []int    `json:"write_tokens"`
	End         int64    `json:"end_ns"`
	Fault       *struck  `json:"fault,omitempty"` // that struck the answer
}

func (l *line) understood(c *call) {
	if l == nil {
		return
	}
	l.Stream, l.Prompt, l.Limit = c.stream, c.promptTokens(), c.length
	writes := 1
	if c.stream {
		writes = min(c.length, 4096)
	}
	l.Writes, l.WriteTokens = make([]int64, 0, writes), make([]int, 0, writes)
}

func (l *line) identified(d *renderer, number uint64) {
	if l != nil {
		l.ID, l.Number, l.Status = d.id(), number, http.StatusOK
	}
}

// write notes that so many tokens are about to be written: no client can have seen them
// before.
func (l *line) write(clock *loop, tokens int) {
	if l != nil {
		l.Writes, l.WriteTokens = append(l.Writes, int64(clock.now())), append(l.WriteTokens, tokens)
	}
}

func (l *line) completed(d *renderer) {
	if l == nil {
		return
	}
	l.Completion, l.Cached = d.written, d.cached
	for k := range d.choices {
		l.Finish = append(l.Finish, d.choices[k].finish)
	}
}

// broken notes that the server broke the answer off.
func (l *line) broken(d *renderer) {
	if l != nil {
		l.Completion, l.Cached = d.written, d.cached
	}
}

// renamed notes that another answer is given.
func (l *line) renamed(d *renderer) {
	if l != nil {
		l.ID = d.id()
	}
}

// unanswered notes that no response began.
func (l *line) unanswered() {
	if l != nil {
		l.ID, l.Status = "", 0
	}
}

func (l *line) abandoned(d *renderer, byServer bool) {
	if l == nil {
		return
	}
	l.Completion, l.Cached, l.Canceled = d.written, d.cached, !byServer
	if byServer {
		l.Error = "shutting_down"
	} else {
		l.Status = statusClientClosed
	}
}

func (l *line) refused(f *failure) {
	if l != nil {
		l.Status, l.Error, l.Canceled = f.status, f.Code, f.status == statusClientClosed
	}
}

// mostPending is how many lines may wait to be written. A file that takes none, a pipe that
// nobody reads for example, must not fill the memory.
const mostPending = 1 << 16

// lastWrite is how long close waits for a file that takes nothing.
const lastWrite = 5 * time.Second

// recorder writes lines in a goroutine of its own, so that nobody waits for a disk.
type recorder struct {
	start int64
	out   *bufio.Writer
	ended chan struct{}
	wake  chan struct{} // holds one signal

	mu      sync.Mutex // guards what follows
	pending []any      // lines
	dropped int
	closed  bool
	err     error // of writing: the first one is the last
}

// newRecorder returns a recorder that runs. Close it.
func newRecorder(w io.Writer) *recorder {
	r := &recorder{
		start: time.Now().UnixNano(),
		out:   bufio.NewWriterSize(w, 1<<16),
		ended: make(chan struct{}),
		wake:  make(chan struct{}, 1),
	}
	go r.run()
	return r
}

func (r *recorder) begin(request *http.Request) *line {
	return &line{Start: r.start, RequestID: request.Header.Get("X-Request-Id"), Path: request.URL.Path}
}

// put has a line written, now or soon.
func (r *recorder) put(l any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.closed || r.err != nil:
	case len(r.pending) == mostPending:
		r.dropped++
	default:
		r.pending = append(r.pending, l)
		r.signal()
	}
}

func (r *recorder) signal() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// run writes what is pending until close.
func (r *recorder) run() {
	defer close(r.ended)
	for range r.wake {
		lines, closed := r.take()
		err := r.write(lines)
		if err != nil {
			r.fail(err)
		}
		if closed {
			return
		}
	}
}

func (r *recorder) take() ([]any, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	lines := r.pending
	r.pending = nil
	return lines, r.closed
}

func (r *recorder) write(lines []any) error {
	encoder := json.NewEncoder(r.out)
	for _, l := range lines {
		if err := encoder.Encode(l); err != nil {
			return err
		}
	}
	return r.out.Flush()
}

// fail tells once that the record ends here.
func (r *recorder) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		r.err = fmt.Errorf("recording requests: %w", err)
		r.pending = nil
		log.Printf("mockserver: %v: the record ends here, the server goes on", r.err)
	}
}

// close writes what is pending, ends the goroutine and returns why the record is not
// complete, if it is not.
func (r *recorder) close() error {
	r.mu.Lock()
	r.closed = true
	r.signal()
	r.mu.Unlock()
	select {
	case <-r.ended:
	case <-time.After(lastWrite):
		return fmt.Errorf("recording requests: the last lines were not taken within %v", lastWrite)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var dropped error
	if r.dropped > 0 {
		dropped = fmt.Errorf("recording requests: %d were left out since writing was too slow", r.dropped)
	}
	return errors.Join(r.err, dropped)
}
