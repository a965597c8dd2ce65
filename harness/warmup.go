package harness

import (
	"fmt"

	"github.com/llmsweep/llmsweep/harness/arrival"
	"github.com/llmsweep/llmsweep/harness/record"
)

// warmup reads what is sent before each level.
func (r *resolver) warmup(p *Plan) {
	p.WarmupRequests, p.WarmupDuration = r.count("warmup-requests"), r.duration("warmup-duration")
	p.WarmupConcurrency, p.WarmupRate = r.count("warmup-concurrency"), r.decimal("warmup-request-rate")
	if r.given("warmup-grace-period") {
		grace := r.duration("warmup-grace-period")
		p.WarmupGrace = &grace
	}
}

// warmup checks what is sent before each level.
func (c *checks) warmup(p *Plan) {
	c.within("warmup-requests", p.WarmupRequests, 0, maxRequests)
	c.within("warmup-concurrency", p.WarmupConcurrency, 0, maxConcurrency)
	const alone = "needs a warm-up: say how long it is with -warmup-requests or -warmup-duration"
	none := p.WarmupRequests == 0 && p.WarmupDuration == 0
	if p.WarmupConcurrency > 0 && none {
		c.fault("warmup-concurrency", p.WarmupConcurrency, alone)
	}
	if grace := p.WarmupGrace; grace != nil && *grace >= 0 && p.WarmupDuration == 0 {
		c.fault("warmup-grace-period", *grace, "is what follows a -warmup-duration, which is missing")
	}
	if p.WarmupRate == 0 {
		return
	}
	rate := arrival.Open{Process: arrival.Constant, Rate: p.WarmupRate}.Validate()
	gaps := arrival.Open{Process: p.Arrival, Rate: 1, Burstiness: p.Burstiness}.Validate()
	switch {
	case rate != nil:
		*c = append(*c, fmt.Errorf("warmup-%w", rate))
	case none:
		c.fault("warmup-request-rate", p.WarmupRate, alone)
	case p.WarmupConcurrency > 0:
		c.fault("warmup-request-rate", p.WarmupRate, "cannot go with -warmup-concurrency: a warm-up is an open loop or a closed one")
	case gaps != nil && len(p.RequestRates) == 0: // else the levels say so
		*c = append(*c, gaps)
	case p.Warmups(record.Point{}) > maxRequests:
		c.fault("warmup-request-rate", p.WarmupRate, fmt.Sprintf("sends more than %d requests in a -warmup-duration of %v: shorten it or lower the rate", maxRequests, p.WarmupDuration))
	}
}
