package metric

import "github.com/llmsweep/llmsweep/harness/record"

const (
	unitKB   = "KB"
	llmsweep = "llmsweep"
)

// traceRules are the HTTP trace metrics: k6's names, AIPerf's formulas, the stamps of our own client. They split the way from start to
// the last byte into six phases that follow one another:
//
//	start | blocked, dns_lookup, connecting | sending | waiting | receiving | last byte
//	                          the connection is had   sent    first byte
//
// With -retry-429 they are of the last time that the request was sent, as the record's connection and response are: the refusals and the waits
// before it are none of the connection's.
//
// AIPerf counts TLS to connecting, and so do we; the record has it apart. What AIPerf counts as chunks sent and received, the reads and
// writes of its HTTP library, has no counterpart here.
func traceRules() []rule {
	rules := append(phaseRules(), spanRules()...)
	kilobytes := func(tag, name, formula string, of func(*record.Sample) int64) rule {
		return rule{
			Definition: Definition{Tag: tag, Name: name, Unit: unitKB, Formula: formula, Source: aiperf, PerRequest: true},
			of:         func(s *record.Sample) (float64, bool) { n := of(s); return float64(n) / 1024, n > 0 },
		}
	}
	reused := rule{
		Definition: Definition{Tag: "http_req_connection_reused", Name: "HTTP Connection Reused", Unit: "ratio", HigherBetter: true,
			Formula: "1 where the request took a kept connection, else 0", Source: aiperf, PerRequest: true},
		of: func(s *record.Sample) (float64, bool) {
			if s.Conn.Reused {
				return 1, hadConnection(s)
			}
			return 0, hadConnection(s)
		},
	}
	return append(rules, reused,
		kilobytes("http_req_data_sent", "HTTP Data Sent", "bytes of the request's body / 1024", func(s *record.Sample) int64 { return s.BytesSent }),
		kilobytes("http_req_data_received", "HTTP Data Received", "bytes of the response's body / 1024", func(s *record.Sample) int64 { return s.BytesReceived }),
	)
}

// span is a metric in nanoseconds; false where one of its stamps is missing or they are out of order.
type span func(*record.Sample) (int64, bool)

func phaseRules() []rule {
	return []rule{
		inMS("http_req_blocked", "HTTP Blocked", "connection had - start - dns_lookup - connecting: waiting for a connection", blocked),
		inMS("http_req_dns_lookup", "HTTP DNS Lookup", "name resolution; 0 on a kept connection", dnsLookup),
		inMS("http_req_connecting", "HTTP Connecting", "TCP and TLS handshakes; 0 on a kept connection", connecting),
		inMS("http_req_sending", "HTTP Sending", "request written - connection had", sending),
		inMS("http_req_waiting", "HTTP Waiting (TTFB)", "first byte of the response's body - request written", waiting),
		inMS("http_req_receiving", "HTTP Receiving", "last byte of the response's body - first one", receiving),
	}
}

func spanRules() []rule {
	return []rule{
		inMS("http_req_duration", "HTTP Duration (excl. conn)", "last byte of the response's body - connection had", func(s *record.Sample) (int64, bool) {
			return apart(s.Conn.GotNS, s.LastByteNS)
		}),
		inMS("http_req_connection_overhead", "HTTP Connection Overhead", "blocked + dns_lookup + connecting", sumOf(blocked, dnsLookup, connecting)),
		inMS("http_req_total", "HTTP Total Time", "blocked + dns_lookup + connecting + sending + waiting + receiving",
			sumOf(blocked, dnsLookup, connecting, sending, waiting, receiving)),
	}
}

func inMS(tag, name, formula string, of span) rule {
	return rule{
		Definition: Definition{Tag: tag, Name: name, Unit: unitMS, Formula: formula, Source: aiperf, PerRequest: true},
		of: func(s *record.Sample) (float64, bool) {
			ns, ok := of(s)
			return float64(ns) / nsPerMS, ok
		},
	}
}

// apart is the span between two stamps that happened in this order.
func apart(from, to int64) (int64, bool) {
	return to - from, from != record.Never && to != record.Never && to >= from
}

func hadConnection(s *record.Sample) bool { return s.Conn.Remote != "" }

func blocked(s *record.Sample) (int64, bool) {
	wait, ok := apart(lastSent(s), s.Conn.GotNS)
	dns, _ := dnsLookup(s)
	connect, _ := connecting(s)
	return max(0, wait-dns-connect), ok // two addresses tried at once take longer together than there was time
}

// lastSent is the start, or where the request was refused and sent again, when that began.
func lastSent(s *record.Sample) int64 {
	if n := len(s.Retries); n > 0 {
		return s.Retries[n-1].ResumedNS
	}
	return s.StartNS
}

func dnsLookup(s *record.Sample) (int64, bool) {
	if s.Conn.Reused {
		return 0, hadConnection(s)
	}
	return s.Conn.DNSNS, hadConnection(s)
}

func connecting(s *record.Sample) (int64, bool) {
	if s.Conn.Reused {
		return 0, hadConnection(s)
	}
	return s.Conn.ConnectNS + s.Conn.TLSNS, hadConnection(s)
}

func sending(s *record.Sample) (int64, bool) { return apart(s.Conn.GotNS, s.SentNS) }

// waiting is absent where the answer overtook the news that the request was written.
func waiting(s *record.Sample) (int64, bool) { return apart(s.SentNS, s.FirstByteNS) }

func receiving(s *record.Sample) (int64, bool) { return apart(s.FirstByteNS, s.LastByteNS) }

// sumOf adds up spans, if all of them are known.
func sumOf(spans ...span) span {
	return func(s *record.Sample) (total int64, known bool) {
		for _, of := range spans {
			ns, ok := of(s)
			if !ok {
				return 0, false
			}
			total += ns
		}
		return total, true
	}
}
