package harness

import (
	"fmt"
	"io"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/llmsweep/llmsweep/harness/record"
)

// choice is what an option came to.
type choice struct {
	option option
	values []string // as a configuration file would give them, without secrets
	origin string   // where they come from
	given  bool
}

// choices are what the options came to that a configuration file may have, in the order of the help.
func (r *resolver) choices(p *Plan) []choice {
	var all []choice
	for _, o := range options() {
		if !o.commandLine {
			all = append(all, choice{option: o, values: r.shown(p, o.name), origin: r.origin(o.name), given: r.given(o.name)})
		}
	}
	return all
}

// origin says where the value of an option comes from.
func (r *resolver) origin(name string) string {
	_, source := r.values(name)
	_, line, _ := r.config.lookup(name)
	switch source {
	case "", fromPreset:
		return fromPreset
	case "-" + name:
		return "flag"
	case line:
		return fmt.Sprintf("file %s, line %d", record.Printable(r.config.path), r.config.options[name].line)
	}
	return "environment " + source
}

// shown are the values of an option, of which those that others decide are as they were decided. The place of a secret has a mark that no file may have.
func (r *resolver) shown(p *Plan, name string) []string {
	var hide func(text string) string
	switch name {
	case "benchmark-name":
		return []string{p.BenchmarkName}
	case "concurrencies":
		var levels []string
		for _, c := range p.Concurrencies {
			levels = append(levels, strconv.Itoa(c))
		}
		return levels
	case "endpoint":
		hide = func(text string) string { return endpointShown(text, r.scheme()) }
	case "header":
		hide = headerShown
	case "arm":
		hide = armWithTarget
	case "server-metrics", "gpu-telemetry":
		hide = pagesShown
	case "arm-command", "extra-inputs":
		hide = p.redactor().redact
	default:
		hide = strings.TrimSpace
	}
	if !r.given(name) && p.saysElsewhere(name) {
		return nil
	}
	values, _ := r.values(name)
	var shown []string
	for _, text := range values {
		shown = append(shown, hide(text))
	}
	if len(shown) == 0 && r.options[name].boolean {
		return []string{"false"}
	}
	return shown
}

// saysElsewhere reports whether another flag stands in the place of a length's, beside which that could not be given.
func (p *Plan) saysElsewhere(name string) bool {
	switch name {
	case "isl", "std":
		return p.SeqDist != "" || p.Input.File != ""
	case "osl":
		return p.SeqDist != ""
	}
	return false
}

// endpointShown is an endpoint in full, with a mark for its credentials.
func endpointShown(text, scheme string) string {
	u, err := ParseEndpoint(text, scheme)
	if err != nil {
		return redacted
	}
	return marked(u)
}

// marked is a URL with a mark for its credentials.
func marked(u *url.URL) string {
	shown := withoutCredentials(u).String()
	if u.User != nil {
		shown = strings.Replace(shown, "://", "://"+redacted+"@", 1)
	}
	return shown
}

// withoutCredentials is a URL as it may be shown and stored.
func withoutCredentials(u *url.URL) *url.URL {
	shown := *u
	shown.User = nil
	if shown.RawQuery != "" {
		shown.RawQuery = redacted // API keys travel there
	}
	return &shown
}

// headerShown is a header with the name of the variable that its value is in, or with a mark.
func headerShown(text string) string {
	name, value, _ := strings.Cut(text, ":")
	if value = strings.TrimSpace(value); !strings.HasPrefix(value, fromVariable) {
		value = redacted
	}
	return strings.TrimSpace(name) + ":" + value
}

// armWithTarget is an arm without the credentials of its endpoint.
func armWithTarget(text string) string {
	name, target, _ := strings.Cut(text, "=")
	if target = strings.TrimSpace(target); !strings.HasPrefix(target, mockArm) {
		target = endpointShown(target, "")
	}
	return strings.TrimSpace(name) + "=" + target
}

// WriteConfig writes all flags of the plan as a file for -config, each with where its value comes from. Credentials are left out: the values of
// headers that are not in a variable, users, passwords and queries of endpoints. In their place is a mark that -config refuses.
func (p *Plan) WriteConfig(w io.Writer) error {
	var b strings.Builder
	b.WriteString("# All flags, as a file for -config. What flags and environment say counts more.\n")
	if p.APIKey != "" {
		b.WriteString("# OPENAI_API_KEY is set. It stays in the environment.\n")
	}
	for _, c := range p.choices {
		text, err := c.yaml()
		if err != nil {
			return err
		}
		b.WriteString(text)
	}
	b.WriteString("...\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// yaml is the choice as a key with its value. Where to give the default would say something else than to leave it out, it is a comment.
func (c choice) yaml() (string, error) {
	if len(c.values) == 0 {
		return fmt.Sprintf("# %s: not set\n", c.option.name), nil
	}
	for _, text := range c.values {
		if !utf8.ValidString(text) {
			return "", fmt.Errorf("%s %q: cannot be written as YAML: it is no UTF-8 text", c.option.name, text)
		}
	}
	var b strings.Builder
	encoder := yaml.NewEncoder(&b)
	encoder.SetIndent(2)
	if err := encoder.Encode(&yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{yamlText(c.option.name), c.value()}}); err != nil {
		return "", fmt.Errorf("%s: cannot be written as YAML: %w", c.option.name, err)
	}
	first, rest, _ := strings.Cut(b.String(), "\n")
	if c.option.open && !c.given {
		first = "# " + first
	}
	return fmt.Sprintf("%-44s # %s\n%s", first, c.origin, rest), nil
}

func (c choice) value() *yaml.Node {
	if c.option.list == "" && c.option.repeat == "" {
		return yamlText(c.values[0])
	}
	list := &yaml.Node{Kind: yaml.SequenceNode}
	if c.option.list != "" {
		list.Style = yaml.FlowStyle
	}
	for _, text := range c.values {
		list.Content = append(list.Content, yamlText(text))
	}
	return list
}

// plainYAML is what every reader of YAML takes for the same number or truth value.
var plainYAML = regexp.MustCompile(`^(-?(0|[1-9][0-9]*)(\.[0-9]+)?|true|false)$`)

func yamlText(text string) *yaml.Node {
	node := &yaml.Node{Kind: yaml.ScalarNode, Value: text, Tag: "!!str"}
	if plainYAML.MatchString(text) {
		node.Tag = ""
	}
	return node
}
