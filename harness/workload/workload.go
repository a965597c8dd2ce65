// Package workload says what each request asks: lengths, text and body. It is pure and repeatable: the same Spec gives the same
// requests in any order, on any machine.
//
// Each random consumer has a stream of its own, derived from (seed, purpose, level, request), so that adding one shifts no
// other. Lengths depend on the seed alone. The text also depends on the nonce, which is new for every run, so that two sweeps of
// a warm server never meet each other's prefix cache; and within a run no two prompts begin with the same words.
package workload

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"

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
	ISL, StdDev int // prompt length: normal, rounded, at least 1
	OSL         int // exact output length, as far as the server obeys
	Seed, Nonce uint64
	Compat      string
	Extra       map[string]any // merged into the body, over our own fields
	// Words are those of the tokenizer that lengths are in; nil: of the embedded one.
	Words *tokenizer.WordList
	// Again sets the ids of requests apart where a level of the same name and seed has them already.
	Again string
}

// Request is one request, ready to send.
type Request struct {
	Index       int // within its level and phase, from 0
	Serial      int // within the run, from 0
	Phase       record.Phase
	ISL, OSL    int
	ID          string // X-Request-ID
	Traceparent string // W3C trace context, version 00
	Body        []byte
}

// Level is the workload of one level: its requests by phase.
type Level struct {
	spec       Spec
	name       string
	serial     int // of its first request
	head, tail []byte
	lengths    map[record.Phase][]int
}

// Level draws the lengths of a level. serial is the number of requests in the levels before it.
func (s Spec) Level(name string, serial, warmup, requests int) (*Level, error) {
	head, tail, err := s.template(s.Model)
	if err != nil {
		return nil, err
	}
	l := &Level{spec: s, name: name, serial: serial, head: head, tail: tail, lengths: map[record.Phase][]int{}}
	l.lengths[record.Warmup] = s.draw(name, record.Warmup, warmup)
	l.lengths[record.Profiling] = s.draw(name, record.Profiling, requests)
	return l, nil
}

func (s Spec) draw(level string, phase record.Phase, n int) []int {
	lengths := make([]int, n)
	for i := range lengths {
		r := Stream(s.Seed, "length", level+"/"+string(phase), i)
		for lengths[i] < 1 { // below one token: draw again, as AIPerf does
			lengths[i] = roundNormal(r, s.ISL, s.StdDev)
		}
	}
	return lengths
}

// roundNormal draws round(mean + std z). The product is converted so that no compiler fuses it with the sum, which would give
// other lengths on other machines.
func roundNormal(r *rand.Rand, mean, std int) int {
	x := float64(mean) + float64(float64(std)*r.NormFloat64()) + 0.5
	if x < 0 {
		return 0
	}
	return int(x)
}

// Len returns how many requests a phase has.
func (l *Level) Len(phase record.Phase) int { return len(l.lengths[phase]) }

// PromptTokens returns the sum of the level's prompt lengths, warm-up included, and the largest of them.
func (l *Level) PromptTokens() (sum, longest int) {
	for _, lengths := range l.lengths {
		for _, n := range lengths {
			sum, longest = sum+n, max(longest, n)
		}
	}
	return sum, longest
}

// Render makes the i-th request of a phase.
func (l *Level) Render(phase record.Phase, i int) *Request {
	serial := l.serial + i
	if phase == record.Profiling {
		serial += l.Len(record.Warmup)
	}
	isl := l.lengths[phase][i]
	ids := Stream(l.spec.Seed^l.spec.Nonce, "id", l.name+l.spec.Again+"/"+string(phase), i)
	body := make([]byte, 0, len(l.head)+len(l.tail)+8*isl)
	body = append(body, l.head...)
	body = l.spec.appendText(body, serial, isl)
	return &Request{
		Index: i, Serial: serial, Phase: phase, ISL: isl, OSL: l.spec.OSL, Body: append(body, l.tail...),
		ID: fmt.Sprintf("%016x%016x", ids.Uint64(), ids.Uint64()),
		// A trace or span id of zero would be invalid.
		Traceparent: fmt.Sprintf("00-%016x%016x-%016x-01", ids.Uint64()|1, ids.Uint64(), ids.Uint64()|1),
	}
}

// appendText appends a prompt of exactly n tokens. Its first words are the request's number in the run, written in words and
// shifted by the nonce, so that no two prompts of a run share them.
func (s Spec) appendText(b []byte, serial, n int) []byte {
	words := s.words()
	first, rest := words.First, words.Rest
	r := Stream(s.Seed^s.Nonce, "text", "", serial)
	b = append(b, first[shifted(serial, s.Nonce, len(first))]...)
	number, digits := serial/len(first), numbering(len(first), len(rest))
	for i := 1; i < n; i++ {
		word := r.IntN(len(rest))
		if i < digits {
			word = shifted(number, s.Nonce, len(rest))
			number /= len(rest)
		}
		b = append(b, ' ')
		b = append(b, rest[word]...)
	}
	return b
}

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

// shifted is (serial + nonce) mod n. Each is reduced first: a sum that overflows would let two requests share their words.
func shifted(serial int, nonce uint64, n int) int {
	return (serial%n + int(nonce%uint64(n))) % n
}

const placeholder = "\x00prompt\x00"

// template returns the body before and after the prompt.
func (s Spec) template(model string) (head, tail []byte, err error) {
	body := map[string]any{
		"model":          model,
		"messages":       []map[string]string{{"role": "user", "content": placeholder}},
		"stream":         true,
		"stream_options": map[string]any{"include_usage": true},
	}
	if s.Compat == CompatOpenAI {
		body["max_completion_tokens"] = s.OSL
	} else {
		body["max_tokens"], body["min_tokens"], body["ignore_eos"] = s.OSL, s.OSL, true
	}
	for key, value := range s.Extra {
		body[key] = value
	}
	data, err := json.Marshal(body)
	if err != nil {
		return nil, nil, fmt.Errorf("encoding the request body: %w", err)
	}
	mark, _ := json.Marshal(placeholder)
	head, tail, found := bytes.Cut(data, mark[1:len(mark)-1])
	if !found {
		return nil, nil, fmt.Errorf("the request body has no prompt: extra input %q replaced it", "messages")
	}
	return head, tail, nil
}

// Fingerprint is a SHA-256 over lengths and body template, without model and nonce: runs with different ones did not do the
// same work.
func (l *Level) Fingerprint() (string, error) {
	head, tail, err := l.spec.template("")
	if err != nil {
		return "", err
	}
	h := sha256.New()
	fmt.Fprintf(h, "llmsweep workload 1\nclosed\n%s\n%s\n%s\n", l.name, head, tail)
	for _, phase := range []record.Phase{record.Warmup, record.Profiling} {
		fmt.Fprintf(h, "%s %d\n", phase, l.Len(phase))
		for _, n := range l.lengths[phase] {
			fmt.Fprintln(h, n, l.spec.OSL)
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
