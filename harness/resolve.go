package harness

import (
	"cmp"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/llmsweep/llmsweep/harness/arrival"
	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/tokenizer"
)

// resolver turns texts into a Plan and collects what is wrong with them.
type resolver struct {
	flags    *Flags
	getenv   func(string) string
	config   *config
	options  map[string]option
	problems []error
}

func (r *resolver) plan() *Plan {
	gpus, gpusFrom := r.integer("gpus")
	p := &Plan{
		Plan: record.Plan{
			BenchmarkName: r.text("benchmark-name"),
			Model:         r.text("model"),
			ISL:           r.count("isl"), StdDev: r.count("std"), OSL: r.count("osl"),
			Concurrencies: r.concurrencies(),
			RequestCount:  r.count("request-count"),
			Seed:          r.number("seed"), OutputDir: r.text("output-dir"),
			GPUs: gpus, GPUsAssumed: gpusFrom == fromPreset,
			WaitReady: r.duration("wait-ready"), RequestTimeout: r.duration("request-timeout"),
			FirstTokenTimeout: r.duration("first-token-timeout"), IdleTimeout: r.duration("idle-timeout"),
			ConnectTimeout: r.duration("connect-timeout"), Retry429: r.boolean("retry-429"),
			MaxDuration: r.duration("max-duration"), MaxTokensTotal: int64(r.count("max-tokens-total")),
			MaxErrorRate: r.share("max-error-rate"), ContinueOnError: r.boolean("continue-on-error"),
			MockArgs:     strings.Fields(r.text("mock-args")),
			EndpointType: r.text("endpoint-type"), Unstreamed: !r.boolean("streaming"),
			Compat: r.text("compat"), Virtual: r.boolean("virtual"), Definitions: r.text("definitions"),
			Transport: r.text("transport"), ConnectionReuse: r.text("connection-reuse"),
			TLS:       record.TLSOptions{Insecure: r.boolean("insecure"), CACert: r.text("ca-cert"), ClientCert: r.text("client-cert"), ClientKey: r.text("client-key")},
			Tokenizer: tokenizer.Default().Name(), TokenizerSHA256: tokenizer.Default().SHA256(),
		},
		Gate:      Gate{File: r.text("gate"), DataDir: r.text("data-dir"), Baseline: r.text("baseline"), Candidate: r.text("candidate"), Sensitivity: r.text("sensitivity")},
		Overwrite: r.boolean("overwrite"), Verbose: r.boolean("verbose"), Plot: r.boolean("plot"), Markdown: r.boolean("markdown"), Formats: r.formats(),
		DryRun: r.boolean("dry-run"), PreflightOnly: r.boolean("preflight-only"), PrintConfig: r.boolean("print-config"),
	}
	r.lengths(p)
	p.SLO = r.slo()
	if p.Export = r.text("export"); p.Export == record.DefaultExports {
		p.Export = ""
	}
	p.ConcurrencyRamp, p.RateRamp, p.RateRampFrom = r.duration("concurrency-ramp-duration"), r.duration("request-rate-ramp-duration"), r.decimal("request-rate-ramp-from")
	r.input(p)
	r.warmup(p)
	p.Nonce, p.NonceGiven = r.nonce(), r.given("nonce")
	switch n := r.count("repeats"); {
	case n < 1:
		r.fault("repeats", fmt.Sprint(n), "must be at least 1")
	case n > 1:
		p.Repeats = n
	}
	if p.Duration = r.duration("duration"); p.Duration > 0 {
		p.GracePeriod = r.duration("grace-period")
	}
	r.only("grace-period", p.Duration != 0, "is for -duration, after which it begins")
	p.Resume = r.resume()
	p.APIKey = strings.TrimSpace(r.getenv("OPENAI_API_KEY")) // read from a file, a key often ends in a line break
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"} {
		p.ProxySecrets = append(p.ProxySecrets, proxySecrets(r.getenv(name))...)
	}
	p.PrefillCap, p.CancelRate, p.CancelDelay = r.count("prefill-concurrency"), r.decimal("cancel-rate"), r.duration("cancel-delay")
	r.openLoop(p)
	r.endpoints(p)
	r.metricsPages(p)
	r.headers(p)
	p.ExtraInputs = r.extraInputs()
	if !r.given("endpoint") && !r.given("benchmark-name") {
		p.BenchmarkName = "mock"
	}
	r.arms(p)
	p.TokenizerFrom, p.TokenizerNamed = r.text("tokenizer"), r.given("tokenizer")
	if real := len(p.Targets) > 0 || slices.ContainsFunc(p.Arms, func(a Arm) bool { return a.Target != nil }); p.TokenizerFrom == "" && real {
		p.TokenizerFrom, p.TokenizerNamed = p.Model, false
	}
	p.Blocks = r.count("blocks")
	p.FailInconclusive = r.inconclusive()
	p.choices = r.choices(p)
	return p
}

