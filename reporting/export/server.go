package export

import (
	"github.com/llmsweep/llmsweep/harness/scrape"
	"github.com/llmsweep/llmsweep/reporting/results"
)

// serverOf is what the server told of itself, over the measurement and the steady window.
func serverOf(l *results.Level) object {
	o := object{{"measurement", figuresOf(l.Server.Figures)}}
	if l.Server.Window != nil {
		o = append(o, field{"window", figuresOf(*l.Server.Window)})
	}
	return o
}

// figuresOf are the figures that were told, and those that follow from them.
func figuresOf(f scrape.Figures) object {
	o := object{{"told", f}}
	if percent, counted, ok := f.HitRate(); ok {
		o = append(o, field{"prefix_cache_hit_rate", object{{"unit", "%"}, {"value", percent}, {"by_counters", counted}}})
	}
	for _, h := range []struct {
		name       string
		sum, count scrape.Quantity
	}{
		{"time_to_first_token", scrape.FirstTokenSum, scrape.FirstTokenCount}, {"inter_token_latency", scrape.GapSum, scrape.GapCount},
		{"request_latency", scrape.WholeSum, scrape.WholeCount},
	} {
		if mean, ok := f.MeanOf(h.sum, h.count); ok {
			o = append(o, field{h.name, object{{"unit", "ms"}, {"avg", mean}, {"count", f.Counters[h.count]}}})
		}
	}
	return o
}

// gpusOf is what the GPUs told, with the energy of the measurement.
func gpusOf(l *results.Level) object {
	o := object{{"measurement", object{{"told", l.GPU.Figures}}}}
	if joules, counted, ok := l.GPU.Figures.Joules(); ok {
		o = append(o, field{"energy", object{{"unit", "J"}, {"value", joules}, {"by_counters", counted}}})
	}
	if perJoule, ok := l.TokensPerJoule(); ok {
		o = append(o, field{"output_tokens_per_joule", object{{"unit", "tokens/J"}, {"value", perJoule}}})
	}
	return o
}
