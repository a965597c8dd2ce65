package fault

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Parse reads a plan from YAML. Its error has every problem, a line each, with the rule, its line in the file and the key.
func Parse(data []byte) (Plan, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var document yaml.Node
	if err := decoder.Decode(&document); err != nil && !errors.Is(err, io.EOF) {
		return Plan{}, fmt.Errorf("not YAML: %w", err)
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return Plan{}, errors.New("has a second YAML document: put all rules into one")
	}
	rules, problems := rulesOf(&document)
	var p Plan
	for k, node := range rules {
		r, wrong := parseRule(node)
		for _, problem := range wrong {
			problems = append(problems, fmt.Errorf("rule %d (line %d): %w", k+1, node.Line, problem))
		}
		p.Rules = append(p.Rules, r)
	}
	if problems = append(problems, p.overlaps()...); len(problems) > 0 {
		return Plan{}, errors.Join(problems...)
	}
	return p, nil
}

// rulesOf are the nodes of the rules, and what is wrong around them.
func rulesOf(document *yaml.Node) (nodes []*yaml.Node, problems []error) {
	lack := errors.New("has no rules: must begin with \"rules:\" and a list of them")
	if len(document.Content) == 0 || document.Content[0].Kind != yaml.MappingNode {
		return nil, []error{lack}
	}
	var rules *yaml.Node
	for key, value := range pairs(document.Content[0]) {
		if key.Value == "rules" && rules == nil {
			rules = value
		} else {
			problems = append(problems, fmt.Errorf("line %d: key %q: is unknown or there twice: the file has rules only", key.Line, key.Value))
		}
	}
	if rules == nil || rules.Kind != yaml.SequenceNode || len(rules.Content) == 0 {
		return nil, append(problems, lack)
	}
	return rules.Content, problems
}

// pairs goes through the keys and values of a mapping.
func pairs(mapping *yaml.Node) func(yield func(key, value *yaml.Node) bool) {
	return func(yield func(key, value *yaml.Node) bool) {
		for pair := range slices.Chunk(mapping.Content, 2) {
			if !yield(pair[0], pair[1]) {
				return
			}
		}
	}
}

func parseRule(node *yaml.Node) (Rule, []error) {
	if node.Kind != yaml.MappingNode {
		return Rule{}, []error{errors.New("must be keys with values, such as kind: reset")}
	}
	var entries []entry
	var problems []error
	for key, value := range pairs(node) {
		text, err := textOf(value)
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", key.Value, err))
		}
		entries = append(entries, entry{key.Value, text})
	}
	if len(problems) > 0 {
		return Rule{}, problems
	}
	return newRule(entries)
}

// textOf is a value as it would stand in a header: a list has commas between its items.
func textOf(value *yaml.Node) (string, error) {
	switch value.Kind {
	case yaml.ScalarNode:
		return value.Value, nil
	case yaml.SequenceNode:
		var items []string
		for _, item := range value.Content {
			if item.Kind != yaml.ScalarNode {
				return "", errors.New("must be a value or a list of values")
			}
			items = append(items, item.Value)
		}
		return strings.Join(items, ","), nil
	default:
		return "", errors.New("must be a value or a list of values")
	}
}

// mostHeader bounds the line that ParseHeader reads.
const mostHeader = 4096

// ParseHeader reads a fault from one line, key=value with semicolons between: "kind=reset; tokens=5". The keys are those of a rule, but
// for those that say which requests are hit: the request that brings the line is. Its error has every problem.
func ParseHeader(line string) (Fault, error) {
	if len(line) > mostHeader {
		return Fault{}, fmt.Errorf("has %d bytes: at most %d are read", len(line), mostHeader)
	}
	var entries []entry
	var problems []error
	for part := range strings.SplitSeq(line, ";") {
		key, text, found := strings.Cut(part, "=")
		key = strings.TrimSpace(key)
		when := slices.ContainsFunc(fields(), func(f field) bool { return f.when && f.name == key })
		switch {
		case !found:
			problems = append(problems, fmt.Errorf("%q: must be key=value, with semicolons between, such as kind=reset; tokens=5", strings.TrimSpace(part)))
		case when:
			problems = append(problems, fmt.Errorf("%s: is not for a header, which is about its own request", key))
		default:
			entries = append(entries, entry{key, strings.TrimSpace(text)})
		}
	}
	if len(problems) > 0 {
		return Fault{}, errors.Join(problems...)
	}
	r, wrong := newRule(entries)
	if r.Kind == Refuse {
		wrong = []error{errors.New("kind refuse: goes by time window only: a request that has come was not refused")}
	}
	return r.Fault, errors.Join(wrong...)
}
