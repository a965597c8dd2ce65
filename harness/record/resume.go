package record

import (
	"fmt"
	"strings"
	"time"
)

// ResumeMode is what -resume does with a level that was cut short.
type ResumeMode string

// The modes. "" is no resume.
const (
	ResumeLevel   ResumeMode = "level"   // repeats it
	ResumeRequest ResumeMode = "request" // goes on with it
)

// Resume is one time at which another process went on with a run. Levels are listed by name; those that had not begun are in no list.
type Resume struct {
	At        time.Time  `json:"at"`
	Mode      ResumeMode `json:"mode"`
	Kept      []string   `json:"kept,omitempty"` // they were finished
	Repeated  []CutShort `json:"repeated,omitempty"`
	Continued []CutShort `json:"continued,omitempty"`
}

// CutShort says how far a level had come.
type CutShort struct {
	Level   string `json:"level"`
	Why     string `json:"why"`
	Ended   int    `json:"ended"` // measured requests in its log
	Planned int    `json:"planned"`
	// Unreadable are lines of the log that no reader understands, such as one that a kill tore.
	Unreadable int `json:"unreadable,omitempty"`
}

// String says what happened, in one line.
func (r Resume) String() string {
	parts := []string{"resumed at " + r.At.UTC().Format("2006-01-02 15:04:05 UTC")}
	if len(r.Kept) > 0 {
		parts = append(parts, Printable(strings.Join(r.Kept, ", "))+" kept as finished")
	}
	for _, done := range []struct {
		what   string
		levels []CutShort
	}{{"repeated", r.Repeated}, {"continued", r.Continued}} {
		if len(done.levels) == 0 {
			continue
		}
		names := make([]string, len(done.levels))
		for i, c := range done.levels {
			names[i] = c.String()
		}
		parts = append(parts, strings.Join(names, ", ")+" "+done.what)
	}
	return strings.Join(parts, "; ")
}

// String names the level and how far it had come.
func (c CutShort) String() string {
	torn := ""
	if c.Unreadable > 0 {
		torn = fmt.Sprintf(" and %d unreadable", c.Unreadable)
	}
	return fmt.Sprintf("%s (%s, with %d of %d requests in its log%s)", Printable(c.Level), Printable(c.Why), c.Ended, c.Planned, torn)
}

// Earlier sums up the attempts at a level before the one that its files are of: what was spent on it counts for the limits of the sweep.
type Earlier struct {
	Attempts int           `json:"attempts"`
	Requests int           `json:"requests"` // that ended, warm-up included
	Tokens   int64         `json:"tokens"`   // of those, prompts and outputs
	Took     time.Duration `json:"took_ns"`
}

// Plus is the sum with one more attempt. A nil Earlier is none.
func (e *Earlier) Plus(more Earlier) *Earlier {
	if e != nil {
		more.Attempts += e.Attempts
		more.Requests += e.Requests
		more.Tokens += e.Tokens
		more.Took += e.Took
	}
	return &more
}

// Break is a time within a level in which no process ran. Stamps on its two sides are related by the wall clock only.
type Break struct {
	AtRequest int   `json:"resumed_at_request"` // the first measured request that had not ended
	FromNS    int64 `json:"from_ns"`            // the last stamp before it
	ToNS      int64 `json:"to_ns"`              // stamp of the resume
	Kept      int   `json:"kept"`               // requests in the log before it, warm-up included
	SentAgain int   `json:"sent_again"`         // of those that were cancelled; what the log has of them is of the second time
}

// String says what happened, in one line.
func (b Break) String() string {
	text := fmt.Sprintf("continued from request %d after a break of %.1f s (-resume=request)", b.AtRequest, float64(b.ToNS-b.FromNS)/1e9)
	if b.SentAgain > 0 {
		text += fmt.Sprintf("; %d requests that had been cancelled were sent again", b.SentAgain)
	}
	return text
}

// Took is how long the level's requests took: to its end, less its breaks, and with the attempts before it.
func (l *Level) Took() time.Duration {
	took := time.Duration(l.EndedNS)
	for _, b := range l.Breaks {
		if b.ToNS > l.EndedNS {
			break // killed before a request ended after it
		}
		took -= time.Duration(b.ToNS - b.FromNS)
	}
	if l.Earlier != nil {
		took += l.Earlier.Took
	}
	return took
}
