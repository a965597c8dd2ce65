package results

import (
	"io/fs"
	"path/filepath"
	"runtime"
	"sync"

	"github.com/llmsweep/llmsweep/harness/record"
)

// maxWorkers bounds what is in memory at a time: more processors than this would each have a log's values, or a picture, there.
const maxWorkers = 4

// InParallel calls do for each number below n, a few at a time, and returns when all calls have.
func InParallel(n int, do func(i int)) {
	var group sync.WaitGroup
	places := make(chan struct{}, min(maxWorkers, runtime.GOMAXPROCS(0)))
	for i := range n {
		places <- struct{}{}
		group.Go(func() {
			defer func() { <-places }()
			do(i)
		})
	}
	group.Wait()
}

// readLevels reads the levels in the folders, those with long logs one after the other: two of them would take twice the memory. A level that could not be read has an
// error in its place.
func (o Options) readLevels(b *Benchmark, dirs []record.LevelDir) ([]*Level, []error) {
	levels, failures := make([]*Level, len(dirs)), make([]error, len(dirs))
	var short []int
	for i, d := range dirs {
		if logBytes(d.Path) < longLog {
			short = append(short, i)
			continue
		}
		levels[i], failures[i] = o.readLevel(b, d)
	}
	InParallel(len(short), func(k int) {
		i := short[k]
		levels[i], failures[i] = o.readLevel(b, dirs[i])
	})
	return levels, failures
}

// logBytes is the size of all logs in a level's folder. What cannot be read counts nothing here, and is reported by who reads it.
func logBytes(dir string) (sum int64) {
	_ = filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.Name() != record.LogFile {
			return nil //nolint:nilerr // it is reported by who reads the log
		}
		if info, err := entry.Info(); err == nil {
			sum += info.Size()
		}
		return nil
	})
	return sum
}
