package openai

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/llmsweep/llmsweep/harness/record"
)

// The routes of requests below the server's root.
const (
	ChatPath        = "/v1/chat/completions"
	CompletionsPath = "/v1/completions"
)

// Prober asks a server what it is, outside the measurement. Its errors name the route; an answer other than 2xx is a *StatusError.
type Prober struct {
	Chat      *url.URL // the chat or the completions route; the others are found from it
	Header    http.Header
	UserAgent string
	Transport http.RoundTripper
	// Redact removes secrets from what the server sent, before any of it is cut off. Nil: nothing is removed.
	Redact func(string) string
	HTTP2  bool // an answer by another protocol is an error
}

const (
	probeTimeout = 15 * time.Second // of one probe
	maxProbeBody = 4 << 20          // in bytes
	maxProbeText = 4 << 10          // in bytes, of a body that is shown and not decoded
)

var errTooSlow = fmt.Errorf("no answer within %v", probeTimeout)

// StatusError is an answer other than 2xx.
type StatusError struct {
	Route  string // path of the URL
	Status int
	Body   string // at most its first 500 bytes
	// Location is where a redirection leads, without user and query. It is not followed: what is measured is the endpoint that was given,
	// and its credentials are for nobody else.
	Location string
}

// Error gives route, status and the start of the body.
func (e *StatusError) Error() string {
	if e.Location != "" {
		return fmt.Sprintf("%s answered %d: it leads to %s, and redirections are not followed", e.Route, e.Status, record.Printable(e.Location))
	}
	return strings.TrimSuffix(fmt.Sprintf("%s answered %d: %s", e.Route, e.Status, record.Printable(e.Body[:min(len(e.Body), 200)])), ": ")
}

// Model is one entry of /v1/models: its id and everything the server said of it.
type Model struct {
	ID     string
	Fields map[string]any
}

// Models lists the served models and returns the response's headers, those of a StatusError too.
func (p *Prober) Models(ctx context.Context) ([]Model, http.Header, error) {
	body, header, err := p.get(ctx, p.beside("models"))
	if err != nil {
		return nil, header, err
	}
	var list struct {
		Data []map[string]any `json:"data"`
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber() // numbers that are only stored keep all their digits
	if err := decoder.Decode(&list); err != nil {
		if text := bytes.TrimSpace(body); len(text) > 0 && text[0] == '<' {
			err = errors.New("it is a web page: is that the address of the server's API?")
		}
		return nil, header, fmt.Errorf("%s is not a model list: %w", p.beside("models").Path, err)
	}
	models := make([]Model, 0, len(list.Data))
	for _, fields := range list.Data {
		id, _ := fields["id"].(string)
		models = append(models, Model{ID: id, Fields: fields})
	}
	return models, header, nil
}

// Health asks /health; nil is healthy.
func (p *Prober) Health(ctx context.Context) error {
	_, _, err := p.get(ctx, p.atRoot("health"))
	return err
}

// Version returns the body of /version as one line, at most its first 1,000 bytes.
func (p *Prober) Version(ctx context.Context) (string, error) {
	body, _, err := p.get(ctx, p.atRoot("version"))
	text := p.shown(body)
	return record.Printable(text[:min(len(text), 1000)]), err
}

// Try sends the smallest request: one token. lengthKey is the server's name for that limit.
func (p *Prober) Try(ctx context.Context, model, lengthKey string) error {
	request := map[string]any{"model": model, lengthKey: 1}
	if strings.HasSuffix(p.Chat.Path, "/chat/completions") {
		request["messages"] = []map[string]string{{"role": "user", "content": "hi"}}
	} else {
		request["prompt"] = "hi"
	}
	body, err := json.Marshal(request)
	if err != nil {
		return err
	}
	_, _, err = p.send(ctx, http.MethodPost, p.Chat, bytes.NewReader(body))
	return err
}

// Tokenize asks how many tokens a text has, without those of a template: vLLM's and SGLang's /tokenize, or llama.cpp's, which calls the text content.
func (p *Prober) Tokenize(ctx context.Context, model, text string) (int, error) {
	body, err := json.Marshal(map[string]any{
		"model": model, "prompt": text, "add_special_tokens": false, "content": text, "add_special": false,
	})
	if err != nil {
		return 0, err
	}
	route := p.atRoot("tokenize")
	data, _, err := p.send(ctx, http.MethodPost, route, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	var answer struct {
		Count  *int              `json:"count"`
		Tokens []json.RawMessage `json:"tokens"`
	}
	if err := json.Unmarshal(data, &answer); err != nil {
		return 0, fmt.Errorf("%s gave no tokens: %w", route.Path, err)
	}
	switch {
	case answer.Count != nil && *answer.Count >= 0:
		return *answer.Count, nil
	case answer.Tokens != nil:
		return len(answer.Tokens), nil
	}
	return 0, fmt.Errorf("%s gave neither count nor tokens", route.Path)
}

// beside is a route next to that of requests, in the same version of the API.
func (p *Prober) beside(route string) *url.URL {
	u := *p.Chat
	u.Path = strings.TrimSuffix(strings.TrimSuffix(u.Path, "completions"), "chat/") + route
	return &u
}

// atRoot is a route of the server itself, above the version of the API.
func (p *Prober) atRoot(route string) *url.URL {
	u := p.beside("")
	if strings.HasSuffix(u.Path, "/v1/") {
		u.Path = strings.TrimSuffix(u.Path, "v1/")
	}
	u.Path += route
	return u
}

func (p *Prober) get(ctx context.Context, u *url.URL) ([]byte, http.Header, error) {
	return p.send(ctx, http.MethodGet, u, nil)
}

// send returns the body of an answer, at most maxProbeBody bytes of it, and its headers, those of a StatusError too.
func (p *Prober) send(ctx context.Context, method string, u *url.URL, body io.Reader) ([]byte, http.Header, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, probeTimeout, errTooSlow)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, u.String(), body)
	if err != nil {
		return nil, nil, err
	}
	request.Header.Set("User-Agent", p.UserAgent)
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	for name, values := range p.Header {
		request.Header[name] = values
	}
	request.Host = request.Header.Get("Host")
	response, err := p.Transport.RoundTrip(request)
	if err != nil {
		return nil, nil, fmt.Errorf("asking %s: %w", u.Path, err)
	}
	defer response.Body.Close()
	if p.HTTP2 {
		if err := onlyHTTP2(response); err != nil {
			return nil, nil, fmt.Errorf("asking %s: %w", u.Path, err)
		}
	}
	data, err := io.ReadAll(io.LimitReader(response.Body, maxProbeBody))
	if response.StatusCode/100 != 2 {
		text := p.shown(data)
		return nil, response.Header, &StatusError{
			Route: u.Path, Status: response.StatusCode, Body: text[:min(len(text), 500)], Location: p.location(response),
		}
	}
	if err != nil {
		return nil, response.Header, fmt.Errorf("asking %s: %w", u.Path, err)
	}
	return data, response.Header, nil
}

// shown is the start of a body without secrets.
func (p *Prober) shown(body []byte) string {
	text := string(body[:min(len(body), maxProbeText)])
	if p.Redact == nil {
		return text
	}
	return p.Redact(text)
}

// location is where a redirection leads, or "".
func (p *Prober) location(response *http.Response) string {
	to, err := response.Location()
	if err != nil || response.StatusCode/100 != 3 {
		return ""
	}
	return p.shown([]byte((&url.URL{Scheme: to.Scheme, Host: to.Host, Path: to.Path}).String()))
}
