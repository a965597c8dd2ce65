package tokenizer

import "strings"

// The split patterns that have a scanner of their own, in split.go and families.go, by the families of models that first had them. Many later
// ones share them.
const (
	gpt2Pattern   = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+` + blanksOnly
	cl100kPattern = anyCase + `|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+` + blanksOnly
	qwenPattern   = anyCase + `|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+` + blanksOnly
	// qwen35Pattern has marks in words.
	qwen35Pattern = anyCase + `|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+` + blanksOnly
	// possessivePattern is another spelling of cl100kPattern, which gives an engine nothing to try again.
	possessivePattern = `'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s*[\r\n]|\s+(?!\S)|\s`
	// Those of gpt-oss and of Mistral's later models cut before a capital that follows a small letter.
	o200kPattern  = capitals + anyCase + `?|` + shouting + anyCase + `?|\p{N}{1,3}` + slashes
	tekkenPattern = capitals + `|` + shouting + `|\p{N}` + slashes
	// deepseekPattern is the last of three steps, of which the first two cut off numbers and characters of China and Japan.
	deepseekPattern = "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+" + `|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+` + blanksOnly

	anyCase    = `(?i:'s|'t|'re|'ve|'m|'ll|'d)`
	blanksOnly = `|\s+(?!\S)|\s+`
	capitals   = `[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+`
	shouting   = `[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*`
	slashes    = `| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+` + blanksOnly
)

// known is the scanner of a pattern that has one, or nil. Some files spell newlines as themselves, or escape quotes.
func known(pattern string) scanner {
	switch strings.NewReplacer("\r", `\r`, "\n", `\n`, `\"`, `"`).Replace(pattern) {
	case gpt2Pattern:
		return scanGPT2
	case qwenPattern:
		return scanCL100K(1)
	case cl100kPattern, possessivePattern:
		return scanCL100K(3)
	case qwen35Pattern:
		return scanMarked(1)
	case o200kPattern:
		return scanCased(3, true)
	case tekkenPattern:
		return scanCased(1, false)
	case deepseekPattern:
		return scanDeepSeek
	}
	return nil
}
