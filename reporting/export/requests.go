package export

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/reporting/results"
)

// Requests writes profile_export.json: the requests of a level's event log with their computed metrics, as one document. The lines are
// taken from the log, without its trace; lines that are not JSON are left out.
func Requests(w io.Writer, l *results.Level) error {
	logPath := filepath.Join(l.Dir, record.LogFile)
	file, err := os.Open(logPath)
	if err != nil {
		return err
	}
	defer file.Close()
	out := bufio.NewWriter(w)
	fmt.Fprint(out, `{"schema_version":"1.0",`)
	if l.Instrument() != nil {
		client, _ := json.Marshal(l.Record.Client()) // a string
		fmt.Fprintf(out, `"llmsweep":{"client":%s},`, client)
	}
	fmt.Fprint(out, `"requests":[`)
	reader := bufio.NewReaderSize(file, 256<<10)
	separator := "\n"
	for {
		line, err := reader.ReadBytes('\n')
		if data, ok := withoutTrace(line); ok {
			fmt.Fprintf(out, "%s%s", separator, data)
			separator = ",\n"
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("reading %s: %w", logPath, err)
		}
	}
	fmt.Fprint(out, "\n]}\n")
	return out.Flush()
}

func withoutTrace(line []byte) ([]byte, bool) {
	var r struct {
		Metadata json.RawMessage `json:"metadata"`
		Metrics  json.RawMessage `json:"metrics"`
		Error    json.RawMessage `json:"error,omitempty"`
	}
	if len(bytes.TrimSpace(line)) == 0 || json.Unmarshal(line, &r) != nil || r.Metadata == nil {
		return nil, false
	}
	data, err := json.Marshal(r)
	return data, err == nil
}
