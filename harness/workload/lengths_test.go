package workload_test

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/stat/distuv"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/workload"
)

func parsed(t testing.TB, text string) workload.Lengths {
	t.Helper()
	l, err := workload.ParseLengths(text)
	require.NoError(t, err)
	return l
}

func withLengths(t testing.TB, text string) workload.Spec {
	t.Helper()
	s := spec()
	s.Lengths = parsed(t, text)
	return s
}

// drawn returns the lengths of n requests. Their texts are left out.
func drawn(t testing.TB, text string, n int) (isl, osl []float64) {
	t.Helper()
	s := withLengths(t, text)
	for i := range n {
		a, b := s.Lengths.Draw(s.Seed, "c1/profiling", i)
		isl, osl = append(isl, float64(a)), append(osl, float64(b))
	}
	return isl, osl
}

func moments(values []float64) (mean, std float64) {
	for _, v := range values {
		mean += v / float64(len(values))
	}
	for _, v := range values {
		std += (v - mean) * (v - mean) / float64(len(values))
	}
	return mean, math.Sqrt(std)
}

// TestNormalIsWhatItWas holds lengths against the loop that drew them before there were others.
func TestNormalIsWhatItWas(t *testing.T) {
	for _, c := range []struct{ isl, std, osl int }{{2000, 10, 256}, {50, 10, 16}, {1, 50, 1}, {100, 0, 7}} {
		s := spec()
		s.Lengths = workload.Normal(c.isl, c.std, c.osl)
		l := level(t, s, "c5", 0, 20, 300)
		for _, phase := range []record.Phase{record.Warmup, record.Profiling} {
			for i := range l.Len(phase) {
				r := workload.Stream(s.Seed, "length", "c5/"+string(phase), i)
				want := 0
				for want < 1 {
					want = int(max(0, float64(c.isl)+float64(float64(c.std)*r.NormFloat64())+0.5))
				}
				got := l.Render(phase, i)
				require.Equal(t, []int{want, c.osl}, []int{got.ISL, got.OSL})
			}
		}
	}
}

func TestParseLengths(t *testing.T) {
	for text, again := range map[string]string{
		"256,128:100":                                    "256,128",
		"256|10,128|5:40;512|20,256|10:60":               "256|10,128|5:40;512|20,256|10:60",
		" 256 | 10 , 128 : 40.5 ; 5,6:59.5":              "256|10,128:40.5;5,6:59.5",
		"1-10000000,1":                                   "1-10000000,1",
		"100-300,lognormal(256|90)":                      "100-300,lognormal(256|90)",
		"lognormal( 9 | 0 ),5-5:100.0":                   "lognormal(9|0),5-5",
		"1,1:33.3;2,2:33.3;3,3:33.3":                     "1,1:33.3;2,2:33.3;3,3:33.3",
		"7|0,7":                                          "7,7",
		" [(256|10,128|5):40,(512|20,256|10):60] ":       "256|10,128|5:40;512|20,256|10:60",
		"[ ( 256 , lognormal(9|3) ) : 40 , (5-7,6) :60]": "256,lognormal(9|3):40;5-7,6:60",
		"[(256,128):100]":                                "256,128",
		`{"pairs":[{"isl":256,"isl_stddev":10.0,"osl":128,"prob":40},{"isl":5e2,"osl":6,"osl_stddev":5,"prob":60}]}`: "256|10,128:40;500,6|5:60",
	} {
		l := parsed(t, text)
		assert.Equal(t, again, l.String())
		assert.Equal(t, l, parsed(t, l.String()), "%q", text)
		assert.NoError(t, l.Validate())
	}
	assert.Equal(t, workload.Normal(2000, 10, 256), parsed(t, "2000|10,256"))
}

