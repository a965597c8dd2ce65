package harness

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/llmsweep/llmsweep/harness/kubectl"
	"github.com/llmsweep/llmsweep/harness/metric"
	"github.com/llmsweep/llmsweep/harness/openai"
	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/workload"
	"github.com/llmsweep/llmsweep/harness/workload/dataset"
)

// Plan is everything that determines a run: what is stored of it, and what must not be.
type Plan struct {
	record.Plan
	Targets []*url.URL  `json:"-"` // the chat route of each replica, credentials included
	Header  http.Header `json:"-"` // sent with each request
	APIKey  string      `json:"-"`
	// ProxySecrets are the credentials of the environment's proxies.
	ProxySecrets []string `json:"-"`
	Gate         Gate     `json:"-"`
	Arms         []Arm    `json:"-"` // of a comparison: the base, then the candidate; none: a sweep
	Blocks       int      `json:"-"` // of a comparison; 0: as many as its entry point takes
	// Started: the server is being started for this run, and will soon be ready.
	Started bool `json:"-"`
	// FailInconclusive makes a gate fail that is inconclusive.
	FailInconclusive bool              `json:"-"`
	Overwrite        bool              `json:"-"`
	Resume           record.ResumeMode `json:"-"`
	// TokenizerFrom is where FindTokenizer looks: a folder, a file, the id of a model, server or embedded; "": it has nothing to find.
	TokenizerFrom string `json:"-"`
	// TokenizerNamed: the user named it, and it must be had.
	TokenizerNamed bool `json:"-"`
	tokens         *tokens
	block          *inFile // of a comparison's run; nil: the plan is no part of one
	// NonceGiven: the user fixed the nonce. A resumed run takes another's otherwise.
	NonceGiven bool            `json:"-"`
	Verbose    bool            `json:"-"`
	Plot       bool            `json:"-"`
	Markdown   bool            `json:"-"` // writes the summary as Markdown too
	Formats    []record.Format `json:"-"` // of all charts, as pictures; none: only the guide's, as PNG
	// DryRun asks for WriteDryRun instead of a run; PreflightOnly lets Ready end before anything is written.
	DryRun, PreflightOnly bool `json:"-"`
	PrintConfig           bool `json:"-"` // asks for WriteConfig instead of a run
	choices               []choice
	// ServerPages and GPUPages are the URLs of -server-metrics and -gpu-telemetry, credentials included.
	ServerPages, GPUPages []*url.URL `json:"-"`
	// Forwards are the services that are reached through kubectl port-forward, by the host:port that they have in Targets.
	Forwards map[string]kubectl.Service `json:"-"`
}

// Gate says what -run Gate judges: with Baseline and Candidate the one against the other, by the margins of File, and the candidate by its
// limits; with DataDir a recorded benchmark, and else a run of now, by the limits of File.
// With two arms Sensitivity is the file of an earlier SelfCompare.
type Gate struct{ File, DataDir, Baseline, Candidate, Sensitivity string }

// What -connection-reuse may be.
const (
	pooled      = "pooled"
	neverReused = "never"
)

var namePattern = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// Upper limits, far beyond what one machine can do: above them a typing error would end as an exhausted memory.
const (
	maxConcurrency = 1_000_000
	maxTokens      = workload.MaxTokens // of one prompt or answer
	maxRequests    = 10_000_000
	maxRepeats     = 100
	maxTime        = 1_000_000 * time.Hour // two of them are no more than a time.Duration can say
	// A comparison of fewer blocks can prove nothing: 1/2^5 is above any level that would be asked for.
	minBlocks, maxBlocks = 6, 60
)

// Validate reports everything that is wrong with the plan. It sends nothing and touches no file: the plan may be for another machine.
func (p *Plan) Validate() error {
	var c checks
	c.name(p.BenchmarkName)
	if p.Model == "" {
		c.fault("model", "", "must not be empty")
	}
	c.lengths(p)
	c.input(p.Input)
	if len(p.Points()) == 0 {
		c.fault("concurrencies", "", "must name at least one level")
	}
	c.openLoop(p)
	c.cancels(p)
	c.within("prefill-concurrency", p.PrefillCap, 0, maxConcurrency)
	if p.PrefillCap > 0 && p.Unstreamed {
		c.fault("prefill-concurrency", p.PrefillCap, "cannot go with -streaming=false: when the first token of an answer came is known of a stream only")
	}
	for _, level := range p.Concurrencies {
		c.within("concurrency", level, 1, maxConcurrency)
	}
	c.within("request-count", p.RequestCount, 0, maxRequests)
	c.warmup(p)
	c.within("repeats", p.Repeats, 0, maxRepeats)
	c.within("gpus", p.GPUs, 1, math.MaxInt)
	if p.OutputDir == "" {
		c.fault("output-dir", "", "must not be empty")
	}
	c.limits(p)
	c.oneOf("endpoint-type", cmp.Or(p.EndpointType, record.Chat), record.Chat, record.Completions)
	c.routes(p)
	c.oneOf("compat", p.Compat, workload.CompatLLM, workload.CompatOpenAI)
	c.oneOf("transport", p.Transport, openai.AutoTransport, openai.OwnTransport, openai.NetHTTP, openai.HTTP2)
	c.oneOf("connection-reuse", p.ConnectionReuse, pooled, neverReused)
	c.http2(p)
	if _, known := metric.ParseConvention(p.Definitions); !known {
		c.fault("definitions", p.Definitions, "must be aiperf, vllm or guidellm")
	}
	if _, err := record.ParseExports(p.Export); err != nil {
		c.fault("export", p.Export, err.Error())
	}
	c.objectives(p)
	c.together(p)
	c.arms(p)
	c.metricsPages(p)
	if p.Blocks != 0 {
		c.within("blocks", p.Blocks, minBlocks, maxBlocks)
	}
	c.extraInputs(p.ExtraInputs)
	c.tls(p)
	c.gate(p.Gate)
	return errors.Join(c...)
}

