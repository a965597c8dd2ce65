package harness

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/llmsweep/llmsweep/harness/record"
)

// option is one flag: its names, where else its value may come from, and its text in the help.
type option struct {
	name    string
	aliases []string // further flags
	env     []string // besides BENCH_<NAME>
	value   string   // placeholder of the help
	preset  string
	usage   string
	repeat  string // separator of several values in an environment variable; "" for a single value
	boolean bool   // may be given alone

	list        string // separator of the items that a list of a configuration file is, in one value
	pairs       string // what stands between key and value of such a file's mapping, each of which is a value; "": it has no mapping
	commandLine bool   // not for a configuration file
	open        bool   // to say the default is something else than to say nothing
}

// jsonPairs makes a mapping of a configuration file one JSON object.
const jsonPairs = "{}"

// options are all flags, in the order of the help.
func options() []option {
	return slices.Concat(loadOptions(), runOptions(), judgeOptions())
}

// loadOptions say what is measured, and what it is asked when.
func loadOptions() []option {
	return []option{
		{name: "config", value: "FILE", commandLine: true, usage: "flags of a YAML file, their names as keys; what flags and environment say counts more"},
		{name: "print-config", boolean: true, commandLine: true, usage: "print all flags as a file for -config, each with where its value comes from, and stop: nothing is sent"},
		{name: "endpoint", aliases: []string{"endpoint-url"}, env: []string{"BENCH_ENDPOINT_URL", "ENDPOINT"}, value: "URL", repeat: ",",
			usage: "server to measure: http(s)://host:port[/path]; host:port (http, or what SERVICE_PROTOCOL or DYN_URL_SCHEME says); or k8s://namespace/service:port[/path], through kubectl port-forward; repeat it for replicas; none: the embedded mock server"},
		{name: "benchmark-name", value: "NAME", usage: "label of this configuration and its folder: letters, digits, - and _; mock for the embedded server"},
		{name: "model", env: []string{"MODEL"}, value: "NAME", preset: "Qwen/Qwen3-0.6B", usage: "model to ask for"},
		{name: "tokenizer", value: "NAME",
			usage: "what lengths are in: a folder or file with a tokenizer.json; a model's id, of Hugging Face's cache or the Hub; server, for its /tokenize route; or embedded; default: the model's own, where it can be had"},
		{name: "isl", value: "N", preset: "2000", usage: "mean prompt length in tokens"},
		{name: "std", value: "N", preset: "10", usage: "standard deviation of the prompt length"},
		{name: "osl", value: "N", preset: "256", usage: "output tokens of each request"},
		{name: "seq-dist", value: "MIXTURE", usage: "lengths of requests in place of -isl, -std and -osl: ISL,OSL, or several of them as ISL,OSL:percent;...; each length N, MEAN|STD, LEAST-MOST or lognormal(MEAN|STD)"},
		{name: "isl-counts", value: "WHOSE", preset: record.ClientISL, usage: "whose tokens the lengths of prompts are: client, of the tokenizer, without the server's chat template; or server, of its usage, with it"},
		{name: "shared-system-prompt-length", value: "N", preset: "0", usage: "tokens of a system message that all prompts share, part of their lengths"},
		{name: "prefix-length", value: "N", preset: "0", usage: "tokens at the start of each prompt that it shares with others, part of its length"},
		{name: "prefix-ratio", value: "SHARE", preset: "0", usage: "in place of -prefix-length, the part of each prompt that it shares: what a prefix cache can answer"},
		{name: "prefix-pool", value: "N", preset: "0", usage: "how many such prefixes there are, of which each prompt takes one at random; 0: one"},
		{name: "input-file", value: "FILE", usage: "what to ask, in place of made-up prompts of -isl tokens: one request a record"},
		{name: "custom-dataset-type", value: "KIND", usage: "form of -input-file: single_turn, random_pool, sharegpt, mooncake_trace, burst_gpt_trace, inputs_json or raw_payload; default: what it looks like"},
		{name: "dataset-sampling", value: "KIND", usage: "which record a request takes: sequential, shuffle (all in an order of chance) or random (with replacement); default: random of a random_pool, else sequential"},
		{name: "concurrencies", env: []string{"CONCURRENCIES"}, value: "LIST", preset: "1,2,5,10,50,100,250", list: ",", usage: "levels of the sweep: requests in flight"},
		{name: "request-rate", value: "LIST", list: ",", usage: "open loop: levels by requests a second, which start by a schedule whatever became of the ones before; in place of -concurrencies"},
		{name: "arrival", value: "KIND", preset: "poisson", usage: "gaps of an open loop: constant, poisson (by chance) or gamma (of a -burstiness)"},
		{name: "burstiness", value: "B", preset: "1", usage: "shape of -arrival=gamma: below 1 requests come in bursts, 1 is poisson, above 1 they come more evenly"},
		{name: "concurrency-ramp-duration", value: "D", preset: "0", usage: "fill the slots of a closed loop one after another over this time; 0: all at once"},
		{name: "request-rate-ramp-duration", value: "D", preset: "0", usage: "let the rate of an open loop rise to -request-rate over this time; 0: it is that from the start"},
		{name: "request-rate-ramp-from", value: "R", preset: "0", usage: "rate at the start of that time, in requests a second"},
		{name: "fixed-schedule", boolean: true, usage: "open loop by the timestamps of an -input-file, in place of -request-rate"},
		{name: "time-scale", value: "F", preset: "1", usage: "factor of the distances between these; 0.5 plays a trace at twice its speed"},
		{name: "max-in-flight", value: "N", preset: "0", usage: "most requests in flight of an open loop: one that finds no place waits for it, which its times from the schedule show; 0: no cap"},
		{name: "prefill-concurrency", value: "N", preset: "0", usage: "most requests between their start and their first token: one that finds no place waits for it before it starts; 0: no cap"},
		{name: "cancel-rate", value: "PERCENT", preset: "0", usage: "of the measured requests, by chance, 0 to 100, whose client goes away before it has its answer; in no figure of latency or throughput, and no failures"},
		{name: "cancel-delay", value: "D", preset: "0", usage: "how long after such a request was fully sent; one that ends before counts as what it was"},
		{name: "request-count", env: []string{"REQUEST_COUNT"}, value: "N", preset: "0", usage: "requests of each level; 0: max(3 x concurrency, 10), or a minute of a -request-rate"},
		{name: "duration", value: "D", preset: "0", usage: "how long requests of a level are started, in place of their number or whichever ends first; 0: until their number is reached"},
		{name: "grace-period", value: "D", preset: "30s", usage: "how long requests in flight may go on after -duration; then they are cancelled, and counted so"},
		{name: "warmup-requests", value: "N", preset: "0", usage: "requests sent before each level's measurement, in no statistic"},
		{name: "warmup-duration", value: "D", preset: "0", usage: "how long such requests are started, in place of their number or whichever ends first; those in flight end before the measurement begins"},
		{name: "warmup-concurrency", value: "N", preset: "0", usage: "requests in flight of the warm-up; 0: it has the level's load"},
		{name: "warmup-request-rate", value: "R", preset: "0", usage: "in its place, requests a second of an open loop with the gaps of -arrival, before levels of either kind"},
		{name: "warmup-grace-period", value: "D", usage: "how long requests in flight may go on after -warmup-duration before they are cancelled; default: to their end, or a limit such as -request-timeout"},
		{name: "repeats", value: "N", preset: "1", usage: "runs of each level: all levels once, then all again; from 5 on the figures have intervals over runs, and the first level is measured once more at the end"},
		{name: "seed", value: "N", preset: "100", usage: "determines lengths and schedule"},
		{name: "nonce", value: "N", usage: "determines the text together with the seed; default: new for each run"},
	}
}

