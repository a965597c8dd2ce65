package workload_test

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/workload"
)

func withPrefixes(p workload.Prefixes) workload.Spec {
	s := spec()
	s.Lengths, s.Prefixes = workload.Normal(80, 10, 16), p
	return s
}

// words returns the prompt of a user word by word: each is one token.
func words(t *testing.T, r *workload.Request) []string {
	t.Helper()
	m := messages(t, r)
	user := m[len(m)-1]
	require.Equal(t, "user", user.Role)
	return strings.Split(user.Content, " ")
}

// differ checks that no two texts begin alike: with the same two words.
func differ(t *testing.T, starts [][]string) {
	t.Helper()
	seen := map[string]bool{}
	for _, start := range starts {
		key := strings.Join(start[:2], " ")
		require.False(t, seen[key], "two begin with %q", key)
		seen[key] = true
	}
}

func TestPrefixPool(t *testing.T) {
	s := withPrefixes(workload.Prefixes{Pool: 5, Length: 20})
	requests := all(level(t, s, "c5", 3, 10, 1000))
	pool, uses, own := map[string]int{}, map[string]int{}, [][]string{}
	for _, r := range requests {
		w := words(t, r)
		require.Len(t, w, r.ISL, "the prefix is a part of the length that was drawn")
		require.Equal(t, r.ISL, counted(t, strings.Join(w, " ")))
		require.Equal(t, 20, r.Shared)
		pool[w[0]+" "+w[1]]++
		uses[strings.Join(w[:20], " ")]++
		own = append(own, w[20:])
	}
	assert.Len(t, uses, 5, "each prefix to its last token")
	assert.Len(t, pool, 5, "and no two of them begin alike")
	differ(t, own)
	for prefix, n := range uses {
		assert.InDelta(t, 202, n, 4*math.Sqrt(202*0.8), prefix)
	}
	again := all(level(t, s, "c6", 2000, 0, 100))
	for _, r := range again {
		assert.Contains(t, uses, strings.Join(words(t, r)[:20], " "), "all levels share them")
	}
	one := map[string]bool{}
	for _, r := range all(level(t, withPrefixes(workload.Prefixes{Length: 7}), "c5", 3, 10, 100)) {
		one[strings.Join(words(t, r)[:7], " ")] = true
	}
	assert.Len(t, one, 1, "no pool is a pool of one")
}

func TestSharedSystemPrompt(t *testing.T) {
	s := withPrefixes(workload.Prefixes{System: 12, Length: 3, Pool: 2})
	systems, own := map[string]int{}, [][]string{}
	requests := all(level(t, s, "c5", 3, 10, 100))
	for _, r := range requests {
		m := messages(t, r)
		require.Len(t, m, 2)
		require.Equal(t, []string{"system", "user"}, []string{m[0].Role, m[1].Role})
		require.Equal(t, 12, counted(t, m[0].Content))
		require.Equal(t, r.ISL-12, counted(t, m[1].Content))
		require.Equal(t, 15, r.Shared)
		systems[m[0].Content]++
		own = append(own, words(t, r)[3:])
	}
	assert.Len(t, systems, 1)
	differ(t, own)
	assert.Equal(t, 110*15, level(t, s, "c5", 3, 10, 100).Shared())

	s.Nonce++
	for text := range systems {
		assert.NotEqual(t, text, messages(t, level(t, s, "c5", 3, 10, 100).Render("profiling", 0))[0].Content, "another run meets no cache of this one")
	}
	assert.InEpsilon(t, len(requests[0].Body), level(t, s, "c5", 3, 10, 100).MeanBody(), 0.3)
}

// TestPrefixRatio: the part of each prompt that is shared is the ratio, rounded to a token, of texts that begin alike.
func TestPrefixRatio(t *testing.T) {
	for _, ratio := range []float64{0.001, 0.3, 0.5, 0.999} {
		s := withLengths(t, "2-80,4:90;1,4:10")
		s.Prefixes = workload.Prefixes{Ratio: ratio}
		l := level(t, s, "c5", 3, 10, 300)
		var longest []string
		shared, own := 0, [][]string{}
		for _, r := range all(l) {
			w := words(t, r)
			require.Len(t, w, r.ISL)
			require.Equal(t, min(int(math.Round(ratio*float64(r.ISL))), r.ISL-1), r.Shared, "a token at least is the prompt's own")
			shared += r.Shared
			if r.Shared > len(longest) {
				longest = w[:r.Shared]
			}
			if r.ISL-r.Shared >= 2 {
				own = append(own, w[r.Shared:])
			}
		}
		for _, r := range all(l) {
			require.Equal(t, strings.Join(longest[:r.Shared], " "), strings.Join(words(t, r)[:r.Shared], " "))
		}
		differ(t, own)
		assert.Equal(t, shared, l.Shared())
		prompts, _ := l.Tokens(record.Profiling)
		warm, _ := l.Tokens(record.Warmup)
		prompts += warm
		if ratio == 0.5 {
			assert.InDelta(t, 0.5, float64(shared)/float64(prompts), 0.01)
		}
	}
}