// openLoop checks what only an open loop has.
func (c *checks) openLoop(p *Plan) {
	c.within("max-in-flight", p.MaxInFlight, 0, maxConcurrency)
	if p.FixedSchedule {
		c.fixedSchedule(p)
		return
	}
	if len(p.RequestRates) == 0 {
		if p.MaxInFlight > 0 {
			c.fault("max-in-flight", p.MaxInFlight, "is for an open loop: -concurrencies says what is in flight in a closed one")
		}
		if p.RateRamp != 0 {
			c.fault("request-rate-ramp-duration", p.RateRamp, "is for an open loop: -concurrency-ramp-duration is for a closed one")
		}
		if p.RateRampFrom != 0 {
			c.fault("request-rate-ramp-from", p.RateRampFrom, "is for an open loop")
		}
		return
	}
	if p.ConcurrencyRamp > 0 {
		c.fault("concurrency-ramp-duration", p.ConcurrencyRamp, "is for a closed loop: -request-rate-ramp-duration is for an open one")
	}
	if len(p.Concurrencies) > 0 {
		c.fault("request-rate", strings.Trim(fmt.Sprint(p.RequestRates), "[]"), "cannot go with -concurrencies: -max-in-flight caps an open loop")
	}
	for _, rate := range p.RequestRates {
		if err := arrivals(&p.Plan, rate).Validate(); err != nil {
			*c = append(*c, err)
			return // once, not for each rate
		}
		switch many := p.Requests(record.Point{Rate: rate}) > maxRequests; {
		case many && p.RequestCount == 0 && p.Duration > 0:
			c.fault("request-rate", rate, fmt.Sprintf("sends more than %d requests in a -duration of %v: shorten it or lower the rate", maxRequests, p.Duration))
		case many && p.RequestCount == 0: // else that is too many
			c.fault("request-rate", rate, fmt.Sprintf("sends more than %d requests in a minute: say how many with -request-count", maxRequests))
		}
	}
}

// cancels checks which requests are cancelled, and when.
func (c *checks) cancels(p *Plan) {
	if !(p.CancelRate >= 0 && p.CancelRate <= 100) { // not a number is neither
		c.fault("cancel-rate", p.CancelRate, "must be a percentage from 0 to 100")
	}
	if p.CancelDelay > 0 && p.CancelRate == 0 {
		c.fault("cancel-delay", p.CancelDelay, "is for -cancel-rate: say how many percent of the requests are to be cancelled")
	}
}

// fixedSchedule checks the replay of a trace.
func (c *checks) fixedSchedule(p *Plan) {
	refuse := func(reason string, bad bool) {
		if bad {
			c.fault("fixed-schedule", true, reason)
		}
	}
	refuse("needs an -input-file with timestamps", p.Input.File == "")
	refuse("cannot go with -request-rate or -concurrencies: the trace says when requests start", len(p.RequestRates)+len(p.Concurrencies) > 0)
	refuse("cannot go with ramps: the trace has its own", p.RateRamp > 0 || p.RateRampFrom != 0 || p.ConcurrencyRamp > 0)
	refuse("cannot go with -warmup-requests or -warmup-duration, which would take the trace's first records", p.WarmupRequests > 0 || p.WarmupDuration > 0)
	refuse("takes records in their order: -dataset-sampling must be sequential", p.Input.Sampling != "" && p.Input.Sampling != string(dataset.Sequential))
	if !(p.TimeScale > 0) || math.IsInf(p.TimeScale, 0) {
		c.fault("time-scale", p.TimeScale, "must be above 0 and finite")
	}
}