// runOptions say where results go, how requests are sent, and when to stop.
func runOptions() []option {
	return []option{
		{name: "output-dir", value: "DIR", preset: "./benchmarks/results", usage: "where results go"},
		{name: "overwrite", boolean: true, usage: "replace the results of an earlier benchmark of this name"},
		{name: "resume", boolean: true, usage: "go on with the benchmark of this name: finished levels are kept, one that was cut short is repeated; -resume=request continues it"},
		{name: "endpoint-type", value: "KIND", preset: record.Chat, usage: "route of the requests: chat (/v1/chat/completions), or completions (/v1/completions), whose prompts meet no chat template"},
		{name: "streaming", boolean: true, preset: "true", usage: "ask for streams; with -streaming=false for documents, of which only the latency of the whole is known"},
		{name: "header", value: "K:V", repeat: "\n", pairs: ":", usage: "header to send; repeatable; K:env:NAME takes the value from the environment"},
		{name: "extra-inputs", value: "K:V", repeat: "\n", pairs: jsonPairs, usage: "field of the request body, or a JSON object of them; repeatable"},
		{name: "server-metrics", value: "LIST", preset: record.MetricsAuto, list: ",", usage: "pages of metrics (Prometheus text) to ask once a second beside the load: URLs, auto for what is found beside the endpoints, or off"},
		{name: "gpu-telemetry", value: "LIST", list: ",", usage: "URLs of NVIDIA DCGM exporters to ask likewise: power, energy, utilisation and memory of GPUs"},
		{name: "gpus", value: "N", preset: "1", open: true, usage: "GPUs behind the endpoint, for tokens/s per GPU; marked as assumed where not given"},
		{name: "dry-run", boolean: true, usage: "print levels, requests, tokens, expected duration and size of the results, and stop: nothing is sent or written"},
		{name: "preflight-only", boolean: true, usage: "wait for the server, check whether the sweep can run, print what was found, and stop"},
		{name: "wait-ready", value: "D", preset: "5m", usage: "how long to wait until the server serves the model"},
		{name: "request-timeout", value: "D", preset: "10m", usage: "limit of a whole request; 0: none"},
		{name: "first-token-timeout", value: "D", preset: "5m", usage: "limit until its first token; 0: none"},
		{name: "idle-timeout", value: "D", preset: "2m", usage: "limit between two events of a stream; 0: none"},
		{name: "connect-timeout", value: "D", preset: "30s", usage: "limit of making a connection: name, TCP and TLS; 0: none"},
		{name: "retry-429", boolean: true, usage: "send a request again that was refused with status 429, up to 5 times, after Retry-After or a doubling wait; its latency includes the waits"},
		{name: "transport", value: "KIND", preset: "auto", usage: "what carries the requests: own, which stamps every socket read; nethttp, Go's; http2, Go's by HTTP/2; auto: own, but nethttp where a proxy of the environment stands before the endpoint"},
		{name: "connection-reuse", value: "KIND", preset: "pooled", usage: "pooled: connections are made before each level and kept; never: a new one for each request"},
		{name: "ca-cert", value: "FILE", usage: "authorities (PEM) that https endpoints may be signed by, besides the system's"},
		{name: "client-cert", value: "FILE", usage: "certificate (PEM) for servers that ask who the client is"},
		{name: "client-key", value: "FILE", usage: "its key (PEM, without a passphrase)"},
		{name: "insecure", boolean: true, usage: "accept any certificate of an https endpoint; the results say so"},
		{name: "max-duration", value: "D", preset: "0", usage: "stop the sweep after this time; 0: no limit"},
		{name: "max-tokens-total", value: "N", preset: "0", usage: "stop it after this many tokens, prompts and outputs; 0: no limit"},
		{name: "max-error-rate", value: "SHARE", preset: "0.05", usage: "a level fails above this share of failed requests, and stops, once 20 ended; with fewer, if most failed"},
		{name: "continue-on-error", boolean: true, usage: "go on with the next level after a failed one"},
		{name: "compat", value: "KIND", preset: "llm", usage: "request body: llm, or openai for servers that refuse min_tokens and ignore_eos"},
	}
}

