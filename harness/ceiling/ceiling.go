// Package ceiling is how much load this machine can generate and measure, and how far off its figures are while it does.
//
// Calibration runs the client against a server of known times and keeps a [Table] in the user's cache directory, one for each [Setup]. A later
// run asks the table with [Table.Share] which part of the ceiling it used. The package computes and stores; what is run is package bench's business.
//
// # What is measured
//
// At each number of streams, three runs:
//
//   - paced: the server's first token comes after TTFT and each further one after ITL, Tokens of them. Whatever a figure is off is the fault of
//     client, server and machine together; the server's own record of its writes tells the client's part apart.
//   - events as fast as they come: answers of many tokens, no waiting.
//   - requests as fast as they come: answers of one token, no waiting.
//
// And of an open loop, at each rate, how late its requests are sent.
//
// The last two of the runs are the ceiling. Client and server share the machine's processors, as they do in no real benchmark against another machine,
// where the ceiling is therefore higher: a share is too high rather than too low.
package ceiling

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/llmsweep/llmsweep/harness/record"
)

// The known times of the paced run, which are those of the published comparison of vLLM's two clients.
const (
	TTFT   = 50 * time.Millisecond
	ITL    = 10 * time.Millisecond
	Tokens = 100
)

// Row is what was measured at one number of streams. Times are in milliseconds.
type Row struct {
	Streams    int       `json:"streams"`
	MeasuredAt time.Time `json:"measured_at"`

	EventsPerSecond float64 `json:"events_per_s"`       // paced
	TTFTExcessMS    float64 `json:"ttft_excess_ms"`     // mean TTFT less the known one
	StampP50MS      float64 `json:"stamp_p50_ms"`       // stamp of a token less the instant before its write
	StampP99MS      float64 `json:"stamp_p99_ms"`       //
	StampP999MS     float64 `json:"stamp_p999_ms"`      //
	FirstP99MS      float64 `json:"first_p99_ms"`       // the same of first tokens
	GapP99MS        float64 `json:"gap_p99_ms"`         // difference of the client's and the server's gap between two tokens
	LatenessP99MS   float64 `json:"lateness_p99_ms"`    // of the start of a request
	ServerLateP99MS float64 `json:"server_late_p99_ms"` // write of a token less its due time: no fault of the client's
	Client          string  `json:"client"`             // the verdict on it

	MostEventsPerSecond   float64 `json:"most_events_per_s"`
	MostRequestsPerSecond float64 `json:"most_requests_per_s"`

	// Failure is why there are no figures, or not all.
	Failure string `json:"failure,omitempty"`
}

// Setup is what a ceiling is of: another transport, or a connection for each request, has another one.
type Setup struct {
	Host            record.Host `json:"host"`
	Transport       string      `json:"transport"`        // that carried the requests: own or nethttp
	ConnectionReuse string      `json:"connection_reuse"` // pooled or never
}

// same reports whether the figures of the one hold for the other.
func (s *Setup) same(other *Setup) bool {
	return s.Host.Fingerprint == other.Host.Fingerprint && s.Transport == other.Transport && s.ConnectionReuse == other.ConnectionReuse
}

// Table is the ceiling of a setup.
type Table struct {
	SchemaVersion string `json:"schema_version"`
	Setup
	Rows []Row `json:"rows"` // by rising number of streams
	// OpenLoop is how punctually requests of an open loop are sent, by rising rate; nil: not measured.
	OpenLoop []Dispatch `json:"open_loop,omitempty"`
}

// Dispatch is an open loop with poisson arrivals, each answered with one token at once. Times are in milliseconds.
type Dispatch struct {
	RequestsPerSecond float64 `json:"requests_per_s"`
	Planned           int     `json:"planned"`
	Ended             int     `json:"ended"`       // well; the others were dropped or failed
	LateP50MS         float64 `json:"late_p50_ms"` // start of a request less its time in the schedule
	LateP99MS         float64 `json:"late_p99_ms"`
	FloorP99MS        float64 `json:"floor_p99_ms"` // lateness of an idle process' sleep before the same run
	Client            string  `json:"client"`       // the verdict on it
	Failure           string  `json:"failure,omitempty"`
}

// Own is the p99 lateness that is the client's, less what a sleep of an idle process is late.
func (d *Dispatch) Own() float64 { return d.LateP99MS - d.FloorP99MS }

// Share is which part of the ceiling a load uses, from 0; above 1 the load is more than calibration has seen. Events and requests add up, since
// the same processors do both. It reports false where the table has no figures at so many streams or more: what they would be is not known.
func (t *Table) Share(streams int, eventsPerSecond, requestsPerSecond float64) (share float64, known bool) {
	if t == nil {
		return 0, false
	}
	for k := range t.Rows {
		if r := &t.Rows[k]; r.whole() && r.Streams >= streams {
			return eventsPerSecond/r.MostEventsPerSecond + requestsPerSecond/r.MostRequestsPerSecond, true
		}
	}
	return 0, false
}

// whole reports whether the row has all figures.
func (r *Row) whole() bool {
	return r.Failure == "" && r.MostEventsPerSecond > 0 && r.MostRequestsPerSecond > 0
}

// path is the table's file, of this kind of machine and runtime, or "" where the user has no cache directory.
func (s *Setup) path() string {
	if dir, err := os.UserCacheDir(); err == nil {
		return filepath.Join(dir, "llmsweep", fmt.Sprintf("ceiling-%s-%s-%s.json", s.Host.Fingerprint, s.Transport, s.ConnectionReuse))
	}
	return ""
}

// Save keeps the rows of a table where Load finds them, and returns the path. Rows that are there stay, unless the table has figures at as many
// streams: neither a failure nor a calibration at a few numbers takes away what is known.
func (t *Table) Save() (string, error) {
	file := t.path()
	if file == "" {
		return "", errors.New("keeping the ceiling: the user has no cache directory: set XDG_CACHE_HOME or HOME")
	}
	if len(t.OpenLoop) == 0 && !slices.ContainsFunc(t.Rows, func(r Row) bool { return r.whole() }) {
		return "", errors.New("keeping the ceiling: there is no number of streams with all figures")
	}
	kept, err := Load(&t.Setup)
	if err != nil {
		kept = nil // it cannot be read, and is written anew
	}
	if kept == nil {
		kept = &Table{SchemaVersion: t.SchemaVersion, Setup: t.Setup}
	}
	for _, r := range t.Rows {
		if r.whole() {
			kept.put(r)
		}
	}
	if len(t.OpenLoop) > 0 {
		kept.OpenLoop = t.OpenLoop
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return "", fmt.Errorf("keeping the ceiling: %w", err)
	}
	return file, record.WriteJSON(file, kept)
}

// put replaces the row of as many streams, or inserts one.
func (t *Table) put(r Row) {
	k, found := slices.BinarySearchFunc(t.Rows, r.Streams, func(have Row, streams int) int { return have.Streams - streams })
	if found {
		t.Rows[k] = r
		return
	}
	t.Rows = slices.Insert(t.Rows, k, r)
}

// Load returns the table of a setup, or nil if it was never calibrated. The error is for a file that cannot be read.
func Load(of *Setup) (*Table, error) {
	file := of.path()
	if file == "" {
		return nil, nil
	}
	var t Table
	err := record.ReadJSON(file, &t)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case t.SchemaVersion != SchemaVersion || !t.same(of):
		return nil, nil
	}
	return &t, nil
}

// SchemaVersion is that of the table's file.
const SchemaVersion = "2"
