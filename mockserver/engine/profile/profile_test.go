package profile

import (
	"archive/zip"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/mockserver/engine"
)

func read(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	return data
}

const document = `{"prefill_isl": [100, 200, 400], "prefill_ttft_ms": [10.5, 30, 40], "decode_active_kv_tokens": [1000, 3000],
	"decode_context_length": [100, 200, 300], "decode_itl": [[5, 6, 8], [9, 12, 18]], "made_by": "hand"}`

// The archives were written by numpy: see testdata/make.py.
func TestParse(t *testing.T) {
	t.Parallel()
	want := &engine.Profile{
		PrefillTokens:  []float64{100, 200, 400},
		PrefillMS:      []float64{10.5, 30, 40},
		DecodeKVTokens: []float64{1000, 3000},
		DecodeContext:  []float64{100, 200, 300},
		DecodeMS:       [][]float64{{5, 6, 8}, {9, 12, 18}},
	}
	for name, data := range map[string][]byte{
		"int and float, C order": read(t, "plain.npz"),
		"deflated, Fortran":      read(t, "deflated_fortran.npz"),
		"version 2, float32":     read(t, "version2.npz"),
		"JSON":                   []byte(document),
	} {
		got, err := Parse(data)
		require.NoError(t, err, name)
		assert.Equal(t, want, got, name)
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"text":      {[]byte("hello"), "neither an NPZ archive nor a JSON object: invalid character 'h' looking for beginning of value"},
		"cut":       {read(t, "plain.npz")[:500], "reading the NPZ archive: zip: not a valid zip file"},
		"complex":   {read(t, "complex.npz"), `reading member "prefill_isl.npy": element type "<c16": must be one of "<f8", "<f4", "<i8", "<i4"`},
		"no keys":   {[]byte(`{"prefill_isl": [1, 2]}`), "key \"prefill_ttft_ms\" is missing\nkey \"decode_active_kv_tokens\" is missing\nkey \"decode_context_length\" is missing\nkey \"decode_itl\" is missing"},
		"ragged":    {[]byte(`{"decode_itl": [[1, 2], [3]]}`), `reading "decode_itl": row 1 has 1 numbers, the first one 2`},
		"flat":      {bytes.Replace([]byte(document), []byte("[[5, 6, 8], [9, 12, 18]]"), []byte("[5]"), 1), `key "decode_itl" has 1 dimensions: must have 2`},
		"steep":     {bytes.Replace([]byte(document), []byte("[100, 200, 400]"), []byte("[[1]]"), 1), `key "prefill_isl" has 2 dimensions: must have 1`},
		"not equal": {bytes.Replace([]byte(document), []byte("[100, 200, 400]"), []byte("[100, 200]"), 1), "prefill_ttft_ms has 3 values: must have one for each of the 2 points of prefill_isl"},
	} {
		_, err := Parse(c.data)
		assert.EqualError(t, err, c.want, name)
	}
}

func npy(version byte, header, body string) []byte {
	size := string([]byte{byte(len(header)), 0})
	if version > 1 {
		size += "\x00\x00"
	}
	return []byte("\x93NUMPY" + string([]byte{version, 0}) + size + header + body)
}

func TestDamagedArrays(t *testing.T) {
	t.Parallel()
	header := func(descr, shape string) string {
		return fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%s), }\n", descr, shape)
	}
	a, err := parseNPY(npy(3, header("<i4", ""), "\xfe\xff\xff\xff"))
	require.NoError(t, err)
	assert.Equal(t, array{[]int{1}, []float64{-2}}, a, "a number without dimensions")
	for want, data := range map[string][]byte{
		`not an NPY array: it does not begin with \x93NUMPY`:                                        []byte("\x93NUMPI\x01\x00xx"),
		`NPY version 9: must be 1, 2 or 3`:                                                          npy(9, header("<i4", "1,"), ""),
		`the header is cut off`:                                                                     npy(1, header("<i4", "1,"), "")[:30],
		`header "{}": must have descr, fortran_order and shape`:                                     npy(1, "{}", ""),
		`7 bytes of data: must be 8 for 2 elements of type "<i4"`:                                   npy(2, header("<i4", "2,"), "1234567"),
		`shape (99999999, 99999999): must be at most two numbers with a product of at most 1048576`: npy(1, header("<f8", "99999999, 99999999"), ""),
		`shape (1, 1, 1): must be at most two numbers with a product of at most 1048576`:            npy(1, header("<f8", "1, 1, 1"), "12345678"),
		`shape (-1,): must be at most two numbers with a product of at most 1048576`:                npy(1, header("<f8", "-1,"), ""),
	} {
		_, err := parseNPY(data)
		assert.EqualError(t, err, want)
	}
	_, err = parseNPY([]byte("\x93NUMPY\x02\x00\x01"))
	require.EqualError(t, err, "the header is cut off")
}