// judgeOptions are those of gates and comparisons, of the mock server, and of what is shown.
func judgeOptions() []option {
	return []option{
		{name: "gate", value: "FILE", usage: "limits and margins for -run Gate (YAML)"},
		{name: "data-dir", value: "DIR", usage: "with -gate: judge the recorded -benchmark-name in this directory instead of measuring"},
		{name: "baseline", value: "DIR", usage: "recorded benchmark to compare -candidate with, DATA-DIR/NAME"},
		{name: "candidate", value: "DIR", usage: "recorded benchmark to judge, DATA-DIR/NAME"},
		{name: "sensitivity", value: "FILE", usage: "what a comparison of a target with itself has found on this machine: a gate reports, without judging it, a figure of which it cannot see a change by its margin"},
		{name: "arm", value: "NAME=URL", repeat: "\n", pairs: "=", usage: "target of a comparison or a gate; twice: the base, then the candidate; NAME=mock:ARGS is an embedded mock server with these options"},
		{name: "arm-command", value: "NAME=CMD", repeat: "\n", pairs: "=", usage: "shell command that starts the server of an arm before each of its runs and is ended after it (SIGTERM); repeatable"},
		{name: "blocks", value: "N", preset: "0", usage: "most blocks of a comparison, each a run of both arms, 6 to 60; 0: 18, of a target with itself 20"},
		{name: "inconclusive", value: "KIND", preset: "skip", usage: "what a gate makes of an inconclusive verdict: skip, which passes, or fail"},
		{name: "mock-args", value: "ARGS", usage: "options of the embedded mock server, as its command takes them: -mock-args=\"-decode-speedup-ratio=0.5\""},
		{name: "virtual", boolean: true, usage: "run against the embedded mock server in virtual time"},
		{name: "verbose", boolean: true, usage: "print a line for each request"},
		{name: "definitions", value: "NAME", preset: "aiperf", usage: "whose formulas the tables follow: aiperf, vllm (bench serve) or guidellm; files and charts keep AIPerf's"},
		{name: "slo", value: "OBJECTIVES", list: " ", usage: "goodput: what a good request keeps to, as \"time_to_first_token:500 inter_token_latency:50\", each limit in its metric's unit; failed requests are not good"},
		{name: "export", value: "LIST", preset: record.DefaultExports, list: ",", usage: "formats beside AIPerf's: benchfmt (plots/results.bench, for benchstat), csv (plots/results.csv, one value a row), vllm (of vllm bench serve, in each level's folder), or none"},
		{name: "markdown", boolean: true, usage: "write the summary as Markdown too, for a pull request: plots/SUMMARY.md"},
		{name: "plot", boolean: true, preset: "true", usage: "write charts, page and summary at the end"},
		{name: "formats", value: "LIST", list: ",", usage: "write all charts as pictures too: png, svg or both; default: the five of the guide, as PNG"},
	}
}

