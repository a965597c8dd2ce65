package dataset_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/workload/dataset"
)

var update = flag.Bool("update", false, "write the golden entries")

func read(content string, format dataset.Format) (*dataset.Dataset, error) {
	return dataset.Read("data.jsonl", strings.NewReader(content), int64(len(content)), format)
}

func entries(t testing.TB, d *dataset.Dataset) []dataset.Entry {
	t.Helper()
	all := make([]dataset.Entry, d.Len())
	for i := range all {
		e, err := d.Entry(i)
		require.NoError(t, err)
		all[i] = *e
	}
	return all
}

// samples are the files of testdata, by their formats.
func samples(t testing.TB) map[dataset.Format][]byte {
	t.Helper()
	all := map[dataset.Format][]byte{}
	for _, format := range dataset.Formats() {
		found, err := filepath.Glob("testdata/" + string(format) + ".[jc]*[nlv]")
		require.NoError(t, err)
		require.Len(t, found, 1, format)
		all[format], err = os.ReadFile(found[0])
		require.NoError(t, err)
	}
	return all
}

// TestFormats holds what is read of a file in each format against golden files, whose lines were compared with the files by eye.
func TestFormats(t *testing.T) {
	for format, content := range samples(t) {
		t.Run(string(format), func(t *testing.T) {
			d, err := read(string(content), format)
			require.NoError(t, err)
			var got bytes.Buffer
			fmt.Fprintf(&got, "SHA-256 %s\ntimed %d, unsorted %d\n", d.SHA256, d.Timed, d.Unsorted)
			for _, note := range d.Notes {
				fmt.Fprintln(&got, "note", note)
			}
			for _, e := range entries(t, d) {
				line, err := json.Marshal(e)
				require.NoError(t, err)
				fmt.Fprintf(&got, "%s\n", line)
			}
			golden := filepath.Join("testdata", string(format)+".golden")
			if *update {
				require.NoError(t, os.WriteFile(golden, got.Bytes(), 0o600))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			assert.Equal(t, string(want), got.String())
			assert.Equal(t, naive(format, content), unlined(entries(t, d)), "the naive twin reads the same")
		})
	}
}

func TestDetect(t *testing.T) {
	for format, content := range samples(t) {
		if format == dataset.RandomPool {
			format = dataset.SingleTurn // AIPerf cannot tell them apart either
		}
		d, err := read(string(content), "")
		require.NoError(t, err)
		assert.Equal(t, format, d.Format)
		assert.NotEmpty(t, d.Detected)
	}
	for content, want := range map[string]string{
		`{"type": "random_pool", "text": "a"}`:                           `read as random_pool: the first record's "type" says so`,
		"\ufeff \n\r\n" + `{"text":"a"}`:                                 `read as single_turn: the first record has the key "text"`,
		`{"conversations": [{"value":"a"},{"value":"b"}]}`:               `read as sharegpt: the first record has the key "conversations"`,
		`{"hash_ids":[1],"input_length":3}`:                              `read as mooncake_trace: the first record has the key "input_length"`,
		`{"payload":{"a":1}}`:                                            `read as mooncake_trace: the first record has the key "payload"`,
		`{"messages":[{"role":"user"}]}`:                                 `read as mooncake_trace: the first record has the key "messages"`,
		`{"messages":[],"model":"m"}`:                                    `read as raw_payload: the first record has the key "messages" beside "model"`,
		"Response tokens,Request tokens,Timestamp\n1,2,3\n":              "read as burst_gpt_trace: of its columns",
		`[{"conversations": [{"value":"a"},{"value":"b"}]}]`:             "read as sharegpt: it is a JSON array",
		`{"version":1,"data":[{"session_id":"a","payloads":[{"a":1}]}]}`: `read as inputs_json: its "data" is a list`,
	} {
		d, err := read(content, "")
		if assert.NoError(t, err, content) {
			assert.Equal(t, want, "read as "+string(d.Format)+": "+d.Detected, content)
		}
	}
	for content, want := range map[string]string{
		"":             "is empty",
		"\n \n":        "is empty",
		"\x1f\x8b\x08": "is compressed (gzip): unpack it first",
		"PAR1\x00":     "is compressed (parquet): unpack it first",
		"a,b\n1,2\n":   `"a,b": is neither JSON nor a table with the columns of burst_gpt_trace: write a prompt a line as {"text": "..."}, or name its form with -custom-dataset-type`,
		`{"session_id":"s","turns":[{"text":"a"}]}`: `its first record has turns: conversations are not followed, each record is a request of its own: write the turns as records of single_turn`,
		`{"b":1,"a":2}`:              `no form of a dataset is known by the keys of its first record ("a, b"): write a prompt a line as {"text": "..."}, or name its form with -custom-dataset-type`,
		`{"text`:                     "by the keys of its first record",
		`{"data":{}}`:                "by the keys of its first record",
		strings.Repeat("x", 100_000): "…: is neither JSON",
	} {
		_, err := read(content, "")
		assert.ErrorContains(t, err, "data.jsonl: ", content)
		assert.ErrorContains(t, err, want)
	}
}

func TestParseFormat(t *testing.T) {
	for _, format := range append(dataset.Formats(), "") {
		got, err := dataset.ParseFormat(string(format))
		require.NoError(t, err)
		assert.Equal(t, format, got)
	}
	_, err := dataset.ParseFormat("multi_turn")
	require.EqualError(t, err, `"multi_turn": conversations are not followed, each record is a request of its own: write the turns as records of single_turn`)
	_, err = dataset.ParseFormat("csv")
	require.ErrorContains(t, err, `"csv": must be single_turn, random_pool, sharegpt, mooncake_trace, burst_gpt_trace, inputs_json or raw_payload`)
	_, err = read("x", "multi_turn")
	assert.ErrorContains(t, err, `data.jsonl: "multi_turn": conversations are not followed`)
}

// TestBadRecords: each line alone, and its number where it is the third.
func TestBadRecords(t *testing.T) {
	for format, cases := range badRecords() {
		for line, want := range cases {
			good := string(bytes.SplitN(samples(t)[format], []byte("\n"), 2)[0]) + "\n"
			_, err := read(good+"\n"+line+"\n"+good, format)
			if assert.Error(t, err, "%s: %s", format, line) {
				assert.Equal(t, "data.jsonl:3: "+want, err.Error(), line)
			}
		}
	}
}

func badRecords() map[dataset.Format]map[string]string {
	return map[dataset.Format]map[string]string{
		dataset.SingleTurn: {
			`{"text": "a"`:                               "is not JSON: unexpected end of JSON input",
			`{"text": 'a'}`:                              `is not JSON: invalid character '\'' looking for beginning of value`,
			`{"text": "a"} x`:                            "is not JSON: invalid character 'x' after top-level value",
			"{\"text\": \"\xff\"}":                       "is not UTF-8",
			strings.Repeat("[", 20_000):                  "is not JSON: invalid character '[' exceeded max depth",
			`"text"`:                                     `"text": must be an object`,
			`[1]`:                                        `"[1]": must be an object`,
			`{}`:                                         "has neither text nor texts",
			`{"text": ""}`:                               "has no text that is not empty",
			`{"text": null, "texts": [""]}`:              "has no text that is not empty",
			`{"text": 5}`:                                `text "5": must be a string`,
			`{"text": "a", "texts": ["b"]}`:              "text and texts cannot stand together",
			`{"texts": "a"}`:                             `texts "a": must be a list`,
			`{"texts": [1]}`:                             `texts: "1": must be a string, or an object with a list of contents`,
			`{"texts": [{"name": "a"}]}`:                 `texts: "{\"name\": \"a\"}": must be a string, or an object with a list of contents`,
			`{"texts": [{"contents": [2]}]}`:             `texts: contents: "2": must be a string`,
			`{"text": "a", "text": null}`:                `key "text": stands twice`,
			`{"text": null, "text": "b"}`:                `key "text": stands twice`,
			`{"text": "a", "text": "b"}`:                 `key "text": stands twice`,
			`{"text": "a", "image": "b.png"}`:            `key "image": llmsweep sends text only`,
			`{"text": "a", "type": "random_pool"}`:       `type "random_pool": must be single_turn, as that of the file`,
			`{"text": "a", "type": 1}`:                   `type "1": must be single_turn, as that of the file`,
			`{"messages": []}`:                           "has neither text nor texts: its keys are those of mooncake_trace",
			`{"text": "a", "role": 1}`:                   `role "1": must be a string`,
			`{"text": "a", "output_length": 0}`:          `output_length "0": must be at least 1`,
			`{"text": "a", "output_length": "40"}`:       `output_length "40": must be a whole number`,
			`{"text": "a", "output_length": 1.5}`:        `output_length "1.5": must be a whole number`,
			`{"text": "a", "output_length": 1e300}`:      `output_length "1e300": must be a whole number`,
			`{"text": "a", "output_length": 10000001}`:   `output_length "10000001": must be at most 10000000`,
			`{"text": "a", "timestamp": -1}`:             `timestamp "-1": must not be negative`,
			`{"text": "a", "timestamp": -0.5}`:           `timestamp "-0.5": must not be negative`,
			`{"text": "a", "timestamp": true}`:           `timestamp "true": must be a number`,
			`{"text": "a", "timestamp": 1e13}`:           `timestamp "1e13": is too large: it would be centuries`,
			`{"text": "a", "timestamp": 9300000000000}`:  `timestamp "9300000000000": is too large: it would be centuries`,
			`{"text": "a", "timestamp": 1e400}`:          `timestamp "1e400": is too large: it would be centuries`,
			`{"text": "a", "delay": []}`:                 `delay "[]": must be a number`,
			`{"text": "a", "timestamp": 1, "delay": 1}`:  "timestamp and delay cannot stand together",
			`{"text": "a", "extra": []}`:                 `extra "[]": must be an object`,
			`{"text": "a", "extra": {"stream": false}}`:  `extra "stream": cannot be set this way`,
			`{"text": "a", "extra": {"max_tokens": 1}}`:  `extra "max_tokens": cannot be set this way: use output_length`,
			`{"text": "a", "extra": {"messages": null}}`: `extra "messages": cannot be set this way`,
			`{"texts": ` + strings.Repeat("1", 90) + `}`: `texts "` + strings.Repeat("1", 60) + `"…: must be a list`,
		},
		dataset.RandomPool: {
			`{"text": 5}`:                               `text "5": must be a string`,
			`{"timestamp": 5}`:                          "has neither text nor texts",
			`{"input_length": 5}`:                       "has neither text nor texts: its keys are those of mooncake_trace",
			`{"text": "a", "type": "single_turn"}`:      `type "single_turn": must be random_pool, as that of the file`,
			`{"videos": ["a"], "text": "look at this"}`: `key "videos": llmsweep sends text only`,
		},
		dataset.Mooncake: {
			`{}`:                                        "has none of input_length, text_input, messages and payload",
			`{"text": "a"}`:                             "has none of input_length, text_input, messages and payload: its keys are those of single_turn",
			`{"input_length": 1, "text_input": ""}`:     "input_length, text_input, messages and payload exclude each other",
			`{"input_length": 0}`:                       `input_length "0": must be at least 1`,
			`{"input_length": "a"}`:                     `input_length "a": must be a whole number`,
			`{"input_length": 513, "hash_ids": [1]}`:    "input_length 513 and 1 hash_ids do not fit: each id stands for 512 tokens, the last for 1 to 512",
			`{"input_length": 512, "hash_ids": [1, 2]}`: "input_length 512 and 2 hash_ids do not fit: each id stands for 512 tokens, the last for 1 to 512",
			`{"input_length": 512, "hash_ids": [-1]}`:   `hash_ids: "-1": must be a whole number from 0 to 18446744073709551615`,
			`{"input_length": 512, "hash_ids": [18446744073709551616]}`:           `hash_ids: "18446744073709551616": must be a whole number from 0 to 18446744073709551615`,
			`{"input_length": 512, "hash_ids": 1}`:                                `hash_ids "1": must be a list`,
			`{"text_input": "a", "hash_ids": [1]}`:                                "hash_ids need input_length",
			`{"text_input": ""}`:                                                  "text_input: must not be empty",
			`{"text_input": 1}`:                                                   `text_input "1": must be a string`,
			`{"messages": []}`:                                                    "messages: must not be empty",
			`{"messages": {}}`:                                                    `messages "{}": must be a list`,
			`{"messages": [{"role": "user"}, {"content": "a"}]}`:                  "messages: number 2: must be an object with a role",
			`{"messages": [1]}`:                                                   "messages: number 1: must be an object with a role",
			`{"messages": [{"role": "user"}], "tools": []}`:                       "tools: must be a list that is not empty, beside messages",
			`{"text_input": "a", "tools": [{}]}`:                                  "tools: must be a list that is not empty, beside messages",
			`{"messages": [{"role": "user"}], "message_mode": "delta"}`:           `message_mode "delta": conversations are not followed: each record must hold all of its messages`,
			`{"messages": [{"role": "user"}], "message_mode": 1}`:                 `message_mode "1": must be history`,
			`{"payload": {}}`:                                                     "a request body must not be empty",
			`{"payload": "a"}`:                                                    `"a": a request body must be an object`,
			`{"payload": {"a": 1}, "output_length": 5}`:                           "output_length and extra cannot stand beside payload, which is sent as it stands: put them into it",
			`{"payload": {"a": 1}, "extra": {}}`:                                  "output_length and extra cannot stand beside payload, which is sent as it stands: put them into it",
			`{"payload": {"n": 2}}`:                                               `n "2": must be 1: llmsweep measures one answer a request`,
			`{"payload": {"max_tokens": 0}}`:                                      `max_tokens "0": must be at least 1`,
			`{"input_length": 1, "type": "text"}`:                                 `type "text": must be mooncake_trace, as that of the file`,
			`{"input_length": 1, "output_length": 0}`:                             `output_length "0": must be at least 1`,
			`{"input_length": 1, "timestamp": 2, "delay": 2, "output_length": 1}`: "timestamp and delay cannot stand together",
		},
		dataset.RawPayload: {
			`[]`:                                 `"[]": a request body must be an object`,
			`{}`:                                 "a request body must not be empty",
			`{"n": 3}`:                           `n "3": must be 1: llmsweep measures one answer a request`,
			`{"max_tokens": 0}`:                  `max_tokens "0": must be at least 1`,
			`{"max_completion_tokens": "1"}`:     `max_completion_tokens "1": must be a whole number`,
			`{"max_tokens": 1, "max_tokens": 2}`: `key "max_tokens": stands twice`,
		},
	}
}

func TestBadConversations(t *testing.T) {
	for record, want := range map[string]string{
		`5`:                      `"5": must be an object`,
		`{"conversations": 5}`:   `conversations "5": must be a list`,
		`{"conversations": [5]}`: `conversations: number 1: "5": must be an object`,
		`{"conversations": [{"from":"human","value":"a"},{"from":"gpt","value":5}]}`: `conversations: number 2: value "5": must be a string`,
		"{\"conversations\": \"\xff\"}":                                              "is not UTF-8",
	} {
		good := `{"conversations": [{"value":"a"},{"value":"b"}]}`
		_, err := read("["+good+",\n\n"+record+",\n"+good+"]", dataset.ShareGPT)
		if assert.Error(t, err, record) {
			assert.Equal(t, "data.jsonl:3: "+want, err.Error())
		}
	}
	for content, want := range map[string]string{
		"[\n":                         "data.jsonl:1: is not JSON: unexpected end: nothing behind it can be read",
		"[{},\n{":                     "data.jsonl:1: is not JSON: unexpected end: nothing behind it can be read",
		"[{},\n\n{]":                  "data.jsonl:1: is not JSON: invalid character ']' looking for beginning of object key string: nothing behind it can be read",
		"[{}\n{}]":                    "data.jsonl:2: is not JSON: expected comma after array element: nothing behind it can be read",
		"[]\n\n1":                     `data.jsonl:3: "1": text after the JSON value: nothing behind it can be read`,
		"[]":                          "data.jsonl: has no record",
		"[{},{\"conversations\":[]}]": "data.jsonl: has no record that can be sent: the first, in line 1, has no conversations",
		`[{"text":"a"}]`:              "data.jsonl: has no record that can be sent: the first, in line 1, has no conversations: its keys are those of single_turn",
		"x":                           "data.jsonl:1: is not JSON: invalid character 'x' looking for beginning of value",
	} {
		_, err := read(content, dataset.ShareGPT)
		if assert.Error(t, err, content) {
			assert.Equal(t, want, err.Error(), content)
		}
	}
}

// TestFirstAnsweredQuestion: an answer belongs to the question just before it.
func TestFirstAnsweredQuestion(t *testing.T) {
	say := func(lines ...string) string {
		var messages []string
		for _, line := range lines {
			from, value, _ := strings.Cut(line, ": ")
			messages = append(messages, fmt.Sprintf(`{"from": %q, "value": %q}`, from, value))
		}
		return `[{"conversations": [` + strings.Join(messages, ", ") + "]}]"
	}
	for _, c := range []struct {
		conversation, question, answer string
	}{
		{say("human: Q", "gpt: A"), "Q", "A"},
		{say("human: Q", "gpt: ", "gpt: late", "human: Q2", "gpt: A2"), "Q2", "A2"},
		{say("human: ", "gpt: A", "user: Q2", "bard: A2", "human: Q3", "gpt: A3"), "Q2", "A2"},
		{say("human: Q", "tool: T", "system: S", "gpt: A"), "Q", "A"},
		{say("human: Q", "human: Q2", "chatgpt: A"), "Q2", "A"},
		{say("gpt: A", "human: Q"), "", ""},
		{say("human: Q", "gpt: ", "gpt: late"), "", ""},
	} {
		d, err := read(c.conversation, dataset.ShareGPT)
		if c.question == "" {
			require.ErrorContains(t, err, "has no question with an answer", c.conversation)
			continue
		}
		require.NoError(t, err, c.conversation)
		e := entries(t, d)[0]
		assert.Equal(t, []string{c.question, c.answer}, []string{e.Texts[0], e.Answer}, c.conversation)
	}
}

func TestBadTables(t *testing.T) {
	const head = "Timestamp,Model,Request tokens,Response tokens\n"
	for content, want := range map[string]string{
		"":                               "data.jsonl:1: is empty",
		"Timestamp,Model\n":              `data.jsonl:1: the header has no column ["Request tokens" "Response tokens"]: must have Timestamp, Request tokens and Response tokens`,
		head:                             "data.jsonl: has no record",
		head + "1,m,2,0\n":               "data.jsonl: has no record that can be sent: the first, in line 2, failed: it has no response tokens",
		head + "1,m,2,3\nx,m,2,3\n":      `data.jsonl:3: Timestamp "x": must be a number`,
		head + "NaN,m,2,3\n":             `data.jsonl:2: Timestamp "NaN": must be a number`,
		head + "Inf,m,2,3\n":             `data.jsonl:2: Timestamp "Inf": is too large: it would be centuries`,
		head + "1,m,,3\n":                `data.jsonl:2: Request tokens "": must be a whole number`,
		head + "1,m,2,-3\n":              `data.jsonl:2: Response tokens "-3": must be at least 0`,
		head + "1,m,2\n\n1,m,2,3\n":      "data.jsonl:2: wrong number of fields",
		head + "\"1\"x,m,2,3\n1,m,2,3\n": `data.jsonl:2: extraneous or missing " in quoted-field`,
	} {
		_, err := read(content, dataset.BurstGPT)
		if assert.Error(t, err, content) {
			assert.Equal(t, want, err.Error(), content)
		}
	}
}

// TestTablesOfAnyText: only the numbers of a table are looked at.
func TestTablesOfAnyText(t *testing.T) {
	d, err := read("Timestamp,Log,Request tokens,Response tokens\n5,\xff,1,2\n", dataset.BurstGPT)
	require.NoError(t, err)
	assert.Equal(t, 2, entries(t, d)[0].OutputTokens)
}

func TestBadInputs(t *testing.T) {
	for content, want := range map[string]string{
		`[]`:          `data.jsonl:1: "[": must be "{": nothing behind it can be read`,
		`{}`:          "data.jsonl: has no record",
		`{"data":[]}`: "data.jsonl: has no record",
		`{"data":[{"payloads":[{"a":1}]}],"data":[]}`: `data.jsonl:1: key "data": stands twice: nothing behind it can be read`,
		`{"data":5}`:                        `data.jsonl:1: "5": must be "[": nothing behind it can be read`,
		`{"data":[],"recipe":{"isl":2000}}`: "data.jsonl: has the recipe of request bodies that were too many to be kept, not the bodies: run with the settings that it names",
		"{\"data\":[\n5]}":                  `data.jsonl:2: "5": must be an object with a list of payloads`,
		"{\"data\":[\n{\"payloads\":[\n\n{},{\"a\":1}\n,2]}]}": "data.jsonl:4: a request body must not be empty\ndata.jsonl:5: \"2\": a request body must be an object",
		"{\"data\":[\n{\"payloads\":[{\"a\":1}]}":              "data.jsonl:2: is not JSON: unexpected end: nothing behind it can be read",
		`{"data":[{"payloads":[{"a":1}]}]} {}`:                 `data.jsonl:1: "{": text after the JSON value: nothing behind it can be read`,
	} {
		_, err := read(content, dataset.Inputs)
		if assert.Error(t, err, content) {
			assert.Equal(t, want, err.Error(), content)
		}
	}
}

// TestAllProblemsAtOnce: of very many the first are told.
func TestAllProblemsAtOnce(t *testing.T) {
	_, err := read(strings.Repeat("{\"text\":\"a\"}\n{}\n", 3), dataset.SingleTurn)
	require.Error(t, err)
	assert.Equal(t, "data.jsonl:2: has neither text nor texts\ndata.jsonl:4: has neither text nor texts\ndata.jsonl:6: has neither text nor texts", err.Error())

	_, err = read(strings.Repeat("{}\n", 1000), dataset.SingleTurn)
	require.Error(t, err)
	lines := strings.Split(err.Error(), "\n")
	require.Len(t, lines, 21)
	assert.Equal(t, "data.jsonl:20: has neither text nor texts", lines[19])
	assert.Equal(t, "data.jsonl: and 980 more records that are wrong", lines[20])

	_, err = read("["+strings.Repeat("5,\n", 1000), dataset.ShareGPT)
	lines = strings.Split(err.Error(), "\n")
	require.Len(t, lines, 20)
	assert.Equal(t, "data.jsonl:1000: is not JSON: unexpected end: nothing behind it can be read", lines[19])
}

func TestNotesOfManyKeysAreFew(t *testing.T) {
	var content strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&content, "{\"text\":\"a\",\"k%d\":1,\"again\":1}\n", i)
	}
	d, err := read(content.String(), dataset.SingleTurn)
	require.NoError(t, err)
	require.Len(t, d.Notes, 20)
	assert.Equal(t, `key "k0" ignored in 1 record, the first in line 1: it is none of single_turn's`, d.Notes[0])
	assert.Equal(t, `key "again" ignored in 1000 records, the first in line 1: it is none of single_turn's`, d.Notes[1])
}

