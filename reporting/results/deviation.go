package results

import "github.com/llmsweep/llmsweep/harness/record"

// Deviation compares the counts of the client's tokenizer with the server's, over the requests that have both.
type Deviation struct {
	Requests int
	sum      float64
	// Ours and Theirs are the tokens of all of them, by the client's tokenizer and by the server.
	Ours, Theirs int
}

func (d *Deviation) add(ours, theirs int) {
	if ours > 0 && theirs > 0 {
		d.Requests++
		d.sum += float64(ours)/float64(theirs) - 1
		d.Ours, d.Theirs = d.Ours+ours, d.Theirs+theirs
	}
}

// With is the deviation over the requests of both.
func (d Deviation) With(other Deviation) Deviation {
	return Deviation{d.Requests + other.Requests, d.sum + other.sum, d.Ours + other.Ours, d.Theirs + other.Theirs}
}

// Means are the mean numbers of tokens, by the client's tokenizer and by the server; 0 of no requests.
func (d Deviation) Means() (ours, theirs float64) {
	n := float64(max(1, d.Requests))
	return float64(d.Ours) / n, float64(d.Theirs) / n
}

// Mean is the mean of ours / theirs - 1, a share; 0 of no requests.
func (d Deviation) Mean() float64 {
	if d.Requests == 0 {
		return 0
	}
	return d.sum / float64(d.Requests)
}

// compare takes what the server and the client's tokenizer counted of one request.
func (t *Tally) compare(s *record.Sample) {
	if s.Usage == nil {
		return
	}
	t.Prompts.add(s.Counted.PromptByClient(), s.Usage.PromptTokens)
	t.Outputs.add(s.Counted.Estimate, s.Usage.CompletionTokens)
}
