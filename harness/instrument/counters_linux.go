package instrument

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

func readCounters() counters {
	c := counters{cpu: processorTime(), runQueue: runQueueDelay("/proc/self/task"), pressure: -1}
	if data, err := os.ReadFile("/proc/pressure/cpu"); err == nil {
		c.pressure = pressure(string(data))
	}
	stat, _ := os.ReadFile("/proc/stat")
	c.steal, c.ticks = steal(string(stat))
	return c
}

// runQueueDelay adds up how long the threads below a folder of /proc were runnable and did not run; negative if the kernel does not count.
func runQueueDelay(tasks string) time.Duration {
	files, _ := filepath.Glob(filepath.Join(tasks, "*", "schedstat"))
	total := time.Duration(-1)
	for _, file := range files {
		data, err := os.ReadFile(file)
		if fields := strings.Fields(string(data)); err == nil && len(fields) == 3 { // a thread may just have ended
			wait, _ := strconv.ParseInt(fields[1], 10, 64)
			total = max(total, 0) + time.Duration(wait)
		}
	}
	return total
}

// pressure reads the total of the line "some avg10=0.00 avg60=0.00 avg300=0.00 total=4711", microseconds.
func pressure(text string) time.Duration {
	line, _, _ := strings.Cut(text, "\n")
	_, total, found := strings.Cut(line, "total=")
	us, err := strconv.ParseInt(strings.TrimSpace(total), 10, 64)
	if !found || err != nil || !strings.HasPrefix(line, "some ") {
		return -1
	}
	return time.Duration(us) * time.Microsecond
}

// steal reads the first line of /proc/stat: user, nice, system, idle, iowait, irq, softirq and steal in ticks of all processors; what
// guests took is in user already.
func steal(text string) (steal, all float64) {
	line, _, _ := strings.Cut(text, "\n")
	fields := strings.Fields(line)
	if len(fields) < 9 || fields[0] != "cpu" {
		return -1, 0
	}
	for i, field := range fields[1:9] {
		v, err := strconv.ParseFloat(field, 64)
		if err != nil {
			return -1, 0
		}
		all += v
		if i == 7 {
			steal = v
		}
	}
	return steal, all
}
