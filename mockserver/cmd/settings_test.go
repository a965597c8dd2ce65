package cmd

import (
	"crypto/sha256"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/mockserver"
	"github.com/llmsweep/llmsweep/mockserver/engine"
	"github.com/llmsweep/llmsweep/mockserver/fault"
)

// options parses flags with files in the working directory.
func options(args ...string) (mockserver.Options, []string, error) {
	got, aside, err := Options(mockserver.DefaultOptions(), func(path string) string { return path }, args)
	return got, aside.Notes, err
}

func TestNoFlagsAreTheDefaults(t *testing.T) {
	t.Parallel()
	got, notes, err := options()
	require.NoError(t, err)
	assert.Empty(t, notes)
	assert.Equal(t, mockserver.DefaultOptions(), got)
}

// setting is flags and what they change of the default options.
type setting struct {
	args string
	want func(o *mockserver.Options)
}

func settingsOfFlags() []setting {
	type options = mockserver.Options
	sglang := func(o *options) { o.EngineType, o.BlockSize = engine.SGLang, 1 }
	disagg := func(o *options) { o.NumPrefillWorkers = 1 }
	return []setting{
		{"-model-name=m", func(o *options) { o.Model = "m" }},
		{"--model-path me/m", func(o *options) { o.Model = "me/m" }},
		{"-model-path=me/m -model-name=m", func(o *options) { o.Model = "m" }},
		{"-max-model-len=6", func(o *options) { o.MaxModelLen = 6 }},
		{"-template-tokens=23", func(o *options) { o.TemplateTokens = 23 }},
		{"-eos-probability=0.25", func(o *options) { o.EOSProbability = 0.25 }},
		{`-reasoning={"start_thinking_token_id":1,"end_thinking_token_id":2,"thinking_ratio":0.5}`, func(o *options) { o.ThinkingRatio = 0.5 }},
		{"-startup-time=1.5", func(o *options) { o.StartupTime = 1500 * time.Millisecond }},
		{"-startup-time=2m", func(o *options) { o.StartupTime = 2 * time.Minute }},
		{"-seed=-8", func(o *options) { o.Seed, o.Noise.Seed = -8, 0xfffffffffffffff8 }},
		{"--engine-type=sglang", sglang},
		{"--engine-type trtllm", func(o *options) { o.EngineType, o.BlockSize = engine.TRTLLM, 32 }},
		{"-engine-type=trtllm -trtllm-capacity-scheduler-policy=guaranteed_no_evict", func(o *options) { o.EngineType, o.BlockSize = engine.TRTLLM, 32 }},
		{"-engine-type=sglang -block-size=64", func(o *options) { o.EngineType = engine.SGLang }},
		{"-max-num-seqs=2", func(o *options) { o.MaxNumSeqs = 2 }},
		{"-max-num-batched-tokens=3", func(o *options) { o.MaxNumBatchedTokens = 3 }},
		{"-num-gpu-blocks-override=4", func(o *options) { o.NumGPUBlocks = 4 }},
		{"-block-size=5", func(o *options) { o.BlockSize = 5 }},
		{"--no-enable-prefix-caching", func(o *options) { o.PrefixCaching = false }},
		{"--no-enable-prefix-caching --enable-prefix-caching", func(*options) {}},
		{"-no-enable-chunked-prefill", func(o *options) { o.ChunkedPrefill = false }},
		{"-enable-chunked-prefill=false", func(o *options) { o.ChunkedPrefill = false }},
		{"-preemption-mode=fifo", func(o *options) { o.Preemption = engine.FIFO }},
		{"-extra-engine-args=testdata/extra.json", func(o *options) { o.MaxNumSeqs = 8 }},
		{"-speedup-ratio=7.5", func(o *options) { o.SpeedupRatio = 7.5 }},
		{"-speedup-ratio=inf", func(o *options) { o.SpeedupRatio = 0 }},
		{"-decode-speedup-ratio=0", func(o *options) { o.DecodeSpeedupRatio = 0 }},
		{"-prefill-ms=1,2,3e-4", func(o *options) {
			o.Timing = engine.Polynomials{PrefillMS: [3]float64{1, 2, 3e-4}, DecodeMS: [3]float64{5.74, 54.01, -25.74}, DecodeFloorMS: 1}
		}},
		{"-decode-ms=1,2,3 -decode-floor-ms=4", func(o *options) {
			o.Timing = engine.Polynomials{PrefillMS: [3]float64{16.50142, 1.518344e-02, 4.209989e-07}, DecodeMS: [3]float64{1, 2, 3}, DecodeFloorMS: 4}
		}},
		{"-planner-profile-data=../engine/profile/testdata/plain.npz -planner-profile-fallback", func(o *options) { o.Timing = plainProfile() }},
		{"-noise-token=0.1 -noise-run=0.2 -seed=3", func(o *options) { o.Seed, o.Noise = 3, engine.Noise{Pass: 0.1, Run: 0.2, Seed: 3} }},
		{"-aic-nextn=2 -aic-nextn-accept-rates=0.5,0.25 -aic-mtp-seed=7", func(o *options) {
			o.Speculation = engine.Speculation{Drafts: 2, AcceptRates: []float64{0.5, 0.25}, Seed: 7}
		}},
		{"-ttft=20ms -itl=5ms -ttft-per-input-token=1us -ttft-per-request=2ms -itl-per-request=3ms", func(o *options) {
			o.MaxNumSeqs = math.MaxInt32
			o.Plain = &engine.Plain{
				TTFT: 20 * time.Millisecond, ITL: 5 * time.Millisecond, TTFTPerInputToken: time.Microsecond,
				TTFTPerRequest: 2 * time.Millisecond, ITLPerRequest: 3 * time.Millisecond,
			}
		}},
		{"-itl=5ms -max-num-seqs=7", func(o *options) { o.Plain, o.MaxNumSeqs = &engine.Plain{ITL: 5 * time.Millisecond}, 7 }},
		{"-stagger-delay=0.1", func(o *options) { o.StaggerDelay = 100 * time.Millisecond }},
		{"-num-workers=2", func(o *options) { o.NumWorkers = 2 }},
		{"-data-parallel-size=3", func(o *options) { o.DataParallelSize = 3 }},
		{"-disaggregation-mode=disagg", disagg},
		{"-disaggregation-mode=disagg -num-prefill-workers=2 -num-decode-workers=3", func(o *options) { o.NumPrefillWorkers, o.NumWorkers = 2, 3 }},
		{"-disaggregation-mode=disagg -kv-transfer-bandwidth=450", func(o *options) { o.NumPrefillWorkers = 1; o.Transfer.Bandwidth = 450 }},
		{"-disaggregation-mode=disagg -kv-transfer-timing-mode=destination_missing", func(o *options) { o.NumPrefillWorkers = 1; o.Transfer.Timing = engine.DestinationMissing }},
		{"-disaggregation-mode=disagg -kv-bytes-per-token=1000 -kv-cache-dtype=fp8", func(o *options) { o.NumPrefillWorkers = 1; o.Transfer.BytesPerToken = 1000 }},
		{"-disaggregation-mode=disagg -kv-cache-dtype=fp8", func(o *options) { o.NumPrefillWorkers = 1; o.Transfer.BytesPerToken = 57344 }},
		{"-engine-type=sglang -sglang-page-size=16", func(o *options) { o.EngineType, o.BlockSize = engine.SGLang, 16 }},
		{"-engine-type=sglang -sglang-schedule-policy=lpm -sglang-max-prefill-tokens=2 -sglang-chunked-prefill-size=3 " +
			"-sglang-clip-max-new-tokens=4 -sglang-schedule-conservativeness=0.5", func(o *options) {
			sglang(o)
			o.SGLang = engine.SGLangConfig{SchedulePolicy: engine.LongestPrefixMatch, MaxPrefillTokens: 2, ChunkedPrefillSize: 3, ClipMaxNewTokens: 4, ScheduleConservativeness: 0.5}
		}},
		{"-engine-type=sglang -sglang-schedule-policy=fcfs", sglang},
		{"-fault=testdata/faults.yaml", func(o *options) {
			o.Faults.Rules = []fault.Rule{{When: fault.When{Probability: 0.1}, Fault: fault.Fault{Kind: fault.Reset, Tokens: 2}}}
		}},
		{"-allow-fault-header", func(o *options) { o.FaultHeader = true }},
	}
}

