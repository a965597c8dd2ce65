package results

import (
	"os"
	"runtime/debug"
)

// At Go's own pace the heap grows to twice what is in use. A log of many gigabytes has hundreds of megabytes of values in use, most of them for
// as long as it is read. Half as much again, in place of as much, takes no more time that could be measured.
const (
	thriftyGCPercent = 50
	longLog          = 256 << 20 // bytes
)

// thrift lets the collector run more often, until restore, if the log is long. Who set GOGC or GOMEMLIMIT has decided for himself.
func thrift(log string) (restore func()) {
	info, err := os.Stat(log)
	if err != nil || info.Size() < longLog || os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return func() {}
	}
	before := debug.SetGCPercent(thriftyGCPercent)
	return func() { debug.SetGCPercent(before) }
}
