package reporting

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/llmsweep/llmsweep/reporting/results"
)

// differences names what benchmarks of one report differ in beside their target: figures of different work do not compare.
func differences(benchmarks []*results.Benchmark) []string {
	clock := func(b *results.Benchmark) string {
		if b.Run.Plan.Virtual {
			return "virtual time"
		}
		return "real time"
	}
	var warnings []string
	for _, aspect := range []struct {
		name string
		of   func(*results.Benchmark) string
	}{
		{"model", func(b *results.Benchmark) string { return b.Run.Plan.Model }},
		{"lengths", func(b *results.Benchmark) string { return b.Run.Plan.Lengths() }},
		{"seed", func(b *results.Benchmark) string { return fmt.Sprint(b.Run.Plan.Seed) }},
		{"tokenizer", func(b *results.Benchmark) string { return b.Run.Plan.Tokenizer }},
		{"clock", clock},
		{"objectives (slo)", func(b *results.Benchmark) string { return cmp.Or(b.SLO.String(), "none") }},
	} {
		if w := difference(benchmarks, aspect.name, aspect.of); w != "" {
			warnings = append(warnings, w)
		}
	}
	return warnings
}

func difference(benchmarks []*results.Benchmark, name string, of func(*results.Benchmark) string) string {
	var values []string
	holders := map[string][]string{}
	for _, b := range benchmarks {
		if b.Run == nil {
			continue
		}
		v := of(b)
		if holders[v] == nil {
			values = append(values, v)
		}
		holders[v] = append(holders[v], b.Name)
	}
	if len(values) < 2 {
		return ""
	}
	groups := make([]string, len(values))
	for i, v := range values {
		groups[i] = fmt.Sprintf("%s (%s)", v, strings.Join(holders[v], ", "))
	}
	return fmt.Sprintf("the benchmarks are not alike in %s: %s", name, strings.Join(groups, " against "))
}