func plainProfile() *engine.Profile {
	return &engine.Profile{
		PrefillTokens: []float64{100, 200, 400}, PrefillMS: []float64{10.5, 30, 40}, DecodeKVTokens: []float64{1000, 3000},
		DecodeContext: []float64{100, 200, 300}, DecodeMS: [][]float64{{5, 6, 8}, {9, 12, 18}},
	}
}

func TestFlagsFillTheOptions(t *testing.T) {
	t.Parallel()
	all := ""
	for _, c := range settingsOfFlags() {
		all += " " + c.args + " "
		got, notes, err := options(strings.Fields(c.args)...)
		require.NoError(t, err, c.args)
		assert.Equal(t, strings.Contains(c.args, "plain.npz"), len(notes) > 0, "%s: its lines fall: %v", c.args, notes)
		want := mockserver.DefaultOptions()
		c.want(&want)
		assert.Equal(t, want, got, c.args)
	}
	s := newSettings(mockserver.DefaultOptions())
	s.define()
	s.flags.VisitAll(func(f *flag.Flag) {
		if _, isRefused := f.Value.(refused); !isRefused {
			assert.Regexp(t, ` --?`+f.Name+`[= ]`, all, "no case for the flag")
		}
	})
}

func TestBadOptions(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"-engine-type=tgi":                                       `engine-type "tgi": must be one of ["vllm" "sglang" "trtllm"]`,
		"-preemption-mode=random":                                `preemption-mode "random": must be one of ["lifo" "fifo"]`,
		"-startup-time=soon":                                     `invalid value "soon" for flag -startup-time: must be a number of seconds, or a time with its unit, such as 90s`,
		"-stagger-delay=-1":                                      `stagger-delay "-1s": must be at least 0, which starts all workers at once`,
		"-startup-time=-1":                                       `startup-time "-1s": must be at least 0`,
		"-ttft=20":                                               `invalid value "20" for flag -ttft: must be a time with its unit, such as 20ms`,
		"-prefill-ms=1,2":                                        `invalid value "1,2" for flag -prefill-ms: must be 3 numbers with commas between them`,
		"-aic-nextn-accept-rates=1;2":                            `invalid value "1;2" for flag -aic-nextn-accept-rates: must be numbers with commas between them`,
		"-aic-mtp-seed=1":                                        `aic-mtp-seed: has no effect without -aic-nextn`,
		"-aic-nextn=6":                                           `aic-nextn "6": must be from 0 to 5`,
		"-reasoning=0.3":                                         `invalid value "0.3" for flag -reasoning: must be JSON such as {"thinking_ratio":0.3}: json: cannot unmarshal number`,
		`-reasoning={"ratio":0.3}`:                               `invalid value "{\"ratio\":0.3}" for flag -reasoning: must be JSON such as {"thinking_ratio":0.3}: json: unknown field "ratio"`,
		"-reasoning={}":                                          `invalid value "{}" for flag -reasoning: must have a thinking_ratio`,
		`-reasoning={"thinking_ratio":2}`:                        `thinking_ratio must be from 0 to 1`,
		"-disaggregation-mode=prefill":                           `disaggregation-mode "prefill": one process is the whole deployment: use disagg with -num-prefill-workers and -num-decode-workers`,
		"-disaggregation-mode=both":                              `disaggregation-mode "both": must be agg or disagg`,
		"-num-decode-workers=2":                                  `num-decode-workers: is for -disaggregation-mode disagg only`,
		"-disaggregation-mode=disagg -num-workers=2":             `num-workers: a disaggregated deployment has -num-prefill-workers and -num-decode-workers instead`,
		"-disaggregation-mode=disagg -num-prefill-workers=0":     `num-prefill-workers "0", num-decode-workers "1": must be at least 1`,
		"-disaggregation-mode=disagg -ttft=1s":                   `a plain server has no prefill workers: leave one of both out`,
		"-itl=1s -prefill-ms=1,2,3":                              `prefill-ms: a plain server has no passes: leave -ttft, -itl and the like out, or this`,
		"-num-workers=5000":                                      `workers "5000", data-parallel-size "1": must be at most 4096 engines together`,
		"-num-workers=4611686018427387904 -data-parallel-size=4": `workers "4611686018427387904", data-parallel-size "4": must be at most 4096`,
		"-block-size=4611686018427387904":                        `block-size "4611686018427387904": must be at most 1048576`,
		"-itl=-1s":                                               `itl "-1s": must be from 0 to 24h`,
		"-planner-profile-fallback":                              `planner-profile-fallback: has no effect without -planner-profile-data`,
		"-planner-profile-data=testdata/none":                    `planner-profile-data "testdata/none": does not exist: must be an NPZ or JSON file, or the folder of a profiler`,
		"-planner-profile-data=testdata/help.txt":                `planner-profile-data "testdata/help.txt": neither an NPZ archive nor a JSON object: invalid character 'U' looking for beginning of value`,
		"-planner-profile-data=../engine/profile/testdata/plain.npz -decode-ms=1,2,3": `decode-ms: a profile has times of its own: leave one of both out`,
		"-sglang-page-size=2": `sglang-page-size: is for -engine-type sglang only, this is vllm`,
		"-engine-type=sglang -sglang-page-size=2 -block-size=4":   `sglang-page-size "2", block-size "4": are the same thing, set one of them only`,
		"-engine-type=trtllm -trtllm-capacity-scheduler-policy=x": `trtllm-capacity-scheduler-policy "x": must be "guaranteed_no_evict"`,
		"-kv-cache-dtype=int4":                       `kv-cache-dtype "int4": must be one of auto, bfloat16, fp8, fp8_ds_mla, fp8_e4m3, fp8_e5m2 and fp8_inc`,
		"-kv-cache-dtype=int4 -kv-bytes-per-token=3": `kv-cache-dtype "int4": must be one of`,
		"-model-path=./none":                         `model-path "./none": must be a folder, or a model's id such as Qwen/Qwen3-0.6B`,
		"-model-path=testdata":                       `model-path: open testdata/config.json: no such file or directory`,
		"-fault=none.yaml":                           `fault: open none.yaml: no such file or directory`,
		"-fault=testdata/bad-faults.yaml":            `fault "testdata/bad-faults.yaml": rule 1 (line 2): tokens "x": must be a whole number; rule 2 (line 4): kind "rest": must be`,
		"-port=1":                                    `flag provided but not defined: -port`,
		"-blok-size=1":                               `flag provided but not defined: -blok-size; did you mean "block-size"?`,
		"-max-num-seqs=0 -no-such-flag":              `flag provided but not defined: -no-such-flag`,
		"-no-enable-prefix-caching=maybe":            `-no-enable-prefix-caching`,
	} {
		_, _, err := options(strings.Fields(args)...)
		if assert.ErrorContains(t, err, want, args) {
			assert.NotContains(t, err.Error(), "\n", args)
		}
	}
}

