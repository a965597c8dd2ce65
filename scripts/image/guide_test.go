package image_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestDockerCommandsOfTheGuide runs the "sh docker" blocks of the README and of docs, file by file and in their order, under names of its own
// for whatever they make.
func TestDockerCommandsOfTheGuide(t *testing.T) {
	files, err := filepath.Glob(root + "/docs/*.md")
	require.NoError(t, err)
	found := 0
	for i, file := range append(files, root+"/README.md") {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		blocks := dockerBlocks(string(text))
		if len(blocks) == 0 {
			continue
		}
		found += len(blocks)
		t.Run(filepath.Base(file), func(t *testing.T) {
			daemon(t)
			s := stage{prefix: fmt.Sprintf("llmsweep-guide-%d-%d-", os.Getpid(), i), dir: t.TempDir()}
			t.Cleanup(func() { s.clear(t) })
			for _, block := range blocks {
				out, err := s.run(t, block)
				require.NoError(t, err, "%s\n%s", block, out)
			}
		})
	}
	require.Positive(t, found, "no block was found: this test would pass without looking")
}

// dockerBlocks returns the blocks of a Markdown text that need Docker.
func dockerBlocks(text string) []string {
	var blocks []string
	for i, part := range strings.Split(text, "```") {
		if block, ok := strings.CutPrefix(part, "sh docker\n"); ok && i%2 == 1 {
			blocks = append(blocks, block)
		}
	}
	return blocks
}

// stage is where the blocks of a file run.
type stage struct {
	prefix string // of every name in Docker
	dir    string // of what they write, which else would end in the working tree
}

func (s stage) run(t *testing.T, block string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), buildLimit)
	defer cancel()
	command := exec.CommandContext(ctx, "bash", "-ec", s.rename(block))
	command.Dir = root
	command.Env = append(os.Environ(), "IMAGE="+image)
	out, err := command.CombinedOutput()
	return string(out), err
}

// rename gives the image, networks, volumes, containers and files of a block names of this stage. A container on a network keeps its name in
// DNS, since others know it by that.
func (s stage) rename(block string) string {
	for _, rule := range [][2]string{
		{`\\\n *`, ``},
		{`\bllmsweep:dev\b`, image},
		{`( --name ([\w-]+).*)( --network )`, `${1} --network-alias ${2}${3}`},
		{`( --name )([\w-]+)`, `${1}` + s.prefix + `${2}`},
		{`( --network )([\w-]+)`, `${1}` + s.prefix + `${2}`},
		{`( -v )([\w-]+):/`, `${1}` + s.prefix + `${2}:/`},
		{`(docker (?:network|volume) (?:create|rm) )([\w-]+)`, `${1}` + s.prefix + `${2}`},
		{`(docker (?:rm|stop|kill|logs|wait|exec)(?: -\w+)* )([\w-]+)`, `${1}` + s.prefix + `${2}`},
		{`> ([\w.-]+)`, `> ` + s.dir + `/${1}`},
	} {
		block = regexp.MustCompile(rule[0]).ReplaceAllString(block, rule[1])
	}
	return block
}

// clear removes all that bears the stage's prefix.
func (s stage) clear(t *testing.T) {
	t.Helper()
	for _, kind := range []struct{ list, remove string }{
		{"docker ps --all --quiet", "docker rm --force --volumes"},
		{"docker network ls --quiet", "docker network rm"},
		{"docker volume ls --quiet", "docker volume rm"},
	} {
		script := fmt.Sprintf("%s --filter name=%s | xargs -r %s", kind.list, s.prefix, kind.remove)
		out, err := exec.Command("sh", "-c", script).CombinedOutput()
		assert.NoError(t, err, "%s", out)
	}
}

func TestBlocksOfTheGuideAreRenamed(t *testing.T) {
	s := stage{prefix: "p-", dir: "/tmp/x"}
	assert.Equal(t, []string{"docker network create n\n"}, dockerBlocks("# x\n\n```sh\nmake\n```\n\n```sh docker\ndocker network create n\n```\n"))
	for _, c := range []struct{ block, want string }{
		{"docker network create llmsweep", "docker network create p-llmsweep"},
		{
			"docker run -d --name mock --network llmsweep \\\n  llmsweep:dev mockserver",
			"docker run -d --name p-mock --network-alias mock --network p-llmsweep " + image + " mockserver",
		},
		{"docker run -d --name mock llmsweep:dev mockserver", "docker run -d --name p-mock " + image + " mockserver"},
		{"docker run -v results:/data llmsweep:dev results tar > results.tar", "docker run -v p-results:/data " + image + " results tar > /tmp/x/results.tar"},
		{"docker run llmsweep:dev --endpoint-url mock:8000", "docker run " + image + " --endpoint-url mock:8000"},
		{"docker rm -f mock", "docker rm -f p-mock"},
	} {
		assert.Equal(t, c.want, s.rename(c.block))
	}
}
