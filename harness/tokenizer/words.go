package tokenizer

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// WordList has the words of which prompts of exactly N tokens are joined: First[i] + " " + Rest[j] + " " + Rest[k] ... has as many
// tokens as words. All who have it share the two slices: do not change them.
type WordList struct{ First, Rest []string }

// Heads are the words that are one token at the start of a text and behind a blank too, in their order: texts that begin with one can be put
// behind others. There may be none.
func (w *WordList) Heads() []string {
	var heads []string
	for _, word := range w.First {
		if _, found := slices.BinarySearch(w.Rest, word); found {
			heads = append(heads, word)
		}
	}
	return heads
}

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
	if b.vocabulary == Default().vocabulary {
		return defaultWords(), nil
	}
	words, err := FindWords(b.Count, defaultWords().Rest, math.MaxInt)
	if err == nil && len(words.Rest) < enoughWords {
		words, err = FindWords(b.Count, b.spelledWords(), math.MaxInt)
	}
	if err == nil && len(words.Rest) < fewestWords {
		err = fmt.Errorf("only %d words are one token each, and prompts of an exact length need %d", len(words.Rest), fewestWords)
	}
	if err != nil {
		return WordList{}, err
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

// ServedWords finds words for a tokenizer that is far away: up to 400 of the thousand commonest, which nearly every vocabulary has whole. As a
// rule that takes a hundred calls, and three thousand at worst.
func ServedWords(count func(string) (int, error)) (WordList, error) {
	common := slices.Clone(defaultWords().Rest)
	rank := func(word string) uint32 {
		rank, _ := Default().vocabulary.token(" " + word) // of frequency, nearly
		return rank
	}
	slices.SortFunc(common, func(a, b string) int { return cmp.Compare(rank(a), rank(b)) })
	words, err := FindWords(plausible(count), common[:1000], 400)
	if err == nil && len(words.Rest) < fewestWords {
		err = fmt.Errorf("only %d words are one token each, and prompts of an exact length need %d", len(words.Rest), fewestWords)
	}
	return words, err
}

// plausible refuses counts that no tokenizer gives: none, or more than a token for each byte and some for a template.
func plausible(count func(string) (int, error)) func(string) (int, error) {
	return func(text string) (int, error) {
		n, err := count(text)
		if most := len(text) + 64; err == nil && (n < 1 || n > most) {
			err = fmt.Errorf("it counts %d tokens in a text of %d bytes", n, len(text))
		}
		return n, err
	}
}

// FindWords picks the first of the candidates that are one token each, by any way of counting, and at most so many, in alphabetical order; of
// words that can begin a prompt a sixth.
func FindWords(count func(string) (int, error), candidates []string, most int) (WordList, error) {
	f := finding{count: count}
	var words WordList
	anchor := f.of("a")
	for rest := candidates; len(rest) > 0 && len(words.Rest) < most; {
		group := rest[:min(256, len(rest), most-len(words.Rest))]
		words.Rest = append(words.Rest, f.single(anchor, group)...)
		rest = rest[len(group):]
	}
	for _, word := range slices.Concat(candidates, strings.Split("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", "")) {
		if len(words.First) < (most-1)/6+1 && f.of(word) == 1 {
			words.First = append(words.First, word)
		}
	}
	slices.Sort(words.First)
	slices.Sort(words.Rest)
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

// single gives those of the words that are one token each behind a blank. Groups that are whole take one count.
func (f *finding) single(anchor int, words []string) []string {
	switch n := f.of("a " + strings.Join(words, " ")); {
	case n == anchor+len(words):
		return words
	case len(words) == 1 || f.err != nil:
		return nil
	}
	half := len(words) / 2
	return slices.Concat(f.single(anchor, words[:half]), f.single(anchor, words[half:]))
}

// shuffled is in random order, the same each time.
func shuffled(words []string) []string {
	draw, order := rand.New(rand.NewPCG(1, 2)), slices.Clone(words)
	draw.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	return order
}

// prove drops words that are not one token each in the company of others. A tokenizer that cuts text at blanks has none.
func (f *finding) prove(words *WordList) {
	const rounds, together = 3, 64
	order := words.Rest
	for range rounds {
		order = shuffled(order)
		dropped := map[string]bool{}
		for n, chunk := 0, 0; chunk < len(order) && len(words.First) > 0; n, chunk = n+1, chunk+together {
			group := order[chunk:min(chunk+together, len(order))]
			first := words.First[n%len(words.First)]
			if f.of(first+" "+strings.Join(group, " ")) != 1+len(group) {
				f.blame(first, group, dropped)
			}
		}
		gone := func(word string) bool { return dropped[word] }
		order, words.Rest = slices.DeleteFunc(order, gone), slices.DeleteFunc(words.Rest, gone)
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
