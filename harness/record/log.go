package record

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"
)

// Log appends samples to a profile_export.jsonl. It is used by one goroutine at a time.
type Log struct {
	file  *os.File
	buf   *bufio.Writer
	line  encoder
	start time.Time // wall clock at stamp 0
}

// CreateLog creates the log of a level whose stamp 0 is at the given wall-clock time.
func CreateLog(path string, start time.Time) (*Log, error) {
	file, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("creating the event log: %w", err)
	}
	return newLog(file, start), nil
}

// AppendLog opens the log of a level to go on with it. Every line of it must be whole.
func AppendLog(path string, start time.Time) (*Log, error) {
	file, err := openRegular(path, os.O_RDWR|os.O_APPEND)
	if err != nil {
		return nil, fmt.Errorf("opening the event log: %w", err)
	}
	return newLog(file, start), nil
}

func newLog(file *os.File, start time.Time) *Log {
	return &Log{file: file, buf: bufio.NewWriterSize(file, 256<<10), start: start}
}

// Append writes one line. values are the computed metrics that go beside the trace for AIPerf's readers.
func (l *Log) Append(s *Sample, values []MetricValue) error {
	l.line.reset()
	recordLine(&l.line, s, l.start, values)
	l.line.b = append(l.line.b, '\n')
	if _, err := l.buf.Write(l.line.b); err != nil {
		return fmt.Errorf("writing the event log %s: %w", l.file.Name(), err)
	}
	return nil
}

// Flush hands what was appended to the operating system.
func (l *Log) Flush() error {
	if err := l.buf.Flush(); err != nil {
		return fmt.Errorf("writing the event log %s: %w", l.file.Name(), err)
	}
	return nil
}

// Close flushes, syncs and closes the log. Where it could not be written, as on a full volume, it ends with the last line that is whole.
func (l *Log) Close() error {
	err := l.Flush()
	if err != nil {
		err = errors.Join(err, cutTorn(l.file))
	}
	return errors.Join(err, l.file.Sync(), l.file.Close())
}

// cutTorn cuts off what follows the last line end of a file.
func cutTorn(file *os.File) error {
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return err
	}
	block := make([]byte, 64<<10)
	for end := info.Size(); end > 0; {
		from := max(end-int64(len(block)), 0)
		n, err := file.ReadAt(block[:end-from], from)
		if err != nil {
			return err
		}
		if last := bytes.LastIndexByte(block[:n], '\n'); last >= 0 {
			return file.Truncate(from + int64(last) + 1)
		}
		end = from
	}
	return file.Truncate(0)
}

// maxLine bounds one line of a log: about two million chunks.
const maxLine = 64 << 20

// LineError is a line of a log that cannot be used.
type LineError struct {
	Path string
	Line int // from 1
	Err  error
}

// Error gives file:line and the reason.
func (e *LineError) Error() string { return fmt.Sprintf("%s:%d: %v", e.Path, e.Line, e.Err) }

// Unwrap returns the reason.
func (e *LineError) Unwrap() error { return e.Err }

// ReadLog calls use for each sample of a log, in file order. Lines that cannot be used (a torn last line after a kill, foreign
// text, a line without end) are skipped and returned as warnings, each a *LineError; a file that cannot be read is an error, as
// is one from use. The sample may be kept by use.
func ReadLog(path string, use func(*Sample) error) (warnings []error, err error) {
	file, err := Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading the event log: %w", err)
	}
	defer file.Close()
	return readLines(path, bufio.NewReaderSize(file, 256<<10), use)
}

func readLines(path string, r *bufio.Reader, use func(*Sample) error) (warnings []error, err error) {
	var d decoder
	var data []byte
	for n := 1; ; n++ {
		var readErr error
		data, readErr = readLine(r, data[:0])
		if len(data) > 0 {
			if sample, bad := d.parse(data); bad != nil {
				warnings = append(warnings, &LineError{Path: path, Line: n, Err: bad})
			} else if err := use(sample); err != nil {
				return warnings, err
			}
		}
		if errors.Is(readErr, io.EOF) {
			return warnings, nil
		}
		if readErr != nil {
			return warnings, &LineError{Path: path, Line: n, Err: readErr}
		}
	}
}