// changing is a file that is another one after its first pass.
type changing struct {
	now []byte
	err error
}

func (c *changing) ReadAt(b []byte, offset int64) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	return bytes.NewReader(c.now).ReadAt(b, offset)
}

func TestChangedFile(t *testing.T) {
	const content = "{\"text\":\"one\"}\n{\"text\":\"two\"}\n"
	file := &changing{now: []byte(content)}
	d, err := dataset.Read("f.jsonl", file, int64(len(content)), "")
	require.NoError(t, err)
	for now, want := range map[string]string{
		content[:20]: "f.jsonl:2: the file has become shorter since it was read first",
		strings.Replace(content, "two\"", "\"two", 1):                "f.jsonl:2: the file has changed since it was read first",
		strings.Replace(content, "text\":\"two", "tex\":\"two\"", 1): "f.jsonl:2: the file has changed since it was read first",
	} {
		file.now = []byte(now)
		_, err = d.Entry(1)
		if assert.Error(t, err) {
			assert.Equal(t, want, err.Error())
		}
	}
	const talk = `[{"conversations": [{"value":"a"},{"value":"b"}]}]`
	other := &changing{now: []byte(talk)}
	talks, err := dataset.Read("f.json", other, int64(len(talk)), "")
	require.NoError(t, err)
	other.now = []byte(strings.Replace(talk, `"b"`, `"" `, 1))
	_, err = talks.Entry(0)
	require.EqualError(t, err, "f.json:1: the file has changed since it was read first", "what would be passed over is not what it was")

	file.err = io.ErrClosedPipe
	_, err = d.Entry(1)
	require.ErrorIs(t, err, io.ErrClosedPipe)
	assert.ErrorContains(t, err, "f.jsonl:2: ")
	_, err = dataset.Read("f.jsonl", file, 10, "")
	require.ErrorIs(t, err, io.ErrClosedPipe)
	_, err = dataset.Read("f.jsonl", file, 10, dataset.SingleTurn)
	require.ErrorIs(t, err, io.ErrClosedPipe)
	assert.ErrorContains(t, err, "f.jsonl: ")
}

