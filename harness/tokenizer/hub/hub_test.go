package hub_test

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/tokenizer/hub"
)

const (
	model   = "Org/Model-1.0"
	content = `{"model":{}}`
	commit  = "0123456789abcdef0123456789abcdef01234567"
)

// A site stands for the Hub: small files come from it, large ones from a store of contents on another host.
type site struct {
	hub, store *httptest.Server
	asked      atomic.Int32
	answer     http.HandlerFunc // of the Hub
	toStore    http.Header      // of the last request to the store
}

func newSite(t *testing.T) *site {
	s := &site{}
	s.store = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.toStore = r.Header.Clone()
		w.Header().Set("Etag", `"of the store"`)
		fmt.Fprint(w, content)
	}))
	t.Cleanup(s.store.Close)
	s.hub = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		s.answer(w, r)
	}))
	t.Cleanup(s.hub.Close)
	return s
}

// small answers with the content itself.
func small(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/"+model+"/resolve/main/tokenizer.json" {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("X-Repo-Commit", commit)
	w.Header().Set("Etag", `W/"`+gitName()+`"`)
	fmt.Fprint(w, content)
}

func gitName() string {
	return fmt.Sprintf("%x", sha1.Sum(fmt.Appendf(nil, "blob %d\x00%s", len(content), content)))
}

func (s *site) open(t *testing.T, env map[string]string) *hub.Hub {
	h := hub.FromEnvironment(func(name string) string {
		return map[string]string{"HF_HOME": t.TempDir(), "HF_ENDPOINT": s.hub.URL + "/"}[name] + env[name]
	})
	h.UserAgent = "llmsweep/test"
	return &h
}

func TestDownloadIsCached(t *testing.T) {
	s := newSite(t)
	s.answer = small
	h := s.open(t, nil)
	var said []string
	h.Say = func(line string) { said = append(said, line) }
	file, err := h.Read(t.Context(), model, "tokenizer.json")
	require.NoError(t, err)
	assert.Equal(t, []string{"downloading " + s.hub.URL + "/Org/Model-1.0/resolve/main/tokenizer.json"}, said)
	assert.Equal(t, content, string(file.Data))
	require.NoError(t, file.Unkept)

	// The layout is that of Hugging Face's library.
	folder := filepath.Join(h.Cache, "models--Org--Model-1.0")
	assert.Equal(t, filepath.Join(folder, "snapshots", commit, "tokenizer.json"), file.Path)
	target, err := os.Readlink(file.Path)
	require.NoError(t, err)
	assert.Equal(t, filepath.Join("..", "..", "blobs", gitName()), target)
	ref, err := os.ReadFile(filepath.Join(folder, "refs", "main"))
	require.NoError(t, err)
	assert.Equal(t, commit, string(ref), "without a line break")
	assert.Empty(t, incomplete(t, folder))

	h.Offline = true
	again, err := h.Read(t.Context(), model, "tokenizer.json")
	require.NoError(t, err)
	assert.Equal(t, file, again)
	assert.EqualValues(t, 1, s.asked.Load())
}

func incomplete(t *testing.T, folder string) (left []string) {
	require.NoError(t, filepath.WalkDir(folder, func(path string, _ fs.DirEntry, err error) error {
		if strings.Contains(path, "incomplete") {
			left = append(left, path)
		}
		return err
	}))
	return left
}

// TestContentFromAStore: the version is what the Hub says, and the token is for the Hub alone.
func TestContentFromAStore(t *testing.T) {
	s := newSite(t)
	sum := fmt.Sprintf("%x", sha256.Sum256([]byte(content)))
	var authorization, agent string
	s.answer = func(w http.ResponseWriter, r *http.Request) {
		authorization, agent = r.Header.Get("Authorization"), r.Header.Get("User-Agent")
		if r.URL.Path == "/"+model+"/resolve/main/tokenizer.json" {
			http.Redirect(w, r, "/New/Name/resolve/main/tokenizer.json", http.StatusTemporaryRedirect) // it was renamed
			return
		}
		w.Header().Set("X-Repo-Commit", commit)
		w.Header().Set("X-Linked-Etag", `"`+sum+`"`)
		w.Header().Set("Etag", `"another"`)
		http.Redirect(w, r, strings.Replace(s.store.URL, "127.0.0.1", "localhost", 1)+"/signed?key=secret", http.StatusFound)
	}
	h := s.open(t, map[string]string{"HF_TOKEN": " hf_secret\n"})
	file, err := h.Read(t.Context(), model, "tokenizer.json")
	require.NoError(t, err)
	require.NoError(t, file.Unkept)
	assert.Equal(t, "Bearer hf_secret", authorization)
	assert.Equal(t, "llmsweep/test", agent)
	assert.Empty(t, s.toStore.Get("Authorization"))
	target, err := os.Readlink(file.Path)
	require.NoError(t, err)
	assert.Equal(t, sum, filepath.Base(target))
}

