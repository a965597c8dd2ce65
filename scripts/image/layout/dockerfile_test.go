package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDockerfile(t *testing.T) {
	const end = "\nCOPY a/ /\nENTRYPOINT [\"/x\"]\n"
	for name, test := range map[string]struct{ text, want string }{
		"another base":        {"FROM debian" + end, `:1: FROM "debian": must be scratch`},
		"a command":           {"FROM scratch\n# why\nRUN true" + end, `:3: instruction "RUN": must be FROM, COPY`},
		"one file":            {"COPY a /" + end, "must be the contents of one folder to the root"},
		"another place":       {"COPY a/ /b/" + end, "must be the contents of one folder to the root"},
		"owner by name":       {"COPY --chown=root a/ /" + end, `owner "root": must be two numbers`},
		"user by name":        {"USER root" + end, `owner "root": must be two numbers`},
		"a variable":          {"ENV A=$B" + end, "without quotes, variables and continuation"},
		"quotes":              {`LABEL a="b c"` + end, "without quotes"},
		"continued":           {"LABEL a=b \\\n  c=d" + end, "continuation"},
		"no value":            {"ENV A" + end, `ENV "A": must be KEY=VALUE`},
		"relative folder":     {"WORKDIR data" + end, "must be one absolute path"},
		"another protocol":    {"EXPOSE 53/udp" + end, "numbers of TCP ports"},
		"shell's entry point": {"COPY a/ /\nENTRYPOINT /x", "must be a JSON list of strings"},
		"no entry point":      {"FROM scratch\nCOPY a/ /", "needs COPY and ENTRYPOINT"},
		"nothing to copy":     {"FROM scratch\nENTRYPOINT [\"/x\"]", "needs COPY and ENTRYPOINT"},
		"no words":            {"EXPOSE" + end, `EXPOSE ""`},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "Dockerfile")
			require.NoError(t, os.WriteFile(path, []byte(test.text), 0o600))
			_, err := readDockerfile(path)
			require.ErrorContains(t, err, test.want)
			assert.ErrorContains(t, err, path)
		})
	}
}
