// Package host identifies the machine and the runtime that generate the load, so that a comparison can tell when they differ.
package host

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"

	"github.com/llmsweep/llmsweep/harness/record"
)

// Read returns the fingerprint of this machine. What the system does not tell stays empty.
func Read() *record.Host {
	h := &record.Host{
		OS: runtime.GOOS, Arch: runtime.GOARCH, CPUs: runtime.NumCPU(), GOMAXPROCS: runtime.GOMAXPROCS(0),
		GoVersion: runtime.Version(), CPU: field("/proc/cpuinfo", "model name"), Kernel: firstLine("/proc/sys/kernel/osrelease"),
	}
	h.Hostname, _ = os.Hostname()
	if kib, err := strconv.ParseInt(strings.TrimSuffix(field("/proc/meminfo", "MemTotal"), " kB"), 10, 64); err == nil {
		h.MemoryBytes = kib << 10
	}
	h.Fingerprint = fingerprint(h)
	return h
}

// fingerprint covers what makes one machine and runtime faster than another, and neither its name nor its memory.
func fingerprint(h *record.Host) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q %q %d %d %q", h.OS, h.Arch, h.Kernel, h.CPU, h.CPUs, h.GOMAXPROCS, h.GoVersion))
	return hex.EncodeToString(sum[:8])
}

// field returns the first value of "key : value" in a file, or "".
func field(path, key string) string {
	file, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer file.Close()
	for scanner := bufio.NewScanner(file); scanner.Scan(); {
		name, value, found := strings.Cut(scanner.Text(), ":")
		if found && strings.TrimSpace(name) == key {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func firstLine(path string) string {
	data, _ := os.ReadFile(path)
	line, _, _ := strings.Cut(string(data), "\n")
	return line
}
