package tokenizer

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// withDigits is the default tokenizer with another digit rule: 3 makes it cl100k itself.
func withDigits(run int) *BPE {
	return embedded("test", "", Default().vocabulary, run)
}

// count is Count of a text that can be counted.
func count(t testing.TB, b *BPE, text string) int {
	n, err := b.Count(text)
	require.NoError(t, err)
	return n
}

func encode(t testing.TB, b *BPE, text string) []int {
	ids, err := b.Encode(nil, text)
	require.NoError(t, err)
	return ids
}

var defaultRanks = sync.OnceValue(func() map[string]uint32 {
	ranks, err := parseRanks(ranksFile)
	if err != nil {
		panic(err)
	}
	return ranks
})

// decode joins the bytes of the tokens.
func decode(ids []int) string {
	tokens := tokensByID()
	var text strings.Builder
	for _, id := range ids {
		text.WriteString(tokens[id])
	}
	return text.String()
}

var tokensByID = sync.OnceValue(func() []string {
	tokens := make([]string, len(defaultRanks()))
	for token, id := range defaultRanks() {
		tokens[id] = token
	}
	return tokens
})

func TestReferenceVectors(t *testing.T) {
	file, err := os.ReadFile("testdata/vectors.json") // what made it: testdata/vectors.py
	require.NoError(t, err)
	var vectors []struct {
		Text         string
		Qwen, Cl100k []int
	}
	require.NoError(t, json.Unmarshal(file, &vectors))
	require.Greater(t, len(vectors), 300)
	cl100k, differing := withDigits(3), 0
	for _, v := range vectors {
		assert.Equal(t, v.Qwen, encode(t, Default(), v.Text), "Qwen rule, %q", v.Text)
		assert.Equal(t, v.Cl100k, encode(t, cl100k, v.Text), "cl100k rule, %q", v.Text)
		assert.Equal(t, len(v.Qwen), count(t, Default(), v.Text), "count of %q", v.Text)
		if len(v.Qwen) != len(v.Cl100k) {
			differing++
		}
	}
	assert.Positive(t, differing, "the vectors do not tell the two digit rules apart")
}

func TestEncodeAppends(t *testing.T) {
	hello := encode(t, Default(), "hello, world")
	appended, err := Default().Encode([]int{7, 8}, "hello, world")
	require.NoError(t, err)
	assert.Equal(t, append([]int{7, 8}, hello...), appended)
	appended, err = Default().Encode([]int{7}, "")
	require.NoError(t, err)
	assert.Equal(t, []int{7}, appended)
	assert.Equal(t, 0, count(t, Default(), ""))
}

func TestBytesThatAreNotUTF8(t *testing.T) {
	for _, text := range []string{"\xff", "a\xffb", "\xe4\xb8", "\xed\xa0\x80", " \xc3\n", "\xf0\x9f\x98 \x80"} {
		ids := encode(t, Default(), text)
		assert.Equal(t, text, decode(ids))
		assert.Equal(t, len(ids), count(t, Default(), text), "%q", text)
	}
}

func TestIdentity(t *testing.T) {
	file, err := os.ReadFile("cl100k.ranks.gz")
	require.NoError(t, err)
	sum := sha256.Sum256(file)
	assert.Equal(t, hex.EncodeToString(sum[:]), Default().SHA256())
	assert.Equal(t, "cl100k, Qwen digit rule (embedded default)", Default().Name())
	first, again := Default(), Default()
	assert.Same(t, first, again)
}

