// Package dataset reads files of prompts: what each request of a workload asks where it is not made up. It is pure over io.ReaderAt: it opens no
// file, sends nothing and counts no tokens, which is the tokenizer's business.
//
// A file is read twice. The first pass, Read, finds the records, checks every one of them and reports all that is wrong, each with its line, so
// that nothing is sent before the whole file is known to be good. It keeps 16 bytes a record: where the record lies. The second pass is Entry,
// which reads one record when its request is rendered. So a file of a gigabyte needs no gigabyte of memory.
//
// Formats are AIPerf's, by its names, with ShareGPT's and BurstGPT's files as they are published. Each record is one request: conversations are
// not followed, media are refused.
package dataset

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// Format is the form of a file, by AIPerf's name of it.
type Format string

// The formats.
const (
	SingleTurn Format = "single_turn"     // JSON Lines: text or texts, role, output_length, timestamp, extra
	RandomPool Format = "random_pool"     // JSON Lines: text or texts, to be drawn at random
	ShareGPT   Format = "sharegpt"        // a JSON array, or lines, of conversations: the first question, as long an answer as the first
	Mooncake   Format = "mooncake_trace"  // JSON Lines: input_length with hash_ids, text_input, messages or payload; output_length, timestamp
	BurstGPT   Format = "burst_gpt_trace" // CSV: Timestamp, Request tokens, Response tokens
	Inputs     Format = "inputs_json"     // inputs.json of a level: request bodies, sent as they stand
	RawPayload Format = "raw_payload"     // JSON Lines: request bodies, sent as they stand
)

// Formats lists every Format.
func Formats() []Format {
	return []Format{SingleTurn, RandomPool, ShareGPT, Mooncake, BurstGPT, Inputs, RawPayload}
}

// BlockTokens is how many tokens a hash id of a trace stands for, by Mooncake's definition.
const BlockTokens = 512

// Never is the timestamp of a record that has none.
const Never time.Duration = -1

// Limits of what is read, far beyond what anyone sends: above them a damaged file would end as an exhausted memory.
const (
	maxRecord = 64 << 20   // bytes
	maxTokens = 10_000_000 // of one prompt or answer
)

// Entry is what one record asks for. Exactly one of Texts, Messages, Body and InputTokens is there.
type Entry struct {
	Line int // where the record begins in its file, from 1

	Texts       []string        // of one message, each a part of its content
	Role        string          // of that message; "": user
	Messages    json.RawMessage // a list of chat messages, as it stands
	Tools       json.RawMessage // the list of tools beside Messages; nil: none
	Body        json.RawMessage // a whole request, as it stands
	InputTokens int             // length of a prompt that is to be made
	HashIDs     []uint64        // of its blocks of BlockTokens tokens, the last of which may be shorter; nil: nothing is shared

	OutputTokens int             // how many tokens to ask for; 0: not said
	Answer       string          // a recorded answer, which is as long as the one to ask for; "": none
	Timestamp    time.Duration   // since the trace's zero; Never: none
	Extra        json.RawMessage // an object of further fields of the body; nil: none
}

// Dataset is a file that was read once and found good.
type Dataset struct {
	Format Format
	SHA256 string // of the whole content
	// Detected says by what the format was recognised; "": it was given.
	Detected string
	// Notes are for the reader of the results: records that were passed over, keys that were ignored.
	Notes []string
	// Unsorted is the line of the first record whose timestamp is earlier than the one before it; 0: none.
	Unsorted int
	// Timed is how many records have a timestamp.
	Timed int

	name  string
	data  io.ReaderAt
	index places
	parse parser
}

// place is where a record lies.
type place struct {
	offset       int64
	length, line uint32
}

// places is a list of places that grows without a copy: of a file with millions of short records it is most of what is kept.
type places struct {
	pages [][]place
	n     int
}

const pageLen = 1 << 12

func (l *places) add(p place) {
	if l.n%pageLen == 0 {
		l.pages = append(l.pages, make([]place, 0, pageLen))
	}
	last := &l.pages[len(l.pages)-1]
	*last = append(*last, p)
	l.n++
}

func (l *places) at(i int) place { return l.pages[i/pageLen][i%pageLen] }

// parser finds what a record holds. skip, if not empty, says why the record is passed over though it is well-formed.
type parser func(raw []byte, f *found) (skip string, err error)

// Len returns the number of records, at least 1.
func (d *Dataset) Len() int { return d.index.n }

// Entry reads the i-th record, 0 <= i < Len. It may be called concurrently. It fails where the file cannot be read or is not any more what it was
// in the first pass; the error names file and line.
func (d *Dataset) Entry(i int) (*Entry, error) {
	at := d.index.at(i)
	raw := make([]byte, at.length)
	if n, err := d.data.ReadAt(raw, at.offset); n < len(raw) {
		return nil, fmt.Errorf("%s:%d: %w", d.name, at.line, shortened(err))
	}
	var f found
	skip, err := d.checked(raw, &f, false)
	if err != nil || skip != "" {
		return nil, fmt.Errorf("%s:%d: the file has changed since it was read first", d.name, at.line)
	}
	e := f.entry()
	e.Line = int(at.line)
	return e, nil
}

// shortened puts the end of a file where there was more into words.
func shortened(err error) error {
	if errors.Is(err, io.EOF) {
		return errors.New("the file has become shorter since it was read first")
	}
	return err
}

// checked is parse for bytes that may be anything, or are known to be JSON: decoded.
func (d *Dataset) checked(raw []byte, f *found, decoded bool) (skip string, err error) {
	if d.Format != BurstGPT { // of a table only numbers matter
		if err := readable(raw, decoded); err != nil {
			return "", err
		}
	}
	*f = found{ignored: f.ignored}
	return d.parse(raw, f)
}

// Prompt appends the prompt of a trace's record to b: its blocks one after the other, each made by block. block must return, for one id, the same
// text whenever it is asked, of exactly that many tokens, the beginning of the text for more tokens.
func (e *Entry) Prompt(b []byte, block func(id uint64, tokens int) []byte) []byte {
	left := e.InputTokens
	for _, id := range e.HashIDs {
		n := min(left, BlockTokens)
		b = append(b, block(id, n)...)
		left -= n
	}
	return b
}

// indexed is the position of a part within the bytes that it is a slice of.
func indexed(whole, part []byte) int { return cap(whole) - cap(part) }

// excerpt is a value as an error quotes it: short, and a string without its quotes.
func excerpt(raw []byte) string {
	const enough = 60
	raw = bytes.TrimSuffix(bytes.TrimPrefix(raw, []byte(`"`)), []byte(`"`))
	if len(raw) > enough {
		return fmt.Sprintf("%q…", raw[:enough])
	}
	return fmt.Sprintf("%q", raw)
}
