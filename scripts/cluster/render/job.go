package main

import (
	"bytes"
	_ "embed"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template"
)

//go:embed job.yaml.tmpl
var jobTemplate string

// jobData is what the template shows.
type jobData struct {
	Command                                                         []string // that made it
	JobName, Namespace, Image, ImagePullSecret, ServiceAccount, PVC string
	CPU, CPULimit, Memory, MemoryLimit                              string
	Env                                                             []envSecret
	Args                                                            []string
	Resumes                                                         bool
}

// envSecret is a variable of the pod whose value is in a secret. An optional one may be missing; that is the Hugging Face token alone.
type envSecret struct {
	Variable string
	reference
	Optional bool
}

// job renders the checked settings.
func (s *settings) job() ([]byte, error) {
	t, err := template.New("job").Funcs(template.FuncMap{"yaml": scalar}).Parse(jobTemplate)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = t.Execute(&b, jobData{
		Command: s.commandLine(), JobName: s.jobName, Namespace: s.namespace, Image: s.image, ImagePullSecret: s.imagePullSecret,
		ServiceAccount: s.serviceAccount, PVC: s.pvc,
		CPU: s.cpu, CPULimit: cpuQuantity().limit(s.cpu, s.cpuLimit, defaultCPULimit),
		Memory: s.memory, MemoryLimit: memoryQuantity().limit(s.memory, s.memoryLimit, defaultMemoryLimit),
		Env: s.env(), Args: s.args(), Resumes: s.resumes(),
	})
	return b.Bytes(), err
}

// resumes reports whether the Job's run goes on with what an earlier pod of it left.
func (s *settings) resumes() bool {
	values := valuesOf(s.sweep.Args(), "resume")
	if len(values) == 0 {
		return false
	}
	on, err := strconv.ParseBool(values[0])
	return on || err != nil // level and request are no truth values
}

func (s *settings) env() []envSecret {
	var env []envSecret
	if s.hfTokenSecret != "" {
		token, _ := parseReference(s.hfTokenSecret)
		env = append(env, envSecret{huggingFaceToken, token, true})
	}
	if s.apiKeySecret != "" {
		key, _ := parseReference(s.apiKeySecret)
		env = append(env, envSecret{apiKey, key, false})
	}
	for _, text := range s.envSecrets {
		variable, value, _ := strings.Cut(text, "=")
		secret, _ := parseReference(value)
		env = append(env, envSecret{variable, secret, false})
	}
	return env
}

// args are the arguments of the container: first the guide's in the guide's order, whether given or not, so that a reader finds them to edit;
// then what else was given.
func (s *settings) args() []string {
	shown := []struct{ flag, name, preset string }{
		{"model", "model", "Qwen/Qwen3-0.6B"}, {"isl", "isl", "2000"}, {"std", "std", "10"}, {"osl", "osl", "256"},
		{"output-dir", "output-dir", resultsDir}, {"benchmark-name", "benchmark-name", ""}, {"endpoint", "endpoint-url", ""},
	}
	given := s.sweep.Args()
	var args []string
	for _, g := range shown {
		values := valuesOf(given, g.flag)
		if len(values) == 0 {
			values = []string{g.preset}
		}
		for _, value := range values {
			args = append(args, "--"+g.name+"="+value)
		}
		given = slices.DeleteFunc(given, func(arg string) bool { return strings.HasPrefix(arg, "-"+g.flag+"=") })
	}
	for _, arg := range given {
		args = append(args, "-"+arg)
	}
	for i := range args {
		// Kubernetes replaces $(NAME) in arguments, and takes $$ for one dollar sign.
		args[i] = strings.ReplaceAll(args[i], "$", "$$")
	}
	return args
}

func valuesOf(args []string, flag string) []string {
	var values []string
	for _, arg := range args {
		if value, found := strings.CutPrefix(arg, "-"+flag+"="); found {
			values = append(values, value)
		}
	}
	return values
}

// commandLine is the command that renders this Job again, in words for a shell.
func (s *settings) commandLine() []string {
	words := []string{"go run ./scripts/cluster/render"}
	for _, arg := range s.sweep.Args() {
		words = append(words, shellWord(arg))
	}
	for _, f := range s.own() {
		if *f.target != f.preset && f.name != "o" {
			words = append(words, shellWord("-"+f.name+"="+*f.target))
		}
	}
	for _, text := range s.envSecrets {
		words = append(words, shellWord("-env-secret="+text))
	}
	return words
}

var (
	plainWord   = regexp.MustCompile(`^[A-Za-z0-9./_@:,=+-]+$`)
	plainScalar = regexp.MustCompile(`^([A-Za-z]|--[a-z])[A-Za-z0-9./_@:,=+-]*$`)
	plainAmount = regexp.MustCompile(`^[0-9]+(m|[KMGT]i)$`)
	// What YAML of some version takes for something other than a string.
	yamlWord = regexp.MustCompile(`^(?i:y|yes|n|no|on|off|true|false|null)$`)
)

// shellWord writes a word for a shell, on one line.
func shellWord(word string) string {
	switch {
	case plainWord.MatchString(word):
		return word
	case strconv.Quote(word) == `"`+strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(word)+`"`: // printable
		return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
	}
	return "$" + "'" + strings.ReplaceAll(strings.Trim(strconv.QuoteToASCII(word), `"`), "'", `\'`) + "'"
}

// scalar writes a text as a YAML string: as it is where no YAML reader takes it for anything else, and quoted otherwise. The escapes of Go's
// quoted strings are all YAML's too.
func scalar(text string) string {
	plain := plainScalar.MatchString(text) && !yamlWord.MatchString(text) || plainAmount.MatchString(text)
	if plain && !strings.HasSuffix(text, ":") {
		return text
	}
	return strconv.Quote(text)
}
