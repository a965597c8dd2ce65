package dataset_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/workload/dataset"
)

// TestRandomFiles: files of chance, written by encoding/json, are read as their twins read them, each record with the line it begins in.
func TestRandomFiles(t *testing.T) {
	draw := rand.New(rand.NewPCG(1, 8))
	for range 300 {
		for format, make := range makers() {
			var records []string
			for range 1 + draw.IntN(8) {
				records = append(records, make(draw))
			}
			content, lines := joined(draw, format, records)
			d, err := read(content, format)
			require.NoError(t, err, content)
			require.Equal(t, fmt.Sprintf("%x", sha256.Sum256([]byte(content))), d.SHA256)
			got := entries(t, d)
			for i, e := range got {
				require.Equal(t, lines[i], e.Line, content)
			}
			require.Equal(t, naive(format, []byte(content)), unlined(got), content)
		}
	}
}

// joined makes a file of records, with breaks and blanks of chance between them, and says in which line each is.
func joined(draw *rand.Rand, format dataset.Format, records []string) (content string, lines []int) {
	var b strings.Builder
	b.WriteString([]string{"", "\ufeff"}[draw.IntN(2)])
	begin, between, end := "", "\n", []string{"", "\n"}[draw.IntN(2)]
	switch format {
	case dataset.ShareGPT:
		begin, between, end = "[", ",", "]"
	case dataset.Inputs:
		begin, between, end = `{"a":[{}],"data" :[`, ",", `],"z":{"b":"}"}}`
	case dataset.BurstGPT:
		begin = "Response tokens,x,Timestamp,Request tokens\n"
	}
	blank := func() {
		b.WriteString([]string{"", "\n", "  ", "\r\n\t", "\n\n"}[draw.IntN(5)])
	}
	b.WriteString(begin)
	for i, record := range records {
		if i > 0 {
			b.WriteString(between)
		}
		if format != dataset.BurstGPT {
			blank()
		} else if draw.IntN(3) == 0 {
			b.WriteString("\n")
		}
		line := 1 + strings.Count(b.String(), "\n")
		if format == dataset.Inputs {
			record = "{\"session_id\":\"a\",\n\"payloads\":[" + record + "]}"
			line++
		}
		lines = append(lines, line)
		b.WriteString(record)
		if format != dataset.BurstGPT {
			blank()
		}
	}
	b.WriteString(end)
	return b.String(), lines
}

func makers() map[dataset.Format]func(*rand.Rand) string {
	request := func(draw *rand.Rand) string {
		return object(draw, map[string]any{"model": "m", "stream": true, "max_tokens": 1 + draw.IntN(9), "messages": []any{map[string]any{"role": "user", "content": words(draw)}}})
	}
	return map[dataset.Format]func(*rand.Rand) string{
		dataset.SingleTurn: func(draw *rand.Rand) string {
			v := map[string]any{"text": words(draw)}
			switch draw.IntN(3) {
			case 0:
				v = map[string]any{"texts": []any{words(draw), map[string]any{"name": words(draw), "contents": []any{"", words(draw)}}}}
			case 1:
				v["texts"], v["role"], v["extra"] = []any{""}, words(draw), map[string]any{words(draw): words(draw)}
			}
			if draw.IntN(2) == 0 {
				v["timestamp"], v["output_length"] = float64(draw.IntN(1000))/8, 1+draw.IntN(1000)
			}
			v[words(draw)] = map[string]any{"text": words(draw)}
			return object(draw, v)
		},
		dataset.Mooncake: func(draw *rand.Rand) string {
			v := map[string]any{"output_length": 1 + draw.IntN(100), "timestamp": draw.IntN(1 << 40)}
			switch draw.IntN(5) {
			case 0:
				v["text_input"] = words(draw)
			case 1:
				v["messages"] = []any{map[string]any{"role": words(draw), "content": words(draw)}}
			case 2:
				v["payload"], v["output_length"] = map[string]any{words(draw): words(draw), "max_tokens": 3}, nil
			default:
				ids := []any{draw.IntN(1 << 50)}
				for range draw.IntN(5) {
					ids = append(ids, draw.IntN(100))
				}
				v["hash_ids"], v["input_length"] = ids, len(ids)*512-draw.IntN(512)
			}
			return object(draw, v)
		},
		dataset.ShareGPT: func(draw *rand.Rand) string {
			messages := []any{map[string]any{"from": "system", "value": words(draw)}}
			for range draw.IntN(3) {
				messages = append(messages, map[string]any{"value": words(draw), "from": []any{"human", "gpt", "user", "other"}[draw.IntN(4)]})
			}
			messages = append(messages, map[string]any{"from": "human", "value": words(draw)}, map[string]any{"value": words(draw), "from": "assistant"})
			return object(draw, map[string]any{"id": words(draw), "conversations": messages})
		},
		dataset.BurstGPT: func(draw *rand.Rand) string {
			return fmt.Sprintf("%d,\"%s\n\",%v, %d", 1+draw.IntN(50), strings.ReplaceAll(words(draw), `"`, `""`), float64(draw.IntN(1000))/8, 1+draw.IntN(50))
		},
		dataset.Inputs:     request,
		dataset.RawPayload: request,
	}
}

// object is a map as JSON, in one line, with blanks or without.
func object(draw *rand.Rand, v map[string]any) string {
	if draw.IntN(2) == 0 {
		text, _ := json.Marshal(v)
		return string(text)
	}
	text, _ := json.MarshalIndent(v, "", " ")
	return strings.ReplaceAll(string(text), "\n", "\t")
}

// words are texts with all that could mislead a reader of JSON.
func words(draw *rand.Rand) string {
	pieces := []string{"a", "word ", `"`, `\`, `\\"`, "{", "]", ",", ":", "\n", "\u2028", "é", "😀", "<&>", `\u0041`, "null"}
	var b strings.Builder
	for range 1 + draw.IntN(6) {
		b.WriteString(pieces[draw.IntN(len(pieces))])
	}
	return b.String()
}

// TestKeysWithEscapes: a key is what it says, however it is written.
func TestKeysWithEscapes(t *testing.T) {
	d, err := read(`{"\u0074ext": "a", "te\"xt": 1}`, dataset.SingleTurn)
	require.NoError(t, err)
	assert.Equal(t, []string{"a"}, entries(t, d)[0].Texts)
	require.Len(t, d.Notes, 1)
	assert.Contains(t, d.Notes[0], `key "te\"xt" ignored`)
}
