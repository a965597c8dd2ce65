package openai

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/valyala/fastjson"
)

// An answer that is not streamed is one JSON document. Of when its tokens came nothing is known: it has one chunk, whose stamp is that of the
// last byte of the body. Like all stamps that is taken before anything is decoded.

// maxDocument bounds a document in bytes, decoded: an answer that has more of them is made to exhaust who reads it.
const maxDocument = 64 << 20

// usualDocument is the size in bytes up to which buffers are used again.
const usualDocument = 1 << 20

// readDocument reads a whole answer.
func (x *exchange) readDocument(contentType []byte) error {
	if media := mediaType(contentType); bytes.EqualFold(media, []byte("text/event-stream")) || bytes.EqualFold(media, []byte("text/html")) {
		err := fmt.Errorf("content type %q where a JSON document was asked for: %s", contentType, x.text())
		return &failure{outcome: record.Malformed, reason: record.NoDocument, err: err}
	}
	st := &x.stream
	st.init(x)
	st.kept.all() // the text is here anyway
	body, err := x.document()
	if err != nil {
		return err
	}
	return st.document(body)
}

// document returns the body when it has come whole.
func (x *exchange) document() ([]byte, error) {
	body := x.scratch.document[:0]
	defer func() {
		if cap(body) <= usualDocument {
			x.scratch.document = body // used again
		}
	}()
	for {
		p, err := x.plainBytes()
		if len(body)+len(p) > maxDocument {
			return nil, &failure{outcome: record.Malformed, reason: record.TooLarge, err: fmt.Errorf("a document of more than %d bytes", maxDocument)}
		}
		body = append(body, p...)
		switch {
		case errors.Is(err, io.EOF):
			return body, nil
		case err != nil:
			return nil, cutWithin(err)
		}
	}
}

// cutWithin is the failure of a document that did not come whole, or cannot be decoded.
func cutWithin(err error) error {
	var f *failure
	if errors.As(err, &f) {
		return f
	}
	return &failure{outcome: record.Cut, reason: record.CutBeforeToken, err: fmt.Errorf("the answer ended within its document: %w", err)}
}

// document takes a whole answer.
func (st *stream) document(body []byte) error {
	if parser := &st.x.scratch.parser; len(body) > usualDocument {
		defer func() { *parser = fastjson.Parser{} }() // it has a copy
	}
	v, err := st.x.scratch.parser.ParseBytes(body)
	if err != nil {
		return &failure{outcome: record.Malformed, reason: record.BadJSON, err: fmt.Errorf("document %q: %w", excerpt(body, 200), err)}
	}
	if e := errorObject(v); e != nil {
		return &failure{outcome: record.StreamError, reason: record.ErrorObject, err: errors.New(excerpt(e.MarshalTo(nil), maxErrorBody))}
	}
	content := st.choice(v, "message")
	st.usage(v.Get("usage"), false) // of the whole, not of a chunk
	if !content {
		return &failure{outcome: record.Malformed, reason: record.NoContent, err: errors.New("the answer has no content")}
	}
	st.whole = true
	return nil
}