func TestConvert(t *testing.T) {
	t.Parallel()
	p, err := Convert(read(t, "prefill_raw_data.npz"), read(t, "decode_raw_data.npz"))
	require.NoError(t, err)
	assert.Equal(t, []float64{100, 200, 400}, p.PrefillTokens, "points come in any order")
	assert.Equal(t, []float64{10, 30, 40}, p.PrefillMS)
	require.Len(t, p.DecodeKVTokens, 100)
	assert.Equal(t, []float64{1000, 3000}, p.DecodeContext)
	// Usages of k/99 of 99,000 tokens: 0.2, 0.5 and 0.8 lie between points of the grid.
	for k, want := range map[int]float64{
		0:  5,                                       // left of all
		33: 5 + 4*(33.0/99-0.2)/0.3,                 // between 0.2 and 0.5
		66: 9 + 2*(66.0/99-0.5)/0.3, 90: 11, 99: 11, // right of all
	} {
		assert.InDelta(t, float64(1000*k), p.DecodeKVTokens[k], 1e-9)
		assert.InDelta(t, want, p.DecodeMS[k][0], 1e-12, "%d", k)
		assert.InDelta(t, 7, p.DecodeMS[k][1], 1e-12, "one point is everywhere")
	}
	json, err := Convert([]byte(`{"prefill_isl": [100, 200, 400, 400], "prefill_ttft": [10, 30, 30, 50]}`),
		[]byte(`{"x_kv_usage": [0.2, 0.8, 0.5, 0.1], "y_context_length": [1000, 1000, 1000, 3000], "z_itl": [5, 11, 9, 7], "max_kv_tokens": 99000}`))
	require.NoError(t, err)
	assert.Equal(t, p, json, "two values at 400 count as their mean")
}

func TestConvertRefuses(t *testing.T) {
	t.Parallel()
	prefill := []byte(`{"prefill_isl": [100, 200], "prefill_ttft": [10, 30]}`)
	for decode, want := range map[string]string{
		`[]`: "decode data: neither an NPZ archive nor a JSON object: json: cannot unmarshal array into Go value of type map[string]json.RawMessage",
		`{"x_kv_usage": [], "y_context_length": [1], "z_itl": []}`:                          `decode data: key "y_context_length" has 1 values, "x_kv_usage" has 0: must be as many`,
		`{"x_kv_usage": [], "y_context_length": [], "z_itl": [], "max_kv_tokens": 5}`:       "decode data: there are no points",
		`{"x_kv_usage": [0], "y_context_length": [1], "z_itl": [2], "max_kv_tokens": [-5]}`: `decode data: max_kv_tokens "[-5]": must begin with a number above 0`,
		`{"x_kv_usage": [0], "y_context_length": [1], "z_itl": [2]}`:                        `decode data: key "max_kv_tokens" is missing`,
	} {
		_, err := Convert(prefill, []byte(decode))
		assert.EqualError(t, err, want)
	}
	_, err := Convert([]byte(`{}`), []byte(`{}`))
	require.ErrorContains(t, err, `prefill data: key "prefill_isl" is missing`)
	require.ErrorContains(t, err, `decode data: key "x_kv_usage" is missing`)
}

// FuzzParse wants an error or a profile that gives a number, and no panic.
func FuzzParse(f *testing.F) {
	for _, name := range []string{"plain.npz", "deflated_fortran.npz", "version2.npz", "complex.npz"} {
		f.Add(read(f, name))
	}
	f.Add([]byte(document))
	var empty bytes.Buffer
	require.NoError(f, zip.NewWriter(&empty).Close())
	f.Add(empty.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := Parse(data)
		if (p == nil) != (err != nil) {
			t.Fatal("neither or both")
		}
		if p != nil {
			w := engine.Work{Prefilling: 1, PromptTokens: 5, Decoding: 1, ContextTokens: 7, CacheTokens: 10}
			p.Prefill(w)
			p.Decode(w)
		}
	})
}
