//go:build !linux

package mockserver

import "time"

func fineWaiter() (wait func(time.Duration), end func()) { return time.Sleep, func() {} }
