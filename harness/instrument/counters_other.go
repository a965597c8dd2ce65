//go:build !linux

package instrument

func readCounters() counters {
	return counters{cpu: processorTime(), runQueue: -1, pressure: -1, steal: -1}
}
