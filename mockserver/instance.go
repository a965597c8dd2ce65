package mockserver

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"unicode/utf8"
)

// maker makes the simplest instance of a schema that it finds. A value has to satisfy several
// schemas at once: the one at its place, and what that refers to, is made up of or allows
// as an alternative. Of alternatives it is the first that works out.
//
// Distinct values of one schema are numbered: variant 0 is the simplest, and variants with
// different numbers are different as far as possible.
type maker struct {
	root    *schema // references are to it
	out     []byte
	effort  int // that is left
	depth   int
	entered map[*schema][]int // at which depths references to a schema are being followed
	nested  int               // so many of them may be
}

// The limits of an instance.
const (
	mostInstanceBytes = 64 << 10
	deepestInstance   = 100
	mostEffort        = 100_000 // in schemas looked at, about
)

// conflict says why nothing satisfies some schemas. Something else may, where it is optional or
// an alternative.
type conflict struct {
	reason string
	have   int // variants of the value that there are
}

// Error is the reason.
func (c *conflict) Error() string { return c.reason }

func conflicting(have int, format string, args ...any) error {
	return &conflict{fmt.Sprintf(format, args...), have}
}

// isConflict reports whether an error is a conflict, and of how many variants.
func isConflict(err error) (int, bool) {
	var c *conflict
	if errors.As(err, &c) {
		return c.have, true
	}
	return 0, false
}

// instance is a JSON value that satisfies the schema, and also another one.
func (s *schema) instance(also *schema) ([]byte, error) {
	// What is optional ends where a schema contains itself. What is required may have to go on
	// a little, as far as something under it ends.
	for _, nested := range []int{1, 4} {
		m := maker{root: s, effort: mostEffort, entered: make(map[*schema][]int), nested: nested}
		err := m.value([]*schema{also, s}, 0)
		if err == nil {
			return m.out, nil
		}
		if _, found := isConflict(err); !found || nested == 4 {
			return nil, err
		}
	}
	return nil, nil
}

// spend fails when an instance takes too much effort.
func (m *maker) spend(effort int) error {
	if m.effort -= effort; m.effort < 0 {
		return errors.New("the schema is too intricate for this server to find a value that satisfies it")
	}
	return nil
}

// write appends a part of the instance.
func (m *maker) write(part ...byte) error {
	if len(m.out)+len(part) > mostInstanceBytes {
		return errTooLarge
	}
	m.out = append(m.out, part...)
	return m.spend(len(part) / 64)
}

var errTooLarge = fmt.Errorf("arguments that satisfy the schema would have more than %d bytes", mostInstanceBytes)

// value writes a value that satisfies all of the schemas. Where that fails it writes nothing.
func (m *maker) value(all []*schema, variant int) error {
	if m.depth++; m.depth > deepestInstance {
		m.depth--
		return conflicting(0, "values are nested more than %d deep", deepestInstance)
	}
	defer func() { m.depth-- }()
	if err := m.spend(1); err != nil {
		return err
	}
	return m.gather(nil, all, variant)
}

// gather adds to parts what the open schemas are made up of, and writes a value for them all.
func (m *maker) gather(parts, open []*schema, variant int) error {
	var referred *schema
	for referred != nil || len(open) > 0 {
		s := referred
		if s == nil {
			s, open = open[0], open[1:]
		}
		if err := m.spend(1); err != nil {
			return err
		}
		parts = append(parts, s)
		var err error
		if referred, err = m.enter(s); err != nil {
			return err
		}
		if referred != nil {
			defer m.leave(referred)
		}
		if len(s.anyOf)+len(s.oneOf)+len(s.allOf) == 0 {
			continue
		}
		if err := m.spend(len(s.allOf) + len(parts) + len(open)); err != nil {
			return err
		}
		open = slices.Concat(listed(referred), s.allOf, open)
		referred = nil
		switch {
		case len(s.anyOf) > 0:
			return m.alternative(parts, s.anyOf, slices.Concat(listed(&schema{anyOf: s.oneOf}), open), variant)
		case len(s.oneOf) > 0:
			return m.alternative(parts, s.oneOf, open, variant)
		}
	}
	return m.conforming(parts, variant)
}