// readLine appends the next line without its end, and no more than maxLine+1 bytes of it, which tells parse that it is too long.
func readLine(r *bufio.Reader, whole []byte) ([]byte, error) {
	for {
		part, err := r.ReadSlice('\n')
		whole = append(whole, part[:min(len(part), maxLine+1-len(whole))]...)
		if !errors.Is(err, bufio.ErrBufferFull) {
			return bytes.TrimRight(whole, "\r\n"), err
		}
	}
}

// WithoutTraces calls use for each line of a log without its trace: AIPerf's record. Lines that are no records are left out. The bytes are use's until
// it returns.
func WithoutTraces(log io.Reader, use func(line []byte) error) error {
	var d decoder
	var whole []byte
	r := bufio.NewReaderSize(log, 256<<10)
	for {
		var readErr error
		whole, readErr = readLine(r, whole[:0])
		if line, ok := d.withoutTrace(whole); ok {
			if err := use(line); err != nil {
				return err
			}
		}
		if errors.Is(readErr, io.EOF) {
			return nil
		}
		if readErr != nil {
			return readErr
		}
	}
}

func (d *decoder) withoutTrace(line []byte) ([]byte, bool) {
	if len(line) > maxLine {
		return nil, false
	}
	if d.line(line, new(Sample)) {
		cut := len(line) - d.trace
		return append(line[:cut], '}'), true
	}
	var r struct {
		Metadata json.RawMessage `json:"metadata"`
		Metrics  json.RawMessage `json:"metrics"`
		Error    json.RawMessage `json:"error,omitempty"`
	}
	if json.Unmarshal(line, &r) != nil || r.Metadata == nil {
		return nil, false
	}
	data, err := json.Marshal(r)
	return data, err == nil
}

// parse reads the sample of a line, which stays the caller's.
func (d *decoder) parse(data []byte) (s *Sample, err error) {
	if len(data) > maxLine {
		return nil, fmt.Errorf("line longer than %d MiB", maxLine>>20)
	}
	if s = new(Sample); !d.line(data, s) {
		if s, err = parseAny(data); err != nil {
			return nil, err
		}
	}
	return s, s.check()
}

// parseAny reads what the decoder leaves alone.
func parseAny(data []byte) (*Sample, error) {
	var l struct {
		Metadata struct {
			SessionNum int    `json:"session_num"`
			RequestID  string `json:"x_request_id"`
		} `json:"metadata"`
		Error *Error  `json:"error"`
		Trace *Sample `json:"trace"`
	}
	l.Trace = &Sample{LastByteNS: Never, Conn: Conn{GotNS: Never}} // what logs of earlier versions do not have
	if err := json.Unmarshal(data, &l); err != nil {
		return nil, fmt.Errorf("not a record: %w", err)
	}
	if l.Trace == nil || l.Trace.Outcome == "" {
		return nil, errors.New(`no "trace" with an outcome: not written by llmsweep`)
	}
	l.Trace.Index, l.Trace.RequestID, l.Trace.Error = l.Metadata.SessionNum, l.Metadata.RequestID, l.Error
	return l.Trace, nil
}

// check refuses a sample that would make the figures of its level wrong without a trace.
func (s *Sample) check() error {
	switch {
	case !slices.Contains(Outcomes(), s.Outcome):
		return fmt.Errorf("trace: outcome %q: unknown", s.Outcome)
	case s.Phase != Warmup && s.Phase != Profiling:
		return fmt.Errorf("trace: phase %q: unknown", s.Phase)
	case s.EndNS < s.StartNS:
		return fmt.Errorf("trace: end_ns %d is before start_ns %d", s.EndNS, s.StartNS)
	case !slices.IsSorted(s.ChunksNS):
		return errors.New("trace: chunks_ns are not in order")
	case s.ChunkTokens != nil && len(s.ChunkTokens) != len(s.ChunksNS):
		return fmt.Errorf("trace: %d chunk_tokens for %d chunks_ns", len(s.ChunkTokens), len(s.ChunksNS))
	}
	return nil
}