// optionNamed returns the option of a flag, which may have other names.
func optionNamed(name string) (o option, known bool) {
	all := options()
	i := slices.IndexFunc(all, func(o option) bool { return o.name == name || slices.Contains(o.aliases, name) })
	if i < 0 {
		return option{}, false
	}
	return all[i], true
}

// flagNames are the names of all flags.
func flagNames() []string {
	var names []string
	for _, o := range options() {
		names = append(append(names, o.name), o.aliases...)
	}
	return names
}

// Flags holds what the command line said. Errors of single values wait for Plan, which reports all of them together.
type Flags struct {
	set  *flag.FlagSet
	raw  map[string]*rawValue
	help bool
}

const helpFlag = "llmsweep.help"

// RegisterFlags defines all flags of llmsweep on fs.
func RegisterFlags(fs *flag.FlagSet) *Flags {
	f := &Flags{set: fs, raw: map[string]*rawValue{}}
	for _, o := range options() {
		raw := &rawValue{boolean: o.boolean, repeat: o.repeat != ""}
		f.raw[o.name] = raw
		for _, name := range append([]string{o.name}, o.aliases...) {
			fs.Var(raw, name, o.usage)
		}
	}
	fs.BoolVar(&f.help, helpFlag, false, "print llmsweep's flags with examples and exit")
	return f
}

