package instrument

import (
	"os"
	"runtime"
	"runtime/debug"
)

// The collector's pace while a level is measured. One cycle marks what is in use, of 500 streams some 40 MB, and takes half of two
// processors for 50 to 100 ms: in that time stamps are late. At Go's own pace the first seconds of a level see several cycles, since the
// heap is still small; at this one a level of 500 streams and 150,000 tokens sees none, and the heap grows to 160 MB and five times what
// is in use.
const (
	measuringGCPercent = 400
	ballastBytes       = 32 << 20 // counts as in use, and takes no memory: nobody writes to it
)

// quietCollector collects what preparations left, and lets the collector run less often, until restore. Who set GOGC or GOMEMLIMIT
// has decided for himself.
func quietCollector() (restore func()) {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		runtime.GC()
		return func() {}
	}
	before := debug.SetGCPercent(measuringGCPercent)
	ballast := make([]byte, ballastBytes)
	runtime.GC() // from here on the pace holds
	return func() {
		runtime.KeepAlive(ballast)
		debug.SetGCPercent(before)
	}
}
