package tokenizer

import (
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What testdata/reference/make.py wrote.
type reference struct {
	IDs  [][]int // of the first strings
	Sums []uint32
}

func readPacked(t testing.TB, path string, v any) {
	file, err := os.Open(path)
	require.NoError(t, err)
	defer file.Close()
	zip, err := gzip.NewReader(file)
	require.NoError(t, err)
	require.NoError(t, json.NewDecoder(zip).Decode(v))
}

func referenceStrings(t testing.TB) []string {
	var texts []string
	readPacked(t, "testdata/reference/strings.json.gz", &texts)
	require.Len(t, texts, 10_000)
	return texts
}

func loadReference(t testing.TB, name string) *BPE {
	path := filepath.Join("testdata/reference", name+".json")
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	b, err := Load(path, data)
	require.NoError(t, err)
	return b
}

func referenceNames(t testing.TB) []string {
	paths, err := filepath.Glob("testdata/reference/*.ids.json.gz")
	require.NoError(t, err)
	require.Len(t, paths, 14)
	for i, path := range paths {
		paths[i] = strings.TrimSuffix(filepath.Base(path), ".ids.json.gz")
	}
	return paths
}

// TestReference holds the ids of 10,000 strings against those of Hugging Face's own library, for a small file of each family.
func TestReference(t *testing.T) {
	texts := referenceStrings(t)
	for _, name := range referenceNames(t) {
		t.Run(name, func(t *testing.T) {
			b := loadReference(t, name)
			var want reference
			readPacked(t, filepath.Join("testdata/reference", name+".ids.json.gz"), &want)
			require.Len(t, want.Sums, len(texts))
			wrong := 0
			var ids []int
			for i, text := range texts {
				var err error
				ids, err = b.Encode(ids[:0], text)
				require.NoError(t, err)
				if i < len(want.IDs) && !assert.Equal(t, want.IDs[i], append([]int{}, ids...), "%q", text) || sumOf(ids) != want.Sums[i] {
					if wrong++; wrong <= 3 {
						t.Errorf("string %d, %q: other ids than the reference's: %d", i, text, ids)
					}
				}
				if n := count(t, b, text); n != len(ids) {
					t.Errorf("string %d, %q: counted %d, encoded as %d", i, text, n, len(ids))
				}
			}
			assert.Zero(t, wrong, "strings of %d", len(texts))
		})
	}
}

func sumOf(ids []int) uint32 {
	sum := uint32(0)
	for _, id := range ids {
		sum = crc32.Update(sum, crc32.IEEETable, binary.LittleEndian.AppendUint32(nil, uint32(id)))
	}
	return sum
}

// TestSplits holds where text is cut against that library, whose engine for regular expressions is Oniguruma: by ids alone, cuts in other places would show only
// where a small vocabulary has a token across them.
func TestSplits(t *testing.T) {
	texts := referenceStrings(t)
	var cases map[string]struct {
		Patterns []string
		Sums     []uint16
	}
	readPacked(t, "testdata/reference/splits.json.gz", &cases)
	require.Len(t, cases, 11)
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			require.Len(t, c.Sums, len(texts))
			var l loader
			for _, p := range c.Patterns {
				require.NoError(t, l.split(&part{Behavior: isolated, Pattern: struct{ String, Regex *string }{Regex: &p}}))
			}
			for _, cut := range l.pre.cuts {
				assert.IsType(t, scanner(nil), cut, "no generic engine is needed")
			}
			differing := 0
			for i, text := range texts {
				ends, err := l.pre.cut(new(scratch), text)
				require.NoError(t, err)
				for j, end := range ends {
					ends[j] = utf8.RuneCountInString(text[:end])
				}
				if text != "" && uint16(sumOf(ends)) != c.Sums[i] {
					if differing++; differing <= 3 {
						t.Errorf("string %d, %+q: cut at %d", i, text, ends)
					}
				}
			}
			assert.Zero(t, differing, "strings of %d", len(texts))
		})
	}
}
