package mockserver

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/llmsweep/llmsweep/mockserver/engine"
)

const (
	defaultTextLength = 16 // OpenAI's
	defaultChatLength = 256
)

// kind tells the two generating routes apart.
type kind int

const (
	chat kind = iota
	text
)

// call is a request that has been understood and found acceptable.
type call struct {
	kind       kind
	stream     bool
	usage      bool // the stream ends with a usage chunk
	continuous bool // and every chunk has one, too
	prompts    []tokens
	n          int // choices for each prompt
	length     int // of an answer, in tokens, unless it stops before
	minimum    int // an answer does not stop before it has so many
	ignoreEOS  bool
	stop       []string
	function   *function   // to be called
	pooled     bool        // embeddings: the engine's token is none of the client's
	gone       func() bool // the client, or nil
}

// tokens is a text as the engine sees it.
type tokens struct {
	count  int
	blocks []uint64 // the full ones, as package engine names them
}

func (c *call) promptTokens() int {
	n := 0
	for _, p := range c.prompts {
		n += p.count
	}
	return n
}

// understand reads a request and judges it.
func (s *Server) understand(w http.ResponseWriter, r *http.Request, k kind) (*call, *failure) {
	var b body
	if fail := readBody(w, r, &b); fail != nil {
		return nil, fail
	}
	if fail := s.hasModel(b.Model); fail != nil {
		return nil, fail
	}
	if fail := b.check(k); fail != nil {
		return nil, fail
	}
	c := &call{kind: k, stream: b.Stream, n: b.choices(), minimum: b.MinTokens, ignoreEOS: b.ignoresEOS(), stop: b.Stop}
	c.usage = b.StreamOptions.IncludeUsage
	c.continuous = c.usage && b.StreamOptions.ContinuousUsageStats
	c.prompts = b.tokens(k, &s.options)
	var fail *failure
	if k == chat {
		if c.function, fail = b.forced(); fail != nil {
			return nil, fail
		}
	}
	return c, s.fits(c, &b)
}

// hasModel judges the model that a request names.
func (s *Server) hasModel(name string) *failure {
	switch name {
	case s.options.Model:
		return nil
	case "":
		return invalid(http.StatusBadRequest, "missing_model",
			"The request names no model: set \"model\" to %s.", s.model).of("model")
	default:
		return invalid(http.StatusNotFound, "model_not_found",
			"The model `%s` does not exist. This server has `%s`.", name, s.options.Model).of("model")
	}
}

// fits sets the length of the answer and fails where the engines could never hold it.
func (s *Server) fits(c *call, b *body) *failure {
	for _, p := range c.prompts {
		length, fail := s.answerTokens(b, c, p.count)
		if fail != nil {
			return fail
		}
		if c.length == 0 || length < c.length {
			c.length = length
		}
		if err := s.options.fleet().Check(p.count, length); err != nil {
			return invalid(http.StatusBadRequest, "context_length_exceeded", "%v.", err)
		}
	}
	if c.minimum > c.length {
		return invalid(http.StatusBadRequest, "invalid_value",
			"min_tokens is %d, but the answer may have only %d tokens: lower it or raise max_tokens.", c.minimum, c.length).of("min_tokens")
	}
	return nil
}

// tokens returns the prompts of a request: one for a chat.
func (b *body) tokens(k kind, o *Options) []tokens {
	if k == text {
		all := make([]tokens, 0, len(*b.Prompt))
		for _, in := range *b.Prompt {
			all = append(all, in.tokens(o.BlockSize))
		}
		return all
	}
	c := newCounter(o.BlockSize)
	for i := range o.TemplateTokens {
		c.add(templateToken(i))
	}
	for _, m := range b.Messages {
		for _, part := range m.Content {
			c.words(part)
		}
	}
	return []tokens{c.tokens()}
}

// counter turns words and token identifiers into tokens.
type counter struct {
	count  int
	hasher *engine.Hasher
}

func newCounter(blockSize int) *counter {
	return &counter{hasher: engine.NewHasher(blockSize)}
}

func (c *counter) add(id uint32) {
	c.hasher.Add(id)
	c.count++
}

func (c *counter) words(s string) {
	for word := range strings.FieldsSeq(s) {
		c.add(tokenOf(word))
	}
}

// tokens returns the sum. An empty prompt counts as one token, the one that every
// model puts before the text.
func (c *counter) tokens() tokens {
	return tokens{max(1, c.count), c.hasher.Blocks()}
}

func (in input) tokens(blockSize int) tokens {
	c := newCounter(blockSize)
	c.words(in.text)
	for _, id := range in.ids {
		c.add(id)
	}
	return c.tokens()
}

// answerTokens is the length of an answer to a prompt: what was asked for or the default.
func (s *Server) answerTokens(b *body, c *call, prompt int) (int, *failure) {
	asked, name := b.MaxCompletionTokens, "max_completion_tokens"
	if asked == nil {
		asked, name = b.MaxTokens, "max_tokens"
	}
	most, whose := b.longest(len(c.prompts) * c.n)
	switch {
	case asked == nil:
		return s.defaultLength(c.kind, prompt, most)
	case *asked < 1:
		return 0, invalid(http.StatusBadRequest, "invalid_value", "%s is %d: must be at least 1.", name, *asked).of(name)
	case *asked > most:
		return 0, invalid(http.StatusBadRequest, "invalid_value", "%s is %d: must be at most %d%s.", name, *asked, most, whose).of(name)
	case s.options.MaxModelLen > 0 && *asked > s.options.MaxModelLen-prompt:
		return 0, s.tooLong(prompt, *asked)
	}
	return *asked, nil
}

