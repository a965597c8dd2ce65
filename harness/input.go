package harness

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sort"
	"time"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/workload"
	"github.com/llmsweep/llmsweep/harness/workload/dataset"
)

// input is the open file of -input-file.
type input struct {
	name string
	file *os.File
	was  os.FileInfo
	data *dataset.Dataset
}

// openInput reads the file of -input-file to its end, once, and completes the plan with what it found. The error has everything that is wrong with the
// file. Without such a file nothing happens.
func (s *Sweep) openInput() error {
	p := s.Plan
	if p.Input.File == "" {
		return nil
	}
	in, err := openRegular(p.Input.File)
	if err != nil {
		return err
	}
	s.input = in
	if in.data, err = dataset.Read(in.name, in.file, in.was.Size(), dataset.Format(p.Input.Format)); err != nil {
		return fmt.Errorf("-input-file: %w", err)
	}
	if reason := in.changed(); reason != "" {
		return errors.New(reason)
	}
	d := in.data
	sampling, err := dataset.ParseSampling(p.Input.Sampling, d.Format)
	p.Input = record.Input{File: p.Input.File, SHA256: d.SHA256, Format: string(d.Format), Sampling: string(sampling), Records: d.Len()}
	return err
}

// openRegular opens a file that can be read twice.
func openRegular(name string) (*input, error) {
	path := Resolve(name)
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("input-file %q: %w", name, missing(name, cause(err)))
	}
	in := &input{name: name, file: file}
	switch in.was, err = file.Stat(); {
	case err != nil:
	case in.was.IsDir():
		err = errors.New("is a folder: name one file")
	case !in.was.Mode().IsRegular():
		err = errors.New("is no regular file, and it is read twice: write it to one")
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("input-file %q: %w", name, err), file.Close())
	}
	return in, nil
}

// cause is an error of a file without the path, which is quoted as the user gave it.
func cause(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}

// changed says that the file is not what was read of it any more; "": it is.
func (in *input) changed() string {
	if in == nil {
		return ""
	}
	is, err := in.file.Stat()
	if err == nil && is.Size() == in.was.Size() && is.ModTime().Equal(in.was.ModTime()) {
		return ""
	}
	return fmt.Sprintf("input-file %q: was written to while it was in use: what was asked is not what its SHA-256 says", in.name)
}

// close lets go of the file.
func (in *input) close() {
	if in != nil {
		_ = in.file.Close() // it was only read
	}
}

// source is what requests take from the file; nil: there is none.
func (s *Sweep) source() *workload.Source {
	if s.input == nil {
		return nil
	}
	d, seed := s.input.data, s.Plan.Seed
	if s.Plan.block != nil {
		seed = s.Plan.block.seed
	}
	return &workload.Source{Name: s.input.name, Records: d, Format: d.Format, SHA256: d.SHA256, Sampling: dataset.Sampling(s.Plan.Input.Sampling), Seed: &seed}
}

// followable refuses a file whose times cannot be a schedule of so many requests.
func (s *Sweep) followable(requests int) error {
	d := s.input.data
	switch {
	case dataset.Sampling(s.Plan.Input.Sampling) != dataset.Sequential:
		return fmt.Errorf("fixed-schedule: a %s is drawn at random: pass -dataset-sampling=sequential", d.Format)
	case d.Timed == 0:
		return fmt.Errorf("fixed-schedule: input-file %q: has no timestamps", s.input.name)
	case d.Unsorted > 0:
		return fmt.Errorf("fixed-schedule: %s:%d: its timestamp is before that of the record above it: sort the trace", s.input.name, d.Unsorted)
	case requests > d.Len():
		return fmt.Errorf("fixed-schedule: request-count %d is more than the %d records of %q", requests, d.Len(), s.input.name)
	}
	return nil
}