func TestBadLengths(t *testing.T) {
	const form = "must be ISL,OSL:percent, for example 256|10,128|5:40"
	const tokens = "must be a number of tokens, mean|deviation, least-most or lognormal(mean|deviation)"
	for text, want := range map[string]string{
		"":                            `seq-dist "": ` + form,
		"256":                         `seq-dist "256": ` + form,
		"256,128:50;512,256":          `seq-dist "512,256": ` + form,
		"256,128:50;":                 `seq-dist "": ` + form,
		"256:50,128":                  `seq-dist "256:50,128": ` + form,
		"256,128:40;512,256:50":       `seq-dist "256,128:40;512,256:50": percentages sum to 90: must be 100`,
		"5,5:100;5,5:0.2":             `seq-dist "5,5:100;5,5:0.2": percentages sum to 100.2: must be 100`,
		"256,128:0":                   `seq-dist "256,128:0": percentage "0": must be above 0 and at most 100`,
		"256,128:-5":                  `seq-dist "256,128:-5": percentage "-5": must be above 0 and at most 100`,
		"256,128:NaN":                 `seq-dist "256,128:NaN": percentage "NaN": must be above 0 and at most 100`,
		"256,128:101":                 `seq-dist "256,128:101": percentage "101": must be above 0 and at most 100`,
		"256,128:40%":                 `seq-dist "256,128:40%": percentage "40%": must be above 0 and at most 100`,
		"0,128":                       `seq-dist "0,128": ISL "0": must be 1 to 10000000 tokens`,
		"256,10000001":                `seq-dist "256,10000001": OSL "10000001": must be 1 to 10000000 tokens`,
		"256|-1,128":                  `seq-dist "256|-1,128": ISL "256|-1": ` + tokens,
		"256|10000001,128":            `seq-dist "256|10000001,128": ISL "256|10000001": the deviation must be 0 to 10000000 tokens`,
		"300-200,128":                 `seq-dist "300-200,128": ISL "300-200": must not end before its start`,
		"0-200,128":                   `seq-dist "0-200,128": ISL "0-200": must be 1 to 10000000 tokens`,
		"1-10000001,128":              `seq-dist "1-10000001,128": ISL "1-10000001": must be 1 to 10000000 tokens`,
		"5,lognormal(9|91)":           `seq-dist "5,lognormal(9|91)": OSL "lognormal(9|91)": the deviation must be at most 10 times the mean`,
		"5,lognormal(0|1)":            `seq-dist "5,lognormal(0|1)": OSL "lognormal(0|1)": must be 1 to 10000000 tokens`,
		"x,5":                         `seq-dist "x,5": ISL "x": ` + tokens,
		",5":                          `seq-dist ",5": ISL "": ` + tokens,
		"-5,5":                        `seq-dist "-5,5": ISL "-5": ` + tokens,
		"1.5,5":                       `seq-dist "1.5,5": ISL "1.5": ` + tokens,
		"5,5|":                        `seq-dist "5,5|": OSL "5|": ` + tokens,
		"5,lognormal(9)":              `seq-dist "5,lognormal(9)": OSL "lognormal(9)": ` + tokens,
		"5,lognormal(9-12)":           `seq-dist "5,lognormal(9-12)": OSL "lognormal(9-12)": ` + tokens,
		"5,lognormal(9|1":             `seq-dist "5,lognormal(9|1": OSL "lognormal(9|1": ` + tokens,
		"5,9|1)":                      `seq-dist "5,9|1)": OSL "9|1)": ` + tokens,
		"5,6,7":                       `seq-dist "5,6,7": OSL "6,7": ` + tokens,
		"5,99999999999999999999":      `seq-dist "5,99999999999999999999": OSL "99999999999999999999": must be 1 to 10000000 tokens`,
		"[(256,128):40,(512,256):50]": `seq-dist "[(256,128):40,(512,256):50]": percentages sum to 90: must be 100`,
		"[(256,128),(512,256):50]":    `seq-dist "256,128),(512,256:50": OSL "128),(512,256": ` + tokens,
		"[]":                          `seq-dist "": ` + form,
		`{"pairs":[]}`:                `seq-dist "": ` + form,
		`{"pairs":[{"isl":1.5,"osl":1,"prob":100}]}`: `seq-dist "1.5|0,1|0:100": ISL "1.5|0": ` + tokens,
		`{"pairs":[{"isl":5,"prob":100}]}`:           `seq-dist "5|0,0|0:100": OSL "0|0": must be 1 to 10000000 tokens`,
		`{"pairs":[{"isl":5,"osl":1,"prop":100}]}`:   `seq-dist "{\"pairs\":[{\"isl\":5,\"osl\":1,\"prop\":100}]}": is no JSON of pairs: json: unknown field "prop"`,
		`{"pairs":[{"isl":5,"osl":1,"prob":100}]} x`: `seq-dist "{\"pairs\":[{\"isl\":5,\"osl\":1,\"prob\":100}]} x": has more behind the JSON of its pairs`,
		"0,1:50;2:50": "seq-dist \"0,1:50\": ISL \"0\": must be 1 to 10000000 tokens\n" +
			`seq-dist "2:50": ` + form,
	} {
		_, err := workload.ParseLengths(text)
		assert.EqualError(t, err, want)
	}
	s := spec()
	for want, l := range map[string]workload.Lengths{
		`lengths "": must have a pair`:                                                      {},
		`isl "0": must be 1 to 10000000 tokens`:                                             workload.Normal(0, 0, 1),
		`isl "5|-1": the deviation must be 0 to 10000000 tokens`:                            workload.Normal(5, -1, 1),
		"isl \"-3\": must be 1 to 10000000 tokens\nosl \"0\": must be 1 to 10000000 tokens": workload.Normal(-3, 0, 0),
	} {
		s.Lengths = l
		_, err := s.Level("c1", 0, 0, 1)
		assert.EqualError(t, err, want)
	}
}

