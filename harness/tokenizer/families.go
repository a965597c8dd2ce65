package tokenizer

// scanMarked scans by qwen35Pattern, which is cl100k's but that marks are letters.
func scanMarked(digitRun int) scanner {
	const word = letter | combining
	return func(text string) int {
		if n := contraction(text, true); n > 0 {
			return n
		}
		first, size := fineAt(text, 0)
		second, _ := fineAt(text, size)
		switch {
		case first&word != 0, first&(newline|number) == 0 && second&word != 0:
			return fineRun(text, size, word)
		case first&number != 0:
			return digits(text, digitRun)
		case first&symbol != 0, text[0] == ' ' && second&symbol != 0:
			return run(text, plainSymbols(text, size), newline)
		}
		return blanks(text)
	}
}

// plainSymbols gives the end of the run of symbols that are no marks.
func plainSymbols(text string, from int) int {
	for {
		c, size := fineAt(text, from)
		if c&symbol == 0 || c&combining != 0 {
			return from
		}
		from += size
	}
}

// scanCased scans by o200kPattern and tekkenPattern. endings: a contraction belongs to the word before it.
func scanCased(digitRun int, endings bool) scanner {
	return func(text string) int {
		first, size := fineAt(text, 0)
		if n := casedWord(text, first, size); n > 0 {
			if endings {
				n += contraction(text[n:], true)
			}
			return n
		}
		second, _ := classAt(text, size)
		switch {
		case first&number != 0:
			return digits(text, digitRun)
		case first&symbol != 0, text[0] == ' ' && second&symbol != 0:
			to := run(text, size, symbol)
			for to < len(text) && (text[to] == '\r' || text[to] == '\n' || text[to] == '/') {
				to++
			}
			return to
		}
		return blanks(text)
	}
}

// casedWord gives the length of the word that text starts with, or 0: capitals, then small letters, where caseless letters and marks are both, and
// before them at most one character that is no letter. first is the class of the first character and size its length.
//
// The order is the pattern's: a word that ends in small letters, then the same without the character before it, then capitals alone.
func casedWord(text string, first class, size int) int {
	from := 0
	if first&(letter|number|newline) == 0 {
		from = size
	}
	n, capitals := smallEnd(text, from)
	if n == 0 && first&combining != 0 {
		n, _ = smallEnd(text, 0)
	}
	if n == 0 && capitals > from {
		n = capitals
	}
	return n
}

// smallEnd gives where a word that starts at from ends: behind its small letters or, if the run of capitals is followed by none, behind the last
// character of that run that is also a small letter; 0: nowhere. The second result is the end of the run of capitals.
func smallEnd(text string, from int) (to, capitals int) {
	const both = caseless | combining
	for at := from; ; {
		c, size := fineAt(text, at)
		if c&(upper|both) == 0 {
			if c&lower != 0 {
				return fineRun(text, at, lower|both), at
			}
			return to, at
		}
		at += size
		if c&both != 0 {
			to = at
		}
	}
}

// scanDeepSeek scans by deepseekPattern. What no alternative fits is a piece, too.
func scanDeepSeek(text string) int {
	const word = letter | combining
	first, size := fineAt(text, 0)
	second, _ := fineAt(text, size)
	switch {
	case first&point != 0 && size == 1 && asciiLetter(text, 1):
		to := 2
		for asciiLetter(text, to) {
			to++
		}
		return to
	case first&word != 0, first&(newline|point) == 0 && second&word != 0:
		return fineRun(text, size, word)
	case first&point != 0, text[0] == ' ' && second&point != 0:
		return run(text, fineRun(text, size, point), newline)
	case first&(newline|blank) != 0:
		return blanks(text)
	}
	for at := size; ; { // numbers, controls
		next, nextSize := fineAt(text, at)
		if next&(word|point|newline|blank) != 0 || next == end {
			return at
		}
		if behind, _ := fineAt(text, at+nextSize); behind&word != 0 {
			return at
		}
		at += nextSize
	}
}

func asciiLetter(text string, i int) bool {
	return i < len(text) && text[i]|0x20 >= 'a' && text[i]|0x20 <= 'z'
}

// fineRun is run for classes that fineAt tells apart.
func fineRun(text string, from int, of class) int {
	for {
		c, size := fineAt(text, from)
		if c&of == 0 {
			return from
		}
		from += size
	}
}
