package bench

import (
	"runtime"
	"runtime/debug"
	"slices"
	"testing"

	"github.com/llmsweep/llmsweep/harness/ceiling"
	"github.com/llmsweep/llmsweep/harness/host"
)

// BenchmarkCollector is what garbage collection costs the stamps: the p99.9 of stamp - write in levels of 250 streams, with the collector switched off, at
// the pace that a level sets, and at Go's own. They take turns, five times; medians count.
func BenchmarkCollector(b *testing.B) {
	const streams, requests, rounds, most = 250, 2500, 5, 1.25
	settings := []struct{ name, gogc string }{{"off", "off"}, {"ours", ""}, {"Go's", "100"}}
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	figures := map[string][]float64{}
	for range rounds * b.N {
		for _, s := range settings {
			b.Setenv("GOGC", s.gogc) // who sets it decides, and a level leaves it
			if s.gogc == "off" {
				debug.SetGCPercent(-1)
			} else {
				debug.SetGCPercent(100)
			}
			var row ceiling.Row
			before := cycles()
			c := calibration{ctx: b.Context(), dir: b.TempDir(), streams: streams, of: &ceiling.Setup{Host: *host.Read(), ConnectionReuse: "pooled"}}
			if err := c.paced(&row, requests); err != nil {
				b.Fatal(err)
			}
			figures[s.name] = append(figures[s.name], row.StampP999MS)
			b.Logf("collector %-4s  stamp - write: p50 %.3f ms, p99 %.3f ms, p99.9 %.3f ms; %d cycles; %s", s.name, row.StampP50MS, row.StampP99MS, row.StampP999MS,
				cycles()-before, row.Client)
		}
	}
	median := func(x []float64) float64 { slices.Sort(x); return x[len(x)/2] }
	for _, name := range []string{"ours", "Go's"} {
		b.Logf("%s: %.3f times the p99.9 without a collector", name, median(figures[name])/median(figures["off"]))
	}
	ratio, verdict := median(figures["ours"])/median(figures["off"]), "PASS"
	if ratio > most {
		verdict = "MISS"
	}
	b.Logf("p99.9 against no collector: %.3f, limit: at most %v: %s", ratio, most, verdict)
	b.ReportMetric(ratio, "times-without-collector")
	b.ReportMetric(0, "ns/op")
}

func cycles() uint32 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.NumGC
}
