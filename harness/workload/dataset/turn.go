package dataset

import (
	"cmp"
	"errors"
	"fmt"
)

// parseTurn reads a line of single_turn.
func parseTurn(raw []byte, f *found) (string, error) {
	if err := f.read(raw, turnSlot); err != nil {
		return "", err
	}
	return "", cmp.Or(f.of(SingleTurn), f.prompt(raw, SingleTurn))
}

// parsePool reads a line of random_pool.
func parsePool(raw []byte, f *found) (string, error) {
	if err := f.read(raw, poolSlot); err != nil {
		return "", err
	}
	return "", cmp.Or(f.of(RandomPool), f.prompt(raw, RandomPool))
}

func turnSlot(f *found, key string) *[]byte {
	switch key {
	case "timestamp":
		return &f.timestamp
	case "delay":
		return &f.delay
	case "role":
		return &f.role
	case "session_id":
		return &f.session
	case "output_length":
		return &f.outputLength
	case "extra":
		return &f.extra
	}
	return poolSlot(f, key)
}

func poolSlot(f *found, key string) *[]byte {
	switch key {
	case "type":
		return &f.kind
	case "text":
		return &f.text
	case "texts":
		return &f.texts
	}
	return nil
}

// prompt checks a message made of texts and what goes with it.
func (f *found) prompt(raw []byte, format Format) error {
	if err := media(raw); err != nil {
		return err
	}
	if err := cmp.Or(text("text", f.text), text("role", f.role)); err != nil {
		return err
	}
	empty := string(f.text) == `""` || f.texts != nil
	if string(f.text) == `""` {
		f.text = nil
	}
	some := f.text != nil
	if f.texts != nil {
		n := 0
		err := f.eachText(func(literal []byte) {
			if len(literal) > len(`""`) {
				n++
			}
		})
		switch {
		case err != nil:
			return err
		case some && n > 0:
			return errors.New("text and texts cannot stand together")
		case n == 0:
			f.texts = nil
		}
		some = some || n > 0
	}
	switch {
	case some:
	case empty:
		return errors.New("has no text that is not empty")
	default:
		return fmt.Errorf("has neither text nor texts%s", hint(raw, format))
	}
	f.aside()
	return f.lengths()
}

// media refuses what is no text.
func media(raw []byte) error {
	return object(raw, func(key, value []byte) error {
		switch string(key) {
		case "image", "images", "image_uuids", "audio", "audios", "video", "videos":
			if !isNull(value) {
				return fmt.Errorf("key %q: llmsweep sends text only", key)
			}
		}
		return nil
	})
}

// hint says of which other format a record seems to be.
func hint(raw []byte, format Format) string {
	other, _ := ofKeys(keysOf(raw))
	if other == "" || other == format {
		return ""
	}
	return fmt.Sprintf(": its keys are those of %s", other)
}
