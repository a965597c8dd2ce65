package mockserver

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// conjunction are schemas that one value has to satisfy. What they are made up of stands beside them.
type conjunction []*schema

// kinds are the types that all schemas allow, in the order of the first that names any. They are none where
// none does.
func (c conjunction) kinds() ([]string, error) {
	var kinds []string
	for _, s := range c {
		switch {
		case len(s.types) == 0:
		case kinds == nil:
			kinds = slices.Clone(s.types)
		default:
			both := common(kinds, s.types)
			if len(both) == 0 {
				return nil, conflicting(0, "it cannot be %s and %s", strings.Join(kinds, " or "), strings.Join(s.types, " or "))
			}
			kinds = both
		}
	}
	return kinds, nil
}

// common are the types of one list that are also in another. An integer is a number.
func common(a, b []string) []string {
	var both []string
	for _, kind := range a {
		switch {
		case slices.Contains(b, kind), kind == "integer" && slices.Contains(b, "number"):
			both = append(both, kind)
		case kind == "number" && slices.Contains(b, "integer"):
			both = append(both, "integer")
		}
	}
	return both
}

// likelyKinds are all types, first what schemas that name none are about.
func (c conjunction) likelyKinds() []string {
	all := []string{"string", "object", "array", "number", "boolean", "null"}
	for _, s := range c {
		switch {
		case s.properties != nil || len(s.required) > 0:
			return append([]string{"object"}, all...)
		case s.items != nil || s.first != nil || s.minItems > 0:
			return append([]string{"array"}, all...)
		}
	}
	return all
}

// names are the required properties or, where none is, all.
func (c conjunction) names() (names []string, required bool) {
	known := make(map[string]bool)
	for _, s := range c {
		for _, name := range s.required {
			if !known[name] {
				known[name] = true
				names = append(names, name)
			}
		}
	}
	if len(names) > 0 {
		return names, true
	}
	for _, s := range c {
		for name := range s.properties {
			known[name] = true
		}
	}
	return slices.Sorted(maps.Keys(known)), false
}

func (c conjunction) property(name string) (all []*schema) {
	for _, s := range c {
		if property := s.properties[name]; property != nil {
			all = append(all, property)
		}
	}
	return all
}

func (c conjunction) item(k int) (all []*schema) {
	for _, s := range c {
		switch {
		case k < len(s.first):
			all = append(all, s.first[k])
		case s.items != nil:
			all = append(all, s.items)
		}
	}
	return all
}

func (c conjunction) itemCount() (least, most float64, unique bool) {
	most = math.Inf(1)
	for _, s := range c {
		least = max(least, math.Ceil(s.minItems))
		if s.maxItems != nil {
			most = min(most, math.Floor(*s.maxItems))
		}
		unique = unique || s.unique
	}
	return least, most, unique
}

// length is of strings, in characters.
func (c conjunction) length() (least, most float64) {
	most = math.Inf(1)
	for _, s := range c {
		least = max(least, math.Ceil(s.minLength))
		if s.maxLength != nil {
			most = min(most, math.Floor(*s.maxLength))
		}
	}
	return least, most
}

// text is a string of the length and, if that agrees, the format that is asked for.
func (c conjunction) text(variant int) (string, error) {
	least, most := c.length()
	switch {
	case least > most || most < 0:
		return "", conflicting(0, "minLength is above maxLength")
	case least > mostInstanceBytes:
		return "", errTooLarge
	}
	for _, s := range c {
		text := formatted(s.format)
		if n := float64(len(text)); variant == 0 && n > 0 && least <= n && n <= most {
			return text, nil
		}
	}
	mark := ""
	if variant > 0 {
		mark = strconv.FormatInt(int64(variant), 36)
	}
	if float64(len(mark)) > most {
		return "", conflicting(int(math.Pow(36, most)), "too few strings are short enough")
	}
	text := "sample"
	if missing := int(least) - len(text) - len(mark); missing > 0 {
		text += strings.Repeat("x", missing)
	}
	if float64(len(text)+len(mark)) > most {
		text = text[:int(most)-len(mark)]
	}
	return text + mark, nil
}

// formatted is an example of the commoner formats.
func formatted(format string) string {
	switch format {
	case "date-time":
		return "2000-01-01T00:00:00Z"
	case "date":
		return "2000-01-01"
	case "time":
		return "00:00:00Z"
	case "email":
		return "someone@example.com"
	case "uri", "url":
		return "https://example.com"
	case "uuid":
		return "00000000-0000-4000-8000-000000000000"
	default:
		return ""
	}
}
