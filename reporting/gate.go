package reporting

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/llmsweep/llmsweep/harness/compare"
	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/reporting/results"
	"github.com/llmsweep/llmsweep/reporting/summary"
)

// GateFile is what the last gate on a recorded benchmark said, in the benchmark's folder. A gate of two arms leaves record.ComparisonFile above its blocks.
const GateFile = "gate.json"

// GateRecord is gate.json: what one benchmark was judged by, and what came of it.
type GateRecord struct {
	SchemaVersion string            `json:"schema_version"`
	Tool          record.Tool       `json:"tool"`
	CreatedAt     time.Time         `json:"created_at,omitzero"` // zero of runs in virtual time
	Recording     string            `json:"recording_sha256"`    // of the benchmark: see Recording
	Rules         string            `json:"gate,omitempty"`      // name of the file with the rules; "" is the default
	Baseline      string            `json:"baseline,omitempty"`  // name of the benchmark that this one was compared with; "": limits alone
	SLO           string            `json:"slo,omitempty"`       // of the gate, in place of the run's own
	Verdict       compare.Verdict   `json:"verdict"`             // of all findings
	Verdicts      int               `json:"verdicts"`            // that there were; more than findings if -run chose among them
	Findings      []compare.Finding `json:"findings"`
}

// WriteGate writes what a gate said into the folder of the benchmark that it judged.
func WriteGate(dir string, g *GateRecord) (err error) {
	g.SchemaVersion, g.Verdict = record.SchemaVersion, compare.Overall(g.Findings)
	if g.Recording, err = Recording(dir); err != nil {
		return err
	}
	return record.WriteJSON(filepath.Join(dir, GateFile), g)
}

// Recording is a fingerprint of what a benchmark's folder holds of its run: the plan, each level and each request. Of two recordings that have the same one
// the figures are the same.
func Recording(dir string) (string, error) {
	sum, files := sha256.New(), 0
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !slices.Contains([]string{record.RunFile, record.LevelFile, record.LogFile}, entry.Name()) {
			return err
		}
		file, err := record.Open(path)
		if err != nil {
			return err
		}
		defer file.Close()
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		part := sha256.New()
		if _, err := io.Copy(part, file); err != nil {
			return err
		}
		fmt.Fprintf(sum, "%x %q\n", part.Sum(nil), filepath.ToSlash(name))
		files++
		return nil
	})
	if err == nil && files == 0 {
		err = errors.New("there is no recording of llmsweep's")
	}
	return hex.EncodeToString(sum.Sum(nil)), err
}

// A file with a verdict has no more bytes, and no more figures. What it quotes is cut.
const (
	mostOfGate    = 32 << 20
	mostOfFigures = 10_000
	mostOfText    = 400
)

// readVerdict reads such a file into v. An error says no more of its place than its name, and that it does not exist is fs.ErrNotExist.
func readVerdict(path string, v any) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fs.ErrNotExist
	case err != nil:
		return errors.New("it cannot be read")
	case info.Size() > mostOfGate:
		return fmt.Errorf("it has %d MB", info.Size()/1e6)
	}
	if err := record.ReadJSON(path, v); err != nil {
		return errors.New(strings.ReplaceAll(err.Error(), path+": ", ""))
	}
	return nil
}

