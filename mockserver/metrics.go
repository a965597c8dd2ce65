package mockserver

import (
	"net/http"

	"github.com/llmsweep/llmsweep/mockserver/metrics"
)

// metricsType is the content type of Prometheus text.
const metricsType = "text/plain; version=0.0.4; charset=utf-8"

// deployment is what metrics need to know.
func (o Options) deployment() metrics.Deployment {
	return metrics.Deployment{Model: o.Model, Fleet: o.fleet(), Workers: o.NumWorkers + o.NumPrefillWorkers}
}

// serveMetrics answers with what engines and front end have counted.
func (s *Server) serveMetrics(w http.ResponseWriter, _ *http.Request) {
	s.servePage(w, func(r metrics.Reading) []byte {
		return metrics.Page(s.options.deployment(), r, s.frontend)
	})
}

// serveGPUs answers as an exporter of GPU telemetry does. It has a path of its own, as the exporter is
// a program of its own.
func (s *Server) serveGPUs(w http.ResponseWriter, _ *http.Request) {
	s.servePage(w, metrics.GPUs)
}

func (s *Server) servePage(w http.ResponseWriter, page func(metrics.Reading) []byte) {
	reading, open := s.loop.read()
	if !open {
		shuttingDown().write(w)
		return
	}
	w.Header().Set("Content-Type", metricsType)
	_, _ = w.Write(page(reading))
}

// endpoint is what the front end's metrics call a route.
func (k kind) endpoint() string {
	if k == chat {
		return "chat_completions"
	}
	return "completions"
}