func TestNothingOfItsOwn(t *testing.T) {
	s := withPrefixes(workload.Prefixes{Length: 49})
	s.Lengths = workload.Normal(50, 0, 16)
	level(t, s, "c5", 0, 0, 1)
	s.Prefixes.Length = 50
	_, err := s.Level("c5", 0, 0, 1)
	assert.EqualError(t, err, `level c5: prefix-length "50": a prompt of 50 tokens was drawn, and 50 would be shared, so that none were its own: `+
		`shorten it, or raise the shortest prompt`)
	s.Prefixes = workload.Prefixes{System: 40, Length: 10}
	_, err = s.Level("c5", 0, 1, 0)
	assert.EqualError(t, err, `level c5: shared-system-prompt-length "40": a prompt of 50 tokens was drawn, and 50 would be shared, so that none were its own: `+
		`shorten it, or raise the shortest prompt`)
}

func TestBadPrefixes(t *testing.T) {
	for want, p := range map[string]workload.Prefixes{
		`shared-system-prompt-length "-1": must be 0 to 10000000`:                                              {System: -1},
		`prefix-pool "1000001": must be 0 to 1000000`:                                                          {Pool: 1_000_001, Length: 1},
		`prefix-length "10000001": must be 0 to 10000000`:                                                      {Length: 10_000_001},
		`prefix-pool "3": needs -prefix-length or -prefix-ratio`:                                               {Pool: 3},
		`prefix-ratio "1": must be at least 0 and below 1: some tokens of a prompt are its own`:                {Ratio: 1},
		`prefix-ratio "-0.1": must be at least 0 and below 1: some tokens of a prompt are its own`:             {Ratio: -0.1},
		`prefix-ratio "NaN": must be at least 0 and below 1: some tokens of a prompt are its own`:              {Ratio: math.NaN()},
		`prefix-ratio "0.5": cannot go with -prefix-length: both say how long a prefix is`:                     {Ratio: 0.5, Length: 2},
		`prefix-ratio "0.5": cannot go with -shared-system-prompt-length: more than the ratio would be shared`: {Ratio: 0.5, System: 2},
		"prefix-pool \"-2\": must be 0 to 1000000\nprefix-length \"-1\": must be 0 to 10000000":                {Pool: -2, Length: -1},
	} {
		assert.EqualError(t, p.Validate(), want)
		_, err := withPrefixes(p).Level("c1", 0, 0, 1)
		assert.EqualError(t, err, want)
	}
	assert.NoError(t, workload.Prefixes{}.Validate())
	assert.NoError(t, workload.Prefixes{Ratio: 0.9, Pool: 7}.Validate())
}

// TestPrefixesAreFingerprinted, each setting of them; and having any.
func TestPrefixesAreFingerprinted(t *testing.T) {
	s := withPrefixes(workload.Prefixes{System: 5, Pool: 3, Length: 10})
	own := fingerprint(t, s, "c5", 2, 15)
	golden(t, "testdata/prefixes.txt", own)
	seen := map[string]workload.Prefixes{own: s.Prefixes, fingerprint(t, withPrefixes(workload.Prefixes{}), "c5", 2, 15): {}}
	for _, p := range []workload.Prefixes{
		{System: 6, Pool: 3, Length: 10}, {System: 5, Pool: 4, Length: 10}, {System: 5, Pool: 3, Length: 11}, {Pool: 3, Length: 10}, {System: 5}, {System: 6},
		{Length: 10}, {Length: 11}, {Pool: 3, Ratio: 0.2}, {Ratio: 0.2}, {Ratio: 0.3},
	} {
		f := fingerprint(t, withPrefixes(p), "c5", 2, 15)
		assert.NotContains(t, seen, f, "%+v", p)
		seen[f] = p
	}
	s.Nonce, s.Model = 99, "other"
	assert.Equal(t, own, fingerprint(t, s, "c5", 2, 15), "neither nonce nor model")
	assert.Equal(t, fingerprint(t, withPrefixes(workload.Prefixes{Length: 10}), "c5", 2, 15),
		fingerprint(t, withPrefixes(workload.Prefixes{Pool: 1, Length: 10}), "c5", 2, 15), "the same work")
}
