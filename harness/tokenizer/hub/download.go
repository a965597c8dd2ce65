package hub

import (
	"context"
	"crypto/sha1" //nolint:gosec // git's name of a content, not a secret
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// download fetches a file and puts it into the cache.
func (h *Hub) download(ctx context.Context, model, name string) (*File, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, h.Timeout, fmt.Errorf("not done within %v", h.Timeout))
	defer cancel()
	source := fmt.Sprintf("%s/%s/resolve/main/%s", h.Endpoint, model, name)
	shown := withoutPassword(source)
	if h.Say != nil {
		h.Say("downloading " + shown)
	}
	data, version, err := h.fetch(ctx, model, source)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return nil, fmt.Errorf("downloading %s: %w", shown, withoutURL(err))
	}
	if err := version.check(data); err != nil {
		return nil, fmt.Errorf("downloading %s: %w", shown, err)
	}
	file := &File{Data: data}
	file.Path, file.Unkept = h.keep(model, name, version, data)
	return file, nil
}

// withoutPassword is an address as it may be shown: that of a mirror may hold credentials.
func withoutPassword(source string) string {
	u, err := url.Parse(source)
	if err != nil {
		return "from HF_ENDPOINT, which is no URL"
	}
	return u.Redacted()
}

// withoutURL is an error of net/http without the URL: the last of several redirections may hold a signature.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// version is what the Hub says a file is.
type version struct{ commit, etag string }

// note takes what a response says and an earlier one has not: the Hub says it before it redirects to a store of contents.
func (v *version) note(header http.Header) {
	if v.commit == "" {
		v.commit = header.Get("X-Repo-Commit")
	}
	etag := header.Get("X-Linked-Etag")
	if etag == "" && v.etag == "" && header.Get("X-Repo-Commit") != "" {
		etag = header.Get("Etag")
	}
	if etag != "" {
		v.etag = strings.Trim(strings.TrimPrefix(etag, "W/"), `"`)
	}
}

// check compares a content with its etag, which is its SHA-256, or its name in git: the SHA-1 of a header and the content.
func (v *version) check(data []byte) error {
	var sum string
	switch len(v.etag) {
	case hex.EncodedLen(sha256.Size):
		s := sha256.Sum256(data)
		sum = hex.EncodeToString(s[:])
	case hex.EncodedLen(sha1.Size):
		s := sha1.Sum(fmt.Appendf(nil, "blob %d\x00%s", len(data), data)) //nolint:gosec // git's name of a content, not a secret
		sum = hex.EncodeToString(s[:])
	default:
		return nil
	}
	if sum != strings.ToLower(v.etag) {
		return fmt.Errorf("the content's hash is %s, and the Hub says %s: it was altered or cut", sum, v.etag)
	}
	return nil
}

// fetch gets a file of at most MaxBytes.
func (h *Hub) fetch(ctx context.Context, model, source string) ([]byte, *version, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, source, nil)
	if err != nil {
		return nil, nil, err
	}
	request.Header.Set("User-Agent", h.UserAgent)
	if h.Token != "" {
		request.Header.Set("Authorization", "Bearer "+h.Token) // which net/http does not send to another host
	}
	v := new(version)
	client := http.Client{Transport: h.Transport, CheckRedirect: func(next *http.Request, before []*http.Request) error {
		v.note(next.Response.Header)
		if len(before) >= 10 {
			return errors.New("it leads from one address to another, ten times")
		}
		return nil
	}}
	defer client.CloseIdleConnections()
	response, err := client.Do(request)
	if err != nil {
		return nil, nil, err
	}
	defer response.Body.Close()
	v.note(response.Header)
	if response.StatusCode != http.StatusOK {
		return nil, nil, h.refused(model, response)
	}
	data, err := io.ReadAll(io.LimitReader(response.Body, h.MaxBytes+1))
	if err == nil && int64(len(data)) > h.MaxBytes {
		err = fmt.Errorf("it has more than %d bytes", h.MaxBytes)
	}
	return data, v, err
}

// refused puts a status into words.
func (h *Hub) refused(model string, response *http.Response) error {
	code := response.Header.Get("X-Error-Code")
	switch status := response.StatusCode; {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		if h.Token == "" {
			return fmt.Errorf("status %d: the model %q is gated or private, or there is none: set HF_TOKEN to a token that may read it", status, model)
		}
		return fmt.Errorf("status %d: the model %q is gated or private, or there is none: set HF_TOKEN to a token that may read it; the present one may not", status, model)
	case status == http.StatusNotFound && code == "EntryNotFound":
		return fmt.Errorf("status %d: the model %q has no such file", status, model)
	case status == http.StatusNotFound:
		return fmt.Errorf("status %d: there is no model %q, or it has no such file", status, model)
	}
	return fmt.Errorf("status %d", response.StatusCode)
}

// keep puts a content into the cache and returns where the file is to be found there.
func (h *Hub) keep(model, name string, v *version, data []byte) (string, error) {
	if h.Cache == "" {
		return "", errors.New("not kept: there is no folder for a cache, which HF_HOME would name")
	}
	if !plainName.MatchString(v.commit) || !plainName.MatchString(v.etag) {
		return "", fmt.Errorf("not kept in the cache: the Hub named no commit and content of it (%q, %q)", v.commit, v.etag)
	}
	folder := h.folder(model)
	snapshot := filepath.Join(folder, "snapshots", v.commit)
	blob := filepath.Join(folder, "blobs", v.etag)
	path := filepath.Join(snapshot, name)
	for _, step := range []func() error{
		func() error { return os.MkdirAll(snapshot, 0o755) },
		func() error { return write(blob, data) },
		func() error { return link(blob, path, data) },
		func() error { return write(filepath.Join(folder, "refs", "main"), []byte(v.commit)) },
	} {
		if err := step(); err != nil {
			return "", fmt.Errorf("not kept in the cache: %w", err)
		}
	}
	return path, nil
}

// write makes a file of data that appears whole or not at all.
func write(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.incomplete")
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	err = errors.Join(err, file.Chmod(0o644), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		_ = os.Remove(file.Name())
	}
	return err
}

// link makes path lead to a blob, relatively, so that the cache can be moved. Where there are no links the content is written again.
func link(blob, path string, data []byte) error {
	target, err := filepath.Rel(filepath.Dir(path), blob)
	if err != nil {
		return err
	}
	temporary := fmt.Sprintf("%s.%d.incomplete", path, os.Getpid())
	if err := os.Symlink(target, temporary); err != nil {
		if runtime.GOOS == "windows" {
			return write(path, data)
		}
		return err
	}
	if err := os.Rename(temporary, path); err != nil {
		_ = os.Remove(temporary)
		return err
	}
	return nil
}
