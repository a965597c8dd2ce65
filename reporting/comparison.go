package reporting

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/llmsweep/llmsweep/harness/compare"
	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/reporting/chart"
	"github.com/llmsweep/llmsweep/reporting/summary"
)

// Comparison is comparison.json: what was compared, how, and what came of it.
type Comparison struct {
	SchemaVersion string            `json:"schema_version"`
	Tool          record.Tool       `json:"tool"`
	CreatedAt     time.Time         `json:"created_at,omitzero"` // zero in virtual time
	Virtual       bool              `json:"virtual,omitempty"`
	Gate          bool              `json:"gate,omitempty"` // the candidate was judged by it: -run Gate
	Plan          record.Plan       `json:"plan"`           // of both arms; what differs between them is in Arms and in the run.json of each run
	Arms          []ComparisonArm   `json:"arms"`           // the base, then the candidate
	Design        ComparisonDesign  `json:"design"`
	Judgement     compare.Judgement `json:"judgement"`
	Runs          []ComparisonRun   `json:"runs"` // in the order in which they were made
}

// ComparisonDesign is what was decided before the first run.
type ComparisonDesign struct {
	Primaries []compare.Primary `json:"primaries"`
	Looks     []int             `json:"looks"`
	CoinSeed  int64             `json:"coin_seed"`
}

// ComparisonArm is one of the two targets.
type ComparisonArm struct {
	Name     string   `json:"name"`
	Endpoint string   `json:"endpoint,omitempty"`
	MockArgs []string `json:"mock_args,omitempty"` // of an embedded mock server
	Started  bool     `json:"started,omitempty"`   // by a command, for each run
}

// ComparisonRun is one run of an arm.
type ComparisonRun struct {
	Block   int    `json:"block"`
	Arm     string `json:"arm"`
	Attempt int    `json:"attempt,omitempty"` // how often the block was begun before
	Dir     string `json:"dir"`               // relative to the comparison's
	Invalid string `json:"invalid,omitempty"` // why it stands for nothing
	// Recording tells whether a folder is that of this run: see Recording.
	Recording string `json:"recording_sha256,omitempty"`
}

// WriteComparison writes a comparison into its folder: as JSON, and as text.
func WriteComparison(dir string, c *Comparison) error {
	c.SchemaVersion = record.SchemaVersion
	var text bytes.Buffer
	if err := c.WriteSummary(&text); err != nil {
		return err
	}
	return errors.Join(
		record.WriteJSON(filepath.Join(dir, record.ComparisonFile), c),
		record.WriteFile(filepath.Join(dir, record.ComparisonSummary), func(w io.Writer) error {
			_, err := w.Write(text.Bytes())
			return err
		}),
		record.WriteFile(filepath.Join(dir, record.ComparisonChart), c.intervals().WritePNG),
	)
}

// intervals is the comparison as a picture.
func (c *Comparison) intervals() chart.Intervals {
	j := c.Judgement
	pic := chart.Intervals{
		Title:    fmt.Sprintf("%s against %s: %s", c.Arms[compare.Candidate].Name, c.Arms[compare.Base].Name, strings.ToUpper(string(j.Verdict))),
		Subtitle: j.Reason, XLabel: "change of the candidate against the base (%)",
		Note: fmt.Sprintf("%d blocks of both arms. Dots: Hodges-Lehmann estimates, bars: signed-rank intervals. Dashed: the margin. Of times less is better, of throughputs more.", j.Blocks),
	}
	for _, e := range j.Estimates {
		if !e.Primary && math.IsNaN(e.Change) {
			continue
		}
		row := chart.IntervalRow{
			Label: fmt.Sprintf("%s  %s %s", e.Level, e.Metric, e.Statistic), Value: 100 * e.Change, Low: 100 * e.Low, High: 100 * e.High, Limit: math.NaN(),
			Remark: "reported",
		}
		if e.Primary {
			row.Limit = 100 * e.Margin
		}
		switch e.Verdict {
		case compare.Pass:
			row.State, row.Remark = chart.Good, "pass"
		case compare.Fail:
			row.State, row.Remark = chart.Bad, "fail"
		case compare.Inconclusive:
			row.State, row.Remark = chart.Open, "inconclusive"
		}
		if math.IsNaN(e.Change) {
			row.Remark = "n/a"
		} else {
			row.Remark = fmt.Sprintf("%+.2f %%  %s", 100*e.Change, row.Remark)
		}
		pic.Rows = append(pic.Rows, row)
	}
	return pic
}

// WriteSummary writes the comparison as text of at most 100 columns.
func (c *Comparison) WriteSummary(w io.Writer) error {
	return summary.Trial(w, c.twoArms())
}

func (c *Comparison) twoArms() summary.TwoArms {
	return summary.TwoArms{Base: c.Arms[compare.Base].Name, Candidate: c.Arms[compare.Candidate].Name, Plan: &c.Plan, Judgement: c.Judgement}
}

// AppendEstimates appends a judgement as Markdown to a file, such as the one that GitHub names for a job's summary; "" is none.
func AppendEstimates(path string, j compare.Judgement) error {
	if path == "" {
		return nil
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("writing the gate's summary: %w", err)
	}
	return errors.Join(summary.Estimates(file, j), file.Close())
}

// Sensitivities is sensitivity.json: how large a change of each figure must be to be seen on a machine.
type Sensitivities struct {
	Host    *record.Host          `json:"host,omitempty"` // nil: virtual time
	Figures []compare.Sensitivity `json:"figures"`
}

// Write writes them as a table. unarmed has the primaries that cannot be judged, with the reasons.
func (s *Sensitivities) Write(w io.Writer, unarmed map[compare.Selector]string) error {
	return summary.Sensitivities(w, s.Figures, unarmed)
}
