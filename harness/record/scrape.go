package record

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"strconv"
)

// A file of scrapes has two kinds of lines: first, and again where a level was continued, which sources are asked (Sources), and then what they
// told, a Round a line. Of a source the first round has everything and each later one what is not as it was.

// Sources begins a stretch of rounds.
type Sources struct {
	SchemaVersion string   `json:"schema_version"`
	URLs          []string `json:"sources"` // without credentials
}

// Edge says why a round was made at that very instant.
type Edge string

// The edges of a level. Rounds between them come once a second.
const (
	EdgeStart   Edge = "start"   // before its warm-up; of a level without one EdgeMeasure is the first
	EdgeMeasure Edge = "measure" // before the first measured request
	EdgeEnd     Edge = "end"     // after the last
)

// Round is what all sources told when they were asked together.
type Round struct {
	AtNS  int64  `json:"at_ns"` // when they were asked: a stamp of the level
	Edge  Edge   `json:"edge,omitempty"`
	Pages []Told `json:"pages"` // in the order of the sources
}

// Told is what one source told, or why it told nothing.
type Told struct {
	TookNS int64  `json:"took_ns"` // from asking to the end of the page
	Error  string `json:"error,omitempty"`
	// Types are those of families that were not there before; New are such series, name and labels as the source writes them. Their numbers go on from
	// those of the stretch, from 0.
	Types  map[string]string `json:"types,omitempty"`
	New    []string          `json:"new,omitempty"`
	Values SeriesValues      `json:"values,omitempty"` // of series that are new or changed
	Gone   []int             `json:"gone,omitempty"`   // series that are not there any more
}

// SeriesValue is the value of a series, by its number. It may be no number, or infinite.
type SeriesValue struct {
	Series int
	Value  float64
}

// SeriesValues is a JSON object: {"0":1.5,"7":"NaN"}.
type SeriesValues []SeriesValue

// MarshalJSON writes what JSON has no number for as a text.
func (v SeriesValues) MarshalJSON() ([]byte, error) {
	b := make([]byte, 0, 2+12*len(v))
	b = append(b, '{')
	for i, x := range v {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '"')
		b = strconv.AppendInt(b, int64(x.Series), 10)
		b = append(b, `":`...)
		special := math.IsNaN(x.Value) || math.IsInf(x.Value, 0)
		if special {
			b = append(b, '"')
		}
		b = strconv.AppendFloat(b, x.Value, 'g', -1, 64)
		if special {
			b = append(b, '"')
		}
	}
	return append(b, '}'), nil
}

// UnmarshalJSON reads what MarshalJSON writes.
func (v *SeriesValues) UnmarshalJSON(data []byte) error {
	const around = "{} \t\r\n"
	*v = nil
	rest := bytes.Trim(data, around)
	if string(rest) == "null" {
		return nil
	}
	for len(rest) > 0 {
		item, after, _ := bytes.Cut(rest, []byte{','})
		rest = after
		key, value, _ := bytes.Cut(item, []byte{':'})
		number, err := strconv.Atoi(string(bytes.Trim(key, `"`+around)))
		if err != nil || number < 0 {
			return fmt.Errorf("values: %q is no number of a series", key)
		}
		x, err := strconv.ParseFloat(string(bytes.Trim(value, `"`+around)), 64)
		if err != nil && !errors.Is(err, strconv.ErrRange) {
			return fmt.Errorf("values: %q is no value", value)
		}
		*v = append(*v, SeriesValue{number, x})
	}
	return nil
}

// ScrapeLog appends to a file of scrapes. It is used by one goroutine at a time.
type ScrapeLog struct {
	file *os.File
	size int64
}

// AppendScrapes opens the file of scrapes of a level, new or to go on with it, and begins a stretch.
func AppendScrapes(path string, urls []string) (*ScrapeLog, error) {
	file, err := openRegular(path, os.O_RDWR|os.O_APPEND)
	if errors.Is(err, fs.ErrNotExist) {
		file, err = os.OpenFile(path, os.O_RDWR|os.O_APPEND|os.O_CREATE|os.O_EXCL, 0o644)
	}
	if err != nil {
		return nil, fmt.Errorf("opening the file of scrapes: %w", err)
	}
	l := &ScrapeLog{file: file}
	err = cutTorn(file) // a process that was killed may have left part of a line
	if info, statErr := file.Stat(); statErr == nil {
		l.size = info.Size()
	}
	if err = errors.Join(err, l.write(&Sources{SchemaVersion, urls})); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return l, nil
}

// Append writes a round.
func (l *ScrapeLog) Append(r *Round) error { return l.write(r) }

func (l *ScrapeLog) write(line any) error {
	data, err := json.Marshal(line)
	if err == nil {
		data = append(data, '\n')
		_, err = l.file.Write(data)
		l.size += int64(len(data))
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", l.file.Name(), err)
	}
	return nil
}

// Size is that of the file, in bytes.
func (l *ScrapeLog) Size() int64 { return l.size }

// Close closes the file. One that could not be written ends with its last whole line.
func (l *ScrapeLog) Close() error { return errors.Join(cutTorn(l.file), l.file.Close()) }

// ReadScrapes gives the lines of a file of scrapes in their order: begin for each stretch, add for each round. Lines that cannot be used are left out
// and returned as warnings, each a *LineError; what follows in a stretch after one is left out, too, since it says only what is different.
func ReadScrapes(path string, begin func(*Sources), add func(*Round)) (warnings []error, err error) {
	file, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	r := bufio.NewReaderSize(file, 64<<10)
	torn := true // no stretch has begun
	var data []byte
	for n := 1; ; n++ {
		var readErr error
		data, readErr = readLine(r, data[:0])
		if len(data) > 0 {
			sources, round, bad := parseScrape(data)
			switch {
			case bad != nil:
				warnings, torn = append(warnings, &LineError{Path: path, Line: n, Err: bad}), true
			case sources != nil:
				torn = false
				begin(sources)
			case !torn:
				add(round)
			}
		}
		if errors.Is(readErr, io.EOF) {
			return warnings, nil
		}
		if readErr != nil {
			return append(warnings, &LineError{Path: path, Line: n, Err: readErr}), nil
		}
	}
}

// parseScrape reads a line, which is either.
func parseScrape(data []byte) (*Sources, *Round, error) {
	if len(data) > maxLine {
		return nil, nil, fmt.Errorf("line longer than %d MiB", maxLine>>20)
	}
	var line struct {
		Sources
		Round
	}
	if err := json.Unmarshal(data, &line); err != nil {
		return nil, nil, fmt.Errorf("no round of scrapes: %w", err)
	}
	switch {
	case len(line.URLs) > 0:
		return &line.Sources, nil, nil
	case len(line.Pages) > 0:
		return nil, &line.Round, nil
	}
	return nil, nil, errors.New("no round of scrapes: it has neither sources nor pages")
}
