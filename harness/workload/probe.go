package workload

import (
	"fmt"

	"github.com/llmsweep/llmsweep/harness/record"
)

// Probe makes a request for one token of answer whose prompt is one text of so many tokens, said so many times: what a server counts beyond that is its
// template's. It has the fields that all requests have, but no shared prefix; where there is a system message, that is the same text, so that the prompt has
// twice as many. A text that is said twice has twice as many tokens by any tokenizer, but for what blanks make of its first word.
func (s Spec) Probe(tokens, times int) (*Request, error) {
	s.heads = s.words().Heads()
	text := s.appendText(nil, "probe", probeNumber, tokens)
	all := text
	for range times - 1 {
		all = append(append(all, ' '), text...)
	}
	s.Lengths = Normal(tokens, 0, 1)
	body, err := s.template(s.Model, string(all))
	if err != nil {
		return nil, err
	}
	isl := tokens * times
	if s.Prefixes.System > 0 {
		isl *= 2
	}
	ids := Stream(s.Seed^s.Nonce, "id", "probe", times)
	r := &Request{Phase: record.Warmup, ISL: isl, OSL: 1}
	r.ID, r.Traceparent = identify(ids)
	r.Body = body.render(nil, 1, func(b []byte) []byte { return append(b, all...) })
	return r, nil
}

// probeNumber is no request's: the texts of these begin otherwise.
const probeNumber = 1<<25 - 1

// leaves checks that a prompt of isl tokens has some of its own, beside those of the server's template and the shared ones.
func (s Spec) leaves(isl int) error {
	said := isl - s.Template
	if said < 1 {
		return fmt.Errorf(`isl-counts "server": a prompt of %d tokens was drawn, and the server adds %d to each, so that none were its own: raise the shortest prompt (-isl, -std, -seq-dist), or let the tokenizer count (-isl-counts=client)`,
			isl, s.Template)
	}
	err := s.Prefixes.leaves(said)
	if err != nil && s.Template > 0 {
		err = fmt.Errorf("%w (without the %d that the server adds)", err, s.Template)
	}
	return err
}
