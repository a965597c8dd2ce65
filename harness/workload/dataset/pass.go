package dataset

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"
)

// Read reads a file once, to its end: it finds its records and checks each. name is the file's, for errors and notes; format is what it holds, and ""
// has it detected. The error names every record that is wrong, by file and line, up to 20 of them. data must stay readable as long
// as the Dataset is used.
func Read(name string, data io.ReaderAt, size int64, format Format) (*Dataset, error) {
	d := &Dataset{Format: format, name: name, data: data}
	if format == "" {
		var err error
		if d.Format, d.Detected, err = Detect(io.NewSectionReader(data, 0, size)); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	hash := sha256.New()
	p := &pass{d: d, in: bufio.NewReaderSize(io.TeeReader(io.NewSectionReader(data, 0, size), hash), 256<<10), latest: Never}
	p.found.ignored = p.ignore
	if err := p.all(); err != nil {
		return nil, err
	}
	d.SHA256 = hex.EncodeToString(hash.Sum(nil))
	d.Notes = p.notes()
	return d, nil
}

// pass is the first reading of a file.
type pass struct {
	d       *Dataset
	in      *bufio.Reader // the content, hashed as it is read
	base    int64         // bytes before the content proper: a byte order mark
	left    int64         // how many bytes the present record may still take, of those that are read by limited
	decoded bool          // records are known to be JSON
	found   found         // in the present record
	at      uint32        // its line
	latest  time.Duration // timestamp of the one before

	counted int64 // how many bytes lineAt has gone through, and
	breaks  uint32
	piece   []byte

	problems []error
	more     int // problems that are not among them
	skipped  tallies
	unknown  tallies
}

const mark = "\ufeff" // byte order mark

// all reads the whole file. The error has all problems.
func (p *pass) all() error {
	if head, _ := p.in.Peek(len(mark)); string(head) == mark {
		p.base = int64(len(mark))
		_, _ = p.in.Discard(len(mark)) // it is there
	}
	switch err := p.records(); {
	case err != nil:
		return fmt.Errorf("%s: %w", p.d.name, err)
	case p.more > 0:
		p.problems = append(p.problems, fmt.Errorf("%s: and %d more records that are wrong", p.d.name, p.more))
	case p.problems == nil && p.d.index.n == 0 && len(p.skipped) > 0:
		return fmt.Errorf("%s: has no record that can be sent: the first, in line %d, %s", p.d.name, p.skipped[0].line, p.skipped[0].what)
	case p.problems == nil && p.d.index.n == 0:
		return fmt.Errorf("%s: has no record", p.d.name)
	}
	return errors.Join(p.problems...)
}

// records finds and checks the records as the format has them. Of a file that is good it reads every byte.
func (p *pass) records() error {
	switch p.d.Format {
	case SingleTurn:
		p.d.parse = parseTurn
	case RandomPool:
		p.d.parse = parsePool
	case Mooncake:
		p.d.parse = parseTrace
	case RawPayload:
		p.d.parse = parseRequest
	case ShareGPT:
		p.d.parse = parseConversation
		if p.first() == '[' {
			return p.array()
		}
	case BurstGPT:
		return p.table()
	case Inputs:
		p.d.parse = parseRequest
		return p.sessions()
	default:
		_, err := ParseFormat(string(p.d.Format))
		return err
	}
	return p.lines()
}

// record checks a record and keeps its place.
func (p *pass) record(at place, raw []byte) {
	p.at = at.line
	skip, err := p.d.checked(raw, &p.found, p.decoded)
	p.keep(at, skip, err)
}

func (p *pass) keep(at place, skip string, err error) {
	switch {
	case err != nil:
		p.fault(at.line, err)
	case skip != "":
		p.skipped.add(skip, at.line)
	default:
		p.d.index.add(at)
		p.time(at.line)
	}
}

// time notes whether timestamps ascend.
func (p *pass) time(line uint32) {
	if p.found.at == Never {
		return
	}
	p.d.Timed++
	if p.found.at < p.latest && p.d.Unsorted == 0 {
		p.d.Unsorted = int(line)
	}
	p.latest = p.found.at
}

// Bounds of what is told of a file.
const (
	maxProblems = 20
	maxTallies  = 20
)

// fault notes that a record is wrong.
func (p *pass) fault(line uint32, err error) {
	if len(p.problems) == maxProblems {
		p.more++
		return
	}
	p.problems = append(p.problems, fmt.Errorf("%s:%d: %w", p.d.name, line, err))
}

// broken notes what keeps the rest of the file from being read.
func (p *pass) broken(line uint32, err error) error {
	p.more, p.problems = 0, p.problems[:min(len(p.problems), maxProblems-1)]
	p.fault(line, fmt.Errorf("%w: nothing behind it can be read", err))
	return nil
}

// ignore notes a key that means nothing here.
func (p *pass) ignore(key []byte) { p.unknown.add(excerpt(key), p.at) }

// notes is what to tell of a file that is good.
func (p *pass) notes() []string {
	var notes []string
	for _, t := range p.skipped {
		notes = append(notes, fmt.Sprintf("%s passed over, the first in line %d: it %s", records(t.n), t.line, t.what))
	}
	for _, t := range p.unknown {
		why := "is none of " + string(p.d.Format) + "'s"
		if t.what == `"session_id"` || t.what == `"delay"` {
			why = "is for conversations, which are not followed: each record is a request of its own"
		}
		notes = append(notes, fmt.Sprintf("key %s ignored in %s, the first in line %d: it %s", t.what, records(t.n), t.line, why))
	}
	return notes
}

func records(n int) string {
	if n == 1 {
		return "1 record"
	}
	return fmt.Sprintf("%d records", n)
}

// tally is something that occurred in n records, first in a line.
type tally struct {
	what string
	line uint32
	n    int
}

// tallies are as many as anyone reads.
type tallies []tally

func (all *tallies) add(what string, line uint32) {
	for i := range *all {
		if t := &(*all)[i]; t.what == what {
			t.n++
			return
		}
	}
	if len(*all) < maxTallies {
		*all = append(*all, tally{what, line, 1})
	}
}
