package record

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"time"
)

// line is one line of profile_export.jsonl: AIPerf's record with our trace beside it.
type line struct {
	Metadata metadata `json:"metadata"`
	Metrics  metrics  `json:"metrics"`
	Error    *Error   `json:"error,omitempty"`
	Trace    *Sample  `json:"trace"`
}

// metadata is AIPerf's. Its *_ns are wall-clock nanoseconds.
type metadata struct {
	SessionNum         int    `json:"session_num"`
	RequestID          string `json:"x_request_id"`
	CorrelationID      string `json:"x_correlation_id"`
	ConversationID     string `json:"conversation_id"`
	TurnIndex          int    `json:"turn_index"`
	CreditIssuedNS     int64  `json:"credit_issued_ns"`
	RequestStartNS     int64  `json:"request_start_ns"`
	RequestAckNS       *int64 `json:"request_ack_ns,omitempty"`
	RequestEndNS       int64  `json:"request_end_ns"`
	WorkerID           string `json:"worker_id"`
	RecordProcessorID  string `json:"record_processor_id"`
	BenchmarkPhase     Phase  `json:"benchmark_phase"`
	WasCancelled       bool   `json:"was_cancelled"`
	CancellationTimeNS *int64 `json:"cancellation_time_ns,omitempty"`
}

// metrics is an ordered {tag: {value, unit}} object; the order is that of the definitions, so that lines compare bytewise.
type metrics []MetricValue

// MarshalJSON writes the object in the order of the slice.
func (m metrics) MarshalJSON() ([]byte, error) {
	b := make([]byte, 0, 128+64*len(m))
	b = append(b, '{')
	for i, v := range m {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendQuote(b, v.Tag)
		b = append(b, `:{"value":`...)
		if v.List == nil {
			b = appendNumber(b, v.Value)
		} else {
			b = appendList(b, v.List)
		}
		b = append(b, `,"unit":`...)
		b = strconv.AppendQuote(b, v.Unit)
		b = append(b, '}')
	}
	return append(b, '}'), nil
}

func appendList(b []byte, list []float64) []byte {
	b = append(b, '[')
	for i, v := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendNumber(b, v)
	}
	return append(b, ']')
}

// appendNumber writes null for what JSON has no number for, as AIPerf does.
func appendNumber(b []byte, v float64) []byte {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return append(b, "null"...)
	}
	return strconv.AppendFloat(b, v, 'f', -1, 64)
}

// Log appends samples to a profile_export.jsonl. It is used by one goroutine at a time.
type Log struct {
	file  *os.File
	buf   *bufio.Writer
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
	file, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND, 0)
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
	data, err := json.Marshal(line{Metadata: l.metadata(s), Metrics: values, Error: s.Error, Trace: s})
	if err != nil {
		return fmt.Errorf("encoding request %d: %w", s.Index, err)
	}
	if _, err = l.buf.Write(append(data, '\n')); err != nil {
		return fmt.Errorf("writing the event log %s: %w", l.file.Name(), err)
	}
	return nil
}

func (l *Log) metadata(s *Sample) metadata {
	m := metadata{
		SessionNum: s.Index, RequestID: s.RequestID, CorrelationID: s.RequestID, ConversationID: s.RequestID,
		TurnIndex: s.Turn, CreditIssuedNS: l.wall(s.ScheduledNS), RequestStartNS: l.wall(s.StartNS),
		RequestEndNS: l.wall(s.EndNS), WorkerID: "llmsweep", RecordProcessorID: "llmsweep", BenchmarkPhase: s.Phase,
		WasCancelled: s.Outcome == Cancelled,
	}
	if s.HeadersNS != Never {
		ack := l.wall(s.HeadersNS)
		m.RequestAckNS = &ack
	}
	if m.WasCancelled {
		m.CancellationTimeNS = &m.RequestEndNS
	}
	return m
}

func (l *Log) wall(ns int64) int64 { return l.start.UnixNano() + ns }

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
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading the event log: %w", err)
	}
	defer file.Close()
	return readLines(path, bufio.NewReaderSize(file, 256<<10), use)
}

func readLines(path string, r *bufio.Reader, use func(*Sample) error) (warnings []error, err error) {
	for n := 1; ; n++ {
		data, readErr := readLine(r)
		if len(data) > 0 {
			if sample, bad := parseLine(data); bad != nil {
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

// readLine returns the next line without its end, and no more than maxLine+1 bytes of it, which tells parseLine that it is too
// long.
func readLine(r *bufio.Reader) ([]byte, error) {
	var whole []byte
	for {
		part, err := r.ReadSlice('\n')
		whole = append(whole, part[:min(len(part), maxLine+1-len(whole))]...)
		if !errors.Is(err, bufio.ErrBufferFull) {
			return bytes.TrimRight(whole, "\r\n"), err
		}
	}
}

func parseLine(data []byte) (*Sample, error) {
	if len(data) > maxLine {
		return nil, fmt.Errorf("line longer than %d MiB", maxLine>>20)
	}
	var l struct {
		Metadata metadata `json:"metadata"`
		Error    *Error   `json:"error"`
		Trace    *Sample  `json:"trace"`
	}
	l.Trace = &Sample{LastByteNS: Never, Conn: Conn{GotNS: Never}} // what logs of earlier versions do not have
	if err := json.Unmarshal(data, &l); err != nil {
		return nil, fmt.Errorf("not a record: %w", err)
	}
	if l.Trace == nil || l.Trace.Outcome == "" {
		return nil, errors.New(`no "trace" with an outcome: not written by llmsweep`)
	}
	l.Trace.Index, l.Trace.RequestID, l.Trace.Error = l.Metadata.SessionNum, l.Metadata.RequestID, l.Error
	return l.Trace, l.Trace.check()
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