func TestUniformLengths(t *testing.T) {
	isl, osl := drawn(t, "10-19,3-4", 20_000)
	counts := map[float64]int{}
	for i := range isl {
		counts[isl[i]]++
		counts[-osl[i]]++
	}
	chi := 0.0
	for n := 10.0; n <= 19; n++ {
		chi += math.Pow(float64(counts[n])-2000, 2) / 2000
	}
	assert.Len(t, counts, 12, "no other lengths, and both ends")
	assert.Less(t, chi, 27.9, "chi-squared of 9 degrees of freedom: 1 in 1,000")
	assert.InDelta(t, 10_000, counts[-3], 300)
}

func TestNormalAnswers(t *testing.T) {
	isl, osl := drawn(t, "500|20,200|30", 20_000)
	mean, std := moments(osl)
	assert.InDelta(t, 200, mean, 4*30/math.Sqrt(20_000))
	assert.InDelta(t, 30, std, 4*30/math.Sqrt(40_000))
	product := 0.0
	for i := range isl {
		product += (isl[i] - 500) * (osl[i] - 200) / (20 * 30) / 20_000
	}
	assert.InDelta(t, 0, product, 4/math.Sqrt(20_000), "answers have a stream of their own")
}

// TestLogNormalLengths: mean and deviation are those of the lengths, and the distribution is log-normal.
func TestLogNormalLengths(t *testing.T) {
	isl, osl := drawn(t, "lognormal(1000|500),lognormal(4000|8000)", 20_000)
	mean, std := moments(isl)
	assert.InDelta(t, 1000, mean, 4*500/math.Sqrt(20_000))
	assert.InDelta(t, 500, std, 0.05*500)
	for _, c := range []struct {
		values    []float64
		mean, std float64
	}{{isl, 1000, 500}, {osl, 4000, 8000}} {
		variance := math.Log(1 + c.std*c.std/c.mean/c.mean)
		want := distuv.LogNormal{Mu: math.Log(c.mean) - variance/2, Sigma: math.Sqrt(variance)}
		slices.Sort(c.values)
		most, n := 0.0, float64(len(c.values))
		for i, x := range c.values {
			if i+1 == len(c.values) || c.values[i+1] != x { // whole numbers stand for half a token to either side
				most = max(most, math.Abs(want.CDF(x+0.5)-float64(i+1)/n))
			}
		}
		assert.Less(t, most*math.Sqrt(n), 1.95, "Kolmogorov-Smirnov: 1 in 1,000")
	}
	short, _ := drawn(t, "lognormal(1|10),1", 5000)
	assert.Equal(t, 1.0, slices.Min(short), "nothing below a token")
	huge, _ := drawn(t, "lognormal(10000000|10000000),1", 5000)
	assert.LessOrEqual(t, slices.Max(huge), 1e7)
	huge, _ = drawn(t, "10000000|10000000,1", 5000)
	assert.LessOrEqual(t, slices.Max(huge), 1e7)
}

// TestMixture: pairs come by their share, prompt and answer of one pair together, however the percentages miss 100.
func TestMixture(t *testing.T) {
	isl, osl := drawn(t, "100,10:19.9;200,20:30;300-309,30:50", 20_000)
	counts := map[float64]float64{}
	for i := range isl {
		require.Equal(t, math.Floor(isl[i]/100)*10, osl[i])
		counts[osl[i]]++
	}
	for osl, share := range map[float64]float64{10: 19.9 / 99.9, 20: 30 / 99.9, 30: 50 / 99.9} {
		assert.InDelta(t, 20_000*share, counts[osl], 4*math.Sqrt(20_000*share*(1-share)))
	}
	meanISL, meanOSL := parsed(t, "100,10:20;200|5,20:30;300-309,lognormal(30|9):50").Mean()
	assert.InDelta(t, 20+60+152.25, meanISL, 1e-9)
	assert.InDelta(t, 2+6+15.0, meanOSL, 1e-9)
}