// together refuses flags that contradict each other.
func (c *checks) together(p *Plan) {
	if p.Virtual && len(p.Targets) > 0 && !p.EmbeddedMock {
		c.fault("virtual", "true", "cannot go with -endpoint: it measures the embedded mock server")
	}
	if len(p.Formats) > 0 && !p.Plot {
		c.fault("formats", p.Formats, "cannot go with -plot=false: no chart is drawn")
	}
	if p.DryRun && p.PreflightOnly {
		c.fault("dry-run", "true", "cannot go with -preflight-only: it sends nothing, not even to ask the server")
	}
	if len(p.MockArgs) > 0 && len(p.Targets) > 0 && !p.EmbeddedMock {
		c.fault("mock-args", strings.Join(p.MockArgs, " "), "is for the embedded mock server: leave out -endpoint")
	}
	c.resume(p)
}

// resume refuses what a run that goes on cannot have.
func (c *checks) resume(p *Plan) {
	if name := "duration"; p.Resume == record.ResumeRequest && (p.Duration > 0 || p.WarmupDuration > 0) {
		if p.Duration == 0 {
			name = "warmup-duration"
		}
		c.fault("resume", p.Resume, "cannot go with -"+name+", which is of one load without a break: use -resume, which repeats the level")
	}
	if p.Resume != "" && p.Overwrite {
		c.fault("resume", p.Resume, "cannot go with -overwrite: it keeps what -overwrite removes")
	}
}

// checks collects what is wrong with a plan.
type checks []error

func (c *checks) fault(name string, value any, reason string) {
	*c = append(*c, fmt.Errorf("%s %q: %s", name, fmt.Sprint(value), reason))
}

func (c *checks) oneOf(name, value string, words ...string) {
	if last := len(words) - 1; !slices.Contains(words, value) {
		c.fault(name, value, "must be "+strings.Join(words[:last], ", ")+" or "+words[last])
	}
}

func (c *checks) within(name string, value, least, most int) {
	switch {
	case value < least:
		c.fault(name, value, fmt.Sprintf("must be at least %d", least))
	case value > most:
		c.fault(name, value, fmt.Sprintf("must be at most %d", most))
	}
}

func (c *checks) name(name string) {
	switch {
	case name == "":
		c.fault("benchmark-name", "", "must not be empty: name this configuration, for example -benchmark-name=vllm-agg")
	case strings.EqualFold(name, "plots"):
		c.fault("benchmark-name", name, "is reserved for the charts")
	case !namePattern.MatchString(name):
		c.fault("benchmark-name", name, "may have letters, digits, - and _ only")
	}
}

// limits checks times and caps. The smallest of them, 0, is no limit; of an error rate it is the strictest.
func (c *checks) limits(p *Plan) {
	grace := time.Duration(0)
	if p.WarmupGrace != nil {
		grace = *p.WarmupGrace
	}
	for _, limit := range []struct {
		name  string
		value time.Duration
	}{
		{"wait-ready", p.WaitReady}, {"request-timeout", p.RequestTimeout}, {"first-token-timeout", p.FirstTokenTimeout},
		{"idle-timeout", p.IdleTimeout}, {"duration", p.Duration}, {"grace-period", p.GracePeriod}, {"warmup-duration", p.WarmupDuration}, {"connect-timeout", p.ConnectTimeout}, {"max-duration", p.MaxDuration},
		{"concurrency-ramp-duration", p.ConcurrencyRamp}, {"cancel-delay", p.CancelDelay}, {"warmup-grace-period", grace},
		{"request-rate-ramp-duration", max(p.RateRamp, 0)}, // what is wrong below that its process says
	} {
		switch {
		case limit.value < 0:
			c.fault(limit.name, limit.value, "must not be negative")
		case limit.value > maxTime:
			c.fault(limit.name, limit.value, fmt.Sprintf("must be at most %.0fh", maxTime.Hours()))
		}
	}
	if p.MaxTokensTotal < 0 {
		c.fault("max-tokens-total", p.MaxTokensTotal, "must be at least 0")
	}
	if !(p.MaxErrorRate >= 0 && p.MaxErrorRate <= 1) { // not a number is neither
		c.fault("max-error-rate", p.MaxErrorRate, "must be a share from 0 to 1")
	}
}

// gate checks which folders are to be judged.
func (c *checks) gate(g Gate) {
	if (g.Baseline == "") != (g.Candidate == "") {
		c.fault("baseline", g.Baseline, "and -candidate go together")
	}
	if g.Baseline != "" && g.DataDir != "" {
		c.fault("data-dir", g.DataDir, "cannot go with -baseline: what is judged is -candidate")
	}
}