// What a server that stands alone cannot honour is refused with the reason, whether it has a value or not, and the docs list it.
func TestOptionsThatDoNotApply(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/mock.md")
	require.NoError(t, err)
	for _, r := range refusals() {
		for _, name := range r.names {
			_, _, err := options("--"+name, "x", "-block-size=0")
			assert.EqualError(t, err, name+": "+r.reason+`; block-size "0": must be at least 1`)
			assert.True(t, strings.Contains(string(page), "`-"+name+"`"), "`-"+name+"`")
		}
		for _, name := range r.alone {
			_, _, err := options("--"+name, "-block-size=0")
			assert.EqualError(t, err, name+": "+r.reason+`; block-size "0": must be at least 1`)
			assert.True(t, strings.Contains(string(page), "`-"+name+"`"), "`-"+name+"`")
		}
		for _, key := range r.keys {
			_, _, err := options("-extra-engine-args", written(t, `{"`+key+`": 1}`))
			assert.ErrorContains(t, err, `key "`+key+`": `+r.reason)
			assert.True(t, strings.Contains(string(page), "`"+key+"`"), "`"+key+"`")
		}
	}
}

// TestDocumentedOptions: docs/mock.md leaves no flag out and invents none.
func TestDocumentedOptions(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/mock.md")
	require.NoError(t, err)
	newCommand().flags.VisitAll(func(f *flag.Flag) {
		if !strings.HasPrefix(f.Name, off) {
			assert.True(t, strings.Contains(string(page), "`-"+f.Name+"`"), "`-"+f.Name+"`")
		}
	})
}

