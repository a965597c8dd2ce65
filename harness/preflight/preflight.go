// Package preflight judges, before any load is sent, whether a sweep can run as it is planned: it takes figures of the plan, the machine and
// the servers, and gives one Finding for each thing that it looked at. It is pure; package harness gathers the figures.
//
// A refusal is for what is sure to fail, and would otherwise fail in the middle of an hour's run: too few file descriptors, a context that
// the requests do not fit in. A warning is for what may spoil figures. Both say what to do. What cannot be known is said to be unknown,
// and never a reason to stop.
package preflight

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Result is how a check ended.
type Result string

// The results.
const (
	OK      Result = "ok"
	Unknown Result = "unknown"
	Warning Result = "warning"
	Refusal Result = "refused"
)

// Finding is one check: what was looked at, the figures with their limits, and what to do if they are not ok.
type Finding struct {
	Check  string
	Result Result
	Text   string
	Remedy string
}

// String is the finding as one line.
func (f Finding) String() string {
	line := f.Check + ": " + f.Text
	if f.Remedy != "" {
		line += "; " + f.Remedy
	}
	return line
}

// Facts are what is judged.
type Facts struct {
	Load    Load
	Machine *Machine // nil: not asked, as in virtual time
	Servers []Server
	Pages   []Page
}

// Page is one of metrics that was asked for by its URL.
type Page struct {
	Flag string // that named it
	URL  string // without credentials
	Err  error  // why it cannot be read
}

func (p *Page) judge() Finding {
	f := Finding{Check: p.Flag, Result: OK, Text: p.URL + " can be read"}
	if p.Err != nil {
		f.Result, f.Text = Refusal, fmt.Sprintf("%s cannot be read: %v", p.URL, p.Err)
		f.Remedy = fmt.Sprintf("give -%s a page of Prometheus text, or leave it out", p.Flag)
	}
	return f
}

// Load is what the plan asks for.
type Load struct {
	Level         string // the largest one's name
	Connections   int    // that it has open at once
	InProcess     bool   // their other ends are in this process, too
	Reused        bool   // requests share connections; otherwise each makes one
	Requests      int    // of all levels
	Transport     string // that carries them
	LongestPrompt int    // of the longest request, in tokens
	OSL           int    // its answer, in tokens
	LengthsOf     string // the flag that says so of both in place of -isl and -osl; "": none does
	NoTemplate    bool   // no chat template comes on top of the lengths
	BytesWritten  int64  // by the run
	OutputDir     string // where to
	Now           time.Time
}

// Machine is what this machine allows and has; 0 is not known, but of DiskFree, where it is -1.
type Machine struct {
	OS               string // as runtime.GOOS
	Root             bool
	Files, FilesOpen int // file descriptors
	Ports            int // for connections to one address
	DiskFree         int64
	Processors       int
	// CeilingShare is which part of the machine's calibrated ceiling the largest level will use at ITL; 0 is not known.
	CeilingShare float64
	ITL          time.Duration
}

// Server is what is known of one endpoint.
type Server struct {
	Host      string // without port
	Addresses []string
	Resolved  bool  // Host is a name, and this machine looked it up
	LookupErr error // why it did not find it
	Loopback  bool
	TLS       *TLS   // nil: plain
	Protocol  string // such as HTTP/1.1; "" is not known
	Closes    bool   // it closes a connection after an answer
	Context   int    // tokens that prompt and answer may have together; 0 is not known
}

// Judge returns a finding for each check that the facts allow, in the order of reports.
func Judge(f Facts) []Finding {
	var findings []Finding
	if m := f.Machine; m != nil {
		findings = append(findings, files(f.Load, m), ports(f.Load, m, f.Servers), processors(f.Load, m), disk(f.Load, m))
	}
	for i := range f.Servers {
		findings = append(findings, f.Servers[i].judge(f.Load)...)
	}
	for i := range f.Pages {
		findings = append(findings, f.Pages[i].judge())
	}
	findings = slices.DeleteFunc(findings, func(f Finding) bool { return f.Result == "" })
	return compact(findings)
}

// compact drops what replicas have in common.
func compact(findings []Finding) []Finding {
	var kept []Finding
	for _, f := range findings {
		if !slices.Contains(kept, f) {
			kept = append(kept, f)
		}
	}
	return kept
}

// Of returns the findings of one result.
func Of(findings []Finding, result Result) []Finding {
	return slices.DeleteFunc(slices.Clone(findings), func(f Finding) bool { return f.Result != result })
}

// Summary is the one line of a preflight.
func Summary(findings []Finding) string {
	parts := []string{plural(len(Of(findings, OK)), "check") + " ok"}
	if n := len(Of(findings, Unknown)); n > 0 {
		parts = append(parts, fmt.Sprintf("%d unknown", n))
	}
	if n := len(Of(findings, Warning)); n > 0 {
		parts = append(parts, plural(n, "warning"))
	}
	if n := len(Of(findings, Refusal)); n > 0 {
		parts = append(parts, fmt.Sprintf("%d refused", n))
	}
	return "preflight: " + strings.Join(parts, ", ")
}

func plural(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}

// Table is the findings as lines of at most 80 columns.
func Table(findings []Finding) string {
	const indent, width = 29, 80
	var b strings.Builder
	for _, f := range findings {
		text := f.Text
		if f.Remedy != "" {
			text += "; " + f.Remedy
		}
		for i, line := range wrap(text, width-indent) {
			if i == 0 {
				fmt.Fprintf(&b, "  %-8s %-17s %s\n", f.Result, f.Check, line)
			} else {
				fmt.Fprintf(&b, "%*s%s\n", indent, "", line)
			}
		}
	}
	return b.String()
}

// wrap breaks a text at blanks; a word longer than the width has a line of its own.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		switch {
		case line == "":
			line = word
		case len(line)+1+len(word) > width:
			lines, line = append(lines, line), word
		default:
			line += " " + word
		}
	}
	return append(lines, line)
}
