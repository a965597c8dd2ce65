package bench

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestProductsAreRounded: what a seed determines is the same on every processor. Compilers for some of them fuse a product with the sum that it goes into,
// across statements too, unless it is converted, and round once then. One that fuses, for arm64, finds nothing to fuse in the packages that promise this,
// but products that are exact: those of a random number, which is a whole number over 2 to the 53rd.
func TestProductsAreRounded(t *testing.T) {
	build := exec.CommandContext(t.Context(), "go", "build", "-gcflags=-S", "./harness/arrival", "./harness/workload", "./harness/workload/dataset", "./mockserver/engine")
	build.Dir, build.Env = "..", append(os.Environ(), "GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=0", "GOFLAGS=")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%.2000s", out)
	fused := regexp.MustCompile(`\((\S+\.go):(\d+)\)\s+(FN?M(?:ADD|SUB)[DS])\b`).FindAllStringSubmatch(string(out), -1)
	require.NotEmpty(t, fused, "there are exact ones")
	for _, f := range fused {
		source, err := os.ReadFile(f[1])
		require.NoError(t, err)
		n, err := strconv.Atoi(f[2])
		require.NoError(t, err)
		line := strings.Split(string(source), "\n")[n-1]
		assert.Contains(t, line, ".Float64()", "%s:%s: a product in it is not rounded (%s): convert it with float64()", filepath.Base(f[1]), f[2], f[3])
	}
}