// written writes a file and returns its path.
func written(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file.json")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestExtraEngineArgs(t *testing.T) {
	t.Parallel()
	got, _, err := options("-max-num-seqs=2", "-block-size=3", "-extra-engine-args", written(t, `{
		"max_num_seqs": 8, "engine_type": "sglang", "enable_prefix_caching": false, "num_gpu_blocks": 100, "dp_size": 2, "speedup_ratio": 1e1,
		"aic_nextn": 1, "aic_nextn_accept_rates": [0.5, 0.25], "reasoning": {"thinking_ratio": 0.25}, "max_model_len": null,
		"sglang": {"schedule_policy": "lpm", "chunked_prefill_size": 300}}`))
	require.NoError(t, err)
	want := mockserver.DefaultOptions()
	want.MaxNumSeqs, want.EngineType, want.BlockSize, want.PrefixCaching, want.NumGPUBlocks = 8, engine.SGLang, 3, false, 100
	want.DataParallelSize, want.SpeedupRatio, want.ThinkingRatio = 2, 10, 0.25
	want.Speculation = engine.Speculation{Drafts: 1, AcceptRates: []float64{0.5, 0.25}, Seed: 42}
	want.SGLang.SchedulePolicy, want.SGLang.ChunkedPrefillSize = engine.LongestPrefixMatch, 300
	assert.Equal(t, want, got)

	got, _, err = options("-extra-engine-args", written(t, `{"engine_type": "trtllm"}`))
	require.NoError(t, err)
	assert.Equal(t, 32, got.BlockSize, "the default follows from the file's type")
}