// TestBodyIsJSON holds bodies against those that package json makes of all fields at once.
func TestBodyIsJSON(t *testing.T) {
	for _, compat := range []string{workload.CompatLLM, workload.CompatOpenAI} {
		for _, text := range []string{"30|5,16", "30|5,5-50", "30,16:50;40,16:50", "30,1:50;40,16:50"} {
			for _, extra := range []map[string]any{nil, {"temperature": 0.5}, {"min_tokens": 3, "a": "<b>"}} {
				s := withLengths(t, text)
				s.Compat, s.Extra, s.Model = compat, extra, "a/\"b\""
				answers := map[int]bool{}
				for _, r := range all(level(t, s, "c5", 3, 2, 20)) {
					body := map[string]any{
						"model": s.Model, "messages": []map[string]string{{"role": "user", "content": prompt(t, r)}}, "stream": true,
						"stream_options": map[string]any{"include_usage": true},
					}
					for key, value := range map[string]map[string]any{
						workload.CompatLLM:    {"max_tokens": r.OSL, "min_tokens": r.OSL, "ignore_eos": true},
						workload.CompatOpenAI: {"max_completion_tokens": r.OSL},
					}[compat] {
						body[key] = value
					}
					for key, value := range extra {
						body[key] = value
					}
					want, err := json.Marshal(body)
					require.NoError(t, err)
					require.Equal(t, string(want), string(r.Body))
					require.Equal(t, r.ISL, counted(t, prompt(t, r)))
					answers[r.OSL] = true
				}
				assert.Equal(t, strings.Contains(text, "5-50") || strings.Contains(text, ",1:"), len(answers) > 1, "%s: answers of several lengths", text)
			}
		}
	}
}

func TestMarkInModel(t *testing.T) {
	s := spec()
	s.Model = "\x00prompt\x00"
	_, err := s.Level("c1", 0, 0, 1)
	assert.EqualError(t, err, "the request body has two prompts: the model or an extra input holds the mark of llmsweep's")
}

func TestSums(t *testing.T) {
	l := level(t, withLengths(t, "10-500,5-90:50;lognormal(300|200),400|90:50"), "c5", 0, 7, 100)
	prompts, answers, isl, osl, bytes := 0, 0, 0, 0, 0
	for _, r := range all(l) {
		prompts, answers, bytes = prompts+r.ISL, answers+r.OSL, bytes+len(r.Body)
		if r.ISL+r.OSL > isl+osl {
			isl, osl = r.ISL, r.OSL
		}
	}
	warmPrompts, warmAnswers := l.Tokens(record.Warmup)
	gotPrompts, gotAnswers := l.Tokens(record.Profiling)
	assert.Equal(t, []int{prompts, answers}, []int{warmPrompts + gotPrompts, warmAnswers + gotAnswers})
	assert.InDelta(t, 7./107, float64(warmPrompts)/float64(prompts), 0.03)
	gotISL, gotOSL := l.Longest()
	assert.Equal(t, []int{isl, osl}, []int{gotISL, gotOSL})
	assert.InEpsilon(t, bytes/107, l.MeanBody(), 0.05)
	assert.Zero(t, l.Shared())
	assert.Zero(t, level(t, spec(), "c5", 0, 7, 0).MeanBody())
}

// TestMixtureKeepsItsFingerprint over versions of llmsweep, as TestFingerprint has it for the default.
func TestMixtureKeepsItsFingerprint(t *testing.T) {
	s := withLengths(t, "50|10,16|4:40;100-300,5:35;lognormal(200|90),8-9:25")
	golden(t, "testdata/mixture.txt", fingerprint(t, s, "c5", 2, 200))
	for _, other := range []string{
		"50|10,16|4:41;100-300,5:34;lognormal(200|90),8-9:25", "50|10,16|4:40;100-300,5:35;lognormal(200|90),8-10:25",
		"50|10,16|5:40;100-300,5:35;lognormal(200|90),8-9:25", "50|10,16|4:40;100-301,5:35;lognormal(200|90),8-9:25",
		"50|10,16|4:40;100-300,5:35;lognormal(200|91),8-9:25", "50|10,16|4:40;100-300,6:35;lognormal(200|90),8-9:25",
	} {
		assert.NotEqual(t, fingerprint(t, s, "c5", 2, 200), fingerprint(t, withLengths(t, other), "c5", 2, 200), other)
	}
	f, err := level(t, s, "c5", 0, 2, 200).Fingerprint("another schedule")
	require.NoError(t, err)
	assert.NotEqual(t, fingerprint(t, s, "c5", 2, 200), f)
}

func FuzzParseLengths(f *testing.F) {
	for _, text := range []string{"256|10,128|5:40;512|20,256|10:60", "1-9,lognormal(5|2)", "5,5:1e2", ";", "lognormal(|),-:"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		l, err := workload.ParseLengths(text)
		if err != nil {
			require.Contains(t, err.Error(), "seq-dist \"")
			return
		}
		again, err := workload.ParseLengths(l.String())
		require.NoError(t, err)
		require.Equal(t, l, again)
		isl, osl := l.Draw(1, "c1", 0)
		require.True(t, isl >= 1 && isl <= workload.MaxTokens && osl >= 1 && osl <= workload.MaxTokens, fmt.Sprint(isl, osl))
	})
}

func BenchmarkDraw(b *testing.B) {
	for _, text := range []string{"2000|10,256", "256|10,128|5:40;512|20,256|10:60"} {
		l := parsed(b, text)
		b.Run(text, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				l.Draw(1, "c1/profiling", i)
			}
		})
	}
}
