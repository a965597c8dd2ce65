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
	folder := flag.Lookup("pictures").Value.String()
	if folder == "" {
		return
	}
	for suffix, action := range map[string]chromedp.Action[[]byte]{"": chromedp.FullScreenshot(100), "-first": chromedp.CaptureScreenshot()} {
		data, err := chromedp.Run(x.ctx, action)
		require.NoError(x.t, err)
		require.NoError(x.t, os.WriteFile(filepath.Join(folder, name+suffix+".png"), data, 0o644))
	}
}
