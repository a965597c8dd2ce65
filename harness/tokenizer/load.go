package tokenizer

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// Limits of a file: a rank has 24 bits in heap.go, and the ids of two tokens make one key in pairs.go.
const (
	maxMerges  = 1 << 24
	maxTokenID = 1<<31 - 1
)

// file is a tokenizer.json. Padding and truncation are the server's business and no part of a count; the post-processor adds the tokens of a
// template, which the server's usage reveals.
type file struct {
	AddedTokens  []addedToken    `json:"added_tokens"`
	Normalizer   json.RawMessage `json:"normalizer"`
	PreTokenizer json.RawMessage `json:"pre_tokenizer"`
	Decoder      json.RawMessage `json:"decoder"`
	Model        *model          `json:"model"`
}

type model struct {
	Type         *string         `json:"type"` // the oldest files have none
	Dropout      float64         `json:"dropout"`
	Prefix       string          `json:"continuing_subword_prefix"`
	Suffix       string          `json:"end_of_word_suffix"`
	ByteFallback bool            `json:"byte_fallback"`
	IgnoreMerges bool            `json:"ignore_merges"`
	Vocab        json.RawMessage `json:"vocab"`
	Merges       json.RawMessage `json:"merges"`
}

// Load reads a tokenizer.json as Hugging Face's library writes it: byte-pair encoding of bytes (GPT-2, Llama 3, Qwen, DeepSeek,
// gpt-oss) or of characters with a fallback to bytes (Llama 2, Mistral, Gemma). name is for reports. A file with any part that this
// package does not know is refused, with the part and the reason: a count that is wrong in silence would be worse than none.
func Load(name string, data []byte) (*BPE, error) {
	b, err := load(data)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(data)
	b.name, b.sha256 = name, hex.EncodeToString(sum[:])
	return b, nil
}

func load(data []byte) (*BPE, error) {
	var f file
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, fmt.Errorf("is not a tokenizer.json: %w", err)
	}
	if err := f.Model.check(); err != nil {
		return nil, err
	}
	l := loader{file: &f}
	normalizers, err := l.normalizers(f.Normalizer, nil)
	if err := errors.Join(err, l.preTokenizer(f.PreTokenizer), l.decoder(f.Decoder)); err != nil {
		return nil, err
	}
	b := &BPE{unicodeOnly: true, normalizers: normalizers}
	if b.vocabulary, err = l.vocabulary(); err != nil {
		return nil, err
	}
	b.pre = l.pre // to which the vocabulary may have added a cut
	b.added, b.addedNormalized = l.added(normalizers)
	return b, nil
}

// check refuses models that are not byte-pair encoding, or of a kind that servers do not use.
func (m *model) check() error {
	switch {
	case m == nil:
		return errors.New("is not a tokenizer.json: it has no model")
	case m.Type != nil && *m.Type != "BPE":
		return fmt.Errorf("model %q is not supported: only BPE is", *m.Type)
	case m.Type == nil && len(m.Merges) == 0:
		return errors.New("model has neither a type nor merges: only BPE is supported")
	case m.Dropout != 0:
		return fmt.Errorf("model: dropout %v: counts would be random", m.Dropout)
	case m.Prefix != "":
		return fmt.Errorf("model: continuing_subword_prefix %q is not supported", m.Prefix)
	case m.Suffix != "":
		return fmt.Errorf("model: end_of_word_suffix %q is not supported", m.Suffix)
	}
	return nil
}

// loader is a tokenizer in the making.
type loader struct {
	file      *file
	pre       pretokenizer
	byteLevel bool
	words     bool              // it cuts before every blank
	ids       map[string]uint32 // of the vocab as it is spelled in the file
}

// part is any part of the pipeline: the fields of all types that are known.
type part struct {
	Type        string
	Normalizers []json.RawMessage // Sequence
	Pretokens   []json.RawMessage `json:"pretokenizers"`
	Decoders    []json.RawMessage
	Prepend     string
	Pattern     struct{ String, Regex *string }
	Content     string
	Behavior    behaviour
	Invert      bool
	Individual  bool    `json:"individual_digits"`
	Replacement string  // Metaspace
	Scheme      *string `json:"prepend_scheme"`
	Split       *bool
	AddPrefix   *bool `json:"add_prefix_space"`
	UseRegex    *bool `json:"use_regex"` // ByteLevel
}