func TestRefusals(t *testing.T) {
	status := func(code int, header ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			for i := 0; i < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(code)
		}
	}
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		token  string
		want   string
	}{
		"gated":               {status(403, "X-Error-Code", "GatedRepo"), "", `status 403: the model "Org/Model-1.0" is gated or private, or there is none: set HF_TOKEN to a token that may read it`},
		"unauthorized":        {status(401), "", "set HF_TOKEN"},
		"the token is no use": {status(401), "t", "the present one may not"},
		"no file":             {status(404, "X-Error-Code", "EntryNotFound"), "", "has no such file"},
		"no model":            {status(404), "", `there is no model "Org/Model-1.0"`},
		"broken":              {status(500), "", "status 500"},
		"altered": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Repo-Commit", commit)
			w.Header().Set("Etag", `"`+strings.Repeat("0", 40)+`"`)
			fmt.Fprint(w, content)
		}, "", "it was altered or cut"},
		"cut": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, content)
		}, "", "unexpected EOF"},
		"too large":  {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, strings.Repeat("x", 2000)) }, "", "it has more than 1000 bytes"},
		"in circles": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path+"x", http.StatusFound) }, "", "ten times"},
		"no answer":  {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "", "not done within 300ms"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.answer = c.answer
			h := s.open(t, map[string]string{"HF_TOKEN": c.token})
			h.MaxBytes, h.Timeout = 1000, 300*time.Millisecond
			_, err := h.Read(t.Context(), model, "tokenizer.json")
			require.ErrorContains(t, err, c.want)
			assert.ErrorContains(t, err, "downloading "+s.hub.URL+"/"+model+"/resolve/main/tokenizer.json: ")
			assert.NoFileExists(t, filepath.Join(h.Cache, "models--Org--Model-1.0", "refs", "main"))
		})
	}
}

func TestErrorsHoldNoSecret(t *testing.T) {
	s := newSite(t)
	s.answer = func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://127.0.0.1:1/signed?key=secret", http.StatusFound)
	}
	_, err := s.open(t, nil).Read(t.Context(), model, "tokenizer.json")
	require.Error(t, err)
	assert.NotContains(t, err.Error(), "secret")
	for _, mirror := range []string{"http://user:secret@127.0.0.1:1", "http://user:secret@[::1"} {
		h := s.open(t, nil)
		h.Endpoint, h.Say = mirror, func(line string) { assert.NotContains(t, line, "secret") }
		_, err = h.Read(t.Context(), model, "tokenizer.json")
		require.ErrorContains(t, err, "downloading ")
		assert.NotContains(t, err.Error(), "secret")
	}
}

func TestOffline(t *testing.T) {
	s := newSite(t)
	for _, value := range []string{"1", "true", "YES", "on"} {
		h := s.open(t, map[string]string{"HF_HUB_OFFLINE": value})
		_, err := h.Read(t.Context(), model, "tokenizer.json")
		require.ErrorContains(t, err, `tokenizer.json of "Org/Model-1.0" is not in the cache `+h.Cache+", and HF_HUB_OFFLINE forbids to download it")
	}
	assert.Zero(t, s.asked.Load())
	assert.False(t, s.open(t, map[string]string{"HF_HUB_OFFLINE": "0"}).Offline)
}

func TestWhatIsNoModel(t *testing.T) {
	s := newSite(t)
	h := s.open(t, nil)
	for _, id := range []string{"", "/models/llama", "a/b/c", "../x", "a/..", "a..b", "a--b", "org/name:fp8", "a b", "-a", "a/\u00e9", ".hidden"} {
		_, err := h.Read(t.Context(), id, "tokenizer.json")
		require.ErrorContains(t, err, "is no id of a model on the Hub", id)
	}
	assert.Zero(t, s.asked.Load())
}

