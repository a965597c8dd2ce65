package dataset

import "fmt"

// parseConversation reads one conversation of ShareGPT: its first question that has an answer. As in AIPerf, what is neither a question nor an
// answer is passed over, and in a conversation that does not say who speaks the two take turns.
func parseConversation(raw []byte, f *found) (string, error) {
	f.at = Never
	err := f.read(raw, func(f *found, key string) *[]byte {
		if key == "conversations" {
			return &f.conversations
		}
		return &f.rest
	})
	switch {
	case err != nil:
		return "", err
	case f.conversations == nil:
		return "has no conversations" + hint(raw, ShareGPT), nil
	case !isArray(f.conversations):
		return "", fmt.Errorf("conversations %s: must be a list", excerpt(f.conversations))
	}
	var question []byte
	n := 0
	err = array(f.conversations, func(message []byte) error {
		n++
		if f.answer != nil {
			return nil
		}
		asks, answers, value, err := said(message, n%2 == 1)
		switch {
		case err != nil:
			return fmt.Errorf("conversations: number %d: %w", n, err)
		case asks:
			question = value
		case answers && question != nil:
			if string(question) != `""` && value != nil && string(value) != `""` {
				f.text, f.answer = question, value
			}
			question = nil
		}
		return nil
	})
	if err == nil && f.answer == nil {
		return "has no question with an answer", nil
	}
	return "", err
}

// said reads one message of a conversation. turn says whether it is the asker's, should the message not say who speaks.
func said(message []byte, turn bool) (asks, answers bool, value []byte, err error) {
	if !isObject(message) {
		return false, false, nil, fmt.Errorf("%s: must be an object", excerpt(message))
	}
	var from []byte
	_ = object(message, func(key, v []byte) error {
		if isNull(v) {
			v = nil
		}
		switch string(key) {
		case "from":
			from = v
		case "value":
			value = v
		}
		return nil
	})
	if err := text("value", value); err != nil {
		return false, false, nil, err
	}
	if from == nil {
		return turn, !turn, value, nil
	}
	switch unquotedOr(from) {
	case "human", "user":
		return true, false, value, nil
	case "gpt", "chatgpt", "assistant", "bing", "bard":
		return false, true, value, nil
	}
	return false, false, value, nil
}
