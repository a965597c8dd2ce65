package harness

import (
	"os"
	"path/filepath"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/workload"
)

// oneRun is one of the runs of a level.
type oneRun struct {
	point  record.Point
	folder string // inside the level's; "": that itself
	number int    // from 1
}

// runs lists what is measured, in its order. Repeats are interleaved, all levels once and then all again, so that a machine that drifts does
// so within each level's runs and not between levels. At the end the first level is measured again, to be held against its first run.
func (p *Plan) runs() []oneRun {
	var runs []oneRun
	if p.Repeats <= 1 {
		for _, at := range p.Points() {
			runs = append(runs, oneRun{point: at, number: 1})
		}
		return runs
	}
	for k := 1; k <= p.Repeats; k++ {
		for _, at := range p.Points() {
			runs = append(runs, oneRun{at, record.RunName(k), k})
		}
	}
	return append(runs, oneRun{p.Points()[0], record.SentinelName, 1})
}

// spec is the workload of a run: the first has that of an unrepeated level, each other lengths of its own.
func (r oneRun) spec(s workload.Spec) workload.Spec {
	if r.number > 1 {
		s.Seed = derived(s.Seed, "run", "", r.number)
	}
	if r.folder == record.SentinelName {
		s.Again = "/" + r.folder // the first run has its seed
	}
	return s
}

// names are those of the sweep's levels and runs.
func (s *Sweep) names() []string {
	names := make([]string, len(s.levels))
	for i, l := range s.levels {
		names[i] = l.Name
	}
	return names
}

// folders lists the folders of levels and of their runs, the inner ones first.
func (s *Sweep) folders() ([]record.LevelDir, error) {
	levels, err := record.LevelDirs(s.dir)
	var all []record.LevelDir
	for _, level := range levels {
		if info, err := os.Lstat(level.Path); err == nil && info.Mode()&os.ModeSymlink == 0 { // what a link leads to is not ours
			runs, sentinel, err := record.RunDirs(level)
			if err != nil {
				return nil, err
			}
			all = append(all, runs...)
			if sentinel != "" {
				all = append(all, record.LevelDir{Path: filepath.Clean(sentinel), Point: level.Point})
			}
		}
		all = append(all, level)
	}
	return all, err
}
