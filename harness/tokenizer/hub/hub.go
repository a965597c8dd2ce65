// Package hub finds files of models: in the cache that Hugging Face's own library keeps on this machine, else on the Hub, from where they go
// into that cache. It holds to the library's conventions (huggingface_hub's guides to environment variables and to the cache), so
// that each finds what the other has downloaded:
//
//	models--ORG--NAME/refs/main                  the commit that main stood for
//	models--ORG--NAME/blobs/ETAG                 contents
//	models--ORG--NAME/snapshots/COMMIT/FILE      symbolic links to them
//
// A file appears whole or not at all. A download is bounded in time and size, and its content is checked against its hash.
package hub

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Hub is where files are looked for.
type Hub struct {
	Cache     string // folder with a models--ORG--NAME for each model; "": there is none
	Endpoint  string // of the Hub, without a slash at the end
	Token     string // for models that are not for everyone; "": none
	Offline   bool   // nothing is downloaded
	UserAgent string
	Say       func(line string) // is told of a download before it begins; nil: nobody is
	Transport http.RoundTripper // nil: http.DefaultTransport
	MaxBytes  int64             // of a download
	Timeout   time.Duration     // of a whole download
}

// Limits that FromEnvironment sets. The largest tokenizer.json in use has 35 MB.
const (
	DefaultMaxBytes = 256 << 20
	DefaultTimeout  = 3 * time.Minute
)

// FromEnvironment reads HF_HUB_CACHE, HF_HOME, XDG_CACHE_HOME and HOME for the cache, HF_ENDPOINT, HF_HUB_OFFLINE, and for the token HF_TOKEN, or the file
// HF_TOKEN_PATH, or token in HF_HOME.
func FromEnvironment(getenv func(string) string) Hub {
	env := environment{getenv}
	home := env.path("HF_HOME", below(env.path("XDG_CACHE_HOME", below(getenv("HOME"), ".cache")), "huggingface"))
	token := strings.TrimSpace(getenv("HF_TOKEN"))
	if token == "" {
		data, _ := os.ReadFile(env.path("HF_TOKEN_PATH", below(home, "token"))) // there may be none
		token = strings.TrimSpace(string(data))
	}
	endpoint := strings.TrimRight(strings.TrimSpace(getenv("HF_ENDPOINT")), "/")
	if endpoint == "" {
		endpoint = "https://huggingface.co"
	}
	return Hub{
		Cache: env.path("HF_HUB_CACHE", below(home, "hub")), Endpoint: endpoint, Token: token, Offline: env.set("HF_HUB_OFFLINE"),
		MaxBytes: DefaultMaxBytes, Timeout: DefaultTimeout,
	}
}

// below is a path in a folder, or "" where no folder is known.
func below(folder, name string) string {
	if folder == "" {
		return ""
	}
	return filepath.Join(folder, name)
}

type environment struct{ getenv func(string) string }

// path is the folder or file that a variable names, with ~ for the home folder as a shell has it.
func (e environment) path(name, otherwise string) string {
	path := strings.TrimSpace(e.getenv(name))
	if path == "" {
		return otherwise
	}
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		return filepath.Join(e.getenv("HOME"), rest)
	}
	return path
}

func (e environment) set(name string) bool {
	return slices.Contains([]string{"1", "ON", "YES", "TRUE"}, strings.ToUpper(strings.TrimSpace(e.getenv(name))))
}

// File is a file of a model.
type File struct {
	Data []byte
	Path string // where it is kept; "": nowhere
	// Unkept says why a file that was downloaded could not be kept; it will be downloaded again. Nil: it was, or stood there before.
	Unkept error
}

// Read gives a file of a model's main revision.
func (h *Hub) Read(ctx context.Context, model, name string) (*File, error) {
	if !idPattern.MatchString(model) || strings.Contains(model, "..") || strings.Contains(model, "--") {
		return nil, fmt.Errorf("%q is no id of a model on the Hub (ORG/NAME, of letters, digits, -, _ and .)", model)
	}
	file, err := h.cached(model, name)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return file, err
	}
	if h.Offline {
		return nil, fmt.Errorf("%s of %q is not in the cache %s, and HF_HUB_OFFLINE forbids to download it", name, model, h.Cache)
	}
	return h.download(ctx, model, name)
}

var idPattern = regexp.MustCompile(`^(?:[A-Za-z0-9][A-Za-z0-9._-]*/)?[A-Za-z0-9][A-Za-z0-9._-]*$`)

func (h *Hub) folder(model string) string {
	return filepath.Join(h.Cache, "models--"+strings.ReplaceAll(model, "/", "--"))
}

// cached reads a file of the cache; fs.ErrNotExist: it has none.
func (h *Hub) cached(model, name string) (*File, error) {
	if h.Cache == "" {
		return nil, fs.ErrNotExist
	}
	folder := h.folder(model)
	commit, err := os.ReadFile(filepath.Join(folder, "refs", "main"))
	if err != nil {
		return nil, fmt.Errorf("looking for %s in the cache: %w", name, err)
	}
	at := strings.TrimSpace(string(commit))
	if !plainName.MatchString(at) {
		return nil, fmt.Errorf("%s names no commit: %q", filepath.Join(folder, "refs", "main"), at)
	}
	path := filepath.Join(folder, "snapshots", at, name)
	info, err := os.Stat(path)
	if err == nil && info.Size() > h.MaxBytes {
		err = fmt.Errorf("%s has %d bytes: more than %d are not read", path, info.Size(), h.MaxBytes)
	}
	if err != nil {
		return nil, fmt.Errorf("looking for %s in the cache: %w", name, err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("looking for %s in the cache: %w", name, err)
	}
	return &File{Data: data, Path: path}, nil
}

// plainName is what may become a part of a path.
var plainName = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)
