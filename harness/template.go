package harness

import (
	"context"
	"fmt"
	"time"

	"github.com/llmsweep/llmsweep/harness/openai"
	"github.com/llmsweep/llmsweep/harness/record"
)

const (
	// probeTokens is the length of the prompt by which the server's template is found.
	probeTokens = 16
	// templateLimit is how long that may take: the first request of a server that just started may be its slowest.
	templateLimit = time.Minute
)

// findTemplate finds what the first endpoint's server adds to a prompt, by a request for one token that is in no level. Not by one of a level: there may
// be no warm-up, and lengths as the server counts them must be known before bodies are written. Where lengths are the server's, prompts are then made
// shorter by what it adds. A run that is resumed keeps what was found first.
func (s *Sweep) findTemplate(ctx context.Context) error {
	found := s.askTemplate(ctx)
	if ctx.Err() != nil {
		return fmt.Errorf("endpoint %q: stopped while finding what the server adds to a prompt: %w", s.Plan.Endpoints[0], context.Cause(ctx))
	}
	s.spent.Add(found.Spent)
	s.progress.print("template: " + found.String())
	s.run.Template = &found
	if s.earlier != nil {
		s.keepTemplate(s.earlier.Template, &found)
	}
	if s.Plan.ISLCounts != record.ServerISL {
		return nil
	}
	if t := s.run.Template; !t.Known() {
		return fmt.Errorf("isl-counts %q: %s: let the tokenizer count (-isl-counts=client)", record.ServerISL, t.Found())
	}
	s.template = s.run.Template.Tokens
	return s.redraw()
}

// keepTemplate keeps what the run that is resumed had found, if it had.
func (s *Sweep) keepTemplate(was, found *record.Template) {
	if was == nil {
		return
	}
	if was.Known() && found.Known() && was.Tokens != found.Tokens {
		warning := fmt.Sprintf("the server adds %d tokens to a prompt after the resume, and %d before: its chat template, or its tokenizer, is another one", found.Tokens, was.Tokens)
		s.progress.print("warning: " + warning)
		s.run.Warnings = append(s.run.Warnings, warning)
	}
	kept := *was
	if !was.Known() {
		kept = *found
	}
	kept.Requests, kept.Spent = was.Requests+found.Requests, was.Spent+found.Spent
	s.run.Template = &kept
}

// askTemplate asks the server. With a tokenizer that is not the model's the same text is sent once and twice: whatever its length is there, twice the first
// count less the second is what the server adds.
func (s *Sweep) askTemplate(ctx context.Context) record.Template {
	t := record.Template{Approximate: s.Plan.TokenizerApproximate}
	ctx, cancel := context.WithTimeoutCause(ctx, templateLimit, because(record.RequestTimeout, "no answer within %v", templateLimit))
	defer cancel()
	config := s.client(time.Now())
	count, done := s.counter()
	defer done()
	config.Count = count
	client := openai.New(config)
	defer client.Close()
	once, said := s.countPrompt(ctx, client, 1, &t)
	if t.Unknown != "" {
		return t
	}
	t.Tokens = once - said
	counts := fmt.Sprintf("it counted %d tokens in a prompt that has %d: the tokenizer is not the server's", once, said)
	if t.Approximate {
		twice, _ := s.countPrompt(ctx, client, 2, &t)
		t.Tokens = 2*once - twice
		counts = fmt.Sprintf("it counted %d tokens in a text, and %d where it stands twice", once, twice)
	}
	if t.Unknown != "" || t.Tokens < 0 {
		t.Tokens = 0
		if t.Unknown == "" {
			t.Unknown = counts
		}
	}
	return t
}

// countPrompt has the server count a prompt, which says its text so many times and has said tokens. What it costs, and why it gives no count, goes to t.
func (s *Sweep) countPrompt(ctx context.Context, client *openai.Client, times int, t *record.Template) (counted, said int) {
	request, err := s.spec.Probe(probeTokens, times)
	if err != nil {
		t.Unknown = err.Error()
		return 0, 0
	}
	sample := client.Do(ctx, request, client.Now())
	t.Requests++
	t.Spent += tokensOf(sample)
	switch {
	case sample.Usage != nil && sample.Usage.PromptTokens > 0: // whatever became of the answer
		return sample.Usage.PromptTokens, request.ISL
	case sample.Error != nil:
		sample.Error.Message = s.Plan.Redact(sample.Error.Message)
		t.Unknown = "the request to find it failed: " + failure(sample)
	default:
		t.Unknown = "it reports no usage"
	}
	return 0, 0
}

// beyond is how many tokens more the server counts in prompts than the tokenizer: the least and the most of the measured requests.
type beyond struct{ requests, least, most int }

func (b *beyond) count(s *record.Sample) {
	if !s.Valid() || s.Usage == nil || s.Usage.PromptTokens == 0 {
		return
	}
	n := s.Usage.PromptTokens - s.Counted.PromptByClient()
	if b.requests++; b.requests == 1 {
		b.least, b.most = n, n
	}
	b.least, b.most = min(b.least, n), max(b.most, n)
}

// otherTokens is a warning where the tokenizer is taken for the model's and cannot be the server's: what a template adds is the same for all prompts that
// are made up.
func (r *levelRun) otherTokens() []string {
	b, p, t := r.beyond, r.sweep.Plan, r.sweep.run.Template
	switch {
	case b.requests == 0 || p.TokenizerApproximate || r.sweep.input != nil:
		return nil
	case b.least != b.most:
		reason := "the tokenizer differs from the server's"
		if len(p.Targets) > 1 {
			reason += ", or the endpoints from each other"
		}
		return []string{fmt.Sprintf("the server counts %d to %d tokens more in a prompt than the tokenizer (%s), which a chat template does not explain: %s", b.least, b.most, p.Tokenizer, reason)}
	case t.Known() && b.least != t.Tokens:
		return []string{fmt.Sprintf("the server counts %d tokens more in each prompt than the tokenizer (%s), and %d in the one before the first level: the tokenizer differs from the server's, or its template has changed",
			b.least, p.Tokenizer, t.Tokens)}
	}
	return nil
}