func TestBadExtraEngineArgs(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		``:                                   `must be a JSON object`,
		`[]`:                                 `must be a JSON object`,
		`{"block_size": 1`:                   `must be a JSON object`,
		`{"block_size": }`:                   `must be a JSON object: key "block_size": `,
		`{} {}`:                              `must be one JSON object, with nothing behind it`,
		`{"block_size": 1, "block_size": 2}`: `key "block_size" is there twice`,
		`{"max_num_seq": 1}`:                 `key "max_num_seq": is unknown; did you mean "max_num_seqs"?`,
		`{"max-num-seqs": 1}`:                `key "max-num-seqs": is unknown; did you mean "max_num_seqs"?`,
		`{"qqq": 1}`:                         `key "qqq": is unknown`,
		`{"no_enable_prefix_caching": true}`: `key "no_enable_prefix_caching": is unknown`,
		`{"host": "0.0.0.0", "record": "x"}`: `key "host": is for the command line only: this file is about engines`,
		`{"extra_engine_args": "x"}`:         `key "extra_engine_args": is unknown`,
		`{"block_size": "many"}`:             `key "block_size": value "many": parse error`,
		`{"block_size": 1.5}`:                `key "block_size": value 1.5: parse error`,
		`{"aic_nextn_accept_rates": ["a"]}`:  `key "aic_nextn_accept_rates": value ["a"]: must be a list of numbers`,
		`{"sglang": 1}`:                      `key "sglang": must be a JSON object`,
		`{"sglang": {"page": 1}}`:            `key "page" in "sglang": is unknown`,
		`{"sglang": {"page_sise": 1}}`:       `key "page_sise" in "sglang": is unknown; did you mean "sglang_page_size"?`,
		`{"block_size": 0}`:                  `block-size "0": must be at least 1`,
	} {
		_, err := parse([]string{"-extra-engine-args", written(t, text)})
		if assert.ErrorContains(t, err, want, text) {
			assert.NotContains(t, err.Error(), "\n", text)
		}
	}
	_, _, err := options("-extra-engine-args=testdata/none.json")
	assert.EqualError(t, err, "extra-engine-args: open testdata/none.json: no such file or directory")
}

// A profile that cannot be used is an error; where the curves are wanted instead it is said.
func TestBadProfilesFallBack(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"../engine/profile/testdata/complex.npz": `reading member "prefill_isl.npy": element type "<c16"`,
		"testdata":                               "has neither selected_prefill_interpolation/raw_data.npz nor prefill_raw_data.json",
		"testdata/help.txt":                      "neither an NPZ archive nor a JSON object",
	} {
		_, _, err := options("-planner-profile-data", path)
		require.ErrorContains(t, err, `planner-profile-data "`+path+`": `+want)
		assert.NotContains(t, err.Error(), "\n")
		got, notes, err := options("-planner-profile-fallback", "-planner-profile-data", path)
		require.NoError(t, err)
		assert.Equal(t, mockserver.DefaultOptions(), got, "the curves")
		require.Len(t, notes, 1)
		assert.Contains(t, notes[0], `planner-profile-data "`+path+`": `+want)
		assert.Contains(t, notes[0], "using the default curves instead")
		assert.NotContains(t, notes[0], "\n")
	}
}

// A file of a profiler that is there but cannot be read is the trouble, not that the other one is missing.
func TestUnreadableProfilerFolder(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(folder, "selected_prefill_interpolation/raw_data.npz"), 0o700))
	_, _, err := options("-planner-profile-data", folder)
	assert.ErrorContains(t, err, "raw_data.npz: is a directory")
}

