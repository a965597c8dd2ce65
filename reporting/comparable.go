package reporting

import (
	"fmt"
	"strings"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/reporting/results"
)

// differences names what benchmarks of one report differ in beside their target: figures of different work do not compare.
func differences(benchmarks []*results.Benchmark) []string {
	clock := func(p *record.Plan) string {
		if p.Virtual {
			return "virtual time"
		}
		return "real time"
	}
	var warnings []string
	for _, aspect := range []struct {
		name string
		of   func(*record.Plan) string
	}{
		{"model", func(p *record.Plan) string { return p.Model }},
		{"lengths", (*record.Plan).Lengths},
		{"seed", func(p *record.Plan) string { return fmt.Sprint(p.Seed) }},
		{"tokenizer", func(p *record.Plan) string { return p.Tokenizer }},
		{"clock", clock},
	} {
		if w := difference(benchmarks, aspect.name, aspect.of); w != "" {
			warnings = append(warnings, w)
		}
	}
	return warnings
}

func difference(benchmarks []*results.Benchmark, name string, of func(*record.Plan) string) string {
	var values []string
	holders := map[string][]string{}
	for _, b := range benchmarks {
		if b.Run == nil {
			continue
		}
		v := of(&b.Run.Plan)
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
