package dataset

import (
	"cmp"
	"errors"
	"fmt"
)

// parseTrace reads a line of mooncake_trace.
func parseTrace(raw []byte, f *found) (string, error) {
	if err := f.read(raw, traceSlot); err != nil {
		return "", err
	}
	if err := cmp.Or(f.of(Mooncake), f.oneInput(raw), f.history()); err != nil {
		return "", err
	}
	f.aside()
	return "", cmp.Or(f.lengths(), f.made(), f.told(), f.ready())
}

func traceSlot(f *found, key string) *[]byte {
	switch key {
	case "type":
		return &f.kind
	case "input_length":
		return &f.inputLength
	case "hash_ids":
		return &f.hashIDs
	case "text_input":
		return &f.text
	case "messages":
		return &f.messages
	case "tools":
		return &f.tools
	case "payload":
		return &f.body
	case "message_mode":
		return &f.mode
	case "output_length", "timestamp", "delay", "session_id", "extra":
		return turnSlot(f, key)
	}
	return nil
}

// oneInput checks that exactly one key says what is asked.
func (f *found) oneInput(raw []byte) error {
	n := 0
	for _, input := range [][]byte{f.inputLength, f.text, f.messages, f.body} {
		if input != nil {
			n++
		}
	}
	switch n {
	case 0:
		return fmt.Errorf("has none of input_length, text_input, messages and payload%s", hint(raw, Mooncake))
	case 1:
		return nil
	}
	return errors.New("input_length, text_input, messages and payload exclude each other")
}

// history refuses messages that add to those of an earlier record.
func (f *found) history() error {
	switch mode := unquotedOr(f.mode); {
	case f.mode == nil || mode == "history":
		return nil
	case mode == "delta":
		return errors.New(`message_mode "delta": conversations are not followed: each record must hold all of its messages`)
	}
	return fmt.Errorf("message_mode %s: must be history", excerpt(f.mode))
}

// made checks a prompt that is to be made.
func (f *found) made() (err error) {
	switch {
	case f.inputLength == nil && f.hashIDs != nil:
		return errors.New("hash_ids need input_length")
	case f.inputLength == nil:
		return nil
	}
	if f.input, err = count("input_length", f.inputLength, 1); err != nil {
		return err
	}
	if f.hashIDs != nil {
		return f.blocks()
	}
	return nil
}

// ready checks a prompt or a request that stands in the record.
func (f *found) ready() error {
	switch {
	case f.body != nil && (f.outputLength != nil || f.extra != nil):
		return errors.New("output_length and extra cannot stand beside payload, which is sent as it stands: put them into it")
	case f.body != nil:
		return f.request()
	}
	if string(f.text) == `""` {
		return errors.New("text_input: must not be empty")
	}
	return text("text_input", f.text)
}

// told checks messages that stand in the record.
func (f *found) told() error {
	if f.tools != nil && (f.messages == nil || !isArray(f.tools) || string(f.tools) == "[]") {
		return errors.New("tools: must be a list that is not empty, beside messages")
	}
	if f.messages != nil {
		return chat(f.messages)
	}
	return nil
}