// timely is how many of the first requests of a trace come within a -duration.
func (s *Sweep) timely(requests int) (n int, err error) {
	p, d := s.Plan, s.input.data
	if p.Duration == 0 {
		return requests, nil
	}
	at := func(i int) (stamp time.Duration) {
		e, failed := d.Entry(i)
		if failed != nil {
			err = failed
			return 0
		}
		return e.Timestamp
	}
	first := at(0)
	n = sort.Search(requests, func(i int) bool { return float64(at(i)-first)*p.TimeScale >= float64(p.Duration) })
	return n, err
}

// inputNotes say how the file was understood where nobody had said it, and how much of a trace is replayed.
func (s *Sweep) inputNotes() (notes []string) {
	if s.input == nil {
		return nil
	}
	d, p := s.input.data, s.Plan
	if d.Detected != "" {
		notes = append(notes, fmt.Sprintf("input-file %q: read as %s: %s", s.input.name, d.Format, d.Detected))
	}
	if p.FixedSchedule && len(s.levels) > 0 && s.levels[0].Requests < d.Len() {
		notes = append(notes, fmt.Sprintf("input-file %q: the first %d of its %d records are replayed", s.input.name, s.levels[0].Requests, d.Len()))
	}
	return notes
}

// inputWarnings are what to know of the file beside the figures.
func (s *Sweep) inputWarnings(at places) []string {
	if s.input == nil {
		return nil
	}
	var warnings []string
	for _, note := range s.input.data.Notes {
		warnings = append(warnings, fmt.Sprintf("input-file %q: %s", s.input.name, note))
	}
	requests := at.end - at.first
	switch p := s.Plan.Input; {
	case dataset.Format(p.Format) == dataset.BurstGPT: // which has lengths alone
	case dataset.Sampling(p.Sampling) == dataset.Random && at.more:
		warnings = append(warnings, fmt.Sprintf("input-file %q: requests draw from %d records with replacement: a server that caches prefixes answers the repeated ones faster",
			s.input.name, p.Records))
	case dataset.Sampling(p.Sampling) == dataset.Random:
		warnings = append(warnings, fmt.Sprintf("input-file %q: %d requests draw from %d records with replacement: a server that caches prefixes answers the repeated ones faster",
			s.input.name, requests, p.Records))
	case requests > p.Records:
		records := "1 record"
		if p.Records > 1 {
			records = fmt.Sprintf("%d records", p.Records)
		}
		warnings = append(warnings, fmt.Sprintf("input-file %q: %d requests have %s, so that prompts repeat: a server that caches prefixes answers those faster",
			s.input.name, requests, records))
	case s.Plan.FixedSchedule && s.Plan.block != nil:
		warnings = append(warnings, fmt.Sprintf("input-file %q: all runs of this comparison replay the same part of the trace: a server that caches prefixes answers what it knows faster", s.input.name))
	case s.Plan.FixedSchedule && s.Plan.Repeats > 1:
		warnings = append(warnings, fmt.Sprintf("input-file %q: all runs replay the same part of the trace: a server that caches prefixes answers what it knows faster", s.input.name))
	case at.end > p.Records: // all say the same, for it to be said once
		warnings = append(warnings, fmt.Sprintf("input-file %q: its %d records are used up by the blocks of this comparison, of which each run asks %d, and prompts repeat: a server that caches prefixes answers those faster",
			s.input.name, p.Records, requests))
	}
	return warnings
}

// input checks what is said of -input-file. The file itself is read later, on the machine that sends the load.
func (c *checks) input(in record.Input) {
	if _, err := dataset.ParseFormat(in.Format); err != nil {
		*c = append(*c, fmt.Errorf("custom-dataset-type %w", err))
	}
	if _, err := dataset.ParseSampling(in.Sampling, ""); err != nil {
		*c = append(*c, fmt.Errorf("dataset-sampling %w", err))
	}
	if about := cmp.Or(in.Format, in.Sampling); in.File == "" && about != "" {
		name := "custom-dataset-type"
		if in.Format == "" {
			name = "dataset-sampling"
		}
		c.fault(name, about, "is about a file: name it with -input-file")
	}
}