// The folder that a profiler writes, in both of its ways.
func TestProfilerFolders(t *testing.T) {
	t.Parallel()
	archives := t.TempDir()
	for _, part := range []string{"prefill", "decode"} {
		data, err := os.ReadFile("../engine/profile/testdata/" + part + "_raw_data.npz")
		require.NoError(t, err)
		folder := filepath.Join(archives, "selected_"+part+"_interpolation")
		require.NoError(t, os.Mkdir(folder, 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(folder, "raw_data.npz"), data, 0o600))
	}
	documents := t.TempDir()
	for name, text := range map[string]string{
		"prefill_raw_data.json": `{"prefill_isl": [100, 200], "prefill_ttft": [10, 30], "prefill_thpt_per_gpu": [1, 1]}`,
		"decode_raw_data.json":  `{"x_kv_usage": [0, 1], "y_context_length": [1000, 1000], "z_itl": [5, 9], "max_kv_tokens": [99000]}`,
	} {
		require.NoError(t, os.WriteFile(filepath.Join(documents, name), []byte(text), 0o600))
	}
	for folder, firstMS := range map[string]float64{archives: 10, documents: 10} {
		got, aside, err := Options(mockserver.DefaultOptions(), func(path string) string { return filepath.Join(folder, path) },
			[]string{"-planner-profile-data=."})
		require.NoError(t, err)
		assert.Equal(t, []string{`planner-profile-data "` + folder + `": the line below prefill_isl 100 falls to 1 ms, and goes no lower`}, aside.Notes)
		assert.Len(t, aside.Files, 2)
		p, isProfile := got.Timing.(*engine.Profile)
		require.True(t, isProfile)
		assert.Equal(t, firstMS, p.PrefillMS[0])
		assert.Len(t, p.DecodeKVTokens, 100)
	}
}