// parse reads one part; nil: there is none.
func parse(kind string, raw json.RawMessage) (*part, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	p := new(part)
	if err := json.Unmarshal(raw, p); err != nil {
		return nil, fmt.Errorf("%s: %w", kind, err)
	}
	return p, nil
}

func (l *loader) normalizers(raw json.RawMessage, known []normalizer) ([]normalizer, error) {
	p, err := parse("normalizer", raw)
	if p == nil {
		return known, err
	}
	switch p.Type {
	case "NFC":
		return append(known, nfc), nil
	case "Prepend":
		return append(known, prepend(p.Prepend)), nil
	case "Replace":
		if p.Pattern.String == nil || *p.Pattern.String == "" {
			return nil, errors.New(`normalizer "Replace" is not supported with a pattern that is not a plain text`)
		}
		return append(known, replace(*p.Pattern.String, p.Content)), nil
	case "Sequence":
		for _, raw := range p.Normalizers {
			if known, err = l.normalizers(raw, known); err != nil {
				return nil, err
			}
		}
		return known, nil
	}
	return nil, fmt.Errorf("normalizer %q is not supported: NFC, Prepend, Replace and Sequence are", p.Type)
}

// preTokenizer adds one step of the pre-tokenizer, or all of a sequence.
func (l *loader) preTokenizer(raw json.RawMessage) error {
	p, err := parse("pre_tokenizer", raw)
	if p == nil {
		return err
	}
	if l.byteLevel {
		return fmt.Errorf("pre_tokenizer %q behind ByteLevel is not supported", p.Type)
	}
	switch p.Type {
	case "Sequence":
		for _, raw := range p.Pretokens {
			if err := l.preTokenizer(raw); err != nil {
				return err
			}
		}
		return nil
	case "ByteLevel":
		return l.byteLevelStep(p)
	case "Metaspace":
		return l.metaspace(p)
	case "Split":
		return l.split(p)
	case "Digits":
		l.pre.cuts = append(l.pre.cuts, scanDigits(p.Individual))
		return nil
	}
	return fmt.Errorf("pre_tokenizer %q is not supported: ByteLevel, Metaspace, Split, Digits and Sequence are", p.Type)
}

func (l *loader) byteLevelStep(p *part) error {
	l.byteLevel = true
	if p.AddPrefix == nil || *p.AddPrefix {
		if len(l.pre.cuts) > 0 {
			return errors.New(`pre_tokenizer "ByteLevel" with add_prefix_space is not supported behind another`)
		}
		l.pre.prefix = " "
	}
	if p.UseRegex == nil || *p.UseRegex {
		l.pre.cuts = append(l.pre.cuts, scanner(scanGPT2))
	}
	return nil
}

func (l *loader) metaspace(p *part) error {
	if len(l.pre.cuts) > 0 || l.pre.blank != "" {
		return errors.New(`pre_tokenizer "Metaspace" behind another is not supported`)
	}
	if utf8.RuneCountInString(p.Replacement) != 1 {
		return fmt.Errorf(`pre_tokenizer "Metaspace": replacement %q: must be one character`, p.Replacement)
	}
	l.pre.blank = p.Replacement
	scheme := "always"
	if p.Scheme != nil {
		scheme = *p.Scheme
	} else if p.AddPrefix != nil && !*p.AddPrefix {
		scheme = "never"
	}
	switch scheme {
	case "always", "first":
		l.pre.prefix, l.pre.first = p.Replacement, scheme == "first"
	case "never":
	default:
		return fmt.Errorf(`pre_tokenizer "Metaspace": prepend_scheme %q: must be always, first or never`, scheme)
	}
	if p.Split == nil || *p.Split {
		l.words = true
		l.pre.cuts = append(l.pre.cuts, beforeMark(p.Replacement))
	}
	return nil
}

