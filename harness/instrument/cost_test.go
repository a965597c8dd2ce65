package instrument_test

import (
	"testing"
	"time"

	"github.com/llmsweep/llmsweep/harness/instrument"
	"github.com/llmsweep/llmsweep/harness/openai"
)

// BenchmarkWatch lets the client watch itself for a second with nothing beside it, and reports the share of one processor that this takes.
func BenchmarkWatch(b *testing.B) {
	for b.Loop() {
		w := instrument.Start(instrument.Config{Client: openai.Config{Epoch: time.Now()}, Target: 100, RealTime: true})
		time.Sleep(time.Second)
		got := w.Stop()
		b.ReportMetric(100**got.Process.CPUCores, "%core")
		b.ReportMetric(got.Canary.DelayP99MS, "canary_p99_ms")
		b.ReportMetric(got.Probe.LateP99MS, "probe_p99_ms")
	}
}
