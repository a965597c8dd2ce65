package harness

import (
	"cmp"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/workload"
)

// lengths reads how long prompts and answers are, and what prompts share.
func (r *resolver) lengths(p *Plan) {
	p.Prefixes = record.Prefixes{
		System: r.count("shared-system-prompt-length"), Pool: r.count("prefix-pool"), Length: r.count("prefix-length"), Ratio: r.share("prefix-ratio"),
	}
	if p.ISLCounts = r.text("isl-counts"); p.ISLCounts == record.ClientISL {
		p.ISLCounts = ""
	}
	if p.SeqDist = r.text("seq-dist"); p.SeqDist == "" {
		return
	}
	r.alone("seq-dist, which says how long prompts and answers are", "isl", "std", "osl")
	p.ISL, p.StdDev, p.OSL = 0, 0, 0
	if l, err := workload.ParseLengths(p.SeqDist); err == nil { // else Validate says why
		p.SeqDist = l.String() // the same for all spellings
	}
}

// alone refuses options that were given by hand beside another, which says what they do.
func (r *resolver) alone(beside string, names ...string) {
	for _, name := range names {
		if values, source := r.values(name); r.given(name) {
			r.fault(source, values[0], "cannot go with -"+beside)
		}
	}
}

// lengths are those of the plan's requests that are made up.
func lengths(p *record.Plan) (workload.Lengths, error) {
	if p.SeqDist != "" {
		return workload.ParseLengths(p.SeqDist)
	}
	return workload.Normal(max(1, p.ISL), p.StdDev, p.OSL), nil // a file of prompts leaves no ISL
}

// lengths checks how long prompts and answers are, and what prompts share.
func (c *checks) lengths(p *Plan) {
	switch _, err := lengths(&p.Plan); {
	case p.SeqDist != "" && p.Input.File != "":
		c.fault("seq-dist", p.SeqDist, "cannot go with -input-file, which has the prompts")
	case err != nil:
		*c = append(*c, err)
	case p.SeqDist == "":
		c.within("osl", p.OSL, 1, maxTokens)
		if p.Input.File == "" {
			c.within("isl", p.ISL, 1, maxTokens)
			c.within("std", p.StdDev, 0, maxTokens)
		}
	}
	if c.oneOf("isl-counts", cmp.Or(p.ISLCounts, record.ClientISL), record.ClientISL, record.ServerISL); p.ISLCounts != "" && p.Input.File != "" {
		c.fault("isl-counts", p.ISLCounts, "cannot go with -input-file, whose prompts are as long as they are: both counts stand in the results")
	}
	if err := workload.Prefixes(p.Prefixes).Validate(); err != nil {
		*c = append(*c, err)
	}
	for _, shared := range []struct {
		name  string
		value any
		some  bool
	}{
		{"shared-system-prompt-length", p.Prefixes.System, p.Prefixes.System > 0}, {"prefix-pool", p.Prefixes.Pool, p.Prefixes.Pool > 0},
		{"prefix-length", p.Prefixes.Length, p.Prefixes.Length > 0}, {"prefix-ratio", p.Prefixes.Ratio, p.Prefixes.Ratio > 0},
	} {
		if shared.some && p.Input.File != "" {
			c.fault(shared.name, shared.value, "cannot go with -input-file, whose prompts share what they share")
		}
	}
	if p.Prefixes.System > 0 && p.AsksCompletions() {
		c.fault("shared-system-prompt-length", p.Prefixes.System, "cannot go with -endpoint-type=completions, whose prompts have no system message: share a -prefix-length")
	}
}
