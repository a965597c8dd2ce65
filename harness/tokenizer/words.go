package tokenizer

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// WordList has the words of which prompts of exactly N tokens are joined: First[i] + " " + Rest[j] + " " + Rest[k] ... has as many
// tokens as words. All who have it share the two slices: do not change them.
type WordList struct{ First, Rest []string }

const (
	enoughWords = 100 // below it, those of the vocabulary itself are taken too
	fewestWords = 16  // below it, prompts would be one word over and over
	longestWord = 24  // in bytes
)

// Words finds the words that prompts are made of for this tokenizer: those of the embedded list (three to ten letters a-z, without slurs and
// obscenities) that are one token each, and where these are few, as in a vocabulary of another language, its own. Joined in random
// order they are encoded once more, and those that did not stay one token are dropped. It is an error where too few are left.
//
// Both lists of the default tokenizer are in alphabetical order, and as many tokens by OpenAI's cl100k, o200k and p50k and by Qwen's.
func (b *BPE) Words() (WordList, error) {
	if b == Default() {
		return defaultWords(), nil
	}
	words, err := FindWords(b.Count, defaultWords().Rest)
	if err == nil && len(words.Rest) < enoughWords {
		words, err = FindWords(b.Count, b.spelledWords())
	}
	if err == nil && len(words.Rest) < fewestWords {
		err = fmt.Errorf("only %d words are one token each, and prompts of an exact length need %d", len(words.Rest), fewestWords)
	}
	if err != nil {
		return WordList{}, fmt.Errorf("tokenizer %q: %w", b.name, err)
	}
	return words, nil
}

// spelledWords are the embedded words and those of the vocabulary, letters behind a blank.
func (b *BPE) spelledWords() []string {
	words := slices.Clone(defaultWords().Rest)
	for text := range b.vocabulary.whole {
		word, isWord := strings.CutPrefix(strings.Replace(text, blankMark, " ", 1), " ")
		letters := strings.IndexFunc(word, func(r rune) bool { return !unicode.IsLetter(r) }) < 0
		if isWord && letters && utf8.ValidString(word) && word != "" && len(word) <= longestWord {
			words = append(words, word)
		}
	}
	slices.Sort(words)
	return slices.Compact(words)
}

// FindWords picks those of the candidates that are one token each, by any way of counting.
func FindWords(count func(string) (int, error), candidates []string) (WordList, error) {
	f := finding{count: count}
	anchor := f.of("a")
	var words WordList
	for _, word := range candidates {
		if f.of("a "+word) == anchor+1 {
			words.Rest = append(words.Rest, word)
		}
	}
	beginnings := candidates
	for c := 'A'; c <= 'z'; c++ {
		if unicode.IsLetter(c) {
			beginnings = append(beginnings[:len(beginnings):len(beginnings)], string(c))
		}
	}
	for _, word := range beginnings {
		if f.of(word) == 1 {
			words.First = append(words.First, word)
		}
	}
	f.prove(&words)
	if f.err == nil && len(words.First) == 0 {
		f.err = errors.New("no word that begins a text is one token, so prompts cannot have an exact length")
	}
	return words, f.err
}

// finding counts until an error.
type finding struct {
	count func(string) (int, error)
	err   error
}

func (f *finding) of(text string) int {
	if f.err != nil {
		return 0
	}
	n, err := f.count(text)
	f.err = err
	return n
}

// prove drops words that are not one token each in the company of others. A tokenizer that cuts text at blanks has none.
func (f *finding) prove(words *WordList) {
	const rounds, together = 3, 64
	draw := rand.New(rand.NewPCG(1, 2)) // any order will do, the same each time
	for range rounds {
		order := slices.Clone(words.Rest)
		draw.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		dropped := map[string]bool{}
		for n, chunk := 0, 0; chunk < len(order) && len(words.First) > 0; n, chunk = n+1, chunk+together {
			group := order[chunk:min(chunk+together, len(order))]
			first := words.First[n%len(words.First)]
			if f.of(first+" "+strings.Join(group, " ")) != 1+len(group) {
				f.blame(first, group, dropped)
			}
		}
		words.Rest = slices.DeleteFunc(words.Rest, func(word string) bool { return dropped[word] })
	}
}

// blame finds the words of a group that make it longer or shorter: each that changes the count otherwise than by one.
func (f *finding) blame(first string, group []string, dropped map[string]bool) {
	text, tokens := first, 1
	for _, word := range group {
		if f.of(text+" "+word) != tokens+1 {
			dropped[word] = true
			continue
		}
		text, tokens = text+" "+word, tokens+1
	}
}
