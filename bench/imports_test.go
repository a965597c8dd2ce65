package bench

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const module = "github.com/llmsweep/llmsweep"

// allowedImports states which room may import which, tests aside. A room that is missing here fails the test: decide where it stands
// before it gets neighbours. "…/..." allows a room and all rooms in it.
func allowedImports() map[string][]string {
	return map[string][]string{
		// Leaves: numbers, words and files.
		"harness/stat":      {},
		"harness/record":    {},
		"harness/arrival":   {},
		"harness/tokenizer": {},
		// Files of models, from a cache or the Hub.
		"harness/tokenizer/hub": {},
		"harness/host":          {"harness/record"},
		"harness/process":       {},
		"harness/kubectl":       {"harness/process"},
		"harness/clock":         {},
		"harness/preflight":     {},
		"harness/scrape":        {"harness/record"},
		"harness/forecast":      {},
		"harness/lock":          {"harness/record"},
		// What kubectl prints, for tests without a cluster.
		"harness/kubectl/fakekubectl": {},
		// What is asked, and the client that asks it.
		"harness/workload":              {"harness/tokenizer", "harness/record", "harness/workload/dataset"},
		"harness/workload/dataset":      {},
		"harness/openai":                {"harness/workload", "harness/record", "harness/openai/internal/sse", "harness/openai/internal/http1"},
		"harness/openai/internal/sse":   {},
		"harness/openai/internal/http1": {},
		// What it means.
		"harness/metric":  {"harness/record", "harness/stat"},
		"harness/steady":  {"harness/record", "harness/metric", "harness/stat"},
		"harness/compare": {"harness/metric", "harness/steady", "harness/stat", "harness/record"},
		// What the client knows of itself: its canaries are requests like any other.
		"harness/ceiling":    {"harness/record", "harness/stat"},
		"harness/instrument": {"harness/clock", "harness/openai", "harness/record", "harness/stat", "harness/steady", "harness/workload"},
		"harness": {
			"harness/arrival", "harness/workload", "harness/workload/dataset", "harness/tokenizer", "harness/tokenizer/hub", "harness/openai", "harness/record", "harness/metric", "harness/stat",
			"harness/steady", "harness/clock", "harness/host", "harness/kubectl", "harness/process", "harness/instrument", "harness/ceiling", "harness/preflight", "harness/forecast", "harness/lock",
			"harness/scrape",
		},
		// The mock shares nothing with the client, least of all wire code: a shared encoder would make both wrong together.
		"mockserver":                {"mockserver/engine", "mockserver/fault", "mockserver/metrics"},
		"mockserver/fault":          {},
		"mockserver/metrics":        {"mockserver/engine"},
		"mockserver/engine":         {},
		"mockserver/engine/profile": {"mockserver/engine"},
		"mockserver/memnet":         {},
		"mockserver/container":      {},
		"mockserver/cmd":            {"mockserver", "mockserver/engine", "mockserver/engine/profile", "mockserver/fault"},
		"mockserver/cmd/mockserver": {"mockserver/cmd"},
		// Reporting depends on files, not on the run: never on harness itself, never on the mock.
		"reporting":            {"harness/record", "harness/metric", "harness/steady", "harness/compare", "harness/stat", "reporting/..."},
		"reporting/results":    {"harness/record", "harness/metric", "harness/scrape", "harness/steady", "harness/stat"},
		"reporting/export":     {"harness/record", "harness/metric", "harness/scrape", "harness/steady", "harness/stat", "reporting/results"},
		"reporting/summary":    {"harness/record", "harness/metric", "harness/scrape", "harness/steady", "harness/compare", "harness/stat", "reporting/results"},
		"reporting/chart":      {},
		"reporting/page":       {"reporting/chart"},
		"reporting/cmd":        {"harness/metric", "harness/record", "reporting"},
		"reporting/cmd/report": {"reporting/cmd"},
		// Thin programs around what the rooms offer.
		"scripts/image":            {},
		"scripts/image/entrypoint": {"harness", "harness/compare"},
		"scripts/image/layout":     {},
		"scripts/image/notices":    {},
		"scripts/cluster":          {},
		"scripts/cluster/render":   {"harness", "harness/kubectl"},
		"scripts/cluster/download": {"harness", "harness/kubectl", "scripts/cluster"},
		// What tests start, they end.
		"leaktest": {},
		"bench":    {"harness/...", "mockserver/...", "reporting/..."},
	}
}

