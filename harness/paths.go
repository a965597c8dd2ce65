package harness

import (
	"bufio"
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
