package tokenizer

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/dlclark/regexp2/v2"
)

// pattern cuts text at the matches of a split pattern that has no scanner of its own.
type pattern struct {
	behaviour behaviour
	invert    bool // what lies between matches counts as them
	find      finder
}

// finder gives where the matches in text begin and end, in bytes.
type finder func(text string, found func(from, to int)) error

func (p *pattern) cut(ends []int, text string) ([]int, error) {
	known, at, before := len(ends), 0, false
	piece := func(to int, match bool) {
		if to == at {
			return
		}
		if match = match != p.invert; len(ends) > known && p.behaviour.joins(before, match) {
			ends[len(ends)-1] = to
		} else {
			ends = append(ends, to)
		}
		at, before = to, match
	}
	err := p.find(text, func(from, to int) {
		piece(from, false)
		piece(to, true)
	})
	piece(len(text), false)
	return ends, err
}

// literal finds a plain text.
func literal(plain string) finder {
	return func(text string, found func(from, to int)) error {
		for at := 0; ; {
			i := strings.Index(text[at:], plain)
			if i < 0 || plain == "" {
				return nil
			}
			found(at+i, at+i+len(plain))
			at += i + len(plain)
		}
	}
}

// compile makes a finder of a regular expression of Hugging Face's library, which takes Oniguruma's. Those are compiled that mean the
// same here; the others are refused.
//
// The engine's own timeout is not used: it starts a clock for the whole process, which does not end in virtual time. vet leaves no
// expression that backtracks without end within a match, so it is enough to look at the time between two.
func compile(expression string) (finder, error) {
	if err := vet(expression); err != nil {
		return nil, err
	}
	re, err := regexp2.Compile(expression)
	if err != nil {
		return nil, err
	}
	return func(text string, found func(from, to int)) error {
		runes, at, bytes := []rune(text), 0, 0
		to := func(rune int) int { // in bytes
			for ; at < rune; at++ {
				bytes += utf8.RuneLen(runes[at])
			}
			return bytes
		}
		timeout := splitTimeout(len(text))
		deadline, matches, inTime := time.Now().Add(timeout), 0, true
		err := re.FindRunesMatches(runes, -1, func(match regexp2.MatchView) bool {
			start, n, _ := match.GroupRange(0)
			found(to(start), to(start+n))
			matches++
			inTime = matches%512 != 0 || time.Now().Before(deadline)
			return inTime
		})
		if err == nil && !inTime {
			err = fmt.Errorf("not done within %v", timeout)
		}
		if err != nil {
			err = fmt.Errorf("splitting %d bytes by the pattern %q: %w", len(text), expression, err)
		}
		return err
	}, nil
}

// splitTimeout is ten times what the slowest pattern in use takes, and more.
func splitTimeout(bytes int) time.Duration {
	return 10*time.Second + time.Duration(bytes)*10*time.Microsecond
}
