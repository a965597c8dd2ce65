package bench

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// page is a page of the documentation.
type page struct {
	name   string // its path from the module's root
	prose  string // its text without the blocks
	blocks []block
}

// block is a fenced block of a page.
type block struct {
	info    string // what stands behind the fence: "sh docker"
	text    string
	before  string // the line before the fence
	follows string // info of the last block before that holds commands
}

// pages reads README.md and docs/*.md.
func pages(t *testing.T) []page {
	t.Helper()
	files, err := filepath.Glob("../docs/*.md")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	var all []page
	for _, file := range append([]string{"../README.md"}, files...) {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		all = append(all, readPage(filepath.ToSlash(strings.TrimPrefix(file, "../")), string(data)))
	}
	return all
}

func readPage(name, text string) page {
	p := page{name: name}
	var current *block
	before, follows := "", ""
	for line := range strings.Lines(text) {
		info, fence := strings.CutPrefix(strings.TrimRight(line, "\n"), "```")
		switch {
		case fence && current == nil:
			current = &block{info: info, before: before, follows: follows}
		case fence:
			p.blocks = append(p.blocks, *current)
			if !strings.HasPrefix(current.info, "text") {
				follows = current.info
			}
			current = nil
		case current != nil:
			current.text += line
		default:
			p.prose += line
			before = strings.TrimRight(line, "\n")
		}
	}
	return p
}

// shown returns the lines that the page shows as the output of its i-th block.
func (p page) shown(i int) []string {
	var lines []string
	for _, b := range p.blocks[i+1:] {
		if !strings.HasPrefix(b.info, "text") {
			break
		}
		if b.info == "text output" {
			lines = append(lines, strings.Split(strings.TrimSpace(b.text), "\n")...)
		}
	}
	return lines
}

// title is the beginning of a block, as the name of a test.
func (b block) title() string {
	line, _, _ := strings.Cut(strings.ReplaceAll(b.text, "/", "_"), "\n")
	return strings.Trim(line[:min(len(line), 60)], `\ `)
}

// commands returns the command lines of a block, continued lines joined.
func (b block) commands() []string {
	return strings.Split(strings.ReplaceAll(strings.TrimSpace(b.text), "\\\n", ""), "\n")
}

func (p page) links() []string {
	var links []string
	for _, match := range regexp.MustCompile(`\]\(([^)\s]+)\)`).FindAllStringSubmatch(p.prose, -1) {
		links = append(links, match[1])
	}
	return links
}

// anchors returns the names that GitHub gives to the headings.
func (p page) anchors() []string {
	var anchors []string
	for _, match := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(p.prose, -1) {
		plain := regexp.MustCompile(`[^\p{L}\p{N}_ -]`).ReplaceAllString(strings.ToLower(match[1]), "")
		anchors = append(anchors, strings.ReplaceAll(plain, " ", "-"))
	}
	return anchors
}

func TestPagesAreRead(t *testing.T) {
	p := readPage("docs/x.md", "# A `b`, c\n[x](y.md#z)\n\n<!-- not run: why -->\n```sh not-run\na \\\n  b\nc\n```\n\n```text output\n[no](link)\n```\n")
	assert.Equal(t, []string{"a-b-c"}, p.anchors())
	assert.Equal(t, []string{"y.md#z"}, p.links())
	require.Len(t, p.blocks, 2)
	assert.Equal(t, block{info: "sh not-run", text: "a \\\n  b\nc\n", before: "<!-- not run: why -->"}, p.blocks[0])
	assert.Equal(t, []string{"a   b", "c"}, p.blocks[0].commands())
	assert.Equal(t, "sh not-run", p.blocks[1].follows)
}

func TestShapesOfLines(t *testing.T) {
	row := shape("    1   1.0    10/0 49.1 49.1   n/a")
	assert.Regexp(t, row, "x\n  250 250.0   750/0 2,185 n/a 10836\ny")
	assert.NotRegexp(t, row, "250 250.0 750/0 2185 n/a")
	assert.NotRegexp(t, row, "250 250.0 750-0 2185 n/a 1")
	assert.Regexp(t, shape("Report:  …/plots/report.html"), "Report:  /tmp/1/plots/report.html")
	assert.NotRegexp(t, shape("conc reach"), "conc  reached")
}

// TestPagesNameTestsThatExist: whoever doubts a promise can run what holds it.
func TestPagesNameTestsThatExist(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "docs", "reliability.md"))
	require.NoError(t, err)
	written := map[string]bool{}
	require.NoError(t, filepath.WalkDir("..", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		for _, found := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllSubmatch(source, -1) {
			written[string(found[1])] = true
		}
		return err
	}))
	named := regexp.MustCompile("`(Test\\w+)`").FindAllSubmatch(page, -1)
	assert.Greater(t, len(named), 30)
	for _, name := range named {
		assert.True(t, written[string(name[1])], "docs/reliability.md names %s", name[1])
	}
}