// input reads what is said of -input-file, beside which there are no lengths of prompts to choose.
func (r *resolver) input(p *Plan) {
	p.Input = record.Input{File: r.text("input-file"), Format: r.text("custom-dataset-type"), Sampling: r.text("dataset-sampling")}
	if p.Input.File == "" {
		return
	}
	r.alone("input-file, which has the prompts", "isl", "std")
	p.ISL, p.StdDev = 0, 0
}

func (r *resolver) fault(source, value, reason string) {
	r.problems = append(r.problems, fmt.Errorf("%s %q: %s", source, value, reason))
}

// only refuses a flag that would have no effect. One that stands at its preset, as in a file that -print-config wrote, is none.
func (r *resolver) only(name string, has bool, reason string) {
	if value := r.text(name); !has && value != r.options[name].preset {
		r.fault(name, value, reason)
	}
}

func (r *resolver) values(name string) ([]string, string) {
	return r.flags.lookup(r.options[name], r.getenv, r.config)
}

func (r *resolver) given(name string) bool {
	_, source := r.values(name)
	return source != "" && source != fromPreset
}

func (r *resolver) text(name string) string {
	values, _ := r.values(name)
	if len(values) == 0 {
		return ""
	}
	return strings.TrimSpace(values[0])
}

func (r *resolver) integer(name string) (int, string) {
	values, source := r.values(name)
	n, err := strconv.Atoi(strings.TrimSpace(values[0]))
	if err != nil {
		r.fault(source, values[0], notWhole(err))
		n = unreadable
	}
	return n, source
}

func notWhole(err error) string {
	if errors.Is(err, strconv.ErrRange) {
		return "is too large"
	}
	return "must be a whole number"
}

// unreadable stands for a number that could not be parsed: Validate does not complain about it a second time.
const unreadable = 1

func (r *resolver) count(name string) int {
	n, _ := r.integer(name)
	return n
}

func (r *resolver) number(name string) uint64 {
	values, source := r.values(name)
	n, err := strconv.ParseUint(strings.TrimSpace(values[0]), 10, 64)
	if err != nil {
		r.fault(source, values[0], "must be a whole number from 0 to 18446744073709551615")
	}
	return n
}

// nonce is new for each run unless it is fixed. It is small enough to be copied by hand.
func (r *resolver) nonce() uint64 {
	if r.given("nonce") {
		return r.number("nonce")
	}
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return binary.LittleEndian.Uint64(b[:]) >> 16
}

func (r *resolver) duration(name string) time.Duration {
	values, source := r.values(name)
	text := strings.TrimSpace(values[0])
	d, err := time.ParseDuration(text) // takes a bare 0, but no other bare number
	if err != nil {
		r.fault(source, text, "must be a duration such as 90s, 10m or 1h30m")
	}
	return d
}

func (r *resolver) share(name string) float64 {
	values, source := r.values(name)
	x, err := strconv.ParseFloat(strings.TrimSpace(values[0]), 64)
	if err != nil {
		r.fault(source, values[0], "must be a share from 0 to 1")
		return 0
	}
	return x
}

// decimal reads a number whose limits Validate knows.
func (r *resolver) decimal(name string) float64 {
	values, source := r.values(name)
	x, err := strconv.ParseFloat(strings.TrimSpace(values[0]), 64)
	if err != nil {
		r.fault(source, values[0], "must be a number")
		return unreadable
	}
	return x
}

func (r *resolver) boolean(name string) bool {
	values, source := r.values(name)
	if len(values) == 0 {
		return false
	}
	b, err := strconv.ParseBool(strings.TrimSpace(values[0]))
	if err != nil {
		r.fault(source, values[0], "must be true or false")
	}
	return b
}

// formats reads those of pictures.
func (r *resolver) formats() []record.Format {
	values, source := r.values("formats")
	if len(values) == 0 {
		return nil
	}
	formats, ok := record.ParseFormats(values[0])
	if !ok {
		r.fault(source, values[0], record.FormatsWanted)
	}
	return formats
}

// inconclusive reads what an inconclusive verdict of a gate is.
func (r *resolver) inconclusive() (fail bool) {
	switch text := r.text("inconclusive"); text {
	case "skip":
	case "fail":
		return true
	default:
		r.fault("inconclusive", text, "must be skip or fail")
	}
	return false
}

