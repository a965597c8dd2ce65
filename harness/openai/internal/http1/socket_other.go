//go:build !unix

package http1

import (
	"net"
	"syscall"
)

// waitable is nil: what waits on these systems reads.
func waitable(net.Conn) syscall.RawConn { return nil }

func readDescriptor(uintptr, []byte) (int, error) { return 0, syscall.EINVAL }