func (l *loader) split(p *part) error {
	switch p.Behavior {
	case isolated, mergedWithPrevious, mergedWithNext, contiguous:
	default:
		return fmt.Errorf(`pre_tokenizer "Split": behavior %q is not supported`, p.Behavior)
	}
	if p.Pattern.String != nil {
		l.pre.cuts = append(l.pre.cuts, &pattern{behaviour: p.Behavior, invert: p.Invert, find: literal(*p.Pattern.String)})
		return nil
	}
	if p.Pattern.Regex == nil {
		return errors.New(`pre_tokenizer "Split" has no pattern`)
	}
	if scan := known(*p.Pattern.Regex); scan != nil && p.Behavior == isolated && !p.Invert {
		l.pre.cuts = append(l.pre.cuts, scan)
		return nil
	}
	if run := classRunOf(*p.Pattern.Regex); run != nil {
		if p.Behavior == isolated && !p.Invert {
			l.pre.cuts = append(l.pre.cuts, scanner(run.scan))
		} else {
			l.pre.cuts = append(l.pre.cuts, &pattern{behaviour: p.Behavior, invert: p.Invert, find: run.find})
		}
		return nil
	}
	find, err := compile(*p.Pattern.Regex)
	if err != nil {
		return fmt.Errorf(`pre_tokenizer "Split": pattern %q: %w`, *p.Pattern.Regex, err)
	}
	l.pre.cuts = append(l.pre.cuts, &pattern{behaviour: p.Behavior, invert: p.Invert, find: find})
	return nil
}

// decoder is not needed for counting. One of another family says that this package has misunderstood the file.
func (l *loader) decoder(raw json.RawMessage) error {
	p, err := parse("decoder", raw)
	if p == nil {
		return err
	}
	switch p.Type {
	case "ByteLevel", "ByteFallback", "Metaspace", "Replace", "Fuse", "Strip":
		return nil
	case "Sequence":
		for _, raw := range p.Decoders {
			if err := l.decoder(raw); err != nil {
				return err
			}
		}
		return nil
	}
	return fmt.Errorf("decoder %q is not supported: it belongs to another kind of model", p.Type)
}

// vocabulary reads tokens and merges.
func (l *loader) vocabulary() (*vocabulary, error) {
	m := l.file.Model
	if err := json.Unmarshal(m.Vocab, &l.ids); err != nil {
		return nil, fmt.Errorf("model: vocab: %w", err)
	}
	for token, id := range l.ids {
		if id > maxTokenID {
			return nil, fmt.Errorf("model: vocab: token %q: id %d: must be at most %d", token, id, maxTokenID)
		}
	}
	merges, err := parseMerges(m.Merges)
	if err != nil {
		return nil, fmt.Errorf("model: merges: %w", err)
	}
	v := &vocabulary{fallback: !l.byteLevel, oneText: l.oneText(merges)}
	if err := l.bytes(v); err != nil {
		return nil, err
	}
	table, err := pairsOf(merges, l.ids)
	if err != nil {
		return nil, fmt.Errorf("model: merges: %w", err)
	}
	v.pairs = func() *pairs { return table }
	texts := l.ids
	if l.byteLevel {
		texts = spelledOut(l.ids)
	}
	v.settle(texts, m.IgnoreMerges)
	if v.oneText {
		l.cutAtBlanks(merges)
	}
	return v, nil
}

// bytes finds the token of each byte.
func (l *loader) bytes(v *vocabulary) error {
	if !l.byteLevel && !l.file.Model.ByteFallback {
		return errors.New("model is BPE of characters without byte_fallback, and its pre_tokenizer is not ByteLevel: what it does with unknown characters is not supported")
	}
	for b := range 256 {
		name := fmt.Sprintf("<0x%02X>", b)
		if l.byteLevel {
			name = string(byteAlphabet()[b])
		} else if id, ok := l.ids[string(rune(b))]; ok && b < utf8.RuneSelf {
			v.bytes[b] = id
			continue
		}
		id, ok := l.ids[name]
		if !ok && inUTF8(b) {
			return fmt.Errorf("model: vocab: byte 0x%02x is no token (%q), so not every text can be encoded", b, name)
		}
		v.bytes[b] = id
	}
	return nil
}

// oneText reports whether no id stands for two texts. It does where two tokens have one id, and where the name of a byte's token, "<0x41>", is itself
// merged or looked up.
func (l *loader) oneText(merges [][2]string) bool {
	distinct := make(map[uint32]struct{}, len(l.ids))
	for _, id := range l.ids {
		distinct[id] = struct{}{}
	}
	if len(distinct) < len(l.ids) || l.byteLevel {
		return len(distinct) == len(l.ids)
	}
	return !l.file.Model.IgnoreMerges && !slices.ContainsFunc(merges, func(m [2]string) bool { return byteName.MatchString(m[0] + m[1]) })
}

var byteName = regexp.MustCompile("<0x[0-9A-F]{2}>")

// inUTF8 reports whether a byte occurs in UTF-8 (RFC 3629, 3).
func inUTF8(b int) bool { return b != 0xC0 && b != 0xC1 && b < 0xF5 }

// blankMark stands for a blank in vocabularies of characters.
const blankMark = "▁"

