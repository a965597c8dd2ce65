package tokenizer

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLoadedIdentity(t *testing.T) {
	data, err := os.ReadFile("testdata/reference/qwen.json")
	require.NoError(t, err)
	b, err := Load("Qwen/Qwen3-0.6B", data)
	require.NoError(t, err)
	sum := sha256.Sum256(data)
	assert.Equal(t, hex.EncodeToString(sum[:]), b.SHA256())
	assert.Equal(t, "Qwen/Qwen3-0.6B", b.Name())
}

// TestRefusals changes one part of a good file: what this package does not know must not be counted.
func TestRefusals(t *testing.T) {
	for _, c := range []struct{ file, path, value, want string }{
		{"qwen", "model.type", `"WordPiece"`, `model "WordPiece" is not supported: only BPE is`},
		{"qwen", "model.type", `"Unigram"`, `model "Unigram" is not supported`},
		{"gpt2", "model.merges", ``, "neither a type nor merges"},
		{"qwen", "model", ``, "it has no model"},
		{"qwen", "model.dropout", `0.1`, "dropout 0.1: counts would be random"},
		{"qwen", "model.continuing_subword_prefix", `"##"`, `continuing_subword_prefix "##"`},
		{"qwen", "model.end_of_word_suffix", `"</w>"`, `end_of_word_suffix "</w>"`},
		{"llama2", "model.byte_fallback", `false`, "BPE of characters without byte_fallback"},
		{"qwen", "model.vocab", `[["a",-1.5]]`, "model: vocab: json: cannot unmarshal array"},
		{"qwen", "model.vocab", `{"a":-1}`, "model: vocab: json: cannot unmarshal number -1"},
		{"qwen", "model.vocab", `{"a":2147483648}`, `token "a": id 2147483648: must be at most 2147483647`},
		{"qwen", "model.vocab", `{"a":1}`, "byte 0x00 is no token"},
		{"qwen", "model.merges", `["a b c"]`, `merge 0, ["a" "b" "c"]: must be two tokens`},
		{"qwen", "model.merges", `[["a"]]`, `merge 0, ["a"]: must be two tokens`},
		{"qwen", "model.merges", `["ſ t"]`, `merge 0, ["ſ" "t"]: the tokens and what they become must be in the vocab`},
		{"qwen", "model.merges", `{}`, "model: merges: json: cannot unmarshal object"},
		{"qwen", "normalizer", `{"type":"Lowercase"}`, `normalizer "Lowercase" is not supported`},
		{"qwen", "normalizer", `{"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"Precompiled"}]}`, `normalizer "Precompiled" is not supported`},
		{"qwen", "normalizer", `{"type":"Replace","pattern":{"Regex":"a+"},"content":"b"}`, `"Replace" is not supported with a pattern that is not a plain text`},
		{"qwen", "normalizer", `{"type":"Replace","pattern":{"String":""},"content":"b"}`, `"Replace" is not supported with a pattern`},
		{"qwen", "normalizer", `7`, "normalizer: json: cannot unmarshal number"},
		{"qwen", "pre_tokenizer", `{"type":"Whitespace"}`, `pre_tokenizer "Whitespace" is not supported`},
		{"qwen", "pre_tokenizer", `{"type":"Sequence","pretokenizers":[{"type":"ByteLevel"},{"type":"Digits"}]}`, `pre_tokenizer "Digits" behind ByteLevel`},
		{"qwen", "pre_tokenizer", `{"type":"Sequence","pretokenizers":[{"type":"Digits"},{"type":"ByteLevel"}]}`, `"ByteLevel" with add_prefix_space is not supported behind another`},
		{"qwen", "pre_tokenizer", `{"type":"Sequence","pretokenizers":[{"type":"Digits"},{"type":"Metaspace","replacement":"▁"}]}`, `"Metaspace" behind another`},
		{"metaspace", "pre_tokenizer", `{"type":"Metaspace","replacement":"__"}`, `replacement "__": must be one character`},
		{"metaspace", "pre_tokenizer", `{"type":"Metaspace","replacement":"▁","prepend_scheme":"last"}`, `prepend_scheme "last": must be always, first or never`},
		{"qwen", "pre_tokenizer", `{"type":"Split","pattern":{"Regex":"a"},"behavior":"Removed"}`, `behavior "Removed" is not supported`},
		{"qwen", "pre_tokenizer", `{"type":"Split","behavior":"Isolated"}`, `"Split" has no pattern`},
		{"qwen", "pre_tokenizer", `{"type":"Split","pattern":{"Regex":"(a+)+"},"behavior":"Isolated"}`, `pattern "(a+)+": a repetition of repetitions`},
		{"qwen", "decoder", `{"type":"WordPiece"}`, `decoder "WordPiece" is not supported`},
		{"llama2", "decoder", `{"type":"Sequence","decoders":[{"type":"Fuse"},{"type":"CTC"}]}`, `decoder "CTC" is not supported`},
	} {
		t.Run(c.file+" "+c.path+" "+c.value, func(t *testing.T) {
			_, err := Load("dir/tokenizer.json", changed(t, c.file, c.path, c.value))
			require.ErrorContains(t, err, c.want)
		})
	}
	for text, want := range map[string]string{"": "unexpected end", "<html>": "is not a tokenizer.json", "[]": "is not a tokenizer.json", "{}": "it has no model", `{"model":{}} x`: "invalid character"} {
		_, err := Load("f", []byte(text))
		assert.ErrorContains(t, err, want, text)
	}
}

