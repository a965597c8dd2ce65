package harness_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestBadValues gives one bad value after another; each error quotes it and says what to do.
func TestBadValues(t *testing.T) {
	for arg, want := range map[string]string{
		"-isl=0":                                   `isl "0": must be at least 1`,
		"-isl=-5":                                  `isl "-5": must be at least 1`,
		"-isl=abc":                                 `-isl "abc": must be a whole number`,
		"-isl=1e3":                                 `-isl "1e3": must be a whole number`,
		"-isl=":                                    `-isl "": must be a whole number`,
		"-isl=99999999999":                         `isl "99999999999": must be at most 10000000`,
		"-isl=99999999999999999999":                `-isl "99999999999999999999": is too large`,
		"-osl=0":                                   `osl "0": must be at least 1`,
		"-osl=10000001":                            `osl "10000001": must be at most 10000000`,
		"-seq-dist=5":                              `seq-dist "5": must be ISL,OSL:percent, for example 256|10,128|5:40`,
		"-prefix-length=-1":                        `prefix-length "-1": must be 0 to 10000000`,
		"-prefix-length=x":                         `-prefix-length "x": must be a whole number`,
		"-prefix-ratio=1":                          `prefix-ratio "1": must be at least 0 and below 1: some tokens of a prompt are its own`,
		"-prefix-ratio=NaN":                        `prefix-ratio "NaN": must be at least 0 and below 1`,
		"-prefix-ratio=50%":                        `-prefix-ratio "50%": must be a share from 0 to 1`,
		"-prefix-pool=4":                           `prefix-pool "4": needs -prefix-length or -prefix-ratio`,
		"-shared-system-prompt-length=10000001":    `shared-system-prompt-length "10000001": must be 0 to 10000000`,
		"-std=-1":                                  `std "-1": must be at least 0`,
		"-std=0.5":                                 `-std "0.5": must be a whole number`,
		"-concurrencies=1,0":                       `concurrency "0": must be at least 1`,
		"-concurrencies=5,x":                       `concurrency "x": must be a whole number`,
		"-concurrencies=-3":                        `concurrency "-3": must be at least 1`,
		"-concurrencies=1,,2":                      `-concurrencies "1,,2": has an empty item; write levels as 1,10,100`,
		"-concurrencies=1,":                        `-concurrencies "1,": has an empty item; write levels as 1,10,100`,
		"-concurrencies=":                          `-concurrencies "": has an empty item; write levels as 1,10,100`,
		"-concurrencies=1000001":                   `concurrency "1000001": must be at most 1000000`,
		"-concurrencies=99999999999999999999":      `concurrency "99999999999999999999": is too large`,
		"-concurrencies=1 2":                       `concurrency "1 2": must be a whole number`,
		"-request-count=-1":                        `request-count "-1": must be at least 0`,
		"-request-count=10000001":                  `request-count "10000001": must be at most 10000000`,
		"-warmup-requests=-1":                      `warmup-requests "-1": must be at least 0`,
		"-seed=-1":                                 `-seed "-1": must be a whole number from 0 to 18446744073709551615`,
		"-nonce=x":                                 `-nonce "x": must be a whole number from 0 to 18446744073709551615`,
		"-gpus=0":                                  `gpus "0": must be at least 1`,
		"-benchmark-name=":                         `benchmark-name "": must not be empty: name this configuration, for example -benchmark-name=vllm-agg`,
		"-benchmark-name= \t":                      `benchmark-name "": must not be empty: name this configuration, for example -benchmark-name=vllm-agg`,
		"-benchmark-name=plots":                    `benchmark-name "plots": is reserved for the charts`,
		"-benchmark-name=PlotS":                    `benchmark-name "PlotS": is reserved for the charts`,
		"-benchmark-name=a/b":                      `benchmark-name "a/b": may have letters, digits, - and _ only`,
		"-benchmark-name=..":                       `benchmark-name "..": may have letters, digits, - and _ only`,
		"-benchmark-name=ä":                        `benchmark-name "ä": may have letters, digits, - and _ only`,
		"-model= ":                                 `model "": must not be empty`,
		"-output-dir=":                             `output-dir "": must not be empty`,
		"-wait-ready=5":                            `-wait-ready "5": must be a duration such as 90s, 10m or 1h30m`,
		"-request-timeout=soon":                    `-request-timeout "soon": must be a duration such as 90s, 10m or 1h30m`,
		"-idle-timeout=-1s":                        `idle-timeout "-1s": must not be negative`,
		"-connect-timeout=-1s":                     `connect-timeout "-1s": must not be negative`,
		"-first-token-timeout=-1ns":                `first-token-timeout "-1ns": must not be negative`,
		"-max-duration=-1h":                        `max-duration "-1h0m0s": must not be negative`,
		"-max-tokens-total=-1":                     `max-tokens-total "-1": must be at least 0`,
		"-max-error-rate=1.5":                      `max-error-rate "1.5": must be a share from 0 to 1`,
		"-max-error-rate=NaN":                      `max-error-rate "NaN": must be a share from 0 to 1`,
		"-max-error-rate=5%":                       `-max-error-rate "5%": must be a share from 0 to 1`,
		"-slo=ttft:5":                              `-slo "ttft:5": "ttft:5": no such metric: name one of each request, such as time_to_first_token, inter_token_latency or request_latency`,
		"-slo=request_throughput:5":                `"request_throughput:5": is one number a level: an objective is for each request`,
		"-slo=inter_chunk_latency:5":               `"inter_chunk_latency:5": has many values a request: name one with a single value`,
		"-slo=error_isl:5":                         `"error_isl:5": is of requests that failed, which are never good`,
		"-slo=request_latency":                     `"request_latency": must be a metric and its limit, as time_to_first_token:500`,
		"-slo=request_latency:1s":                  `"request_latency:1s": the limit must be a number of at least 0, in ms`,
		"-slo=request_latency:NaN":                 `the limit must be a number of at least 0, in ms`,
		"-slo=request_latency:-1":                  `the limit must be a number of at least 0, in ms`,
		"-slo=request_latency:1 request_latency:2": `"request_latency:2": request_latency has a limit already`,
		"-slo=scheduled_request_latency:1":         `slo "scheduled_request_latency:1": scheduled_request_latency is of an open loop: pass -request-rate, or name request_latency`,
		"-export=xml":                              `export "xml": must be a list of benchfmt, csv and vllm, or none; "xml" is none of them`,
		"-definitions=k6":                          `definitions "k6": must be aiperf, vllm or guidellm`,
		"-transport=http3":                         `transport "http3": must be auto, own, nethttp or http2`,
		"-connection-reuse=always":                 `connection-reuse "always": must be pooled or never`,
		"-compat=azure":                            `compat "azure": must be llm or openai`,
		"-overwrite=maybe":                         `-overwrite "maybe": must be true or false`,
		"-resume=always":                           `-resume "always": must be level (as -resume alone), request or false`,
		"-plot=":                                   `-plot "": must be true or false`,
		"-endpoint=":                               `endpoint "": must not be empty`,
		"-extra-inputs=temperature":                `-extra-inputs "temperature": must be key:value or a JSON object`,
		"-extra-inputs=:1":                         `-extra-inputs ":1": must be key:value or a JSON object`,
		`-extra-inputs={"a":}`:                     `-extra-inputs "{\"a\":}": is not a JSON object`,
		`-extra-inputs={"a":1} {"b":2}`:            `is not a JSON object: more text after the value`,
		"-extra-inputs=max_tokens:5":               `extra-inputs "max_tokens": cannot be set this way: use -osl`,
		"-extra-inputs=max_completion_tokens:5":    `extra-inputs "max_completion_tokens": cannot be set this way: use -osl`,
		"-extra-inputs=model:x":                    `extra-inputs "model": cannot be set this way: use -model`,
		"-extra-inputs=stream:false":               `extra-inputs "stream": cannot be set this way: use -streaming`,
		"-extra-inputs=prompt:x":                   `extra-inputs "prompt": cannot be set this way: the prompts are llmsweep's`,
		"-extra-inputs=echo:true":                  `extra-inputs "echo": cannot be set this way: the answer would begin with the prompt`,
		"-endpoint-type=embeddings":                `endpoint-type "embeddings": must be chat or completions`,
		"-streaming=no":                            `-streaming "no": must be true or false`,
		`-extra-inputs={"messages":[]}`:            `extra-inputs "messages": cannot be set this way: the prompts are llmsweep's`,
		"-extra-inputs=n:2":                        `extra-inputs "n": cannot be set this way: llmsweep measures one answer a request`,
		"-header=X-Key":                            `header "[redacted]": must be NAME:VALUE`,
		"-header=:v":                               `header "": must be NAME:VALUE`,
		"-header=Bad Name:v":                       `header "Bad": must be NAME:VALUE`,
		"-header=Näme:v":                           `header "N": must be NAME:VALUE`,
		"-header=A:x\r\nB: y":                      `header "A": the value has a line break or another control character`,
		"-header=A:env:NONE":                       `header "A": environment variable "NONE" is empty`,
		"-header=host:x":                           `header "host": cannot be set: it is the host of -endpoint`,
		"-header=x-request-id:1":                   `header "x-request-id": cannot be set: it is llmsweep's own`,
		"-formats=png,pdf":                         `-formats "png,pdf": must be png, svg, or both as png,svg`,
		"-formats=png,":                            `-formats "png,": must be png, svg, or both as png,svg`,
	} {
		name, _, _ := strings.Cut(arg, "=")
		base := []string{"-benchmark-name=x", arg}
		plan, err := resolve(t, nil, base...)
		if assert.ErrorContains(t, err, want, arg) {
			assert.Len(t, strings.Split(err.Error(), "\n"), 1, "%s: one problem, one line: %v", name, err)
		}
		assert.NotNil(t, plan)
	}
}