func TestCachesOfOthers(t *testing.T) {
	s := newSite(t)
	s.answer = small
	h := s.open(t, nil)
	folder := filepath.Join(h.Cache, "models--gpt2")
	require.NoError(t, os.MkdirAll(filepath.Join(folder, "refs"), 0o755))
	require.NoError(t, os.MkdirAll(filepath.Join(folder, "snapshots", "abc"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "refs", "main"), []byte("abc\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "snapshots", "abc", "tokenizer.json"), []byte("{}"), 0o600))
	file, err := h.Read(t.Context(), "gpt2", "tokenizer.json")
	require.NoError(t, err)
	assert.Equal(t, "{}", string(file.Data))

	h.MaxBytes = 1
	_, err = h.Read(t.Context(), "gpt2", "tokenizer.json")
	require.ErrorContains(t, err, "has 2 bytes: more than 1 are not read")
	require.NoError(t, os.WriteFile(filepath.Join(folder, "refs", "main"), []byte("../../.."), 0o600))
	_, err = h.Read(t.Context(), "gpt2", "tokenizer.json")
	assert.ErrorContains(t, err, "names no commit")
	assert.Zero(t, s.asked.Load())
}

// TestCacheThatCannotBeWritten: the file is there all the same.
func TestCacheThatCannotBeWritten(t *testing.T) {
	s := newSite(t)
	s.answer = small
	h := s.open(t, nil)
	h.Cache = filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(h.Cache, nil, 0o600))
	file, err := h.Read(t.Context(), model, "tokenizer.json")
	if err == nil {
		assert.Equal(t, content, string(file.Data))
		require.ErrorContains(t, file.Unkept, "not kept in the cache")
		assert.Empty(t, file.Path)
	} else {
		assert.ErrorContains(t, err, "looking for tokenizer.json in the cache")
	}
	h = s.open(t, nil)
	s.answer = func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, content) }
	file, err = h.Read(t.Context(), model, "tokenizer.json")
	require.NoError(t, err)
	require.ErrorContains(t, file.Unkept, "the Hub named no commit")
	h.Cache = ""
	file, err = h.Read(t.Context(), model, "tokenizer.json")
	require.NoError(t, err)
	assert.ErrorContains(t, file.Unkept, "HF_HOME")
}

func TestCancelled(t *testing.T) {
	s := newSite(t)
	s.answer = small
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.open(t, nil).Read(ctx, model, "tokenizer.json")
	assert.ErrorIs(t, err, context.Canceled)
}

func TestEnvironment(t *testing.T) {
	home := t.TempDir()
	token := filepath.Join(home, "t")
	require.NoError(t, os.WriteFile(token, []byte("from file\n"), 0o600))
	require.NoError(t, os.MkdirAll(filepath.Join(home, "hf"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(home, "hf", "token"), []byte("of the home"), 0o600))
	nowhere := hub.FromEnvironment(func(string) string { return "" })
	assert.Empty(t, nowhere.Cache, "no file is written into the working directory")
	for _, c := range []struct {
		env          map[string]string
		cache, token string
	}{
		{map[string]string{}, filepath.Join(home, ".cache/huggingface/hub"), ""},
		{map[string]string{"XDG_CACHE_HOME": "/x"}, "/x/huggingface/hub", ""},
		{map[string]string{"XDG_CACHE_HOME": "/x", "HF_HOME": "~/hf"}, filepath.Join(home, "hf/hub"), "of the home"},
		{map[string]string{"HF_HOME": "~/hf", "HF_HUB_CACHE": "/c", "HF_TOKEN_PATH": token}, "/c", "from file"},
		{map[string]string{"HF_TOKEN": "own", "HF_TOKEN_PATH": token}, filepath.Join(home, ".cache/huggingface/hub"), "own"},
	} {
		c.env["HOME"] = home
		h := hub.FromEnvironment(func(name string) string { return c.env[name] })
		assert.Equal(t, c.cache, h.Cache, "%v", c.env)
		assert.Equal(t, c.token, h.Token, "%v", c.env)
		assert.Equal(t, "https://huggingface.co", h.Endpoint)
		assert.Positive(t, h.MaxBytes)
		assert.Positive(t, h.Timeout)
	}
}