// listed is a list of one schema, or of none for nil.
func listed(s *schema) []*schema {
	if s == nil {
		return nil
	}
	return []*schema{s}
}

// alternative writes a value that satisfies the first of some schemas that can be met.
func (m *maker) alternative(parts, any, open []*schema, variant int) error {
	var first error
	have := 0
	for _, s := range any {
		if err := m.spend(1 + len(parts) + len(open)); err != nil {
			return err
		}
		err := m.gather(slices.Clone(parts), slices.Concat([]*schema{s}, open), max(0, variant-have))
		n, failed := isConflict(err)
		if !failed {
			return err
		}
		have += n
		if first == nil {
			first = err
		}
	}
	return conflicting(have, "%v", first)
}

// enter follows a reference, if there is one. The schema is nil, too, if the value satisfies it anyway, as it
// was referred to before.
func (m *maker) enter(s *schema) (*schema, error) {
	if s.ref == "" {
		return nil, nil
	}
	if s.referred == nil {
		s.referred = m.root.pointed(s.ref)
	}
	target := s.referred
	if target == nil {
		return nil, fmt.Errorf("$ref is %.100q, which is not in the schema", s.ref)
	}
	at := m.entered[target]
	switch {
	case len(at) > 0 && at[len(at)-1] == m.depth:
		return nil, nil
	case len(at) >= m.nested:
		return nil, conflicting(0, "%.100s contains itself without end", s.ref)
	}
	m.entered[target] = append(at, m.depth)
	return target, nil
}

func (m *maker) leave(target *schema) {
	at := m.entered[target]
	m.entered[target] = at[:len(at)-1]
}

// conforming writes a value that satisfies what each part itself says.
func (m *maker) conforming(parts []*schema, variant int) error {
	c := conjunction(parts)
	for _, s := range parts {
		if s.never {
			return conflicting(0, "false allows nothing")
		}
	}
	kinds, err := c.kinds()
	if err != nil {
		return err
	}
	for _, s := range parts {
		if len(s.values) > 0 {
			return m.literal(c, s.values[0], kinds, variant)
		}
	}
	if len(kinds) == 0 {
		kinds = c.likelyKinds()
	}
	var first error
	have := 0
	for _, kind := range kinds {
		mark := len(m.out)
		err := m.typed(c, kind, max(0, variant-have))
		n, failed := isConflict(err)
		if !failed {
			return err
		}
		m.out = m.out[:mark]
		have += n
		if first == nil {
			first = err
		}
	}
	return conflicting(have, "%v", first)
}

// literal writes one of the values that are in all lists and that the schemas allow otherwise.
func (m *maker) literal(c conjunction, values []literal, kinds []string, variant int) error {
	have := 0
	for _, l := range values {
		allowed, err := m.allows(c, l, kinds)
		if err != nil {
			return err
		}
		if !allowed {
			continue
		}
		if have++; have <= variant {
			continue
		}
		if len(l.text) > mostInstanceBytes {
			return errTooLarge
		}
		var compact bytes.Buffer
		if err := json.Compact(&compact, l.text); err != nil {
			return err
		}
		return m.write(compact.Bytes()...)
	}
	return conflicting(have, "too few values of enum or const satisfy the rest")
}

// allows reports whether a literal is in each list of values and is allowed otherwise. What objects and lists
// contain is not looked at.
func (m *maker) allows(c conjunction, l literal, kinds []string) (bool, error) {
	for _, s := range c {
		for _, list := range s.values {
			if err := m.spend(len(list) * (1 + len(l.text)/64)); err != nil {
				return false, err
			}
			if !slices.ContainsFunc(list, func(other literal) bool { return reflect.DeepEqual(other.value, l.value) }) {
				return false, nil
			}
		}
	}
	if len(kinds) > 0 && !slices.ContainsFunc(kinds, func(kind string) bool { return isKind(l.value, kind) }) {
		return false, nil
	}
	switch v := l.value.(type) {
	case float64:
		return c.interval().holds(v), nil
	case string:
		least, most := c.length()
		n := float64(utf8.RuneCountInString(v))
		return least <= n && n <= most, nil
	default:
		return true, nil
	}
}

