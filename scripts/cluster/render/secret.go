package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/llmsweep/llmsweep/harness/kubectl"
)

var (
	secretKey     = regexp.MustCompile(`^[-._A-Za-z0-9]+$`)
	variableName  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	envReferences = regexp.MustCompile(`^[^:]*: *env:(.*)$`)
)

// The variables of the pod that have flags of their own.
const (
	huggingFaceToken = "HUGGING_FACE_HUB_TOKEN" //nolint:gosec // a name
	apiKey           = "OPENAI_API_KEY"         //nolint:gosec // a name
)

// reference is a key of a secret.
type reference struct{ Name, Key string }

func parseReference(text string) (reference, bool) {
	name, key, found := strings.Cut(text, "/")
	return reference{name, key}, found && kubectl.ValidSubdomain(name) && secretKey.MatchString(key)
}

// headerVariable returns the variable that a -header argument takes its value from.
func headerVariable(arg string) (variable string, isHeader bool) {
	text, isHeader := strings.CutPrefix(arg, "-header=")
	if match := envReferences.FindStringSubmatch(text); isHeader && match != nil {
		return strings.TrimSpace(match[1]), true
	}
	return "", isHeader
}

// podEnvironment stands in for the environment that a benchmark has in the pod: variables that headers take their values from have one.
func (s *settings) podEnvironment(name string) string {
	for _, arg := range s.sweep.Args() {
		if variable, isHeader := headerVariable(arg); isHeader && variable == name {
			return "from-a-secret"
		}
	}
	return ""
}

// secrets checks references to secrets, and that headers take their values from them.
func (p *problems) secrets(s *settings) {
	setBy := map[string]string{}
	for _, own := range []struct{ flag, text, variable string }{
		{"hf-token-secret", s.hfTokenSecret, huggingFaceToken}, {"api-key-secret", s.apiKeySecret, apiKey},
	} {
		if own.text == "" {
			continue
		}
		if _, ok := parseReference(own.text); !ok {
			p.fault(own.flag, own.text, "must be NAME/KEY of a secret")
		}
		setBy[own.variable] = own.flag
	}
	for _, text := range s.envSecrets {
		variable, reference, _ := strings.Cut(text, "=")
		if _, ok := parseReference(reference); !ok || !variableName.MatchString(variable) {
			p.fault("env-secret", text, "must be VARIABLE=NAME/KEY")
		}
		if flag := setBy[variable]; flag != "" {
			p.fault("env-secret", text, fmt.Sprintf("gives a variable a second value: -%s sets it already; leave one of them out, or empty", flag))
		}
		setBy[variable] = "env-secret"
	}
	p.headers(s, setBy)
}

func (p *problems) headers(s *settings, setBy map[string]string) {
	for _, arg := range s.sweep.Args() {
		switch variable, isHeader := headerVariable(arg); {
		case isHeader && variable == "":
			name, _, found := strings.Cut(strings.TrimPrefix(arg, "-header="), ":")
			if !found {
				continue // it is refused already, and may be the secret itself
			}
			p.fault("header", strings.TrimSpace(name), "its value would stand in clear in the Job: write NAME:env:VARIABLE and -env-secret VARIABLE=SECRET/KEY")
		case isHeader && setBy[variable] == "":
			p.fault("header", strings.TrimPrefix(arg, "-header="), fmt.Sprintf("the pod has no variable %s: pass -env-secret %s=SECRET/KEY", variable, variable))
		}
	}
}

// extraInputs refuses fields of the body whose name says that their value is a secret; path leads to the fields.
func (p *problems) extraInputs(path string, fields map[string]any) {
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		value := fields[name]
		if namesSecret(name) && holdsText(value) {
			p.fault("extra-inputs", path+name, "its value would stand in clear in the Job: send a secret as a header, "+
				"-header NAME:env:VARIABLE and -env-secret VARIABLE=SECRET/KEY")
			continue
		}
		p.nestedInputs(path+name+".", value)
	}
}

func (p *problems) nestedInputs(path string, value any) {
	switch v := value.(type) {
	case map[string]any:
		p.extraInputs(path, v)
	case []any:
		for _, element := range v {
			p.nestedInputs(path, element)
		}
	}
}

// holdsText reports whether a value can be a secret. A key of digits alone is a number to JSON.
func holdsText(value any) bool {
	switch v := value.(type) {
	case string:
		return v != ""
	case json.Number:
		return true
	case []any:
		return slices.ContainsFunc(v, holdsText)
	case map[string]any:
		return slices.ContainsFunc(slices.Collect(maps.Values(v)), holdsText)
	}
	return false
}

// namesSecret reports whether the name of a field is that of a secret: one of its words says so. Tokens and keys have other meanings too;
// they are secrets where they are what the name ends in, as in access_token, but not in max_tokens or stop_token_ids.
func namesSecret(field string) bool {
	words := fieldWords(field)
	for len(words) > 1 && onlyDigits(words[len(words)-1]) {
		words = words[:len(words)-1]
	}
	if len(words) == 0 || slices.Contains([]string{
		"prompt cache key", "bos token", "eos token", "pad token", "unk token", "stop token",
	}, strings.Join(words, " ")) {
		return false
	}
	return slices.ContainsFunc(words, func(word string) bool {
		return slices.Contains([]string{
			"secret", "secrets", "password", "passwd", "passphrase", "authorization", "credential", "credentials", "bearer", "apikey",
		}, word)
	}) || slices.Contains([]string{"key", "token", "auth", "apitoken", "accesstoken", "accesskey"}, words[len(words)-1])
}

// fieldWords splits api_key, api-key and apiKey into their words, in lower case.
func fieldWords(field string) []string {
	var spaced strings.Builder
	lower := false
	for _, c := range field {
		if unicode.IsUpper(c) && lower {
			spaced.WriteByte(' ')
		}
		lower = unicode.IsLower(c) || unicode.IsDigit(c)
		spaced.WriteRune(unicode.ToLower(c))
	}
	return strings.FieldsFunc(spaced.String(), func(c rune) bool { return !unicode.IsLetter(c) && !unicode.IsDigit(c) })
}
