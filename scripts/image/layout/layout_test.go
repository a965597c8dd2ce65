package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// newContext makes a context with the image's real Dockerfile and files of a few bytes.
func newContext(t *testing.T, mark string) string {
	t.Helper()
	dir := t.TempDir()
	dockerfile, err := os.ReadFile("../Dockerfile")
	require.NoError(t, err)
	put(t, filepath.Join(dir, "Dockerfile"), string(dockerfile), 0o644)
	put(t, filepath.Join(dir, "root/llmsweep"), "entry point "+mark, 0o755)
	put(t, filepath.Join(dir, "root/bench.test"), "tests "+mark, 0o755)
	put(t, filepath.Join(dir, "root/etc/ssl/certs/ca-certificates.crt"), "certificates", 0o644)
	require.NoError(t, os.Symlink("bench.test", filepath.Join(dir, "root/report")))
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "volumes/data"), 0o755))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "volumes/tmp"), 0o755))
	require.NoError(t, os.Chmod(filepath.Join(dir, "volumes/tmp"), 0o777|os.ModeSticky))
	return dir
}

func put(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	require.NoError(t, os.Chmod(path, mode)) // whatever the umask
}

// built runs the command and returns the file that it wrote.
func built(t *testing.T, args ...string) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "new", "image.tar")
	var stdout, stderr bytes.Buffer
	require.Zero(t, run(&stdout, &stderr, append([]string{"-o", path}, args...)), stderr.String())
	assert.Contains(t, stdout.String(), "linux/amd64  sha256:")
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return data
}

// member is an entry of a tar.
type member struct {
	header *tar.Header
	text   string
}

func members(t *testing.T, data []byte) []member {
	t.Helper()
	var all []member
	for reader := tar.NewReader(bytes.NewReader(data)); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		require.NoError(t, err)
		text, err := io.ReadAll(reader)
		require.NoError(t, err)
		all = append(all, member{header, string(text)})
	}
}

// opened is a layout as a reader of the specification sees it. It shares no type with the writer.
type opened struct {
	t     *testing.T
	files map[string]string
	used  map[string]bool
}

// pointer is what every reference of a layout has.
type pointer struct {
	MediaType string
	Digest    string
	Size      int
	Platform  map[string]string
}

func open(t *testing.T, data []byte) opened {
	t.Helper()
	o := opened{t: t, files: map[string]string{}, used: map[string]bool{}}
	for _, m := range members(t, data) {
		assert.True(t, m.header.ModTime.Equal(time.Unix(0, 0)), "%s has a time", m.header.Name)
		o.files[m.header.Name] = m.text
	}
	assert.JSONEq(t, `{"imageLayoutVersion":"1.0.0"}`, o.files["oci-layout"])
	return o
}

// blob follows a pointer and holds what it finds against it.
func (o opened) blob(p pointer, mediaType string) string {
	o.t.Helper()
	algorithm, name, _ := strings.Cut(p.Digest, ":")
	require.Equal(o.t, "sha256", algorithm)
	text, found := o.files["blobs/sha256/"+name]
	require.True(o.t, found, p.Digest)
	sum := sha256.Sum256([]byte(text))
	assert.Equal(o.t, name, hex.EncodeToString(sum[:]))
	assert.Equal(o.t, len(text), p.Size)
	assert.Equal(o.t, mediaType, p.MediaType)
	o.used["blobs/sha256/"+name] = true
	return text
}

// list reads a document with one list of pointers.
func (o opened) list(text string) []pointer {
	o.t.Helper()
	var document struct {
		SchemaVersion int
		MediaType     string
		Manifests     []pointer
	}
	require.NoError(o.t, json.Unmarshal([]byte(text), &document))
	assert.Equal(o.t, 2, document.SchemaVersion)
	assert.Equal(o.t, "application/vnd.oci.image.index.v1+json", document.MediaType)
	return document.Manifests
}

// images returns the images by their platform, and requires that the layout holds nothing else.
func (o opened) images() map[string]openedImage {
	o.t.Helper()
	top := o.list(o.files["index.json"])
	require.Len(o.t, top, 1)
	images := map[string]openedImage{}
	for _, p := range o.list(o.blob(top[0], "application/vnd.oci.image.index.v1+json")) {
		images[p.Platform["os"]+"/"+p.Platform["architecture"]] = o.image(p)
	}
	assert.Len(o.t, o.files, len(o.used)+2, "blobs that nothing points to")
	return images
}

type openedImage struct {
	config map[string]any // what a container is started with
	layer  []member
}

func (o opened) image(p pointer) openedImage {
	o.t.Helper()
	var parts struct {
		SchemaVersion int
		MediaType     string
		Config        pointer
		Layers        []pointer
	}
	require.NoError(o.t, json.Unmarshal([]byte(o.blob(p, "application/vnd.oci.image.manifest.v1+json")), &parts))
	assert.Equal(o.t, 2, parts.SchemaVersion)
	assert.Equal(o.t, p.MediaType, parts.MediaType)
	require.Len(o.t, parts.Layers, 1)
	var about struct {
		OS, Architecture string
		Config           map[string]any
		RootFS           map[string]any
	}
	require.NoError(o.t, json.Unmarshal([]byte(o.blob(parts.Config, "application/vnd.oci.image.config.v1+json")), &about))
	assert.Equal(o.t, map[string]string{"os": about.OS, "architecture": about.Architecture}, p.Platform)
	zipped, err := gzip.NewReader(strings.NewReader(o.blob(parts.Layers[0], "application/vnd.oci.image.layer.v1.tar+gzip")))
	require.NoError(o.t, err)
	plain, err := io.ReadAll(zipped)
	require.NoError(o.t, err)
	sum := sha256.Sum256(plain)
	assert.Equal(o.t, map[string]any{"type": "layers", "diff_ids": []any{"sha256:" + hex.EncodeToString(sum[:])}}, about.RootFS)
	layer := members(o.t, plain)
	for _, m := range layer {
		assert.Empty(o.t, m.header.Uname+m.header.Gname, m.header.Name)
		assert.True(o.t, m.header.ModTime.Equal(time.Unix(0, 0)), "%s has a time", m.header.Name)
	}
	return openedImage{config: about.Config, layer: layer}
}

