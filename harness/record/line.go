package record

import "time"

// codec writes the fields of a line, or reads them, in the order in which they are named. What is optional is left out where it is empty.
type codec interface {
	open(key string) // an object; the outermost has no key
	close()
	present(key string, there bool) bool // begins an object where there is one

	integer(key string, v *int64)
	optionalInteger(key string, v *int64)
	integers(key string, v *[]int64)
	optionalIntegers(key string, v *[]int64)
	count(key string, v *int)
	optionalCount(key string, v *int)
	optionalCounts(key string, v *[]int)
	pointed(key string, v **int)
	boolean(key string, v *bool)
	text(key string, v *string)
	word(key string, v *string) // a text of few that recur
	optionalWord(key string, v *string)
	optionalBoolean(key string, v *bool)
	optionalRetries(key string, v *[]Retry)

	// What follows from other fields is written, and not kept when it is read.
	derivedInteger(key string, v int64)
	derivedStamp(key string, v int64, there bool)
	derivedText(key, v string)
	derivedBoolean(key string, v bool)
	metrics(key string, values []MetricValue)
}

const traceKey = "trace"

// recordLine is one line of profile_export.jsonl: AIPerf's record with our trace beside it. zero is the wall clock at stamp 0.
func recordLine(c codec, s *Sample, zero time.Time, values []MetricValue) {
	c.open("")
	recordMetadata(c, s, zero.UnixNano())
	c.metrics("metrics", values)
	if c.present("error", s.Error != nil) {
		recordError(c, s)
	}
	c.open(traceKey)
	recordTrace(c, s)
	c.close()
	c.close()
}

// recordMetadata is AIPerf's. Its *_ns are wall-clock nanoseconds.
func recordMetadata(c codec, s *Sample, zero int64) {
	c.open("metadata")
	c.count("session_num", &s.Index)
	c.text("x_request_id", &s.RequestID)
	c.derivedText("x_correlation_id", s.RequestID)
	c.derivedText("conversation_id", s.RequestID)
	c.derivedInteger("turn_index", int64(s.Turn))
	c.derivedInteger("credit_issued_ns", zero+s.ScheduledNS)
	c.derivedInteger("request_start_ns", zero+s.StartNS)
	c.derivedStamp("request_ack_ns", zero+s.HeadersNS, s.HeadersNS != Never)
	c.derivedInteger("request_end_ns", zero+s.EndNS)
	c.derivedText("worker_id", "llmsweep")
	c.derivedText("record_processor_id", "llmsweep")
	c.derivedText("benchmark_phase", string(s.Phase))
	c.derivedBoolean("was_cancelled", s.Outcome == Cancelled)
	c.derivedStamp("cancellation_time_ns", zero+s.EndNS, s.Outcome == Cancelled)
	c.close()
}

func recordError(c codec, s *Sample) {
	if s.Error == nil {
		s.Error = new(Error)
	}
	c.count("code", &s.Error.Code)
	c.word("type", &s.Error.Type)
	c.text("message", &s.Error.Message)
	c.close()
}

func recordTrace(c codec, s *Sample) {
	c.integer("scheduled_ns", &s.ScheduledNS)
	c.optionalBoolean("timed", &s.Timed)
	c.optionalInteger("placed_ns", &s.PlacedNS)
	c.optionalInteger("prefill_ns", &s.PrefillNS)
	c.optionalBoolean("to_cancel", &s.ToCancel)
	c.integer("start_ns", &s.StartNS)
	c.integer("sent_ns", &s.SentNS)
	c.integer("headers_ns", &s.HeadersNS)
	c.integer("first_byte_ns", &s.FirstByteNS)
	c.integer("first_visible_ns", &s.FirstVisibleNS)
	c.integers("chunks_ns", &s.ChunksNS)
	c.optionalCounts("chunk_tokens", &s.ChunkTokens)
	c.optionalIntegers("empty_ns", &s.EmptyNS)
	c.integer("last_byte_ns", &s.LastByteNS)
	c.integer("end_ns", &s.EndNS)
	c.optionalBoolean("unstreamed", &s.Unstreamed)
	c.optionalWord("stamp_source", (*string)(&s.StampSource))
	c.word("outcome", (*string)(&s.Outcome))
	c.optionalWord("reason", (*string)(&s.Reason))
	c.optionalWord("finish_reason", &s.FinishReason)
	c.optionalCount("status", &s.Status)
	c.count("requested_osl", &s.RequestedOSL)
	c.optionalCount("shared_tokens", &s.SharedTokens)
	if c.present("usage", s.Usage != nil) {
		recordUsage(c, s)
	}
	c.open("counted")
	c.count("isl", &s.Counted.ISL)
	c.count("osl", &s.Counted.OSL)
	c.count("reasoning", &s.Counted.Reasoning)
	c.word("source", (*string)(&s.Counted.Source))
	c.optionalCount("estimate", &s.Counted.Estimate)
	c.optionalCount("client_isl", &s.Counted.ClientISL)
	c.close()
	recordConn(c, &s.Conn)
	c.optionalRetries("retries", &s.Retries)
	c.integer("bytes_sent", &s.BytesSent)
	c.integer("bytes_received", &s.BytesReceived)
	c.word("phase", (*string)(&s.Phase))
	c.count("turn", &s.Turn)
	c.word("endpoint", &s.Endpoint)
	c.text("traceparent", &s.Traceparent)
}

func recordUsage(c codec, s *Sample) {
	if s.Usage == nil {
		s.Usage = new(Usage)
	}
	u := s.Usage
	c.count("prompt_tokens", &u.PromptTokens)
	c.count("completion_tokens", &u.CompletionTokens)
	c.count("total_tokens", &u.TotalTokens)
	c.pointed("cached_tokens", &u.CachedTokens)
	c.optionalCount("reasoning_tokens", &u.ReasoningTokens)
	c.optionalCount("cache_write_tokens", &u.CacheWriteTokens)
	c.optionalCount("cache_miss_tokens", &u.CacheMissTokens)
	c.optionalCount("prompt_audio_tokens", &u.PromptAudioTokens)
	c.optionalCount("completion_audio_tokens", &u.CompletionAudioTokens)
	c.optionalCount("accepted_prediction_tokens", &u.AcceptedPredictionTokens)
	c.optionalCount("rejected_prediction_tokens", &u.RejectedPredictionTokens)
	c.close()
}

func recordConn(c codec, n *Conn) {
	c.open("conn")
	c.boolean("reused", &n.Reused)
	c.integer("dns_ns", &n.DNSNS)
	c.integer("connect_ns", &n.ConnectNS)
	c.integer("tls_ns", &n.TLSNS)
	c.word("remote", &n.Remote)
	c.integer("got_ns", &n.GotNS)
	c.integer("bytes_sent", &n.BytesSent)
	c.optionalCount("stale", &n.Stale)
	c.optionalCount("resent", &n.Resent)
	c.close()
}