// extraInputs refuses fields of the body without which the figures would be of something else.
func (c *checks) extraInputs(extra map[string]any) {
	for _, own := range [][2]string{
		{"messages", "the prompts are llmsweep's"}, {"prompt", "the prompts are llmsweep's"}, {"stream", "use -streaming"}, {"model", "use -model"},
		{"max_tokens", "use -osl"}, {"max_completion_tokens", "use -osl"}, {"n", "llmsweep measures one answer a request"},
		{"echo", "the answer would begin with the prompt"},
	} {
		if _, taken := extra[own[0]]; taken {
			c.fault("extra-inputs", own[0], "cannot be set this way: "+own[1])
		}
	}
}

// routes refuses endpoints whose path is of the other type.
func (c *checks) routes(p *Plan) {
	targets := p.Targets
	for _, arm := range p.Arms {
		if arm.Target != nil {
			targets = append(slices.Clip(targets), arm.Target)
		}
	}
	for _, u := range targets {
		if !p.AsksCompletions() && !strings.HasSuffix(u.Path, chatRoute) {
			c.fault("endpoint", withoutCredentials(u), "is the completions route: pass -endpoint-type=completions")
		}
	}
}

// chatRoute ends the path of every chat route.
const chatRoute = "/chat/completions"

// toRoute makes a chat route the one that the plan's requests go to.
func (p *Plan) toRoute(u *url.URL) *url.URL {
	path, isChat := strings.CutSuffix(u.Path, chatRoute)
	if !isChat || !p.AsksCompletions() {
		return u
	}
	to := *u
	to.Path = path + "/completions"
	return &to
}

// ParseEndpoint reads an endpoint: http(s)://host:port[/path], k8s://namespace/service:port[/path], or host:port[/path] with scheme (http
// if empty), as inside a cluster. Of /v1/chat/completions what is missing is appended, unless it ends in /completions. The error does not quote a text that may hold a password.
func ParseEndpoint(text, scheme string) (*url.URL, error) {
	u, reason := parseEndpoint(strings.TrimSpace(text), scheme)
	if reason == "" {
		return u, nil
	}
	if strings.ContainsAny(text, "@?") {
		text = redacted
	}
	return nil, fmt.Errorf("endpoint %q: %s", text, reason)
}

// parseEndpoint returns the URL, or what is wrong with the text.
func parseEndpoint(text, scheme string) (u *url.URL, reason string) {
	known := "http, https or k8s"
	switch before, _, found := strings.Cut(text, "://"); {
	case text == "":
		return nil, "must not be empty"
	case strings.HasPrefix(strings.ToLower(before), "http:"), strings.HasPrefix(strings.ToLower(before), "https:"):
		return nil, "is not a URL: write http://host:port"
	case !found:
		if scheme != "" {
			known = "http or https (from SERVICE_PROTOCOL or DYN_URL_SCHEME)"
		}
		text = cmp.Or(scheme, "http") + "://" + text
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, "is not a URL: write http://host:port, with a port from 1 to 65535; an IPv6 address as [::1]"
	case u.Scheme == forwardScheme:
		service, path, reason := parseService(u)
		u.Path = "/" + service.Name + ":" + strconv.Itoa(service.Port) + completePath(strings.TrimRight(path, "/"))
		u.Fragment, u.RawPath = "", ""
		return u, reason
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Sprintf("unknown scheme %q: must be %s", u.Scheme, known)
	case u.Hostname() == "":
		return nil, "has no host"
	case strings.HasPrefix(u.Host, "[") && !addressWithZone.MatchString(u.Host):
		return nil, "has a bad address: write an IPv6 address as [::1], with the zone of this machine as [fe80::1%25eth0]"
	case strings.ContainsAny(u.Host, ", "):
		return nil, "is not one host: repeat -endpoint for each replica"
	case !validPort(u.Port()):
		return nil, "has a bad port: must be 1 to 65535"
	}
	u.Fragment, u.RawPath = "", ""
	u.Path = completePath(strings.TrimRight(u.Path, "/"))
	return u, ""
}

// addressWithZone is an IPv6 address as the host of a URL. Its zone is the name of a network interface, unescaped.
var addressWithZone = regexp.MustCompile(`^\[[0-9A-Fa-f:.]+(%[A-Za-z0-9._~-]+)?\](:[0-9]*)?$`)

// validPort accepts the absence of a port too.
func validPort(port string) bool {
	n, err := strconv.Atoi(port)
	return port == "" || err == nil && n >= 1 && n <= 65535
}

// completePath appends what path lacks of the chat route. One that ends in the completions route stays.
func completePath(path string) string {
	if strings.HasSuffix(path, "/completions") {
		return path // an API without /v1 is the server's own choice
	}
	steps := strings.Split(strings.TrimPrefix(openai.ChatPath, "/"), "/")
	for have := len(steps); have > 0; have-- {
		if start := "/" + strings.Join(steps[:have], "/"); strings.HasSuffix(path, start) {
			return strings.TrimSuffix(path, start) + openai.ChatPath
		}
	}
	return path + openai.ChatPath
}
