package metric_test

import (
	"testing"

	"github.com/llmsweep/llmsweep/harness/metric"
)

// BenchmarkCalculator is what a request costs when it has ended, beside its line in the log.
func BenchmarkCalculator(b *testing.B) {
	calculator, s := metric.NewCalculator(), hand()
	b.ReportAllocs()
	for b.Loop() {
		calculator.Of(s)
	}
}
