package metric

import (
	"time"

	"github.com/llmsweep/llmsweep/harness/record"
)

// Serve is what a result file of vllm bench serve has beyond its convention's figures: totals, peaks of seconds, and goodput by its own formula.
type Serve struct {
	*Accumulator
	firstNS int64 // of a valid request
	goals   []goal
	judged  bool

	good                int
	tokens, concurrency []int // in each second since the first start: its events, and the requests that it touched
}

// NewServe starts a level whose first valid request began at firstNS. Of the objectives those on time_to_first_token, inter_token_latency and
// request_latency are its ttft, tpot and e2el; with another one it knows no goodput.
func NewServe(started time.Time, firstNS int64, slo SLO) *Serve {
	s := &Serve{Accumulator: VLLM.Accumulator(started), firstNS: firstNS, judged: len(slo) > 0}
	theirs := map[string]string{"time_to_first_token": "ttft", "inter_token_latency": "tpot", "request_latency": "e2el"}
	var own SLO
	for _, o := range slo {
		tag, known := theirs[o.Tag]
		s.judged = s.judged && known
		own = append(own, Objective{tag, o.Limit})
	}
	s.goals = own.goals(vllmRules())
	return s
}

// Add takes one sample into account.
func (s *Serve) Add(sample *record.Sample) {
	s.Accumulator.Add(sample)
	if !sample.Valid() {
		return
	}
	if s.meets(sample) {
		s.good++
	}
	events := choices(sample)
	for _, at := range events {
		count(&s.tokens, s.second(at), 1)
	}
	if len(events) == 0 {
		return
	}
	for second := max(0, s.second(sample.StartNS)); second <= min(s.second(lastOf(events)), mostSeconds); second++ {
		count(&s.concurrency, second, 1)
	}
}

// meets reports whether a request is good to vllm bench serve, which takes the time per output token of a single token for 0.
func (s *Serve) meets(sample *record.Sample) bool {
	for i := range s.goals {
		g := &s.goals[i]
		if !g.met(sample) && !(g.Tag == "tpot" && sample.Counted.OSL <= 1) {
			return false
		}
	}
	return true
}

func (s *Serve) second(ns int64) int { return int((ns - s.firstNS) / nsPerSec) }

// mostSeconds is longer than any level: stamps beyond it are not those of a run.
const mostSeconds = 1 << 20

func count(of *[]int, second, n int) {
	if second < 0 || second > mostSeconds {
		return
	}
	for len(*of) <= second {
		*of = append(*of, 0)
	}
	(*of)[second] += n
}

// Completed is how many requests ended well.
func (s *Serve) Completed() int { return s.valid }

// Failed is how many ended otherwise.
func (s *Serve) Failed() int { return s.failed }

// Tokens are those of valid requests: of their prompts, by the server's count if it has one, and of their answers.
func (s *Serve) Tokens() (input, output int) { return s.prompted, s.delivered }

// Goodput is good requests / duration. ok is false without objectives, or with one that the tool does not know.
func (s *Serve) Goodput() (perSecond float64, ok bool) {
	return float64(s.good) / s.whole.seconds(), s.judged && s.whole.seconds() > 0
}

// Peaks are the most events of a second, and the most requests that one touched; a request that lasts touches each of its seconds.
func (s *Serve) Peaks() (tokensPerSecond, requests int) {
	return most(s.tokens), most(s.concurrency)
}

func most(values []int) int {
	m := 0
	for _, v := range values {
		m = max(m, v)
	}
	return m
}