// defaultLength is what the context and the cache leave room for. Where the context has no limit it is OpenAI's.
func (s *Server) defaultLength(k kind, prompt, most int) (int, *failure) {
	room := s.options.MaxModelLen - prompt
	switch {
	case s.options.MaxModelLen > 0 && room < 1:
		return 0, s.tooLong(prompt, 1)
	case s.options.MaxModelLen > 0:
		// That the prompt alone is too long for the cache is found later.
		return max(1, min(room, s.options.cacheTokens()-prompt, most)), nil
	case k == text:
		return defaultTextLength, nil
	default:
		return defaultChatLength, nil
	}
}

func (s *Server) tooLong(prompt, length int) *failure {
	return invalid(http.StatusBadRequest, "context_length_exceeded",
		"This model has a context of %d tokens: the prompt has %d and the answer would have %d. Shorten either.",
		s.options.MaxModelLen, prompt, length)
}

// longest is how many tokens each of so many answers may have, and what has that limit.
func (b *body) longest(answers int) (most int, whose string) {
	all := mostTokens
	switch {
	case len(b.Stop) > 0:
		all, whose = mostAtOnce, " for an answer with stop strings"
	case !b.Stream:
		all, whose = mostAtOnce, " for an answer that is not streamed"
	}
	if answers > 1 {
		whose += fmt.Sprintf(": the %d answers together may have %d tokens", answers, all)
	}
	return all / answers, whose
}

// The limits of what a request may ask for.
const (
	mostChoices     = 128
	mostStops       = 32
	mostStopLength  = 1000 // in characters: what is said is searched for them before the answer begins
	mostTopLogprobs = 20
	// Tokens of all answers to a request.
	mostTokens = 1 << 30
	mostAtOnce = 1 << 20 // where they are not streamed, or drawn and searched for stop strings before they begin
)

// check judges all but the model and the lengths.
func (b *body) check(k kind) *failure {
	n := b.choices()
	switch {
	case k == text && b.Prompt == nil:
		return invalid(http.StatusBadRequest, "missing_prompt", "The request has no prompt.").of("prompt")
	case k == chat && len(b.Messages) == 0:
		return invalid(http.StatusBadRequest, "missing_messages", "The request has no messages.").of("messages")
	case n < 1 || n > mostChoices:
		return invalid(http.StatusBadRequest, "invalid_value", "n is %d: must be from 1 to %d.", n, mostChoices).of("n")
	case n > 1 && b.Temperature != nil && *b.Temperature == 0:
		return invalid(http.StatusBadRequest, "invalid_value",
			"n is %d and temperature is 0: all answers would be the same; raise temperature or leave n out.", n).of("n")
	case k == text && n*len(*b.Prompt) > mostChoices:
		return invalid(http.StatusBadRequest, "invalid_value",
			"%d prompts with %d answers each: a request may ask for at most %d answers.", len(*b.Prompt), n, mostChoices).of("prompt")
	case b.MinTokens < 0:
		return invalid(http.StatusBadRequest, "invalid_value", "min_tokens is %d: must be at least 0.", b.MinTokens).of("min_tokens")
	}
	if fail := b.Stop.check(); fail != nil {
		return fail
	}
	if fail := b.checkServed(k); fail != nil {
		return fail
	}
	return b.checkSampling()
}

func (l stopList) check() *failure {
	switch {
	case len(l) > mostStops:
		return invalid(http.StatusBadRequest, "invalid_value", "stop has %d strings: at most %d are allowed.", len(l), mostStops).of("stop")
	case slices.Contains(l, ""):
		return invalid(http.StatusBadRequest, "invalid_value", "stop has an empty string: every answer would end at once.").of("stop")
	}
	for _, stop := range l {
		if n := utf8.RuneCountInString(stop); n > mostStopLength {
			return invalid(http.StatusBadRequest, "invalid_value",
				"stop has a string of %d characters: at most %d are allowed.", n, mostStopLength).of("stop")
		}
	}
	return nil
}

// checkSampling judges what would matter to a model.
func (b *body) checkSampling() *failure {
	for _, f := range []struct {
		name     string
		value    *float64
		from, to float64
	}{
		{"temperature", b.Temperature, 0, 2},
		{"top_p", b.TopP, 0, 1},
		{"frequency_penalty", b.FrequencyPenalty, -2, 2},
		{"presence_penalty", b.PresencePenalty, -2, 2},
		{"repetition_penalty", b.RepetitionPenalty, 0, 2},
	} {
		if f.value != nil && (*f.value < f.from || *f.value > f.to) {
			return outOfRange(f.name, *f.value, f.from, f.to)
		}
	}
	if p := b.RepetitionPenalty; p != nil && *p == 0 {
		return invalid(http.StatusBadRequest, "invalid_value", "repetition_penalty is 0: must be above 0.").of("repetition_penalty")
	}
	for token, bias := range b.LogitBias {
		if bias < -100 || bias > 100 {
			return outOfRange(fmt.Sprintf("logit_bias of token %q", token), bias, -100, 100).of("logit_bias")
		}
	}
	return nil
}

func outOfRange(name string, value, from, to float64) *failure {
	return invalid(http.StatusBadRequest, "invalid_value", "%s is %v: must be from %v to %v.", name, value, from, to).of(name)
}
