package preflight

import (
	"fmt"
	"math"
)

// sparePerRun is how many file descriptors a run needs besides its connections and what is open when it is judged: the log, the canaries'
// streams and timers, a lookup of a name. Of 100 streams they were seen to be 15 at most, of one 6.
const sparePerRun = 16

func files(l Load, m *Machine) Finding {
	connections := l.Connections
	if l.InProcess {
		connections *= 2
	}
	need := connections + m.FilesOpen + sparePerRun
	f := Finding{Check: "file descriptors", Result: OK, Text: fmt.Sprintf("%d allowed, %s needs %d", m.Files, l.Level, need)}
	switch {
	case m.Files == 0:
		f.Result, f.Text = Unknown, fmt.Sprintf("%s needs %d; this system does not tell how many are allowed", l.Level, need)
	case m.Files < need:
		fits := max(0, l.Connections*(m.Files-m.FilesOpen-sparePerRun)/connections)
		f.Result = Refusal
		f.Text = fmt.Sprintf("%d allowed, %s needs %d: %d for its connections, %d are open, %d to spare", m.Files, l.Level, need, connections, m.FilesOpen, sparePerRun)
		f.Remedy = fmt.Sprintf("allow more in the shell that starts the run with: %s (a container takes them from: docker run --ulimit nofile=%d)",
			m.raise(roundUp(need)), roundUp(need))
		if fits > 0 {
			f.Remedy += fmt.Sprintf(", or keep -concurrencies at %d or below", fits)
		}
	}
	return f
}

// raise is the command that raises the hard limit of the shell that it is given to.
func (m *Machine) raise(files int) string {
	if m.OS == "linux" && !m.Root {
		return fmt.Sprintf("sudo prlimit --pid $$ --nofile=%d", files)
	}
	return fmt.Sprintf("ulimit -n %d", files)
}

// roundUp leaves room up to the next power of two, 1024 at least.
func roundUp(files int) int {
	limit := 1024
	for limit < files {
		limit *= 2
	}
	return limit
}

// reuseAfter is how long, in seconds, a port cannot be used again after the client has closed a connection to another machine (Linux'
// TIME_WAIT). Over the loopback it can, after one.
const reuseAfter = 60

func ports(l Load, m *Machine, servers []Server) Finding {
	addresses := max(1, len(servers))
	need := (l.Connections + addresses - 1) / addresses
	f := Finding{Check: "local ports", Result: OK, Text: fmt.Sprintf("%d to one address, %s needs %d", m.Ports, l.Level, need)}
	more := `have more with: sudo sysctl -w net.ipv4.ip_local_port_range="1024 65535"`
	if m.OS != "linux" {
		more = "widen the system's range of ephemeral ports"
	}
	switch {
	case m.Ports == 0:
		f.Result, f.Text = Unknown, fmt.Sprintf("%s needs %d to one address; this system does not tell how many there are", l.Level, need)
	case m.Ports < need:
		f.Result, f.Remedy = Refusal, more+", or name more replicas, or lower -concurrencies"
	case !l.Reused && m.Ports < need+l.Requests/addresses && !loopback(servers):
		f.Result = Warning
		f.Text = fmt.Sprintf("%d to one address, and with -connection-reuse=never each of %d requests takes one for %d s after its end: above %d requests/s there will be none left",
			m.Ports, l.Requests, reuseAfter, (m.Ports-need)*addresses/reuseAfter)
		f.Remedy = more + ", or leave -connection-reuse at pooled"
	}
	return f
}

func loopback(servers []Server) bool {
	for _, s := range servers {
		if !s.Loopback {
			return false
		}
	}
	return true
}

func processors(l Load, m *Machine) Finding {
	f := Finding{Check: "processors", Result: OK}
	switch {
	case m.CeilingShare == 0:
		f.Result, f.Text = Unknown, fmt.Sprintf("%d; what they can do at %s was not calibrated (make calibrate)", m.Processors, l.Level)
		return f
	case m.CeilingShare > 1:
		f.Result, f.Remedy = Warning, "use more processors, or lower -concurrencies: a client at its limit looks like a slow server"
	}
	f.Text = fmt.Sprintf("%d; at an ITL of %v %s is %.0f %% of their calibrated ceiling", m.Processors, m.ITL, l.Level, math.Ceil(100*m.CeilingShare))
	return f
}

func disk(l Load, m *Machine) Finding {
	f := Finding{Check: "disk space", Result: OK}
	if m.DiskFree < 0 {
		f.Result, f.Text = Unknown, fmt.Sprintf("about %s are needed; this system does not tell what is free", Bytes(l.BytesWritten))
		return f
	}
	f.Text = fmt.Sprintf("%s free, about %s needed", Bytes(m.DiskFree), Bytes(l.BytesWritten))
	switch {
	case m.DiskFree < l.BytesWritten:
		f.Result = Refusal
	case m.DiskFree < 2*l.BytesWritten:
		f.Result = Warning
	default:
		return f
	}
	f.Remedy = fmt.Sprintf("free some, choose another -output-dir than %s, or lower -request-count or -osl", l.OutputDir)
	return f
}

// Bytes is a size in words, rounded.
func Bytes(n int64) string {
	const kilo, mega, giga = 1000, 1000_000, 1000_000_000
	switch {
	case n < kilo:
		return fmt.Sprintf("%d B", n)
	case n < mega:
		return fmt.Sprintf("%.3g kB", float64(n)/kilo)
	case n < giga:
		return fmt.Sprintf("%.3g MB", float64(n)/mega)
	default:
		return fmt.Sprintf("%.4g GB", float64(n)/giga)
	}
}