// resume reads -resume, which may be given alone.
func (r *resolver) resume() record.ResumeMode {
	values, source := r.values("resume")
	if len(values) == 0 {
		return ""
	}
	text := strings.TrimSpace(values[0])
	if mode := record.ResumeMode(text); mode == record.ResumeLevel || mode == record.ResumeRequest {
		return mode
	}
	switch on, err := strconv.ParseBool(text); {
	case err != nil:
		r.fault(source, text, "must be level (as -resume alone), request or false")
		return ""
	case on:
		return record.ResumeLevel
	}
	return ""
}

func (r *resolver) concurrencies() []int {
	values, source := r.values("concurrencies")
	var levels []int
	for item := range strings.SplitSeq(values[0], ",") {
		item = strings.TrimSpace(item)
		c, err := strconv.Atoi(item)
		if item == "" {
			r.fault(source, values[0], "has an empty item; write levels as 1,10,100")
			c = unreadable
		} else if err != nil {
			r.fault("concurrency", item, notWhole(err))
			c = unreadable
		}
		levels = append(levels, c)
	}
	slices.Sort(levels)
	return slices.Compact(levels)
}

// openLoop reads what an open loop takes. Its levels stand in place of the preset ones of a closed loop.
func (r *resolver) openLoop(p *Plan) {
	p.MaxInFlight = r.count("max-in-flight")
	if scale := r.decimal("time-scale"); r.boolean("fixed-schedule") {
		p.FixedSchedule, p.TimeScale = true, scale
	} else if scale != 1 {
		r.fault("time-scale", r.text("time-scale"), "is for -fixed-schedule")
	}
	if p.FixedSchedule && !r.given("concurrencies") {
		p.Concurrencies = nil
	}
	values, source := r.values("request-rate")
	open := len(values) > 0 || p.WarmupRate != 0
	r.only("arrival", open, "is for -request-rate and -warmup-request-rate")
	r.only("burstiness", open, "is for -request-rate with -arrival=gamma, or -warmup-request-rate")
	if open {
		p.Arrival = r.text("arrival")
		if b := r.decimal("burstiness"); p.Arrival == arrival.Gamma || b != 1 { // else it is as good as not given
			p.Burstiness = b
		}
	}
	if len(values) == 0 {
		return
	}
	for item := range strings.SplitSeq(values[0], ",") {
		rate, err := strconv.ParseFloat(strings.TrimSpace(item), 64)
		if err != nil {
			r.fault(source, values[0], "must be rates in requests a second, as 0.5,2,10")
			rate = unreadable
		}
		p.RequestRates = append(p.RequestRates, rate)
	}
	slices.Sort(p.RequestRates)
	p.RequestRates = slices.Compact(p.RequestRates)
	if !r.given("concurrencies") {
		p.Concurrencies = nil
	}
}

func (r *resolver) endpoints(p *Plan) {
	values, _ := r.values("endpoint")
	for _, text := range values {
		u, err := ParseEndpoint(text, r.scheme())
		if err != nil {
			r.problems = append(r.problems, err)
			continue
		}
		p.AddTarget(u)
	}
}

// scheme is that of endpoints that have none, as a cluster says it, or "".
func (r *resolver) scheme() string {
	return cmp.Or(strings.TrimSpace(r.getenv("SERVICE_PROTOCOL")), strings.TrimSpace(r.getenv("DYN_URL_SCHEME")))
}

// extraInputs merges key:value pairs and JSON objects. A value that is JSON is taken as such, anything else is a string.
func (r *resolver) extraInputs() map[string]any {
	values, source := r.values("extra-inputs")
	extra := map[string]any{}
	for _, text := range values {
		if strings.HasPrefix(strings.TrimSpace(text), "{") {
			if err := parseJSON(text, &extra); err != nil {
				r.fault(source, text, "is not a JSON object: "+err.Error())
			}
			continue
		}
		key, value, found := strings.Cut(text, ":")
		if key = strings.TrimSpace(key); !found || key == "" {
			r.fault(source, text, "must be key:value or a JSON object")
			continue
		}
		value = strings.TrimSpace(value)
		var parsed any
		if err := parseJSON(value, &parsed); err != nil {
			parsed = value
		}
		extra[key] = parsed
	}
	return extra
}

// parseJSON reads the one JSON value of a text. Numbers keep their digits: a float64 would round a large id or seed.
func parseJSON(text string, v any) error {
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(v); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more text after the value")
	}
	return nil
}

// AddTarget makes u, a chat route, one of the plan's endpoints, or the completions route beside it where that is asked for.
func (p *Plan) AddTarget(u *url.URL) {
	u = p.toRoute(u)
	p.Endpoints = append(p.Endpoints, withoutCredentials(u).String())
	if u.Scheme == forwardScheme {
		u = p.addForward(u)
	}
	p.Targets = append(p.Targets, u)
}
