package harness

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const modulePath = "github.com/llmsweep/llmsweep"

// ResultsDir is the output directory as a path that can be opened. go test runs the test in bench's folder: inside our module a
// relative path is meant from the module's root, elsewhere from the working directory.
func (p *Plan) ResultsDir() string {
	return Resolve(p.OutputDir)
}

// Resolve makes a path of a flag one that can be opened.
func Resolve(path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(moduleRoot(), path)
}

// missing completes the error of a file that is not there: where a relative path of a flag led, and what it is relative to.
func missing(path string, err error) error {
	if !errors.Is(err, fs.ErrNotExist) || filepath.IsAbs(path) {
		return err
	}
	at, failed := filepath.Abs(Resolve(path))
	if failed != nil {
		return err
	}
	from := "the root of llmsweep's module"
	if moduleRoot() == "" {
		from = "the working directory, which in go test is the package's folder"
	}
	return fmt.Errorf("%w: looked for at %s: a relative path is from %s", err, at, from)
}

// moduleRoot is the root of our module above the working directory, or "".
func moduleRoot() string {
	dir, err := os.Getwd()
	for ; err == nil; dir = filepath.Dir(dir) {
		if moduleName(filepath.Join(dir, "go.mod")) == modulePath {
			return dir
		}
		if dir == filepath.Dir(dir) {
			break
		}
	}
	return ""
}

// moduleName is the module that a go.mod declares, or "".
func moduleName(path string) string {
	file, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer file.Close()
	for scanner := bufio.NewScanner(file); scanner.Scan(); {
		if words := strings.Fields(scanner.Text()); len(words) > 1 && words[0] == "module" {
			return strings.Trim(words[1], `"`)
		}
	}
	return ""
}
