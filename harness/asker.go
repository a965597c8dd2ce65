package harness

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/llmsweep/llmsweep/harness/openai"
	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/scrape"
)

// asker asks one page of metrics, again and again.
type asker struct {
	url       *url.URL
	header    http.Header
	transport *http.Transport
	changes   scrape.Changes

	asked record.AskedSource
	after time.Duration // of a page that cannot be read: how long it is left alone
	next  time.Time     // when it is asked again
}

const (
	scrapeEvery = time.Second
	// scrapeLimit is for asking all of a page: one that is slower must not be asked while it is being read.
	scrapeLimit = 800 * time.Millisecond
	// maxPage bounds a page in bytes: vLLM's has some 60 KB.
	maxPage = 8 << 20
	// A page that cannot be read is asked again after twice as long each time, and in the end this long.
	longestPause = 16 * time.Second
)

var errSlowPage = fmt.Errorf("no whole page within %v", scrapeLimit)

// read returns the page and its size. A redirection is not followed: the credentials are for nobody else.
func (a *asker) read(ctx context.Context) (*scrape.Page, int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, a.url.String(), nil)
	if err != nil {
		return nil, 0, err
	}
	request.URL.User = nil
	request.Header, request.Host = a.header.Clone(), a.header.Get("Host")
	response, err := a.transport.RoundTrip(request)
	if err != nil {
		return nil, 0, slow(ctx, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		status := &openai.StatusError{Route: a.url.Path, Status: response.StatusCode}
		if to, err := response.Location(); err == nil && response.StatusCode/100 == 3 {
			status.Location = (&url.URL{Scheme: to.Scheme, Host: to.Host, Path: to.Path}).String()
		}
		return nil, 0, status
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxPage+1))
	switch {
	case err != nil:
		return nil, 0, slow(ctx, err)
	case len(body) > maxPage:
		return nil, 0, fmt.Errorf("%s is larger than %d MiB", a.url.Path, maxPage>>20)
	}
	start := time.Now()
	page, err := scrape.Parse(body)
	a.asked.ParseNS += time.Since(start).Nanoseconds()
	if err == nil && len(page.Samples) == 0 {
		err = errors.New("it has no metrics")
	}
	return page, len(body), err
}

// slow puts the end of a context into the words of its cause.
func slow(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && ctx.Err() != nil {
		return cause
	}
	return err
}

// ask asks once and says what is new. due: also where the page is left alone.
func (a *asker) ask(due bool) record.Told {
	start := time.Now()
	if !due && start.Before(a.next) {
		return record.Told{Error: "left alone: " + a.asked.Failure}
	}
	ctx, cancel := context.WithTimeoutCause(context.Background(), scrapeLimit, errSlowPage)
	defer cancel()
	page, size, err := a.read(ctx)
	took := time.Since(start)
	if err != nil {
		a.asked.Failed++
		a.after = min(max(2*a.after, scrapeEvery), longestPause)
		a.next = start.Add(a.after)
		text := a.said(err)
		if a.asked.Failure == "" {
			a.asked.Failure = text
		}
		return record.Told{TookNS: took.Nanoseconds(), Error: text}
	}
	a.after, a.next = 0, time.Time{}
	told := a.changes.Of(page)
	told.TookNS = took.Nanoseconds()
	a.asked.Pages++
	a.asked.PageBytes = max(a.asked.PageBytes, size)
	a.asked.TookNS += told.TookNS
	return told
}

// said is an error in words that may be shown and kept. What is quoted of the server is redacted before it is cut off.
func (a *asker) said(err error) string {
	text := a.changes.Redact(err.Error())
	var syntax *scrape.SyntaxError
	if errors.As(err, &syntax) {
		quoted := record.Printable(a.changes.Redact(syntax.Text))
		text = fmt.Sprintf("%s (%s)", text, strconv.Quote(strings.ToValidUTF8(quoted[:min(len(quoted), 60)], "")))
	}
	text = record.Printable(text)
	return strings.ToValidUTF8(text[:min(len(text), 300)], "")
}

func (a *asker) close() { a.transport.CloseIdleConnections() }