// listed is what go list says of a package.
type listed struct {
	ImportPath                string
	Imports                   []string
	TestImports, XTestImports []string
}

// TestRoomsImportOnlyTheirNeighbours holds the imports of the code against allowedImports.
func TestRoomsImportOnlyTheirNeighbours(t *testing.T) {
	allowed := allowedImports()
	openSources(t)
	packages := listPackages(t)
	require.Greater(t, len(packages), 10, "go list found too few packages: the test would pass without looking")
	for _, p := range packages {
		room := strings.TrimPrefix(p.ImportPath, module+"/")
		neighbours, known := allowed[room]
		if !assert.Truef(t, known, "room %q is not in allowedImports", room) {
			continue
		}
		for _, imported := range ours(p.Imports) {
			assert.Truef(t, permits(neighbours, imported), "%s imports %s", room, imported)
		}
		for _, imported := range ours(slices.Concat(p.Imports, p.TestImports, p.XTestImports)) {
			assert.NotEqual(t, "bench", imported, "%s imports bench: nobody may", room)
		}
	}
}

// TestWhoStartsGoroutinesLooksForThem: the tests of a room whose code starts any end with leaktest.
func TestWhoStartsGoroutinesLooksForThem(t *testing.T) {
	starts := regexp.MustCompile(`(?m)^[^/]*(\bgo func\b|\bgo [\w.]+\(|\w\.Go\()`)
	found := 0
	for _, p := range listPackages(t) {
		room := strings.TrimPrefix(p.ImportPath, module+"/")
		files, err := filepath.Glob(filepath.Join("..", room, "*.go"))
		require.NoError(t, err)
		for _, file := range files {
			source, err := os.ReadFile(file)
			require.NoError(t, err)
			tests := slices.Concat(p.TestImports, p.XTestImports)
			if strings.HasSuffix(file, "_test.go") || !starts.Match(source) || len(tests) == 0 {
				continue
			}
			found++
			assert.Contains(t, ours(tests), "leaktest", "%s starts goroutines", file)
		}
	}
	assert.Greater(t, found, 8)
}

func TestForbiddenImportsAreNoticed(t *testing.T) {
	allowed := allowedImports()
	for _, edge := range [][2]string{
		{"reporting", "harness"}, {"reporting", "mockserver"}, {"harness", "mockserver"}, {"mockserver", "harness/record"},
		{"harness/stat", "harness/record"}, {"harness/openai", "mockserver/memnet"}, {"harness/instrument", "mockserver/memnet"}, {"reporting/chart", "reporting"},
	} {
		assert.Falsef(t, permits(allowed[edge[0]], edge[1]), "%s may import %s", edge[0], edge[1])
	}
	assert.True(t, permits(allowed["bench"], "harness/record"))
	assert.True(t, permits(allowed["bench"], "harness"))
}

func permits(neighbours []string, imported string) bool {
	return slices.ContainsFunc(neighbours, func(n string) bool {
		parent, all := strings.CutSuffix(n, "/...")
		return imported == n || all && (imported == parent || strings.HasPrefix(imported, parent+"/"))
	})
}

// ours keeps the imports inside the module, without its path.
func ours(imports []string) []string {
	var kept []string
	for _, path := range imports {
		if room, inside := strings.CutPrefix(path, module+"/"); inside {
			kept = append(kept, room)
		}
	}
	return kept
}

// openSources opens every source file of the module. go test remembers a result together with the files that the test itself opened;
// what its children read, as go list and go build do, it does not see, and would answer a change of theirs out of its cache.
func openSources(t *testing.T) {
	t.Helper()
	opened := 0
	require.NoError(t, filepath.WalkDir("..", func(path string, entry os.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && slices.Contains([]string{".git", "benchmarks", "dist"}, entry.Name()):
			return filepath.SkipDir
		case slices.Contains([]string{".go", ".mod", ".sh"}, filepath.Ext(path)) || entry.Name() == "Makefile":
			file, err := os.Open(path)
			if err != nil {
				return err
			}
			opened++
			return file.Close()
		}
		return nil
	}))
	require.Greater(t, opened, 100)
}

func listPackages(t *testing.T) []listed {
	command := exec.Command("go", "list", "-json=ImportPath,Imports,TestImports,XTestImports", "./...")
	command.Dir = ".."
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	require.NoError(t, err, stderr.String())
	var packages []listed
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		err := decoder.Decode(&p)
		if errors.Is(err, io.EOF) {
			return packages
		}
		require.NoError(t, err)
		packages = append(packages, p)
	}
}