func TestEntriesConcurrently(t *testing.T) {
	d, err := read(strings.Repeat("{\"text\":\"one\"}\n{\"text\":\"two\"}\n", 50), "")
	require.NoError(t, err)
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for i := range d.Len() {
				e, err := d.Entry(i)
				assert.NoError(t, err)
				assert.Equal(t, []string{[]string{"one", "two"}[i%2]}, e.Texts)
				assert.Equal(t, i+1, e.Line)
			}
		})
	}
	readers.Wait()
}

// TestLongLines: longer than any buffer, and at its edges.
func TestLongLines(t *testing.T) {
	for _, n := range []int{(256 << 10) - 12, (256 << 10) - 11, 256 << 10, 1 << 20} {
		long := strings.Repeat("a", n)
		d, err := read(`{"text":"`+long+"\"}\n"+`{"text":"b"}`, "")
		require.NoError(t, err)
		all := entries(t, d)
		require.Len(t, all, 2)
		assert.Equal(t, long, all[0].Texts[0])
		assert.Equal(t, []string{"b"}, all[1].Texts)
		assert.Equal(t, 2, all[1].Line)
	}
}

func TestPrompt(t *testing.T) {
	block := func(id uint64, tokens int) []byte { return fmt.Appendf(nil, " %d:%d", id, tokens) }
	e := dataset.Entry{InputTokens: 1100, HashIDs: []uint64{7, 8, 9}}
	assert.Equal(t, "x 7:512 8:512 9:76", string(e.Prompt([]byte("x"), block)))
	assert.Empty(t, (&dataset.Entry{InputTokens: 5}).Prompt(nil, block))
}
