// Package workload says what each request asks: lengths, text and body. It is pure and repeatable: the same Spec gives the same
// requests in any order, on any machine.
//
// Each random consumer has a stream of its own, derived from (seed, purpose, level, request), so that adding one shifts no
// other. Lengths depend on the seed alone. The text also depends on the nonce, which is new for every run, so that two sweeps of
// a warm server never meet each other's prefix cache; and within a run no two prompts begin with the same words, beyond the
// prefixes that they are asked to share.
package workload

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/tokenizer"
)

// Dialects of the request body.
const (
	CompatLLM    = "llm"    // max_tokens, min_tokens and ignore_eos, as inference servers understand them
	CompatOpenAI = "openai" // only what the public OpenAI API knows
)

// Spec determines a synthetic workload. Lengths are in tokens.
type Spec struct {
	Model       string
	Lengths     Lengths // OSL is exact, as far as the server obeys
	Prefixes    Prefixes
	Source      *Source // of the prompts; nil: they are made up
	Seed, Nonce uint64
	Compat      string
	Completions bool // the body is one for /v1/completions
	Unstreamed  bool // the answer is asked for as a document
	// ServerISL: Lengths are those of prompts as the server counts them, with Template tokens of its own in each. Not with a Source.
	ServerISL bool
	Template  int
	Extra     map[string]any // merged into the body, over our own fields
	// Words are those of the tokenizer that lengths are in; nil: of the embedded one.
	Words *tokenizer.WordList
	// Count counts the tokens of a text by it; nil: by the embedded one.
	Count func(text string) (int, error)
	heads []string // of Words
	// Places are the numbers of the first requests of a level's phases by which they take the Source's records; nil: those in the run.
	Places map[record.Phase]int
	Cancel Cancel
	// Again sets the ids of requests apart where a level of the same name and seed has them already.
	Again string
}

// Validate reports everything that is wrong with lengths, prefixes and source.
func (s Spec) Validate() error {
	var system error
	if s.Completions && s.Prefixes.System > 0 {
		system = errors.New("a prompt of -endpoint-type completions has no system message: share a prefix instead")
	}
	return errors.Join(s.Lengths.Validate(), s.Prefixes.Validate(), s.validateSource(), system)
}

// Request is one request, ready to send.
type Request struct {
	Index       int // within its level and phase, from 0
	Serial      int // within the run, from 0
	Phase       record.Phase
	ISL, OSL    int
	ClientISL   int    // what the client's tokenizer counts, where ISL is the server's; else 0
	Shared      int    // tokens of ISL that other prompts have on purpose, system message included
	ID          string // X-Request-ID
	Traceparent string // W3C trace context, version 00
	Body        []byte
	Err         error // why there is no Body: its record could not be read any more
	// Cancelled: the client goes away on purpose, CancelDelay after the request was fully sent.
	Cancelled   bool
	CancelDelay time.Duration
}

// Level is the workload of one level: its requests by phase.
type Level struct {
	spec   Spec
	name   string
	serial int // of its first request
	body   template
	drawn  map[record.Phase][]drawn
}

// drawn are the lengths of one request.
type drawn struct{ isl, osl int32 }

// Level draws the lengths of a level. serial is the number of requests in the levels before it. It fails where Validate does, where an extra input
// cannot be encoded or leaves no prompt, and where what prompts are to share leaves nothing of one that was drawn.
func (s Spec) Level(name string, serial, warmup, requests int) (*Level, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	if s.joins() {
		s.heads = s.words().Heads()
	}
	if s.joins() && len(s.heads) == 0 {
		return nil, errors.New("the tokenizer has no word that is one token at the start of a text and behind a blank: prompts that share a part cannot have an exact length")
	}
	var system []byte
	if s.Prefixes.System > 0 {
		system = s.appendText(nil, "system", 0, s.Prefixes.System)
	}
	body, err := s.template(s.Model, string(system))
	if err != nil {
		return nil, err
	}
	l := &Level{spec: s, name: name, serial: serial, body: body, drawn: map[record.Phase][]drawn{}}
	for _, phase := range phases() {
		n := requests
		if phase == record.Warmup {
			n = warmup
		}
		if l.drawn[phase], err = s.draw(l.stream(phase), l.place(phase, warmup), n); err != nil {
			return nil, fmt.Errorf("level %s: %w", name, err)
		}
	}
	return l, nil
}

// phases are those of a level, in their order.
func phases() []record.Phase { return []record.Phase{record.Warmup, record.Profiling} }