// cutAtBlanks makes pieces of the words of a text that no pre-tokenizer cuts into words. That changes no token as long as no merge
// joins the end of a word with the mark of the blank behind it, and it makes the pieces short.
func (l *loader) cutAtBlanks(merges [][2]string) {
	if _, isToken := l.ids[blankMark]; l.byteLevel || l.words || l.file.Model.IgnoreMerges || !isToken {
		return
	}
	for _, m := range merges {
		if strings.HasPrefix(m[1], blankMark) && !strings.HasSuffix(m[0], blankMark) {
			return
		}
	}
	l.pre.cuts = append(l.pre.cuts, beforeMarks(blankMark))
}

// parseMerges reads both shapes: "a b", and since 2024 ["a", "b"], whose tokens may hold blanks.
func parseMerges(raw json.RawMessage) ([][2]string, error) {
	var lists [][]string
	if inner := bytes.TrimLeft(bytes.TrimPrefix(bytes.TrimSpace(raw), []byte("[")), " \t\r\n"); len(inner) > 0 && inner[0] == '"' {
		var lines []string
		if err := json.Unmarshal(raw, &lines); err != nil {
			return nil, err
		}
		for _, line := range lines {
			if !strings.HasPrefix(line, "#version") {
				lists = append(lists, strings.Split(line, " "))
			}
		}
	} else if err := json.Unmarshal(raw, &lists); err != nil {
		return nil, err
	}
	merges := make([][2]string, len(lists))
	for i, list := range lists {
		if len(list) != 2 {
			return nil, fmt.Errorf("merge %d, %q: must be two tokens", i, list)
		}
		merges[i] = [2]string(list)
	}
	if len(merges) >= maxMerges {
		return nil, fmt.Errorf("there are %d: must be fewer than %d", len(merges), maxMerges)
	}
	return merges, nil
}

// pairsOf makes the table of the merges, whose ranks are their order.
func pairsOf(merges [][2]string, ids map[string]uint32) (*pairs, error) {
	p := newPairs(len(merges))
	for rank, m := range merges {
		left, ok1 := ids[m[0]]
		right, ok2 := ids[m[1]]
		joined, ok3 := ids[m[0]+m[1]]
		if !ok1 || !ok2 || !ok3 {
			return nil, fmt.Errorf("merge %d, %q: the tokens and what they become must be in the vocab", rank, m)
		}
		p.set(left, right, uint32(rank), joined)
	}
	return p, nil
}

// added sorts the added tokens into those that are found in the text as it stands and those of normalised text, where they stand normalised too.
// One that is no token of the vocab has the next free id, whatever the file says, as in Hugging Face's library.
func (l *loader) added(normalizers []normalizer) (raw, normalized *addedTokens) {
	var kinds [2][]addedToken
	next := uint32(len(l.ids))
	for _, t := range l.file.AddedTokens {
		id, known := l.ids[t.Content]
		if !known {
			id = next
		}
		t.ID, next = id, max(next, id+1)
		kind := 0
		if t.Normalized {
			kind = 1
			for _, n := range normalizers {
				t.Content = n(t.Content)
			}
		}
		kinds[kind] = append(kinds[kind], t)
	}
	return newAddedTokens(kinds[0]), newAddedTokens(kinds[1])
}

// byteAlphabet gives the character that stands for each byte in a byte-level vocabulary: itself where it can be seen, else one from U+0100 on
// (GPT-2, encoder.py).
func byteAlphabet() [256]rune {
	var alphabet [256]rune
	next := rune(0x100)
	for b := range rune(256) {
		if b >= '!' && b <= '~' || b >= '¡' && b <= '¬' || b >= '®' {
			alphabet[b] = b
			continue
		}
		alphabet[b] = next
		next++
	}
	return alphabet
}

// spelledOut gives the bytes that the tokens of a byte-level vocabulary stand for. Those with other characters are left out: no text is
// encoded as them.
func spelledOut(ids map[string]uint32) map[string]uint32 {
	bytesOf := map[rune]byte{}
	for b, r := range byteAlphabet() {
		bytesOf[r] = byte(b)
	}
	texts := make(map[string]uint32, len(ids))
	var text []byte
	for token, id := range ids {
		text = text[:0]
		for _, r := range token {
			b, ok := bytesOf[r]
			if !ok {
				text = nil
				break
			}
			text = append(text, b)
		}
		if len(text) > 0 {
			texts[string(text)] = id
		}
	}
	return texts
}
