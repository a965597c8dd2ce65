package harness

import (
	"strings"

	"github.com/llmsweep/llmsweep/harness/metric"
)

// slo reads -slo. What is stored is how ParseSLO writes it, so that two runs with the same objectives say the same.
func (r *resolver) slo() string {
	values, source := r.values("slo")
	if len(values) == 0 {
		return ""
	}
	slo, err := metric.ParseSLO(values[0])
	if err != nil {
		r.fault(source, values[0], strings.ReplaceAll(err.Error(), "\n", "; "))
		return ""
	}
	return slo.String()
}

// objectives refuses those that no request of the plan could meet.
func (c *checks) objectives(p *Plan) {
	slo, err := metric.ParseSLO(p.SLO)
	if err != nil {
		c.fault("slo", p.SLO, strings.ReplaceAll(err.Error(), "\n", "; "))
		return
	}
	for _, o := range slo {
		d, _ := metric.Lookup(o.Tag)
		switch {
		case d.Streamed && p.Unstreamed:
			c.fault("slo", p.SLO, o.Tag+" is of streams, and answers are not streamed: leave out -streaming=false, or name request_latency")
		case d.Scheduled && len(p.RequestRates) == 0 && !p.FixedSchedule:
			c.fault("slo", p.SLO, o.Tag+" is of an open loop: pass -request-rate, or name "+strings.TrimPrefix(o.Tag, "scheduled_"))
		}
	}
}