func TestLayoutIsRead(t *testing.T) {
	data := built(t, "-label", "org.opencontainers.image.version=v1=2", "linux/amd64="+newContext(t, "amd64"), "linux/arm64="+newContext(t, "arm64"))
	images := open(t, data).images()
	require.Len(t, images, 2)
	for _, arch := range []string{"amd64", "arm64"} {
		image := images["linux/"+arch]
		assert.Equal(t, map[string]any{
			"User": "1000:1000", "WorkingDir": "/data", "Env": []any{"HOME=/tmp", "TMPDIR=/tmp", "XDG_CACHE_HOME=/data/.cache"},
			"Entrypoint": []any{"/llmsweep"}, "ExposedPorts": map[string]any{"8000/tcp": map[string]any{}},
			"Labels": map[string]any{
				"org.opencontainers.image.source": "https://github.com/llmsweep/llmsweep", "org.opencontainers.image.licenses": "Apache-2.0",
				"org.opencontainers.image.version": "v1=2",
			},
		}, image.config)
		assert.Equal(t, []line{
			{"bench.test", tar.TypeReg, 0o755, 0, "", "tests " + arch},
			{"data/", tar.TypeDir, 0o755, 1000, "", ""},
			{"etc/", tar.TypeDir, 0o755, 0, "", ""},
			{"etc/ssl/", tar.TypeDir, 0o755, 0, "", ""},
			{"etc/ssl/certs/", tar.TypeDir, 0o755, 0, "", ""},
			{"etc/ssl/certs/ca-certificates.crt", tar.TypeReg, 0o644, 0, "", "certificates"},
			{"llmsweep", tar.TypeReg, 0o755, 0, "", "entry point " + arch},
			{"report", tar.TypeSymlink, 0o777, 0, "bench.test", ""},
			{"tmp/", tar.TypeDir, 0o1777, 1000, "", ""},
		}, lines(t, image.layer))
	}
}

// line is what matters of a tar's entry.
type line struct {
	name  string
	kind  byte
	mode  int64
	owner int // user and group
	link  string
	text  string
}

func lines(t *testing.T, all []member) []line {
	t.Helper()
	var out []line
	for _, m := range all {
		h := m.header
		assert.Equal(t, h.Uid, h.Gid, h.Name)
		// Docker puts the kind of a file into its mode as well.
		out = append(out, line{h.Name, h.Typeflag, h.Mode & 0o7777, h.Uid, h.Linkname, m.text})
	}
	return out
}

func TestEqualContextsGiveEqualBytes(t *testing.T) {
	one, two := newContext(t, "x"), newContext(t, "x")
	late := time.Now().Add(time.Hour)
	require.NoError(t, os.Chtimes(filepath.Join(two, "root/llmsweep"), late, late))
	first := built(t, "linux/amd64="+one)
	assert.Equal(t, sha256.Sum256(first), sha256.Sum256(built(t, "linux/amd64="+two)))
	assert.NotEqual(t, sha256.Sum256(first), sha256.Sum256(built(t, "linux/amd64="+newContext(t, "y"))))
}

func TestRefusals(t *testing.T) {
	context := newContext(t, "x")
	pipe, twice := newContext(t, "x"), newContext(t, "x")
	require.NoError(t, syscall.Mkfifo(filepath.Join(pipe, "root/pipe"), 0o600))
	put(t, filepath.Join(twice, "root/data/x"), "x", 0o644)
	out := filepath.Join(t.TempDir(), "image.tar")
	for name, test := range map[string]struct {
		args []string
		code int
		want string
	}{
		"nothing":         {nil, 2, "-o is missing: name the file to write; no image: name at least one"},
		"no context":      {[]string{"-o", out, "linux/amd64"}, 2, `"linux/amd64": must be OS/ARCH=CONTEXT`},
		"no architecture": {[]string{"-o", out, "linux=" + context}, 2, "must be OS/ARCH=CONTEXT"},
		"twice":           {[]string{"-o", out, "linux/amd64=" + context, "linux/amd64=" + context}, 2, `the platform "linux/amd64" is given twice`},
		"label":           {[]string{"-o", out, "-label", "x", "linux/amd64=" + context}, 2, "must be KEY=VALUE"},
		"no Dockerfile":   {[]string{"-o", out, "linux/amd64=" + filepath.Join(context, "root")}, 1, "linux/amd64: open "},
		"a pipe":          {[]string{"-o", out, "linux/amd64=" + pipe}, 1, "an image has files, folders and links"},
		"a name twice":    {[]string{"-o", out, "linux/amd64=" + twice}, 1, `"data/" is copied twice`},
		"not writable":    {[]string{"-o", filepath.Join(context, "Dockerfile", "x"), "linux/amd64=" + context}, 1, "not a directory"},
	} {
		t.Run(name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			assert.Equal(t, test.code, run(&stdout, &stderr, test.args))
			assert.Contains(t, stderr.String(), test.want)
			assert.NoFileExists(t, out)
		})
	}
}
