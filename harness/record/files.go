package record

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// WriteJSON writes v, indented, to path as WriteFile does. When it returns, the file has reached the disk: it says how far a run came.
func WriteJSON(path string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding %s: %w", filepath.Base(path), err)
	}
	return writeFile(path, (*os.File).Sync, func(w io.Writer) error {
		_, err := w.Write(append(data, '\n'))
		return err
	})
}

// WriteFile writes path through a temporary name beside it and renames it, so that a reader never meets half a file and a
// failure leaves the old one.
func WriteFile(path string, write func(io.Writer) error) error {
	return writeFile(path, func(*os.File) error { return nil }, write)
}

func writeFile(path string, sync func(*os.File) error, write func(io.Writer) error) (err error) {
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("writing %s: %w", path, err)
			_ = os.Remove(tmp.Name()) // the first error counts
		}
	}()
	buf := bufio.NewWriterSize(tmp, 64<<10)
	err = errors.Join(write(buf), buf.Flush(), tmp.Chmod(0o644), sync(tmp), tmp.Close())
	if err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}

// ReadJSON reads path into v. The error names the file.
func ReadJSON(path string, v any) error {
	data, err := readFile(path)
	if err != nil {
		return err // names the path
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber() // numbers that we only hand on keep all their digits
	err = decoder.Decode(v)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = errors.New("unexpected end of JSON input")
	}
	if err == nil {
		if _, more := decoder.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("text after the JSON value")
		}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// LevelDirs returns the level folders (c<N>, then r<rate>, complete matches) of a benchmark folder by ascending load.
func LevelDirs(benchmarkDir string) ([]LevelDir, error) {
	entries, err := os.ReadDir(benchmarkDir)
	if err != nil {
		return nil, err
	}
	var dirs []LevelDir
	for _, entry := range entries {
		path := filepath.Join(benchmarkDir, entry.Name())
		if point, ok := PointOf(entry.Name()); ok && isDir(path) {
			dirs = append(dirs, LevelDir{Path: path, Point: point})
		}
	}
	slices.SortFunc(dirs, func(a, b LevelDir) int { return a.Compare(b.Point) })
	return dirs, nil
}

// RunDirs returns the folders of the runs of a level that was measured several times, in their order; none: it was measured once, and has its files
// itself. sentinel is that of the run at the end, "" if there is none.
func RunDirs(level LevelDir) (runs []LevelDir, sentinel string, err error) {
	entries, err := os.ReadDir(level.Path)
	if err != nil {
		return nil, "", err
	}
	numbers := map[string]int{}
	for _, entry := range entries {
		path := filepath.Join(level.Path, entry.Name())
		switch {
		case !isDir(path):
		case entry.Name() == SentinelName:
			sentinel = path
		case runOf(entry.Name()) > 0:
			numbers[path] = runOf(entry.Name())
			runs = append(runs, LevelDir{Path: path, Point: level.Point})
		}
	}
	slices.SortFunc(runs, func(a, b LevelDir) int { return numbers[a.Path] - numbers[b.Path] })
	return runs, sentinel, nil
}

// IsRunName reports whether a folder inside a level's is that of one of its runs.
func IsRunName(name string) bool { return name == SentinelName || runOf(name) > 0 }

// runOf is the k of run-<k>, a complete match, or 0.
func runOf(name string) int {
	k, err := strconv.Atoi(strings.TrimPrefix(name, "run-"))
	if err != nil || k < 1 || name != RunName(k) {
		return 0
	}
	return k
}

// IsLevelName reports whether a level's folder may be called so.
func IsLevelName(name string) bool {
	_, ok := PointOf(name)
	return ok
}

// isDir follows links.
func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// IsLevelFile reports whether a file of this name in a level's folder is one that a run writes, or the temporary form of one.
func IsLevelFile(name string) bool {
	return slices.Contains(levelFiles(), name) || IsUnfinished(name)
}

// IsUnfinished reports whether a file of this name is the temporary form of one that a run writes: what a killed process left of it.
func IsUnfinished(name string) bool {
	return slices.ContainsFunc(append(levelFiles(), RunFile), func(ours string) bool { return strings.HasPrefix(name, "."+ours+".") })
}

// IsComparisonFile reports whether a file of this name in a comparison's folder is one that a comparison writes, or the temporary form of one.
func IsComparisonFile(name string) bool {
	return slices.ContainsFunc([]string{ComparisonFile, ComparisonSummary, ComparisonChart, SensitivityFile}, func(ours string) bool {
		return name == ours || strings.HasPrefix(name, "."+ours+".")
	})
}

func levelFiles() []string {
	return []string{LevelFile, LogFile, InputsFile, RequestsFile, AggregateFile, AggregateTable, VLLMFile, OverRunsFile, OverRunsTable, ServerMetricsFile, GPUTelemetryFile}
}

// LevelDir is the folder of one level.
type LevelDir struct {
	Path string
	Point
}
