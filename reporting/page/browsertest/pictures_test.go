package browsertest

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestNothingIsCutOff looks for what does not fit: at the width of a desk's screen and of a phone's, light and dark, with one benchmark and with as
// many as there can be. It leaves pictures for people to look at, if it is told where.
func TestNothingIsCutOff(t *testing.T) {
	for _, benchmarks := range []int{1, 12} {
		for _, s := range []size{{1440, 900, false}, {1440, 900, true}, {390, 844, false}, {390, 844, true}} {
			t.Run(fmt.Sprintf("%d benchmarks, %d pixels, dark %v", benchmarks, s.width, s.dark), func(t *testing.T) {
				x := opened(t, sample(benchmarks, 7), s)
				x.said("drawAll()")
				assert.LessOrEqual(t, asked[int](x, "document.documentElement.scrollWidth"), int(s.width), "the page does not scroll sideways")
				assert.Equal(t, s.dark, asked[bool](x, "page.dark"))
				x.picture(fmt.Sprintf("%d-%d-dark-%v", benchmarks, s.width, s.dark))
			})
		}
	}
}

// picture leaves a picture of the first screen and one of the whole page.
func (x *tab) picture(name string) {
	if flag.Lookup("pictures").Value.String() == "" {
		return
	}
	first, err := chromedp.Run(x.ctx, chromedp.CaptureScreenshot())
	require.NoError(x.t, err)
	x.keep(name+"-first.png", first)
	// A window so high that nothing is far away.
	x.do(chromedp.EmulateViewport(asked[int64](x, "innerWidth"), asked[int64](x, "document.documentElement.scrollHeight")), chromedp.Sleep(500_000_000))
	all, err := chromedp.Run(x.ctx, chromedp.CaptureScreenshot())
	require.NoError(x.t, err)
	x.keep(name+".png", all)
}

// keep leaves a file where pictures go.
func (x *tab) keep(name string, data []byte) {
	if folder := flag.Lookup("pictures").Value.String(); folder != "" {
		require.NoError(x.t, os.WriteFile(filepath.Join(folder, name), data, 0o644))
	}
}
