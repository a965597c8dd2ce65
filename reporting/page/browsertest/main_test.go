package browsertest

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/reporting/page"
)

// limit bounds what a test does with a page.
const limit = 2 * time.Minute

// browserPath finds a browser, or skips.
func browserPath(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("REQUIRE_BROWSER") == "1" {
		t.Fatal("REQUIRE_BROWSER=1, but no chromium or chrome is in PATH")
	}
	t.Skip("no chromium or chrome in PATH: install one, or set REQUIRE_BROWSER=1 to make this a failure")
	return ""
}

// chromium is the browser, started at first use, for all tests: each has a profile of its own in it.
var chromium struct {
	ctx  context.Context
	stop func()
}

func started(t *testing.T, path string) context.Context {
	t.Helper()
	if chromium.ctx == nil {
		profile, err := os.MkdirTemp("", "llmsweep-browsertest-")
		require.NoError(t, err)
		options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
			chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND"), chromedp.UserDataDir(profile))
		allocated, cancelAllocated := chromedp.NewExecAllocator(context.Background(), options...)
		ctx, cancel := chromedp.NewContext(allocated)
		chromium.stop = func() {
			cancel()
			cancelAllocated()
			_ = os.RemoveAll(profile)
		}
		require.NoError(t, chromedp.Do(ctx))
		chromium.ctx = ctx
	}
	return chromium.ctx
}

// tab is a page.
type tab struct {
	t       *testing.T
	ctx     context.Context
	address string

	lock     sync.Mutex
	requests []string // beside that of the page itself
	messages []string // of the console, and exceptions
}

// size is that of a window, and how it is looked at.
type size struct {
	width, height int64
	dark          bool
}

func desk() size { return size{width: 1440, height: 900} }

// opened opens the page without a network. At the test's end it must have asked for nothing, and have said nothing on the console.
func opened(t *testing.T, p page.Page, s size) *tab {
	t.Helper()
	path := browserPath(t)
	folder := t.TempDir()
	file := filepath.Join(folder, "report.html")
	out, err := os.Create(file)
	require.NoError(t, err)
	require.NoError(t, p.Write(out))
	require.NoError(t, out.Close())
	return openedFile(t, path, file, s)
}

func openedFile(t *testing.T, path, file string, s size) *tab {
	t.Helper()
	ctx, cancelTab := chromedp.NewContext(started(t, path), chromedp.WithNewBrowserContext())
	x := &tab{t: t, address: "file://" + file}
	t.Cleanup(func() {
		cancelTab()
		requests, messages := x.noted()
		assert.Empty(t, requests, "the page asks for nothing")
		assert.Empty(t, messages, "the console is empty")
	})
	require.NoError(t, chromedp.Listen(ctx, x.heard))
	var cancelLimit context.CancelFunc
	x.ctx, cancelLimit = context.WithTimeout(ctx, limit)
	t.Cleanup(cancelLimit)
	scheme := "light"
	if s.dark {
		scheme = "dark"
	}
	called(x, network.Enable, network.EnableParams{})
	called(x, log.Enable, cdp.Empty{})
	called(x, network.OverrideNetworkState, network.OverrideNetworkStateParams{Offline: true})
	called(x, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
	called(x, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
	x.do(chromedp.EmulateViewport(s.width, s.height), chromedp.Navigate(x.address))
	return x
}

// called sends a command of the protocol.
func called[P, R any](x *tab, command cdp.Command[P, R], params P) R {
	x.t.Helper()
	answer, err := chromedp.Call(x.ctx, command, params)
	require.NoError(x.t, err)
	return answer
}

// noted returns and forgets what the page asked for, and what it said.
func (x *tab) noted() (requests, messages []string) {
	x.lock.Lock()
	defer x.lock.Unlock()
	requests, messages = x.requests, x.messages
	x.requests, x.messages = nil, nil
	return requests, messages
}

// heard notes what the page asks for and says.
func (x *tab) heard(event any) {
	x.lock.Lock()
	defer x.lock.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		if address := e.Request.URL; address != x.address && !strings.HasPrefix(address, "blob:") {
			x.requests = append(x.requests, address)
		}
	case *runtime.EventConsoleAPICalled:
		var parts []string
		for _, a := range e.Args {
			parts = append(parts, string(a.Value), a.Description)
		}
		x.messages = append(x.messages, fmt.Sprint(e.Type, ": ", strings.Join(parts, " ")))
	case *runtime.EventExceptionThrown:
		x.messages = append(x.messages, e.ExceptionDetails.Text+" "+e.ExceptionDetails.Exception.Description)
	case *log.EventEntryAdded:
		x.messages = append(x.messages, fmt.Sprint(e.Entry.Level, ": ", e.Entry.Text))
	}
}

func (x *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	x.t.Helper()
	require.NoError(x.t, chromedp.Do(x.ctx, actions...))
}

// asked evaluates an expression in the page.
func asked[T any](x *tab, expression string) T {
	x.t.Helper()
	answer, err := chromedp.Run(x.ctx, chromedp.Evaluate[T](expression))
	require.NoError(x.t, err, expression)
	return answer
}

// said runs statements in the page.
func (x *tab) said(statements string) { x.t.Helper(); asked[bool](x, "{"+statements+"}; true") }

// click is one of the mouse.
func (x *tab) click(selector string) { x.t.Helper(); x.do(chromedp.Click(chromedp.CSS(selector))) }

// press is a key on what has the focus.
func (x *tab) press(key string) { x.t.Helper(); x.do(chromedp.KeyEvent(key)) }

func TestMain(m *testing.M) {
	flag.String("pictures", "", "a folder for pictures of the pages")
	flag.Parse()
	code := m.Run()
	if chromium.stop != nil {
		chromium.stop()
	}
	os.Exit(code)
}