// changed is a reference file with one part replaced; "" removes it.
func changed(t *testing.T, file, path, value string) []byte {
	data, err := os.ReadFile("testdata/reference/" + file + ".json")
	require.NoError(t, err)
	var root map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(data, &root))
	outer, inner, nested := strings.Cut(path, ".")
	set := func(m map[string]json.RawMessage, key string, value []byte) {
		if m[key] = value; len(value) == 0 {
			delete(m, key)
		}
	}
	if nested {
		var model map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(root[outer], &model))
		set(model, inner, []byte(value))
		packed, err := json.Marshal(model)
		require.NoError(t, err)
		value = string(packed)
	}
	set(root, outer, []byte(value))
	packed, err := json.Marshal(root)
	require.NoError(t, err)
	return packed
}

// TestBytesThatAreNoCharacters: to a tokenizer of a file they are U+FFFD, as they are to a server, which reads JSON.
func TestBytesThatAreNoCharacters(t *testing.T) {
	for _, name := range referenceNames(t) {
		b := loadReference(t, name)
		assert.Equal(t, encode(t, b, "a\uFFFDb"), encode(t, b, "a\xffb"), name)
	}
}

func TestMergesOfBothShapes(t *testing.T) {
	want := [][2]string{{"a", "b"}, {"ab", "c"}}
	for _, raw := range []string{`["a b","ab c"]`, ` [ "#version: 0.2", "a b", "ab c" ] `, `[["a","b"],["ab","c"]]`} {
		merges, err := parseMerges([]byte(raw))
		require.NoError(t, err)
		assert.Equal(t, want, merges)
	}
	merges, err := parseMerges([]byte(`[["a b","c"]]`))
	require.NoError(t, err)
	assert.Equal(t, [][2]string{{"a b", "c"}}, merges, "a blank within a token")
}