// Whoever keeps the command line can tell whether what it names has changed since.
func TestFilesAreSummed(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	var want = map[string]string{}
	for name, text := range map[string]string{
		"faults.yaml":       "rules: [{kind: reset, every: 5}]\n",
		"extra.json":        `{"planner_profile_data": "profile.json"}`,
		"profile.json":      `{"prefill_isl": [1, 2], "prefill_ttft_ms": [3, 4], "decode_active_kv_tokens": [0, 9], "decode_context_length": [1, 2], "decode_itl": [[1, 2], [3, 4]]}`,
		"model/config.json": `{"num_hidden_layers": 1, "num_key_value_heads": 1, "head_dim": 1}`,
	} {
		path := filepath.Join(folder, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		want[name] = fmt.Sprintf("%x", sha256.Sum256([]byte(text)))
	}
	_, aside, err := Options(mockserver.DefaultOptions(), func(path string) string { return filepath.Join(folder, path) },
		[]string{"-fault=faults.yaml", "-extra-engine-args=extra.json", "-model-path=model"})
	require.NoError(t, err)
	assert.Equal(t, want, aside.Files)
}

// An option that says nothing about the server described is noted, not refused.
func TestIdleOptionsAreNoted(t *testing.T) {
	t.Parallel()
	for args, idle := range map[string][]string{
		"-preemption-mode=fifo -max-num-batched-tokens=9":                     nil,
		"-engine-type=trtllm -preemption-mode=fifo -max-num-batched-tokens=9": {"preemption-mode: has no effect with -engine-type trtllm"},
		"-engine-type=sglang -preemption-mode=fifo -max-num-batched-tokens=9": {
			"max-num-batched-tokens: has no effect with -engine-type sglang", "preemption-mode: has no effect with -engine-type sglang",
		},
		"-itl=1ms -no-enable-prefix-caching -block-size=3 -engine-type=vllm": {
			"block-size: has no effect with -ttft, -itl and the like: a plain server has no engine",
			"enable-prefix-caching: has no effect with -ttft, -itl and the like: a plain server has no engine",
		},
		"-ttft=5ms -engine-type=sglang -sglang-schedule-policy=lpm": {
			"sglang-schedule-policy: has no effect with -ttft, -itl and the like: a plain server has no engine",
		},
		"-kv-transfer-bandwidth=5 -kv-cache-dtype=fp8": {
			"kv-transfer-bandwidth: has no effect without -disaggregation-mode disagg: nothing is transferred",
			"kv-cache-dtype: has no effect without -disaggregation-mode disagg: nothing is transferred",
		},
		"-disaggregation-mode=disagg -kv-transfer-bandwidth=5 -kv-cache-dtype=fp8": nil,
		"-disaggregation-mode=disagg -kv-transfer-bandwidth=0 -kv-bytes-per-token=5": {
			"kv-bytes-per-token: has no effect with -kv-transfer-bandwidth 0: a transfer takes no time",
		},
		"-engine-type=sglang -no-enable-chunked-prefill -sglang-chunked-prefill-size=64 -no-enable-prefix-caching -sglang-schedule-policy=lpm": {
			"sglang-chunked-prefill-size: has no effect without chunked prefill", "sglang-schedule-policy: has no effect without prefix caching",
		},
		"-speedup-ratio=0 -noise-token=0.2 -itl=5ms": {
			"noise-token: has no effect with -speedup-ratio 0: nothing takes time",
		},
	} {
		_, notes, err := options(strings.Fields(args)...)
		require.NoError(t, err, args)
		assert.Equal(t, idle, notes, args)
	}
}

// The size of a token in the cache follows from the model's config.json.
func TestModelShapes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		config, dtype string
		want          float64
		err           string
	}{
		"explicit head_dim":  {`{"num_hidden_layers":28,"num_attention_heads":16,"num_key_value_heads":8,"hidden_size":1024,"head_dim":128,"torch_dtype":"bfloat16"}`, "auto", 114688, ""},
		"hidden over heads":  {`{"num_hidden_layers":28,"num_attention_heads":16,"num_key_value_heads":8,"hidden_size":1024}`, "auto", 57344, ""},
		"no grouped heads":   {`{"num_hidden_layers":2,"num_attention_heads":16,"hidden_size":1024}`, "auto", 2 * 2 * 1024 * 2, ""},
		"fp8":                {`{"num_hidden_layers":28,"num_key_value_heads":8,"head_dim":128}`, "fp8_e4m3", 57344, ""},
		"float32":            {`{"num_hidden_layers":28,"num_key_value_heads":8,"head_dim":128,"dtype":"float32"}`, "auto", 229376, ""},
		"float32 in 16 bits": {`{"num_hidden_layers":28,"num_key_value_heads":8,"head_dim":128,"dtype":"float32"}`, "bfloat16", 114688, ""},
		"sees too":           {`{"text_config":{"num_hidden_layers":28,"num_key_value_heads":8,"head_dim":128}}`, "auto", 114688, ""},
		"compressed":         {`{"num_hidden_layers":61,"num_attention_heads":128,"hidden_size":7168,"kv_lora_rank":512}`, "auto", 0, "compressed keys and values (kv_lora_rank): set -kv-bytes-per-token"},
		"lacking":            {`{}`, "auto", 0, "must have num_hidden_layers, num_key_value_heads and head_dim"},
		"no JSON":            {`x`, "auto", 0, "config.json: invalid character"},
	} {
		folder := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(folder, "config.json"), []byte(c.config), 0o600))
		got, notes, err := options("-model-path", folder, "-kv-cache-dtype", c.dtype, "-disaggregation-mode=disagg")
		if c.err != "" {
			assert.ErrorContains(t, err, c.err, name)
			_, _, err = options("-model-path", folder, "-kv-bytes-per-token=3")
			assert.NoError(t, err, "%s: a given size needs no shape", name)
			continue
		}
		require.NoError(t, err, name)
		assert.Empty(t, notes, name)
		assert.Equal(t, c.want, got.Transfer.BytesPerToken, name)
		assert.Equal(t, folder, got.Model, name)
	}
}

// Where the size of a token matters and is a guess, the user is told.
func TestGuessedSizeIsNoted(t *testing.T) {
	t.Parallel()
	_, notes, err := options("-model-name=big/model", "-disaggregation-mode=disagg")
	require.NoError(t, err)
	assert.Equal(t, []string{"kv-bytes-per-token: 114688, as Qwen/Qwen3-0.6B has; for big/model set it, or -model-path to a folder with its config.json"}, notes)
	for _, args := range []string{"-model-name=big/model", "-disaggregation-mode=disagg", "-model-name=m -disaggregation-mode=disagg -kv-bytes-per-token=5"} {
		_, notes, err = options(strings.Fields(args)...)
		require.NoError(t, err)
		assert.Empty(t, notes, args)
	}
}
