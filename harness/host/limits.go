package host

import (
	"os"
	"strconv"
	"strings"
)

// Limits are what the system allows this process; 0 is not known, but of DiskFree, where it is -1.
type Limits struct {
	Files     int   // file descriptors that the process may have
	FilesOpen int   // that it has
	Ports     int   // local ports for connections to one address
	DiskFree  int64 // bytes that are left for results
	Root      bool  // the process may raise limits
}

// ReadLimits reads the limits, for results in dir. The limit of file descriptors is raised to the hard one: Go does so at start, unless the
// program that started this one had it raised already or somebody set it since.
func ReadLimits(dir string) Limits {
	return Limits{Files: raiseFiles(), FilesOpen: openFiles(), Ports: ports(), DiskFree: diskFree(dir), Root: os.Geteuid() == 0}
}

// openFiles counts the file descriptors of this process; the one that it looks with is not among them.
func openFiles() int {
	for _, dir := range []string{"/proc/self/fd", "/dev/fd"} {
		if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
			return len(entries) - 1
		}
	}
	return 0
}

// ports reads Linux's range of ephemeral ports.
func ports() int {
	words := strings.Fields(firstLine("/proc/sys/net/ipv4/ip_local_port_range"))
	if len(words) != 2 {
		return 0
	}
	first, err := strconv.Atoi(words[0])
	last, err2 := strconv.Atoi(words[1])
	if err != nil || err2 != nil || last < first {
		return 0
	}
	return last - first + 1
}
