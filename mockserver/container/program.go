package container

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// command is what goes into the image. A test's working directory is the folder of its package, so its module decides on the version.
const command = "github.com/llmsweep/llmsweep/mockserver/cmd/mockserver"

// dockerfile needs no base image, so nothing is pulled. The user is none of the host's.
const dockerfile = `FROM scratch
COPY mockserver /mockserver
USER 65532:65532
EXPOSE 8000
ENTRYPOINT ["/mockserver", "-host=0.0.0.0"]
`

// compile returns the server as a static Linux program for a processor in Go's words.
func compile(ctx context.Context, arch string) ([]byte, error) {
	dir, err := os.MkdirTemp("", "mockserver")
	if err != nil {
		return nil, fmt.Errorf("compiling the mock server: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	program := filepath.Join(dir, "mockserver")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", program, command)
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch)
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("compiling the mock server: go build %s: %w: %s: have go on the PATH and the module in go.mod, "+
			"or name a ready image with testcontainers.WithImage", command, err, strings.Join(strings.Fields(string(out)), " "))
	}
	return os.ReadFile(program)
}

// buildContext returns the tar that Docker builds the image from.
func buildContext(program []byte) (*bytes.Reader, error) {
	var buffer bytes.Buffer
	archive := tar.NewWriter(&buffer)
	for _, file := range []struct {
		name string
		mode int64
		data []byte
	}{
		{"Dockerfile", 0o644, []byte(dockerfile)},
		{"mockserver", 0o755, program},
	} {
		header := &tar.Header{Typeflag: tar.TypeReg, Name: file.name, Mode: file.mode, Size: int64(len(file.data))}
		if err := archive.WriteHeader(header); err != nil {
			return nil, err
		}
		if _, err := archive.Write(file.data); err != nil {
			return nil, err
		}
	}
	if err := archive.Close(); err != nil {
		return nil, err
	}
	return bytes.NewReader(buffer.Bytes()), nil
}
