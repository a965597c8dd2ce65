package main

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// component is a work of others with the files that hold its licence.
type component struct {
	name   string
	remark string // what its licence asks to be said
	root   string // folder that the files are in
	files  []string
}

// licenceName matches LICENSE, LICENSE-SIL, COPYING.txt, NOTICE and the like, and echarts.LICENSE for a file that is not ours in a folder
// that is.
var licenceName = regexp.MustCompile(`(?i)^([a-z0-9_-]+\.)?(licen[cs]e|copying|copyright|notice|patents)([-._].*)?$`)

// licenceFolder matches licenses and THIRD_PARTY_LICENSES.
var licenceFolder = regexp.MustCompile(`(?i)(^|[_-])licen[cs]es$`)

func isLicence(name string) bool { return licenceName.MatchString(name) && filepath.Ext(name) != ".go" }

// licenceFiles finds the licences below a folder, those of parts that a module has taken over from elsewhere too. A folder of
// licences holds nothing else. Test data, nested modules and hidden folders are not linked.
func licenceFiles(root string) ([]string, error) {
	var files []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != root && leftOut(path, entry.Name()):
			return filepath.SkipDir
		case entry.Type().IsRegular() && (isLicence(entry.Name()) || licenceFolder.MatchString(filepath.Base(filepath.Dir(path)))):
			name, err := filepath.Rel(root, path)
			files = append(files, filepath.ToSlash(name))
			return err
		}
		return nil
	})
	slices.Sort(files)
	return files, err
}

func leftOut(path, name string) bool {
	if name == "testdata" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") {
		return true
	}
	_, err := os.Stat(filepath.Join(path, "go.mod"))
	return err == nil
}

// write writes the component's name, then its licences as they are.
func (c component) write(w io.Writer) error {
	if len(c.files) == 0 {
		return fmt.Errorf("%s: no licence found in %q: what has none cannot be given away", c.name, c.root)
	}
	line := strings.Repeat("=", 100)
	fmt.Fprintf(w, "\n%s\n%s\n%s\n", line, c.name, line)
	if c.remark != "" {
		fmt.Fprintf(w, "\n%s\n", c.remark)
	}
	for _, file := range c.files {
		text, err := os.ReadFile(filepath.Join(c.root, filepath.FromSlash(file)))
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		if strings.TrimSpace(string(text)) == "" {
			return fmt.Errorf("%s: %s is empty", c.name, file)
		}
		fmt.Fprintf(w, "\n--- %s\n\n%s\n", file, strings.TrimSpace(strings.ReplaceAll(string(text), "\r\n", "\n")))
	}
	return nil
}