// stream names a phase where random streams are derived.
func (l *Level) stream(phase record.Phase) string { return l.name + "/" + string(phase) }

// first is the number in the run of a phase's first request.
func (l *Level) first(phase record.Phase, warmup int) int {
	if phase == record.Profiling {
		return l.serial + warmup
	}
	return l.serial
}

// place is the number by which a phase's first request takes its record.
func (l *Level) place(phase record.Phase, warmup int) int {
	if place, given := l.spec.Places[phase]; given {
		return place
	}
	return l.first(phase, warmup)
}

func (s Spec) draw(stream string, first, n int) ([]drawn, error) {
	all := make([]drawn, n)
	for i := range all {
		if s.Source != nil {
			var err error
			if all[i], err = s.lengthsOf(first+i, stream, i); err != nil {
				return nil, err
			}
			continue
		}
		isl, osl := s.Lengths.Draw(s.Seed, stream, i)
		if err := s.leaves(isl); err != nil {
			return nil, err
		}
		all[i] = drawn{int32(isl), int32(osl)}
	}
	return all, nil
}

// Len returns how many requests a phase has.
func (l *Level) Len(phase record.Phase) int { return len(l.drawn[phase]) }

// Tokens returns what a phase asks for: the sums of its prompt and answer lengths.
func (l *Level) Tokens(phase record.Phase) (prompts, answers int) {
	for _, n := range l.drawn[phase] {
		prompts, answers = prompts+int(n.isl), answers+int(n.osl)
	}
	return prompts, answers
}

// Longest returns the lengths of the request that takes most of a model's context: of the largest sum.
func (l *Level) Longest() (isl, osl int) {
	for _, phase := range phases() {
		for _, n := range l.drawn[phase] {
			if int(n.isl)+int(n.osl) > isl+osl {
				isl, osl = int(n.isl), int(n.osl)
			}
		}
	}
	return isl, osl
}

// Shared returns how many tokens of the level's prompts are shared on purpose, warm-up included: the hits of a prefix cache that has seen all
// prefixes and keeps single tokens.
func (l *Level) Shared() int {
	sum := 0
	for _, phase := range phases() {
		for _, n := range l.drawn[phase] {
			sum += l.spec.Prefixes.System + l.spec.Prefixes.tokens(int(n.isl)-l.spec.Template)
		}
	}
	return sum
}

// MeanBody returns the size of a measured request's body in bytes at the mean prompt length, as of the first request.
func (l *Level) MeanBody() int {
	requests := l.Len(record.Profiling)
	if requests == 0 {
		return 0
	}
	if l.spec.Source != nil {
		return l.meanBody()
	}
	first := l.Render(record.Profiling, 0)
	prompts, _ := l.Tokens(record.Profiling)
	perToken := float64(len(first.Body)-l.body.size()) / float64(first.ISL-l.spec.Template-l.spec.Prefixes.System)
	return len(first.Body) + int(perToken*(float64(prompts)/float64(requests)-float64(first.ISL)))
}

// Render makes the i-th request of a phase.
func (l *Level) Render(phase record.Phase, i int) *Request {
	serial := l.first(phase, l.Len(record.Warmup)) + i
	isl, osl, p := int(l.drawn[phase][i].isl), int(l.drawn[phase][i].osl), l.spec.Prefixes
	said := isl - l.spec.Template // of them we say
	prefix := p.tokens(said)
	var body []byte
	var err error
	if l.spec.Source != nil {
		body, err = l.spec.fromSource(l.place(phase, l.Len(record.Warmup))+i, serial, isl, osl)
	} else {
		body = l.body.render(make([]byte, 0, l.body.size()+8*(said-p.System)), osl, func(b []byte) []byte {
			if prefix > 0 {
				b = append(l.spec.appendText(b, "prefix", p.pick(l.spec.Seed, l.stream(phase), i), prefix), ' ')
			}
			return l.spec.appendText(b, "text", serial, said-p.System-prefix)
		})
	}
	ids := Stream(l.spec.Seed^l.spec.Nonce, "id", l.name+l.spec.Again+"/"+string(phase), i)
	if !l.spec.ServerISL {
		said = 0
	}
	r := &Request{
		Index: i, Serial: serial, Phase: phase, ISL: isl, ClientISL: said, OSL: osl, Shared: p.System + prefix, Body: body, Err: err,
	}
	r.ID, r.Traceparent = identify(ids)
	r.Cancelled, r.CancelDelay = l.cancels(phase, i)
	return r
}

