package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// linked lists what the programs of packages are made of: Go, what is embedded, then the modules by name.
func linked(ctx context.Context, platform string, packages []string) ([]component, error) {
	tree, goroot, err := folders(ctx)
	if err != nil {
		return nil, err
	}
	rooms, modules, err := builtFrom(ctx, platform, packages)
	if err != nil {
		return nil, err
	}
	embedded, err := embeddedFiles(tree, rooms)
	if err != nil {
		return nil, err
	}
	components := []component{{name: "Go, its standard library and runtime", root: goroot, files: []string{"LICENSE", "PATENTS"}}}
	if len(embedded.files) > 0 {
		components = append(components, embedded)
	}
	for _, m := range modules {
		c, err := m.component()
		if err != nil {
			return nil, err
		}
		components = append(components, c)
	}
	return components, nil
}

// embeddedFiles are works that our own packages embed. Their licences lie beside them.
func embeddedFiles(tree string, rooms []string) (component, error) {
	c := component{
		name: "Embedded files", root: tree,
		remark: "Each licence has its place in llmsweep's sources for a name, where it lies beside the files that it is for.",
	}
	for _, room := range rooms {
		entries, err := os.ReadDir(room)
		if err != nil {
			return c, err
		}
		for _, entry := range entries {
			if isLicence(entry.Name()) {
				name, err := filepath.Rel(tree, filepath.Join(room, entry.Name()))
				if err != nil {
					return c, err
				}
				c.files = append(c.files, filepath.ToSlash(name))
			}
		}
	}
	return c, nil
}

// module is what go list says of one.
type module struct {
	Path, Version, Dir string
	Main               bool
}

func (m module) component() (component, error) {
	files, err := licenceFiles(m.Dir)
	c := component{name: m.Path + " " + m.Version, root: m.Dir, files: files}
	if m.Path == "github.com/golang/freetype" { // of two licences one may be chosen, which asks for this sentence
		c.remark = "Used under the FreeType License: this software is based in part of the work of the FreeType Team."
		c.files = slices.DeleteFunc(c.files, func(name string) bool { return name == "licenses/gpl.txt" })
	}
	return c, err
}

// folders returns the root of the main module and that of Go.
func folders(ctx context.Context) (tree, goroot string, err error) {
	out, err := goCommand(ctx, nil, "env", "GOMOD", "GOROOT")
	if err != nil {
		return "", "", err
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) != 2 || filepath.Base(lines[0]) != "go.mod" {
		return "", "", fmt.Errorf("go env GOMOD GOROOT: %q: must run inside llmsweep's module", lines)
	}
	return filepath.Dir(lines[0]), lines[1], nil
}

// builtFrom lists what programs are linked from: the folders of our own packages, and the modules of all others. The program itself would
// not do: go writes no modules into a compiled test.
func builtFrom(ctx context.Context, platform string, packages []string) (rooms []string, modules []module, err error) {
	system, arch, _ := strings.Cut(platform, "/")
	out, err := goCommand(ctx, []string{"GOOS=" + system, "GOARCH=" + arch, "CGO_ENABLED=0"},
		append([]string{"list", "-deps", "-test", "-json=Dir,Module"}, packages...)...)
	if err != nil {
		return nil, nil, err
	}
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			Dir    string
			Module module
		}
		switch err := decoder.Decode(&p); {
		case errors.Is(err, io.EOF):
			slices.Sort(rooms)
			slices.SortFunc(modules, func(a, b module) int { return strings.Compare(a.Path, b.Path) })
			return slices.Compact(rooms), slices.Compact(modules), nil
		case err != nil:
			return nil, nil, fmt.Errorf("go list: %w", err)
		case p.Module.Main:
			rooms = append(rooms, p.Dir)
		case p.Module.Path != "":
			modules = append(modules, p.Module)
		}
	}
}

func goCommand(ctx context.Context, environment []string, args ...string) ([]byte, error) {
	command := exec.CommandContext(ctx, "go", args...)
	command.Env = append(os.Environ(), environment...)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("go %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return out, nil
}