// TestLongRuns gives texts that the pattern cuts nowhere. A quadratic algorithm needs minutes for the third of these sizes already.
func TestLongRuns(t *testing.T) {
	const enough = 30 * time.Second // some 100 times what it takes
	for name, unit := range map[string]string{"one letter": "a", "two letters": "qz", "Han": "鬱龘靐", "symbols": "=", "not UTF-8": "\xfe", "blanks": " ", "newlines": "\n\r"} {
		passed := t.Run(name, func(t *testing.T) {
			for size := 16 << 10; size <= 1<<20; size *= 4 {
				text := strings.Repeat(unit, size/len(unit))
				start := time.Now()
				tokens := count(t, Default(), text)
				require.Less(t, time.Since(start), enough, "%d bytes", size)
				require.Positive(t, tokens)
				require.LessOrEqual(t, tokens, len(text))
			}
		})
		if !passed {
			return // the others would take as long
		}
	}
}

func TestConcurrentCounts(t *testing.T) {
	texts := randomTexts(50)
	want := make([]int, len(texts))
	for i, text := range texts {
		want[i] = count(t, Default(), text)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i, text := range texts {
				assert.Equal(t, want[i], count(t, Default(), text), "%q", text)
			}
		})
	}
	wg.Wait()
}

// TestCountKeepsItsMemory counts without allocating, once warm. It allows some allocations all the same, because a sync.Pool may lose what
// it holds and under the race detector does so a quarter of the time; without the pool there would be some eight a call.
func TestCountKeepsItsMemory(t *testing.T) {
	const calls = 100
	text := strings.Repeat(" qzxj vwkqj", 10)
	require.Greater(t, count(t, Default(), text), 40, "the words must need merging for this to test anything")
	allocated := testing.AllocsPerRun(10, func() {
		for range calls {
			count(t, Default(), text)
		}
	})
	assert.Less(t, allocated, 4.0*calls)
}

// TestLargeScratchIsNotKept: of a giant piece, of many pieces, of many added tokens.
func TestLargeScratchIsNotKept(t *testing.T) {
	for name, text := range map[string]string{"llama2": strings.Repeat("a", 1<<20), "qwen": strings.Repeat("<|im_end|>", 1<<17), "deepseek": strings.Repeat("a.", 1<<17)} {
		b := loadReference(t, name)
		s := b.acquire()
		require.NoError(t, b.encode(s, text))
		b.release(s)
		assert.False(t, s == b.acquire(), name)
	}
}

// randomTexts draws short strings from an alphabet chosen for the pattern's corners; the seed is fixed.
func randomTexts(n int) []string {
	alphabet := strings.Split("a b e n s S t R ing the of x 0 1 9 ' ' ! ... - _ ( é ß 语 한 😀 ½ ٣ \u0301 \u017f \u200d 's 'RE 'Ll \xff \xe4", " ")
	alphabet = append(alphabet, " ", " ", "  ", "\t", "\n", "\r\n", "\u00a0", "\u2003", "\u0085")
	draw := rand.New(rand.NewPCG(1, 2))
	texts := make([]string, n)
	for i := range texts {
		for range draw.IntN(24) {
			texts[i] += alphabet[draw.IntN(len(alphabet))]
		}
	}
	return texts
}

func FuzzCount(f *testing.F) {
	for _, text := range randomTexts(20) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		ids := encode(t, Default(), text)
		assert.Equal(t, len(ids), count(t, Default(), text))
		assert.Equal(t, text, decode(ids))
	})
}

var prose = strings.Repeat("A token counter that is slow disturbs what it measures, so this one is kept well above the speed of any stream. "+
	"Mr. O'Brien's 1,024 requests didn't wait; the unforeseeable backpressure (see 4.2) came from elsewhere.\n\n", 5000)

func BenchmarkCount(b *testing.B) {
	Default() // unpacked before the clock starts
	for name, text := range map[string]string{
		"prose":        prose,
		"code":         strings.Repeat("\tif err := json.Unmarshal(body, &out); err != nil {\n\t\treturn fmt.Errorf(\"status %d: %w\", code, err)\n\t}\n", 10000),
		"Han":          strings.Repeat("孙子曰：兵者，国之大事，死生之地，存亡之道，不可不察也。", 10000),
		"one long run": strings.Repeat("a", 1<<20),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				count(b, Default(), text)
			}
		})
	}
}