// Help reports whether -llmsweep.help was given.
func (f *Flags) Help() bool { return f.help }

// Given reports whether the command line has any flag of ours.
func (f *Flags) Given() bool {
	for _, raw := range f.raw {
		if raw.set {
			return true
		}
	}
	return false
}

// Args returns the flags of the command line, each as -name=value under its first name, in the order of the help.
func (f *Flags) Args() []string {
	var args []string
	for _, o := range options() {
		if raw := f.raw[o.name]; raw.set {
			for _, value := range raw.values {
				args = append(args, "-"+o.name+"="+value)
			}
		}
	}
	return args
}

// UnknownEnvironment returns, with the name that was probably meant, the variables of environ (NAME=value) that begin with BENCH_ and are no
// flag of ours: a misspelt one would otherwise be a run with defaults.
func UnknownEnvironment(environ []string) []string {
	known := map[string]bool{}
	var names []string
	for _, o := range options() {
		for _, name := range append([]string{o.name}, o.aliases...) {
			known[envName(name)] = true
			names = append(names, envName(name))
		}
	}
	var unknown []string
	for _, entry := range environ {
		name, _, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, "BENCH_") && !known[name] {
			unknown = append(unknown, fmt.Sprintf("environment variable %q is no flag of llmsweep%s", name, suggest(name, names)))
		}
	}
	return unknown
}

// UnknownFlag puts an error of package flag into words, with the flag that was probably meant.
func UnknownFlag(err error) string {
	_, name, _ := strings.Cut(err.Error(), "not defined: -")
	return err.Error() + suggest(name, flagNames())
}

// suggest returns "; did you mean X?" for the nearest of names, or "" if none is near.
func suggest(name string, names []string) string {
	best, distance := "", max(2, len(name)/3)+1 // a third of the letters may be off
	for _, candidate := range names {
		if d := editDistance(name, candidate); d < distance {
			best, distance = candidate, d
		}
	}
	if name == "" || best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", best)
}

// editDistance is Levenshtein's: insertions, deletions and substitutions.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}

// rawValue is a flag that accepts any text, so that all bad values are reported at once and in our words.
type rawValue struct {
	values  []string
	boolean bool
	repeat  bool
	set     bool
}

// String is the flag's text, as package flag wants it.
func (r *rawValue) String() string { return strings.Join(r.values, ",") }

// Set takes a value from the command line; a flag that is not repeatable keeps its last one.
func (r *rawValue) Set(value string) error {
	if !r.repeat {
		r.values = nil
	}
	r.values, r.set = append(r.values, value), true
	return nil
}

// IsBoolFlag lets package flag accept the flag without a value.
func (r *rawValue) IsBoolFlag() bool { return r.boolean }

// lookup returns the values of an option: flag before environment before configuration file before default. source names where they came from.
func (f *Flags) lookup(o option, getenv func(string) string, c *config) (values []string, source string) {
	if raw := f.raw[o.name]; raw.set {
		return raw.values, "-" + o.name
	}
	for _, name := range append([]string{envName(o.name)}, o.env...) {
		text := getenv(name)
		if strings.TrimSpace(text) == "" {
			continue
		}
		if o.repeat == "" {
			return []string{text}, name
		}
		for part := range strings.SplitSeq(text, o.repeat) {
			if part = strings.TrimSpace(part); part != "" {
				values = append(values, part)
			}
		}
		return values, name
	}
	if values, source, told := c.lookup(o.name); told {
		return values, source
	}
	if o.preset == "" {
		return nil, ""
	}
	return []string{o.preset}, fromPreset
}