// TestClassRuns: what is a run of one class and what is not.
func TestClassRuns(t *testing.T) {
	for _, expression := range []string{`a`, `\s+`, `\p{Lu}{1,3}`, `[^a-c\]]+$`, `[a-]`, `[\s-]`, `\s?[一-龥\p{M}]+`} {
		assert.NotNil(t, classRunOf(expression), expression)
	}
	for _, expression := range []string{``, `ab`, `a*`, `a?`, `a{2}`, `a{1,}`, `a{0,2}`, `a{1,0}`, `a{1,+3}`, `a|b`, `(a)`, `a++`, `^a+`, `\s?a$`, `a{1,2}$`, `[a`, `[z-a]`, `\p{Greek}`, `\p{C}`, `\`, `[a\`, `.`, `[\d]`, `[\s-a]`, `\S+`, `[[:alpha:]]`, `a-c`, `+`, `a-`} {
		assert.Nil(t, classRunOf(expression), expression)
	}
}

// TestTextIsCutAtBlanks where no merge goes across one, and only there.
func TestTextIsCutAtBlanks(t *testing.T) {
	cuts := func(name string) int { return len(loadReference(t, name).pre.cuts) }
	assert.Equal(t, 1, cuts("llama2"), "its file cuts nothing")
	assert.Equal(t, 2, cuts("gemma"), "its file cuts at what is not there any more")
	assert.Zero(t, cuts("mistral"), "merges go across blanks")
	assert.Equal(t, 1, cuts("metaspace"), "its file cuts")
	b, err := Load("changed", changed(t, "llama2", "model.ignore_merges", "true"))
	require.NoError(t, err)
	assert.Empty(t, b.pre.cuts, "a whole text may be one token")
}

// TestPairTable holds the table against a map.
func TestPairTable(t *testing.T) {
	type entry struct{ rank, id uint32 }
	draw := rand.New(rand.NewPCG(5, 6))
	table, twin := newPairs(0), map[[2]uint32]entry{}
	for range 20_000 {
		pair := [2]uint32{draw.Uint32N(300), draw.Uint32N(300) * 1000}
		e := entry{draw.Uint32(), draw.Uint32()}
		table.set(pair[0], pair[1], e.rank, e.id)
		twin[pair] = e
	}
	assert.Equal(t, len(twin), table.n)
	for left := range uint32(300) {
		for right := range uint32(300) {
			rank, id, ok := table.get(left, right*1000)
			want, there := twin[[2]uint32{left, right * 1000}]
			require.Equal(t, there, ok)
			require.True(t, !ok || want == entry{rank, id})
		}
	}
}

// TestComposed holds form C by its definition against package norm's, where that has no joiners of its own.
func TestComposed(t *testing.T) {
	differing := 0
	for _, text := range referenceStrings(t) {
		if crowded(text) {
			continue
		}
		if !assert.Equal(t, nfc(text), composed(text), "%+q", text) {
			return
		}
		if nfc(text) != text {
			differing++
		}
	}
	assert.Greater(t, differing, 300, "of texts that are not in form C")
	assert.NotContains(t, nfc("a"+strings.Repeat("\u0301\u0323", 40)), "\u034F", "a joiner of package norm's")
}

func TestVet(t *testing.T) {
	for expression, want := range map[string]string{
		`^a`: `'^' is not supported`, `a$|b`: `'$' is not supported`, `[a[b]]`: `in a character class`, `[a&&b]`: `in a character class`, `a{1,3}+`: `"}+" is not supported`, `a{2}?`: `"}?" is not supported`,
		`(?m:a)`: `the group "(?m:"`, `(?<n>a)`: `the group "(?<n"`, `\w+`: `the escape "\\w"`, `\bx`: `the escape "\\b"`, `\1`: `the escape "\\1"`, `\p{C}`: `the property "\\p{C}"`, `\p{Greek}`: `the property "\\p{Greek}"`, `\p{L`: `has no end`, `a\`: "ends in a backslash",
		`[a\p{L}-~]`: `"\\p{L}-" begins a range with a class`,
		`(a*)*`:      "repetition of repetitions", `(?:(?:a+)b){2,}`: "repetition of repetitions", `(?i:ss)`: "ligatures",
	} {
		assert.ErrorContains(t, vet(expression), want, expression)
	}
	for _, expression := range []string{qwenPattern, cl100kPattern, gpt2Pattern, `[]a]+`, `[^]$^]`, `\{\}\$(?:a+)?`, `(?<!a)b(?=c)`, `[一-龥]+`, `\s?\p{P}+`} {
		assert.NoError(t, vet(expression), expression)
		_, err := compile(expression)
		assert.NoError(t, err, expression)
	}
}

func TestScannersAgreeWithTheGenericEngine(t *testing.T) {
	texts := append(randomTexts(2000), referenceStrings(t)[:3000]...)
	for _, expression := range []string{qwenPattern, cl100kPattern, gpt2Pattern, qwen35Pattern, possessivePattern, o200kPattern, tekkenPattern, deepseekPattern} {
		find, err := compile(expression)
		require.NoError(t, err)
		generic := &pattern{behaviour: isolated, find: find}
		for _, text := range texts {
			text = strings.ToValidUTF8(text, "\uFFFD")
			want, err := generic.cut(nil, text)
			require.NoError(t, err)
			ends, err := known(expression).cut(nil, text)
			require.NoError(t, err)
			require.Equal(t, want, ends, "%q by %s", text, expression)
		}
	}
}

// TestLongRunsOfFiles is TestLongRuns for each way in which a file cuts text, or does not.
func TestLongRunsOfFiles(t *testing.T) {
	for _, name := range []string{"gpt2", "o200k", "possessive", "deepseek", "deepseekcoder", "llama2", "mistral", "gemma"} {
		b := loadReference(t, name)
		for _, unit := range []string{"a", "A", "鬱", "=", " ", "\n\r", "1", "e\u0301", "<|im_"} {
			text := strings.Repeat(unit, 300_000/len(unit))
			start := time.Now()
			n := count(t, b, text)
			require.Less(t, time.Since(start), 30*time.Second, "%s, %q", name, unit)
			require.Positive(t, n)
		}
	}
}

// TestBlanksBeforeTheEndOfNoLine: each of a million is no beginning of a match, which is known from the first.
func TestBlanksBeforeTheEndOfNoLine(t *testing.T) {
	run := classRunOf(`\s+$`)
	for _, c := range []struct {
		text string
		want []int
	}{
		{strings.Repeat(" ", 1<<20) + "x", []int{1<<20 + 1}},
		{" \n" + strings.Repeat(" ", 1<<20) + "x \n ", []int{1, 1<<20 + 3, 1<<20 + 6}},
	} {
		start := time.Now()
		ends, err := scanner(run.scan).cut(nil, c.text)
		require.NoError(t, err)
		assert.Equal(t, c.want, ends)
		require.Less(t, time.Since(start), 30*time.Second)
	}
}

// bigFile is a tokenizer.json with cl100k's whole vocabulary: the merge of a token is the last that makes it of lower ranks.
var bigFile = sync.OnceValue(func() []byte {
	ranks, alphabet := defaultRanks(), byteAlphabet()
	spell := func(text string) string {
		var b strings.Builder
		for i := range len(text) {
			b.WriteRune(alphabet[text[i]])
		}
		return b.String()
	}
	vocab, merges := map[string]uint32{}, []string{}
	for _, token := range slices.SortedFunc(maps.Keys(ranks), func(a, b string) int { return int(ranks[a]) - int(ranks[b]) }) {
		vocab[spell(token)] = ranks[token]
		if parts := twinParts(ranks, token, ranks[token]); len(parts) == 2 {
			merges = append(merges, spell(parts[0])+" "+spell(parts[1]))
		}
	}
	data, err := json.Marshal(map[string]any{
		"added_tokens":  []any{map[string]any{"id": 100_300, "content": "<|im_end|>", "special": true}},
		"pre_tokenizer": map[string]any{"type": "Sequence", "pretokenizers": []any{map[string]any{"type": "Split", "pattern": map[string]any{"Regex": qwenPattern}, "behavior": "Isolated"}, map[string]any{"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}}},
		"normalizer":    map[string]any{"type": "NFC"},
		"model":         map[string]any{"type": "BPE", "vocab": vocab, "merges": merges},
	})
	if err != nil {
		panic(err)
	}
	return data
})

// TestMergesOfRanks: the same vocabulary by merges and by ranks gives the same ids.
func TestMergesOfRanks(t *testing.T) {
	b, err := Load("big", bigFile())
	require.NoError(t, err)
	for _, text := range append(randomTexts(500), referenceStrings(t)[:1000]...) {
		text = nfc(strings.ToValidUTF8(strings.ReplaceAll(text, "<|im_end|>", ""), "\uFFFD"))
		require.Equal(t, encode(t, Default(), text), encode(t, b, text), "%q", text)
	}
}

func BenchmarkLoad(b *testing.B) {
	data := bigFile()
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		_, err := Load("big", data)
		require.NoError(b, err)
	}
}

func BenchmarkDefault(b *testing.B) {
	for b.Loop() {
		loadDefault()
	}
}

// BenchmarkFiles counts prose by a file with cl100k's vocabulary and the steps of each family, and by small files with a fallback to bytes.
func BenchmarkFiles(b *testing.B) {
	steps := map[string][]string{
		"GPT-2": {gpt2Pattern}, "cl100k, Llama 3": {cl100kPattern}, "Qwen 3.5": {qwen35Pattern}, "gpt-oss": {o200kPattern}, "Mistral Nemo": {tekkenPattern},
		"DeepSeek V3":    {`\p{N}{1,3}`, `[一-龥぀-ゟ゠-ヿ]+`, deepseekPattern},
		"DeepSeek Coder": {`[\r\n]`, `\s?\p{L}+`, `\s?\p{P}+`, `[一-龥ࠀ-一가-퟿]+`},
		"unknown":        {strings.Replace(qwenPattern, `| ?[^`, `|[ ]?[^`, 1)},
	}
	tokenizers := map[string]*BPE{"Llama 2": loadReference(b, "llama2"), "merges across blanks": loadReference(b, "mistral")}
	for name, patterns := range steps {
		tokenizers[name] = bigWith(b, patterns)
	}
	for _, name := range slices.Sorted(maps.Keys(tokenizers)) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(prose)))
			for b.Loop() {
				count(b, tokenizers[name], prose)
			}
		})
	}
}

// bigWith is bigFile with other steps.
func bigWith(t testing.TB, patterns []string) *BPE {
	var steps []any
	for _, p := range patterns {
		steps = append(steps, map[string]any{"type": "Split", "pattern": map[string]any{"Regex": p}, "behavior": "Isolated"})
	}
	steps = append(steps, map[string]any{"type": "ByteLevel", "add_prefix_space": false, "use_regex": false})
	packed, err := json.Marshal(map[string]any{"type": "Sequence", "pretokenizers": steps})
	require.NoError(t, err)
	var file map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(bigFile(), &file))
	file["pre_tokenizer"] = packed
	data, err := json.Marshal(file)
	require.NoError(t, err)
	big, err := Load("big", data)
	require.NoError(t, err)
	return big
}

func ExampleLoad() {
	data, err := os.ReadFile("testdata/reference/qwen.json")
	if err != nil {
		fmt.Println(err)
		return
	}
	tokenizer, err := Load("a small Qwen", data)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(tokenizer.Count("the latency of a request<|im_end|>"))
	// Output: 6 <nil>
}

// FuzzLoad: no file makes the loader or what it loads panic, and what is loaded counts as it encodes.
func FuzzLoad(f *testing.F) {
	for _, seed := range []string{
		`{"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":["a b"]},"pre_tokenizer":{"type":"ByteLevel"}}`,
		`{"added_tokens":[{"id":0,"content":"<s>","lstrip":true,"normalized":true}],"normalizer":{"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"Prepend","prepend":"▁"},{"type":"Replace","pattern":{"String":" "},"content":"▁"}]}}`,
		`{"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"\\p{L}+|(?!\\S)"},"behavior":"MergedWithNext","invert":true},{"type":"Digits"},{"type":"ByteLevel","add_prefix_space":false}]}}`,
		`{"pre_tokenizer":{"type":"Metaspace","replacement":"▁","prepend_scheme":"first","split":false},"decoder":{"type":"Sequence","decoders":[{"type":"Fuse"}]}}`,
	} {
		f.Add([]byte(seed), "a <s>1 b\n")
	}
	base := map[string]json.RawMessage{}
	data, err := os.ReadFile("testdata/reference/llama2.json")
	require.NoError(f, err)
	require.NoError(f, json.Unmarshal(data, &base))
	bytesOnly := map[string]int{}
	for b, r := range byteAlphabet() {
		bytesOnly[string(r)] = b
	}
	byteModel, err := json.Marshal(map[string]any{"type": "BPE", "vocab": bytesOnly, "merges": []string{"a b", "Ġ a"}})
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, part []byte, text string) {
		var changed map[string]json.RawMessage
		if json.Unmarshal(part, &changed) != nil {
			_, err := Load("fuzz", part)
			require.Error(t, err)
			return
		}
		for _, model := range []json.RawMessage{changed["model"], base["model"], byteModel} {
			changed["model"] = model
			whole, err := json.Marshal(changed)
			require.NoError(t, err)
			b, err := Load("fuzz", whole)
			if err != nil {
				continue
			}
			ids, err1 := b.Encode(nil, text)
			n, err2 := b.Count(text)
			if err1 == nil && err2 == nil {
				require.Len(t, ids, n)
			}
		}
	})
}
