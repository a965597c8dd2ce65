//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package lock

import "os"

func flock(*os.File) error { return errUnsupported }
