package dataset_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/llmsweep/llmsweep/harness/workload/dataset"
)

// unlined leaves out the lines, of which the twin knows nothing.
func unlined(all []dataset.Entry) []dataset.Entry {
	for i := range all {
		all[i].Line = 0
	}
	return all
}

// naive reads a good file as a whole, by encoding/json and into maps.
func naive(format dataset.Format, content []byte) []dataset.Entry {
	content = bytes.TrimPrefix(content, []byte("\ufeff"))
	var all []dataset.Entry
	switch format {
	case dataset.BurstGPT:
		return naiveTable(content)
	case dataset.Inputs:
		var file, session map[string]json.RawMessage // keys of a struct would be found in any case
		var sessions, payloads []json.RawMessage
		_ = json.Unmarshal(content, &file)
		_ = json.Unmarshal(file["data"], &sessions)
		for _, text := range sessions {
			session, payloads = nil, nil
			_ = json.Unmarshal(text, &session)
			_ = json.Unmarshal(session["payloads"], &payloads)
			for _, payload := range payloads {
				all = append(all, naiveRequest(payload))
			}
		}
		return all
	}
	records := bytes.Split(content, []byte("\n"))
	if first := bytes.TrimSpace(content); format == dataset.ShareGPT && first[0] == '[' {
		var list []json.RawMessage
		_ = json.Unmarshal(first, &list)
		records = nil
		for _, record := range list {
			records = append(records, record)
		}
	}
	for _, record := range records {
		if record = bytes.TrimSpace(record); len(record) == 0 {
			continue
		}
		switch format {
		case dataset.ShareGPT:
			all = append(all, naiveConversation(record)...)
		case dataset.RawPayload:
			all = append(all, naiveRequest(record))
		default:
			all = append(all, naiveLine(record, format))
		}
	}
	return all
}

func naiveRequest(raw json.RawMessage) dataset.Entry {
	var v map[string]any
	_ = json.Unmarshal(raw, &v)
	e := dataset.Entry{Body: bytes.TrimSpace(raw), Timestamp: dataset.Never}
	for _, key := range []string{"max_tokens", "max_completion_tokens"} {
		if n, given := v[key].(float64); given {
			e.OutputTokens = int(n)
		}
	}
	return e
}

func naiveLine(raw json.RawMessage, format dataset.Format) dataset.Entry {
	var v map[string]any
	var parts map[string]json.RawMessage
	_ = json.Unmarshal(raw, &v)
	_ = json.Unmarshal(raw, &parts)
	if body, given := parts["payload"]; given && v["payload"] != nil {
		e := naiveRequest(body)
		e.Timestamp = naiveTime(string(parts["timestamp"]), time.Millisecond)
		return e
	}
	if format == dataset.RandomPool { // which has no more than texts
		delete(parts, "timestamp")
		v = map[string]any{"text": v["text"], "texts": v["texts"]}
	}
	e := dataset.Entry{Timestamp: naiveTime(string(parts["timestamp"]), time.Millisecond)}
	part := func(key string) json.RawMessage {
		if v[key] == nil {
			return nil
		}
		return parts[key]
	}
	e.Messages, e.Tools, e.Extra = part("messages"), part("tools"), part("extra")
	e.Role, _ = v["role"].(string)
	for key, into := range map[string]*int{"output_length": &e.OutputTokens, "input_length": &e.InputTokens} {
		n, _ := v[key].(float64)
		*into = int(n)
	}
	for _, key := range []string{"text", "text_input"} {
		if text, _ := v[key].(string); text != "" {
			e.Texts = []string{text}
		}
	}
	texts, _ := v["texts"].([]any)
	for _, text := range texts {
		contents := []any{text}
		if named, is := text.(map[string]any); is {
			contents, _ = named["contents"].([]any)
		}
		for _, content := range contents {
			if content != "" {
				e.Texts = append(e.Texts, content.(string))
			}
		}
	}
	_ = json.Unmarshal(parts["hash_ids"], &e.HashIDs)
	return e
}

// naiveTime is exact for whole numbers, where a float64 is not.
func naiveTime(text string, unit time.Duration) time.Duration {
	if text == "" || text == "null" {
		return dataset.Never
	}
	if n, whole := new(big.Int).SetString(text, 10); whole {
		return time.Duration(n.Int64()) * unit
	}
	x, _ := strconv.ParseFloat(text, 64)
	return time.Duration(math.Round(x * float64(unit)))
}

// naiveConversation makes a list of who said what, and looks for a question before an answer.
func naiveConversation(raw json.RawMessage) []dataset.Entry {
	var v map[string]json.RawMessage
	var messages []map[string]any
	_ = json.Unmarshal(raw, &v)
	_ = json.Unmarshal(v["conversations"], &messages)
	type line struct{ who, what string }
	var lines []line
	for i, message := range messages {
		what, _ := message["value"].(string)
		from, said := message["from"].(string)
		switch {
		case message["from"] == nil:
			lines = append(lines, line{[]string{"asks", "answers"}[i%2], what})
		case said && (from == "human" || from == "user"):
			lines = append(lines, line{"asks", what})
		case said && slices.Contains([]string{"gpt", "chatgpt", "assistant", "bing", "bard"}, from):
			lines = append(lines, line{"answers", what})
		}
	}
	for i := 1; i < len(lines); i++ {
		asked, answered := lines[i-1], lines[i]
		if asked.who == "asks" && answered.who == "answers" && asked.what != "" && answered.what != "" {
			return []dataset.Entry{{Texts: []string{asked.what}, Answer: answered.what, Timestamp: dataset.Never}}
		}
	}
	return nil
}

func naiveTable(content []byte) []dataset.Entry {
	rows, _ := csv.NewReader(bytes.NewReader(content)).ReadAll()
	column := map[string]int{}
	for i := len(rows[0]) - 1; i >= 0; i-- {
		column[strings.TrimSpace(rows[0][i])] = i
	}
	var all []dataset.Entry
	for _, row := range rows[1:] {
		cell := func(name string) float64 {
			x, _ := strconv.ParseFloat(strings.TrimSpace(row[column[name]]), 64)
			return x
		}
		e := dataset.Entry{InputTokens: int(cell("Request tokens")), OutputTokens: int(cell("Response tokens")), Timestamp: naiveTime(strings.TrimSpace(row[column["Timestamp"]]), time.Second)}
		if e.InputTokens > 0 && e.OutputTokens > 0 {
			all = append(all, e)
		}
	}
	return all
}
