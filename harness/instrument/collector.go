package instrument

import (
	"os"
	"runtime"
	"runtime/debug"
)

// measuringGCPercent lets the heap grow to five times what is in use before the collector runs.
const measuringGCPercent = 400

// quietCollector collects what preparations left, and lets the collector run less often, until restore. Who set GOGC or GOMEMLIMIT
// has decided for himself.
func quietCollector() (restore func()) {
	runtime.GC()
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return func() {}
	}
	before := debug.SetGCPercent(measuringGCPercent)
	return func() { debug.SetGCPercent(before) }
}