func TestTheSourceOfABadValueIsNamed(t *testing.T) {
	_, err := resolve(t, map[string]string{"BENCH_ISL": "x", "REQUEST_COUNT": "y", "BENCH_EXTRA_INPUTS": "z"})
	assert.EqualError(t, err, "BENCH_ISL \"x\": must be a whole number\nREQUEST_COUNT \"y\": must be a whole number\n"+
		`BENCH_EXTRA_INPUTS "z": must be key:value or a JSON object`)
}

// TestAllProblemsComeAtOnce, those of parsing with those of ranges, and a missing name beside an endpoint that cannot be read.
func TestAllProblemsComeAtOnce(t *testing.T) {
	_, err := resolve(t, map[string]string{"BENCH_GPUS": "0"},
		"-endpoint=ftp://a", "-endpoint=http://b:99999", "-isl=0", "-std=-1", "-osl=x", "-extra-inputs=bare", "-extra-inputs={", "-extra-inputs=:x", "-concurrencies=1,0,y", "-header=oops", "-extra-inputs=n:3", "-compat=z", "-max-error-rate=2")
	for _, want := range []string{
		`endpoint "ftp://a": unknown scheme "ftp"`, `endpoint "http://b:99999": has a bad port`, `isl "0"`, `std "-1"`, `-osl "x"`, `concurrency "0"`,
		`concurrency "y"`, `header "[redacted]"`, `extra-inputs "n"`, `-extra-inputs "bare"`, `-extra-inputs "{"`, `-extra-inputs ":x"`, `compat "z"`, `max-error-rate "2"`, `gpus "0"`, `benchmark-name "": must not be empty`,
	} {
		assert.ErrorContains(t, err, want)
	}
	assert.Len(t, strings.Split(err.Error(), "\n"), 16)
}

