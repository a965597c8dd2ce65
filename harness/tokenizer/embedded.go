package tokenizer

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
)

// Both files are written by gen/main.go.
var (
	//go:embed cl100k.ranks.gz
	ranksFile []byte

	//go:embed words.txt
	wordsFile string
)

// The unpacked forms are made once, at first use: unpacking takes some milliseconds that a program which never counts should not pay.
var (
	defaultBPE  = sync.OnceValue(loadDefault)
	threeDigits = sync.OnceValue(func() *BPE {
		return embedded("cl100k (embedded)", Default().sha256, Default().vocabulary, 3)
	})
	defaultWords = sync.OnceValue(func() WordList { return parseWords(wordsFile) })
)

// StandIn returns the tokenizer that stands in for a model's own: cl100k with the digit rule of the model's family, which is Qwen's for names
// that hold "qwen", and runs of up to three digits for all others.
func StandIn(model string) *BPE {
	if strings.Contains(strings.ToLower(model), "qwen") {
		return Default()
	}
	return threeDigits()
}

// Default returns the embedded tokenizer: cl100k's ranks with Qwen's digit rule. Every call returns the same one. The first
// call unpacks it, in a few tens of milliseconds, and its first merge takes some more: see [BPE.Warm].
func Default() *BPE { return defaultBPE() }

func loadDefault() *BPE {
	ranks, err := parseRanks(ranksFile)
	if err != nil { // the file is compiled in, so this is a broken build and nothing that a caller could handle
		panic(fmt.Sprintf("tokenizer: reading the embedded cl100k.ranks.gz: %v; run gen/main.go again", err))
	}
	sum := sha256.Sum256(ranksFile)
	return embedded("cl100k, Qwen digit rule (embedded default)", hex.EncodeToString(sum[:]), ranksVocabulary(ranks), 1)
}

// embedded makes a tokenizer of the embedded vocabulary.
func embedded(name, sha256 string, v *vocabulary, digitRun int) *BPE {
	return &BPE{name: name, sha256: sha256, vocabulary: v, pre: pretokenizer{cuts: []cutter{scanCL100K(digitRun)}}}
}

// ranksVocabulary makes a vocabulary of ranks, where any two tokens become one that together are one, the lowest rank first.
func ranksVocabulary(ranks map[string]uint32) *vocabulary {
	v := &vocabulary{oneText: true, whole: ranks, pairs: sync.OnceValue(func() *pairs { return ranksPairs(ranks) })}
	for token, rank := range ranks {
		v.longest = max(v.longest, len(token))
		if len(token) == 1 {
			v.bytes[token[0]] = rank
		}
	}
	return v
}

func ranksPairs(ranks map[string]uint32) *pairs {
	p := newPairs(3 * len(ranks))
	for token, rank := range ranks {
		for i := 1; i < len(token); i++ {
			if left, isToken := ranks[token[:i]]; isToken {
				if right, isToken := ranks[token[i:]]; isToken {
					p.set(left, right, rank, rank)
				}
			}
		}
	}
	return p
}

// parseRanks reads a gzip'd list of tokens in the order of their ranks from 0, each one byte of length and that many bytes.
func parseRanks(packed []byte) (map[string]uint32, error) {
	zip, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	var plain strings.Builder
	if _, err := io.Copy(&plain, zip); err != nil {
		return nil, err
	}
	ranks := make(map[string]uint32, 1<<17)
	for rest := plain.String(); rest != ""; {
		n := int(rest[0])
		if n == 0 || n >= len(rest) {
			return nil, fmt.Errorf("token %d has %d bytes, %d are left", len(ranks), n, len(rest)-1)
		}
		token := rest[1 : 1+n] // shares plain's memory
		if first, twice := ranks[token]; twice {
			return nil, fmt.Errorf("token %q has ranks %d and %d", token, first, len(ranks))
		}
		ranks[token] = uint32(len(ranks))
		rest = rest[1+n:]
	}
	for b := range 256 {
		if _, ok := ranks[string([]byte{byte(b)})]; !ok {
			return nil, fmt.Errorf("byte 0x%02x is no token, so not every text can be encoded", b)
		}
	}
	if len(ranks) >= 1<<24 {
		return nil, errors.New("more than 16,777,215 tokens: heap.go packs a rank into 24 bits")
	}
	return ranks, nil
}

// parseWords reads one word a line; a "^" before it says that the word may begin a prompt.
func parseWords(file string) WordList {
	var words WordList
	for line := range strings.Lines(file) {
		word, canBegin := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "^")
		words.Rest = append(words.Rest, word)
		if canBegin {
			words.First = append(words.First, word)
		}
	}
	return words
}