func isKind(value any, kind string) bool {
	switch v := value.(type) {
	case nil:
		return kind == "null"
	case bool:
		return kind == "boolean"
	case float64:
		return kind == "number" || kind == "integer" && v == math.Trunc(v)
	case string:
		return kind == "string"
	case []any:
		return kind == "array"
	default:
		return kind == "object"
	}
}

// typed writes a value of a type. Where that fails it may have written a part of it.
func (m *maker) typed(c conjunction, kind string, variant int) error {
	switch kind {
	case "object":
		return m.object(c, variant)
	case "array":
		return m.array(c, variant)
	case "integer", "number":
		if err := m.spend(100 * len(c.interval().steps)); err != nil { // what they have in common takes tries
			return err
		}
		x, err := c.number(kind == "integer", variant)
		if err != nil {
			return err
		}
		return m.write(number(x)...)
	case "boolean":
		if variant > 1 {
			return conflicting(2, "there are two bools")
		}
		return m.write(strconv.AppendBool(nil, variant == 0)...)
	case "null":
		if variant > 0 {
			return conflicting(1, "there is one null")
		}
		return m.write('n', 'u', 'l', 'l')
	default:
		text, err := c.text(variant)
		if err != nil {
			return err
		}
		return m.write(quoted(text)...)
	}
}

// object writes the properties that are required, or all if none is. For a variant one of them
// is a variant.
func (m *maker) object(c conjunction, variant int) error {
	for _, s := range c {
		if err := m.spend(len(s.required) + len(s.properties)); err != nil {
			return err
		}
	}
	names, required := c.names()
	if variant == 0 {
		return m.members(c, names, required, -1, 0)
	}
	mark, have := len(m.out), 1
	for varied := range names {
		err := m.members(c, names, required, varied, variant-have+1)
		n, failed := isConflict(err)
		if !failed {
			return err
		}
		m.out = m.out[:mark]
		have += max(0, n-1)
	}
	return conflicting(have, "too few objects are different")
}

// members writes an object whose properties are the simplest, but one.
func (m *maker) members(c conjunction, names []string, required bool, varied, variant int) error {
	separator := byte('{')
	for k, name := range names {
		mark := len(m.out)
		if err := m.spend(len(c) + len(name)/64); err != nil {
			return err
		}
		if err := m.write(append([]byte{separator}, append(quoted(name), ':')...)...); err != nil {
			return err
		}
		v := 0
		if k == varied {
			v = variant
		}
		err := m.value(c.property(name), v)
		if _, failed := isConflict(err); failed && !required && k != varied {
			m.out = m.out[:mark] // it can be left out
			continue
		}
		if err != nil {
			return err
		}
		separator = ','
	}
	if separator == '{' {
		return m.write('{', '}')
	}
	return m.write('}')
}

// array writes as few items as are allowed, but one if that can be.
func (m *maker) array(c conjunction, variant int) error {
	least, most, unique := c.itemCount()
	switch {
	case least > most:
		return conflicting(0, "minItems is above maxItems")
	case 2*least > mostInstanceBytes:
		return errTooLarge
	}
	mark := len(m.out)
	err := m.items(c, int(min(max(1, least), most)), variant, unique)
	if _, failed := isConflict(err); !failed || least > 0 {
		return err
	}
	if variant > 0 {
		return err
	}
	m.out = m.out[:mark]
	return m.write('[', ']')
}

// items writes a list of so many. The first item of a variant is a variant; where items have to be
// different, those after it are further ones.
func (m *maker) items(c conjunction, count, variant int, unique bool) error {
	if count == 0 && variant > 0 {
		return conflicting(1, "there is one empty list")
	}
	seen := make(map[string]bool)
	if err := m.write('['); err != nil {
		return err
	}
	next := variant
	for k := range count {
		if k > 0 {
			if err := m.write(','); err != nil {
				return err
			}
		}
		if k > 0 && !unique {
			next = 0
		}
		if err := m.spend(len(c)); err != nil {
			return err
		}
		for start := len(m.out); ; {
			if err := m.value(c.item(k), next); err != nil {
				return err
			}
			next++
			if item := string(m.out[start:]); !unique || !seen[item] {
				seen[item] = true
				break
			}
			m.out = m.out[:start]
		}
	}
	return m.write(']')
}