// readGates finds what gates said of the benchmarks. What is not about just these recordings is left out with a warning: a verdict on others would be a
// wrong one.
func (r *Report) readGates(dataDir string) {
	r.gates = map[string][]*summary.Gate{}
	for _, b := range r.Benchmarks {
		g, err := gateOn(filepath.Join(dataDir, b.Name))
		if g != nil {
			r.gates[b.Name] = append(r.gates[b.Name], g)
		} else if !errors.Is(err, fs.ErrNotExist) {
			r.Warnings = append(r.Warnings, fmt.Sprintf("%s: the verdict in its %s is not shown: %v", b.Name, GateFile, err))
		}
	}
	above := []string{dataDir}
	if abs, err := filepath.Abs(dataDir); err == nil && filepath.Dir(abs) != abs {
		above = append(above, filepath.Dir(abs))
	}
	for _, dir := range above {
		if err := r.readComparison(dataDir, filepath.Join(dir, record.ComparisonFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			r.Warnings = append(r.Warnings, fmt.Sprintf("the verdict in %s is not shown: %v", record.ComparisonFile, err))
		}
	}
}

// gateOn reads the verdict on a benchmark's folder.
func gateOn(dir string) (*summary.Gate, error) {
	var g GateRecord
	if err := readVerdict(filepath.Join(dir, GateFile), &g); err != nil {
		return nil, err
	}
	switch err := compare.ContradictsFindings(g.Findings); {
	case g.SchemaVersion != record.SchemaVersion:
		return nil, fmt.Errorf("its schema_version is %q", g.SchemaVersion)
	case err != nil:
		return nil, err
	case len(g.Findings) == 0 || g.Verdict != compare.Overall(g.Findings) || g.Verdicts < len(g.Findings):
		return nil, errors.New("its verdict is not that of its findings")
	case len(g.Findings) > mostOfFigures:
		return nil, fmt.Errorf("it has %d findings", len(g.Findings))
	}
	recording, err := Recording(dir)
	if err != nil || recording != g.Recording {
		return nil, errors.New("it is of another recording: run the gate again, or remove the file")
	}
	of := "limits"
	if g.Baseline != "" {
		of = "against baseline " + g.Baseline
	}
	if g.Rules != "" {
		of += ", by " + g.Rules
	}
	if g.SLO != "" {
		of += ", objectives " + g.SLO
	}
	return printable(summary.RulesGate(of, g.Findings, g.Verdicts, g.CreatedAt)), nil
}

// readComparison hands the verdict on two arms to those benchmarks that are runs of them.
func (r *Report) readComparison(dataDir, path string) error {
	var c Comparison
	if err := readVerdict(path, &c); err != nil {
		return err
	}
	if err := c.sound(); err != nil {
		return err
	}
	var arms []string
	for _, b := range r.Benchmarks {
		if !slices.ContainsFunc(c.Arms, func(a ComparisonArm) bool { return a.Name == b.Name }) {
			continue
		}
		recording, err := Recording(filepath.Join(dataDir, b.Name))
		if err != nil || !c.made(b.Name, recording) {
			return fmt.Errorf("%s is none of the runs that it judged", b.Name)
		}
		arms = append(arms, b.Name)
	}
	if len(arms) == 0 {
		return errors.New("it is of other benchmarks")
	}
	g := printable(summary.TrialGate(c.twoArms(), c.CreatedAt, !c.Gate))
	for _, name := range arms {
		r.gates[name] = append(r.gates[name], g)
	}
	return nil
}

// sound returns an error where the comparison, read from a file, is none that a run wrote.
func (c *Comparison) sound() error {
	switch {
	case c.SchemaVersion != record.SchemaVersion:
		return fmt.Errorf("its schema_version is %q", c.SchemaVersion)
	case len(c.Arms) != 2 || c.Arms[0].Name == c.Arms[1].Name:
		return errors.New("it does not have two arms")
	case len(c.Judgement.Estimates) > mostOfFigures:
		return fmt.Errorf("it has %d figures", len(c.Judgement.Estimates))
	}
	return c.Judgement.Contradiction()
}

// made reports whether a recording is that of a run of the arm which stands for something.
func (c *Comparison) made(arm, recording string) bool {
	return slices.ContainsFunc(c.Runs, func(run ComparisonRun) bool { return run.Arm == arm && run.Invalid == "" && run.Recording == recording })
}

// printable makes texts that were read from a file harmless to terminals and tables.
func printable(g *summary.Gate) *summary.Gate {
	texts := []*string{&g.Of, &g.Reason}
	for i := range g.Figures {
		f := &g.Figures[i]
		texts = append(texts, &f.Level, &f.Metric, &f.Statistic, &f.Unit, &f.Client, &f.Text)
	}
	for _, text := range texts {
		if runes := []rune(record.Printable(*text)); len(runes) > mostOfText {
			*text = string(runes[:mostOfText]) + "..."
		} else {
			*text = string(runes)
		}
	}
	return g
}

// anyBlock is the last block of the comparison in a directory, "" where there is none.
func anyBlock(dir string) string {
	var c Comparison
	if readVerdict(filepath.Join(dir, record.ComparisonFile), &c) != nil {
		return ""
	}
	for _, run := range slices.Backward(c.Runs) {
		block := filepath.Join(dir, filepath.Dir(filepath.FromSlash(run.Dir)))
		if names, err := results.Names(block); run.Invalid == "" && filepath.IsLocal(filepath.FromSlash(run.Dir)) && err == nil && len(names) > 0 {
			return record.Printable(block)
		}
	}
	return ""
}
