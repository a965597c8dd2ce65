package export

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/reporting/results"
)

// Requests writes profile_export.json: the requests of a level's event log with their computed metrics, as one document. The lines are
// taken from the log, without its trace; lines that are not JSON are left out.
func Requests(w io.Writer, l *results.Level) error {
	logPath := filepath.Join(l.Dir, record.LogFile)
	file, err := record.Open(logPath)
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
	separator := "\n"
	err = record.WithoutTraces(file, func(line []byte) error {
		_, _ = out.WriteString(separator)
		_, err := out.Write(line)
		separator = ",\n"
		return err
	})
	if err != nil {
		return fmt.Errorf("exporting the requests of %s: %w", logPath, err)
	}
	fmt.Fprint(out, "\n]}\n")
	return out.Flush()
}