// fromPreset is the source of values that nobody gave.
const fromPreset = "default"

// envName is the environment variable of a flag: BENCH_ and its name in upper case.
func envName(flag string) string {
	return "BENCH_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// Plan resolves the flags against the environment and the file of -config, and validates the result. The error joins everything that is wrong.
func (f *Flags) Plan(getenv func(string) string) (*Plan, error) {
	r, err := f.resolver(getenv)
	if r.config == nil {
		return &Plan{}, err
	}
	plan := r.plan()
	return plan, errors.Join(err, errors.Join(r.problems...), plan.Validate())
}

// resolver reads the file of -config. If it cannot be read at all, the resolver has none.
func (f *Flags) resolver(getenv func(string) string) (*resolver, error) {
	r := &resolver{flags: f, getenv: getenv, options: map[string]option{}, config: &config{}}
	for _, o := range options() {
		r.options[o.name] = o
	}
	path := r.text("config")
	if path == "" {
		return r, nil
	}
	var err error
	r.config, err = readConfig(path)
	return r, err
}

// Chosen reports whether a flag's value was given: on the command line, in the environment or in the file of -config.
func (f *Flags) Chosen(name string, getenv func(string) string) bool {
	r, _ := f.resolver(getenv)
	return r.given(name)
}

// PrintHelp writes all flags with their defaults and a few examples, within 80 columns.
func PrintHelp(w io.Writer) {
	fmt.Fprint(w, `llmsweep measures LLM endpoints that speak the OpenAI API.

  go test ./bench -run Sweep -v -count=1 -timeout 0 [flags]

Examples:
  # the embedded mock server, in virtual time
  go test ./bench -run Sweep -v -count=1 -timeout 0 -virtual \
    -benchmark-name=mock-virtual -overwrite

  # a server of yours
  go test ./bench -run Sweep -v -count=1 -timeout 0 \
    -endpoint=http://localhost:8000 -model=Qwen/Qwen3-0.6B \
    -benchmark-name=vllm-agg

  # a service in a Kubernetes cluster, through kubectl port-forward
  go test ./bench -run Sweep -v -count=1 -timeout 0 \
    -endpoint=k8s://default/vllm-agg-frontend:8000 -benchmark-name=vllm-agg

  # two levels, configured by the environment
  ENDPOINT=localhost:8000 BENCH_BENCHMARK_NAME=vllm-agg CONCURRENCIES=1,10 \
    go test ./bench -run Sweep -v -count=1 -timeout 0

Each flag can come from the environment as BENCH_<NAME>, for example
BENCH_REQUEST_COUNT. ENDPOINT, MODEL, CONCURRENCIES and REQUEST_COUNT also work
without the prefix. A flag beats the environment, and that a file of -config.
Several endpoints are separated by commas in the environment, several headers
and extra inputs by line breaks.
The API key comes from OPENAI_API_KEY only. D is a duration such as 90s or 10m.

Flags:
`)
	for _, o := range options() {
		o.print(w)
	}
	help := option{name: helpFlag, usage: "print this and exit"}
	help.print(w)
}

func (o option) print(w io.Writer) {
	var names []string
	for _, name := range append([]string{o.name}, o.aliases...) {
		names = append(names, strings.TrimSpace("-"+name+" "+o.value))
	}
	fmt.Fprintf(w, "  %s\n", strings.Join(names, ", "))
	text := o.usage
	if o.preset != "" && o.preset != "0" {
		text += " (default " + o.preset + ")"
	}
	for _, line := range wrap(text, 72) {
		fmt.Fprintf(w, "        %s\n", line)
	}
}

// wrap breaks a text at blanks into lines of at most width columns.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}