// identify draws what names a request.
func identify(ids *rand.Rand) (id, traceparent string) {
	id = fmt.Sprintf("%016x%016x", ids.Uint64(), ids.Uint64())
	// A trace or span id of zero would be invalid.
	return id, fmt.Sprintf("00-%016x%016x-%016x-01", ids.Uint64()|1, ids.Uint64(), ids.Uint64()|1)
}

// appendText appends a text of exactly n tokens. Its first words are its number (of prompts: that of the request in the run), written in words and
// shifted by the nonce, so that no two texts of a purpose share them. Behind a blank the text has n tokens, too.
func (s Spec) appendText(b []byte, purpose string, number, n int) []byte {
	words := s.words()
	first, rest := words.First, words.Rest
	if len(s.heads) > 0 {
		first = s.heads
	}
	r := Stream(s.Seed^s.Nonce, purpose, "", number)
	b = append(b, first[shifted(number, s.Nonce, len(first))]...)
	digit, digits := number/len(first), numbering(len(first), len(rest))
	for i := 1; i < n; i++ {
		word := r.IntN(len(rest))
		if i < digits {
			word = shifted(digit, s.Nonce, len(rest))
			digit /= len(rest)
		}
		b = append(b, ' ')
		b = append(b, rest[word]...)
	}
	return b
}

// joins reports whether texts are put behind others.
func (s Spec) joins() bool { return s.Prefixes.any() || s.Source != nil }

func (s Spec) words() *tokenizer.WordList {
	if s.Words != nil {
		return s.Words
	}
	words, _ := tokenizer.Default().Words() // it has them, without a search
	return &words
}

// numbering is how many words the number of a request in a run takes, of which there may be 2^25.
func numbering(first, rest int) int {
	digits := 1
	for n := first; n < 1<<25 && rest > 1; n *= rest {
		digits++
	}
	return digits
}

// shifted is (number + nonce) mod n. Each is reduced first: a sum that overflows would let two texts share their words.
func shifted(number int, nonce uint64, n int) int {
	return (number%n + int(nonce%uint64(n))) % n
}

// ClosedLoop is the schedule of a closed loop, for Fingerprint.
const ClosedLoop = "closed"

// Fingerprint is a SHA-256 over schedule, lengths, shared prefixes and body template, without model and nonce: runs with different ones did not do the
// same work. schedule is ClosedLoop or the hash of the starts of an open loop.
func (l *Level) Fingerprint(schedule string) (string, error) {
	body, err := l.spec.template("", "")
	if err != nil {
		return "", err
	}
	h := sha256.New()
	fmt.Fprintf(h, "llmsweep workload 1\n%s\n%s\n%s", schedule, l.name, body.texts[0])
	for i, m := range body.marks {
		if m != promptMark {
			fmt.Fprintf(h, "%s", m)
		} else {
			fmt.Fprintln(h)
		}
		h.Write(body.texts[i+1])
	}
	fmt.Fprintln(h)
	l.spec.writeSource(h)
	if l.spec.ServerISL {
		fmt.Fprintln(h, "lengths as the server counts them") // whatever its template is
	}
	l.writeCancelled(h)
	for _, phase := range phases() {
		fmt.Fprintf(h, "%s %d\n", phase, l.Len(phase))
		for i, n := range l.drawn[phase] {
			fmt.Fprint(h, n.isl, " ", n.osl)
			if p := l.spec.Prefixes; p.any() {
				fmt.Fprint(h, " ", p.System, p.tokens(int(n.isl)), p.pick(l.spec.Seed, l.stream(phase), i))
			}
			if l.spec.Source != nil {
				fmt.Fprint(h, " ", l.spec.record(l.place(phase, l.Len(record.Warmup))+i))
			}
			fmt.Fprintln(h)
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Stream is the generator of one random consumer, which no other shares: of one request for one purpose. level is empty where requests are
// numbered over the whole run.
func Stream(seed uint64, purpose, level string, request int) *rand.Rand {
	var key [16]byte
	binary.LittleEndian.PutUint64(key[:8], seed)
	binary.LittleEndian.PutUint64(key[8:], uint64(request))
	h := sha256.New()
	h.Write(key[:])
	fmt.Fprintf(h, "%q %q", purpose, level)
	sum := h.Sum(nil)
	return rand.New(rand.NewPCG(binary.LittleEndian.Uint64(sum[:8]), binary.LittleEndian.Uint64(sum[8:16])))
}

// Combine is the fingerprint of several levels.
func Combine(fingerprints []string) string {
	h := sha256.New()
	for _, f := range fingerprints {
		fmt.Fprintln(h, f)
	}
	return hex.EncodeToString(h.Sum(nil))
}
