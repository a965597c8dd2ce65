package results

import "github.com/llmsweep/llmsweep/harness/metric"

// Serve reads the level's log as vllm bench serve would have measured it.
func (l *Level) Serve() (*metric.Serve, Figures, error) {
	serve := metric.NewServe(l.Record.StartedAt, l.firstNS, l.SLO)
	if l.Broken() {
		serve.Break()
	}
	if _, err := l.eachSample(serve.Add); err != nil {
		return nil, nil, err
	}
	return serve, figuresOf(serve.Results()), nil
}