func TestLargestValues(t *testing.T) {
	planOf(t, nil, "-isl=10000000", "-osl=10000000", "-std=10000000", "-concurrencies=1000000", "-request-count=10000000", "-warmup-requests=10000000",
		"-max-error-rate=1")
	planOf(t, nil, "-isl=1", "-osl=1", "-std=0", "-max-error-rate=0")
}

func TestVirtualMeasuresTheMock(t *testing.T) {
	_, err := resolve(t, nil, "-virtual", "-endpoint=http://a", "-benchmark-name=x")
	require.EqualError(t, err, `virtual "true": cannot go with -endpoint: it measures the embedded mock server`)
	plan := planOf(t, nil, "-virtual")
	plan.EmbeddedMock = true
	plan.AddTarget(mustParse(t, "http://mock.virtual"))
	assert.NoError(t, plan.Validate(), "the mock's own address is no endpoint of the user's")
}

func TestPicturesNeedCharts(t *testing.T) {
	_, err := resolve(t, nil, "-formats=svg", "-plot=false")
	assert.ErrorContains(t, err, `formats "[svg]": cannot go with -plot=false: no chart is drawn`)
}

func TestExtraInputs(t *testing.T) {
	plan := planOf(t, nil, "-extra-inputs=temperature: 0.5", "-extra-inputs=user: bob ", "-extra-inputs=on:true", `-extra-inputs= {"top_k":5,"user":"ann"}`,
		`-extra-inputs=nvext:{"a":[1,null]}`, "-extra-inputs=url:http://x:1", "-extra-inputs=seed:12345678901234567890", "-extra-inputs=empty:", `-extra-inputs=text:"5"`)
	data, err := json.Marshal(plan.ExtraInputs)
	require.NoError(t, err)
	assert.Equal(t, `{"empty":"","nvext":{"a":[1,null]},"on":true,"seed":12345678901234567890,"temperature":0.5,"text":"5","top_k":5,"url":"http://x:1","user":"ann"}`, string(data))

	env := map[string]string{"BENCH_EXTRA_INPUTS": "a:1, 2\n{\"b\":2}\n\n"}
	data, err = json.Marshal(planOf(t, env).ExtraInputs)
	require.NoError(t, err)
	assert.Equal(t, `{"a":"1, 2","b":2}`, string(data))
}

