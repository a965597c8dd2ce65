package harness

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/llmsweep/llmsweep/harness/tokenizer"
	"github.com/llmsweep/llmsweep/harness/tokenizer/hub"
)

// What -tokenizer may be besides a folder, a file and the id of a model.
const (
	servedTokenizer   = "server"   // its /tokenize route
	embeddedTokenizer = "embedded" // the default one, which nobody has to look for
)

// unaskedTimeout bounds the download of a tokenizer that nobody named: there may be no way to the Hub at all.
const unaskedTimeout = 30 * time.Second

const servedName = "the server's /tokenize route"

// tokens is the tokenizer that FindTokenizer found.
type tokens struct {
	words *tokenizer.WordList // of which prompts are made; of a server they are known once it is ready
	count func(string) (int, error)
	// served: the server counts, each text by a call.
	served  bool
	warning string // why another one stands in
}

// FindTokenizer finds the tokenizer of the plan, before Open: a file, else the model's in the cache of Hugging Face's library, else on the Hub. One that was
// named and cannot be had is an error. Where none was named and the model's own cannot be had, the embedded one stands in, and the results say why.
// Without an endpoint and a name there is nothing to find: the mock server's tokens are words, which the embedded tokenizer counts.
//
// say is told of a download, and of a cache that cannot be written.
func (p *Plan) FindTokenizer(ctx context.Context, getenv func(string) string, say func(line string)) error {
	switch p.TokenizerFrom {
	case "", embeddedTokenizer:
		return nil
	case servedTokenizer:
		words, err := tokenizer.Default().Words() // until the server is asked
		p.tokens = &tokens{served: true, words: &words}
		p.Tokenizer, p.TokenizerSHA256 = servedName, ""
		return err
	}
	h := hub.FromEnvironment(getenv)
	h.UserAgent, h.Say = userAgent(), say
	if !p.TokenizerNamed {
		h.Timeout = unaskedTimeout
	}
	b, err := readTokenizer(ctx, p.TokenizerFrom, &h)
	var words tokenizer.WordList
	if err == nil {
		words, err = b.Words()
	}
	if err == nil {
		p.Tokenizer, p.TokenizerSHA256 = b.Name(), b.SHA256()
		p.tokens = &tokens{words: &words, count: b.Count}
		return nil
	}
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("tokenizer %q: %w", p.TokenizerFrom, err)
	case p.TokenizerNamed:
		return fmt.Errorf("tokenizer %q: %w; name a tokenizer.json, its folder or an id of the Hub, or %q to ask that for its own", p.TokenizerFrom, err, servedTokenizer)
	}
	return p.standIn(err)
}

// standIn takes the embedded tokenizer for the model's.
func (p *Plan) standIn(why error) error {
	b := tokenizer.StandIn(p.Model)
	words, err := b.Words()
	if err != nil {
		return err
	}
	p.Tokenizer, p.TokenizerSHA256, p.TokenizerApproximate = b.Name()+", approximate", b.SHA256(), true
	b.Warm()
	p.tokens = &tokens{words: &words, count: b.Count, warning: fmt.Sprintf(
		"the tokenizer of %q could not be had (%v): lengths are by %s; -tokenizer names another", p.Model, why, p.Tokenizer)}
	return nil
}

// readTokenizer reads a tokenizer.json from where a name leads: a file, a folder with it, or a model.
func readTokenizer(ctx context.Context, from string, h *hub.Hub) (*tokenizer.BPE, error) {
	const name = "tokenizer.json"
	path := Resolve(from)
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		return readTokenizerFile(from, filepath.Join(path, name))
	case err == nil:
		return readTokenizerFile(from, path)
	case filepath.IsAbs(from) || strings.HasPrefix(from, ".") || strings.HasSuffix(from, ".json"):
		return nil, missing(from, cause(err))
	}
	file, err := h.Read(ctx, from, name)
	if err != nil {
		return nil, err
	}
	if file.Unkept != nil && h.Say != nil {
		h.Say(fmt.Sprintf("note: the tokenizer of %q is %v", from, file.Unkept))
	}
	return tokenizer.Load(from, file.Data)
}

// readTokenizerFile reads a tokenizer by the name that the user gave it.
func readTokenizerFile(name, path string) (*tokenizer.BPE, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the folder has no %s, the form of tokenizer that is read", filepath.Base(path))
	}
	if err != nil {
		return nil, err
	}
	if info.Size() > hub.DefaultMaxBytes {
		return nil, fmt.Errorf("%s has %d bytes: no tokenizer.json has more than %d", path, info.Size(), hub.DefaultMaxBytes)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return tokenizer.Load(name, data)
}

// tokenizerWarnings says what is to be known of the tokenizer.
func (p *Plan) tokenizerWarnings() []string {
	if p.tokens == nil || p.tokens.warning == "" {
		return nil
	}
	return []string{p.tokens.warning}
}

// promptWords are the words that prompts are made of; nil: the embedded tokenizer's.
func (p *Plan) promptWords() *tokenizer.WordList {
	if p.tokens == nil {
		return nil
	}
	return p.tokens.words
}

// countTokens counts what stands in an -input-file; nil: the embedded tokenizer does. A server is not asked before the load: it may be far away, and
// what it counts of its prompts stands in its usage.
func (p *Plan) countTokens() func(string) (int, error) {
	if p.tokens == nil || p.tokens.served {
		return nil
	}
	return p.tokens.count
}

// sought refuses a plan whose tokenizer nobody has looked for: its lengths would be by another.
func (p *Plan) sought() error {
	if p.TokenizerNamed && p.tokens == nil && p.TokenizerFrom != embeddedTokenizer {
		return fmt.Errorf("tokenizer %q: was not looked for: call FindTokenizer before Open", p.TokenizerFrom)
	}
	return nil
}

// counter counts tokens by the plan's tokenizer, until done.
func (s *Sweep) counter() (count func(string) (int, error), done func()) {
	t := s.Plan.tokens
	switch {
	case t == nil:
		if !s.Plan.Virtual {
			tokenizer.Default().Warm()
		}
		return tokenizer.Default().Count, func() {}
	case !t.served:
		return t.count, func() {}
	}
	prober, done := s.prober(s.Plan.Targets[0])
	return func(text string) (int, error) {
		return prober.Tokenize(context.Background(), s.Plan.Model, text) // which has its own limit, and is for a request that ended already
	}, done
}

// redraw makes what levels say of other words. Lengths and schedule stay as they were drawn.
func (s *Sweep) redraw() error {
	run := s.run
	s.levels = nil
	err := s.draw()
	s.run = run
	return err
}

// learnWords finds the words that prompts are made of where the server counts tokens.
func (s *Sweep) learnWords(ctx context.Context) error {
	t := s.Plan.tokens
	if t == nil || !t.served {
		return nil
	}
	count, done := s.counter()
	defer done()
	words, err := tokenizer.ServedWords(func(text string) (int, error) {
		if err := s.interrupted(); err != nil {
			return 0, err
		}
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		return count(text)
	})
	if err != nil {
		return errors.New(s.Plan.Redact(fmt.Sprintf("tokenizer %q: %v", servedTokenizer, err)))
	}
	*t.words = words
	return s.redraw()
}
