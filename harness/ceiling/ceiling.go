// Package ceiling is how much load this machine can generate and measure, and how far off its figures are while it does.
//
// Calibration runs the client against a server of known times and keeps a [Table] in the user's cache directory. A later run asks the
// table with [Table.Share] which part of the ceiling it used. The package computes and stores; what is run is package bench's business.
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
// The last two are the ceiling. Client and server share the machine's processors, as they do in no real benchmark against another machine,
// where the ceiling is therefore higher: a share is too high rather than too low.
package ceiling

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
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
	Streams int `json:"streams"`

	EventsPerSecond float64 `json:"events_per_s"`       // paced
	TTFTExcessMS    float64 `json:"ttft_excess_ms"`     // mean TTFT less the known one
	StampP50MS      float64 `json:"stamp_p50_ms"`       // stamp of a token less the instant before its write
	StampP99MS      float64 `json:"stamp_p99_ms"`       //
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

// Table is the ceiling of a machine.
type Table struct {
	SchemaVersion string      `json:"schema_version"`
	MeasuredAt    time.Time   `json:"measured_at"`
	Host          record.Host `json:"host"`
	Rows          []Row       `json:"rows"` // by rising number of streams
}

// Share is which part of the ceiling a load uses, from 0; above 1 the load is more than calibration has seen. Events and requests add up, since
// the same processors do both. It reports false where the table has no figures at so many streams or more, or at its largest number.
func (t *Table) Share(streams int, eventsPerSecond, requestsPerSecond float64) (share float64, known bool) {
	if t == nil {
		return 0, false
	}
	var row *Row
	for k := range t.Rows {
		r := &t.Rows[k]
		if r.MostEventsPerSecond <= 0 || r.MostRequestsPerSecond <= 0 {
			continue
		}
		if row = r; r.Streams >= streams {
			break
		}
	}
	if row == nil {
		return 0, false
	}
	return eventsPerSecond/row.MostEventsPerSecond + requestsPerSecond/row.MostRequestsPerSecond, true
}

// path is the table's file, of this kind of machine and runtime, or "" where the user has no cache directory.
func path(host *record.Host) string {
	if dir, err := os.UserCacheDir(); err == nil {
		return filepath.Join(dir, "llmsweep", "ceiling-"+host.Fingerprint+".json")
	}
	return ""
}

// Save keeps a table where Load finds it, and returns its path.
func (t *Table) Save() (string, error) {
	file := path(&t.Host)
	if file == "" {
		return "", errors.New("keeping the ceiling: the user has no cache directory: set XDG_CACHE_HOME or HOME")
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return "", fmt.Errorf("keeping the ceiling: %w", err)
	}
	return file, record.WriteJSON(file, t)
}

// Load returns the table of a machine, or nil if it was never calibrated. The error is for a file that cannot be read.
func Load(host *record.Host) (*Table, error) {
	file := path(host)
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
	case t.SchemaVersion != SchemaVersion || t.Host.Fingerprint != host.Fingerprint:
		return nil, nil
	}
	return &t, nil
}

// SchemaVersion is that of the table's file.
const SchemaVersion = "1"
