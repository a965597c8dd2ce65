//go:build unix

package http1

import (
	"errors"
	"net"
	"syscall"
)

// waitable returns what waits for a connection to become readable without reading it, or nil.
func waitable(c net.Conn) syscall.RawConn {
	tcp, is := c.(*net.TCPConn)
	if !is {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

func readDescriptor(fd uintptr, p []byte) (int, error) {
	for {
		if n, err := syscall.Read(int(fd), p); !errors.Is(err, syscall.EINTR) {
			return max(n, 0), err
		}
	}
}
