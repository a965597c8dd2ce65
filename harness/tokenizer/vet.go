package tokenizer

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// vet refuses what regular expressions of Oniguruma and of this engine (.NET's) do not both have with one meaning, and repetitions of
// repetitions, which may take for ever.
func vet(expression string) error {
	if strings.Contains(expression, "(?i") && containsAny(expression, "ss", "st", "ff", "fi", "fl") {
		return errors.New("letters of which Unicode has ligatures are not supported where case is ignored")
	}
	v := vetting{groups: []bool{false}}
	for rest := expression; rest != ""; {
		n, err := v.step(rest)
		if err != nil {
			return err
		}
		rest = rest[n:]
	}
	return nil
}

// vetting is how far an expression has been read.
type vetting struct {
	class  bool   // between [ and ]
	groups []bool // of each open group, and of the whole: it repeats something without limit
}

// step reads one element and gives its length in bytes.
func (v *vetting) step(text string) (int, error) {
	switch c := text[0]; {
	case c == '\\':
		n, err := vetEscape(text)
		if err == nil && v.class && beginsRange(text[:n], text[n:]) {
			err = fmt.Errorf("%q begins a range with a class", text[:n+1])
		}
		return n, err
	case v.class:
		return v.inClass(text)
	case c == '[':
		v.class = true
		inside := strings.TrimPrefix(text[1:], "^")
		return len(text) - len(strings.TrimPrefix(inside, "]")), nil // a ] that comes first is one of the characters
	case c == '^', c == '$':
		return 0, fmt.Errorf("%q is not supported: engines differ in what a line is", c)
	case hasAnyPrefix(text, "}+", "}?"):
		return 0, fmt.Errorf("%.2q is not supported: engines differ in what it repeats", text)
	case c == '(', c == ')':
		return 1, v.group(text)
	case unlimited(text):
		v.groups[len(v.groups)-1] = true
	}
	return 1, nil
}

// beginsRange reports whether an escape that stands for many characters is where a range would begin, which Oniguruma refuses.
func beginsRange(escape, behind string) bool {
	return hasAnyPrefix(escape[1:], "s", "S", "p", "P") && strings.HasPrefix(behind, "-") && !strings.HasPrefix(behind, "-]")
}

// inClass reads one character of a class.
func (v *vetting) inClass(text string) (int, error) {
	if hasAnyPrefix(text, "[", "&&") {
		return 0, fmt.Errorf("%.2q in a character class is not supported", text)
	}
	v.class = text[0] != ']'
	return 1, nil
}

// group opens or closes a group.
func (v *vetting) group(text string) error {
	last := len(v.groups) - 1
	switch {
	case strings.HasPrefix(text, "(?") && !hasAnyPrefix(text[2:], ":", "i:", "=", "!", "<=", "<!", ">"):
		return fmt.Errorf("the group %.4q is not supported", text)
	case text[0] == '(':
		v.groups = append(v.groups, false)
	case last == 0:
		return errors.New("a ) closes no group")
	default:
		repeats := v.groups[last]
		v.groups = v.groups[:last]
		if repeats && unlimited(text[1:]) {
			return errors.New("a repetition of repetitions is not supported: it may take for ever")
		}
		v.groups[last-1] = v.groups[last-1] || repeats
	}
	return nil
}

// unlimited reports whether text begins with a quantifier without an upper limit.
func unlimited(text string) bool {
	if hasAnyPrefix(text, "*", "+") {
		return true
	}
	count, _, _ := strings.Cut(text, "}")
	return strings.HasPrefix(count, "{") && strings.HasSuffix(count, ",")
}

// vetEscape gives the length of the escape that text begins with.
func vetEscape(text string) (int, error) {
	if len(text) < 2 {
		return 0, errors.New("it ends in a backslash")
	}
	switch c := text[1]; {
	case strings.IndexByte("sSrntf", c) >= 0:
		return 2, nil
	case (c == 'p' || c == 'P') && len(text) > 2 && text[2] == '{':
		return vetProperty(text)
	case c < utf8.RuneSelf && asciiClass(c)&symbol != 0:
		return 2, nil
	}
	return 0, fmt.Errorf("the escape %.2q is not supported", text)
}

// vetProperty allows Unicode's general categories: other names mean different things in different engines, and so does C, which has the
// unassigned characters in Oniguruma only.
func vetProperty(text string) (int, error) {
	end := strings.IndexByte(text, '}')
	if end < 0 {
		return 0, fmt.Errorf("%.4q has no end", text)
	}
	switch text[3:end] {
	case "L", "Lu", "Ll", "Lt", "Lm", "Lo", "M", "Mn", "Mc", "Me", "N", "Nd", "Nl", "No", "P", "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po",
		"S", "Sm", "Sc", "Sk", "So", "Z", "Zs", "Zl", "Zp", "Cc", "Cf", "Co", "Han":
		return end + 1, nil
	}
	return 0, fmt.Errorf("the property %q is not supported", text[:end+1])
}

func hasAnyPrefix(text string, prefixes ...string) bool {
	return slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(text, prefix) })
}

func containsAny(text string, parts ...string) bool {
	return slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(text, part) })
}