func TestHeaders(t *testing.T) {
	env := map[string]string{"TOKEN": "env-secret\n"}
	plan := planOf(t, env, "-header=x-one: 1:2 ", "-header=X-Two:env:TOKEN", "-header=X-Many:a-value", "-header=X-Many:b-value")
	assert.Equal(t, http.Header{"X-One": {"1:2"}, "X-Two": {"env-secret"}, "X-Many": {"a-value", "b-value"}}, plan.Header)
	assert.Equal(t, map[string]string{"X-One": "[redacted]", "X-Two": "env:TOKEN", "X-Many": "[redacted]"}, plan.Headers)

	env["BENCH_HEADER"] = "A: x, y\nB: z"
	assert.Equal(t, http.Header{"A": {"x, y"}, "B": {"z"}}, planOf(t, env).Header, "separated by line breaks")
}

func TestAuthorization(t *testing.T) {
	key := map[string]string{"OPENAI_API_KEY": " sk-secret\n"}
	plan := planOf(t, key)
	assert.Equal(t, "Bearer sk-secret", plan.Header.Get("Authorization"))
	assert.Equal(t, "env:OPENAI_API_KEY", plan.Headers["Authorization"])
	plan = planOf(t, key, "-header=authorization:Token mine")
	assert.Equal(t, []string{"Token mine"}, plan.Header.Values("Authorization"), "a header beats the key")

	plan = planOf(t, nil, "-benchmark-name=x", "-endpoint=http://user:pa%20ss@a", "-endpoint=http://user:pa%20ss@b")
	user, password, ok := (&http.Request{Header: plan.Header}).BasicAuth()
	assert.True(t, ok, "net/http does not send a URL's password by itself")
	assert.Equal(t, []string{"user", "pa ss"}, []string{user, password})
	assert.Equal(t, plan.Header, planOf(t, nil, "-benchmark-name=x", "-endpoint=http://user:pa%20ss@a").Header, "of one endpoint too")
	plan = planOf(t, key, "-benchmark-name=x", "-endpoint=http://user:pass@a")
	assert.Equal(t, "Bearer sk-secret", plan.Header.Get("Authorization"))

	_, err := resolve(t, nil, "-benchmark-name=x", "-endpoint=http://user:pass@a", "-endpoint=http://b")
	assert.EqualError(t, err, `endpoint "http://b/v1/chat/completions": has another user or password than the first endpoint: replicas share one`)
	_, err = resolve(t, map[string]string{"OPENAI_API_KEY": "two\nlines"})
	assert.EqualError(t, err, `OPENAI_API_KEY "[redacted]": the value has a line break or another control character`)
	assert.Empty(t, planOf(t, nil).Header)
}
