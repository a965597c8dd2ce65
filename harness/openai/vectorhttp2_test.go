package openai_test

import (
	"bufio"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/openai"
	"github.com/llmsweep/llmsweep/harness/record"
)

// runHTTP2 plays steps to one request over HTTP/2. What was one HTTP chunk is one DATA frame; what a head of HTTP/1.1 said of framing is left
// out, and a body with a length ends the stream with its last byte. A connection that is reset is the stream's reset here.
func (v *vector) runHTTP2(t *testing.T, steps []step) record.Sample {
	t.Helper()
	var got record.Sample
	overHTTP2(t, func(c *openai.Config) { c.Count = characters; v.configure(c) }, func(f *framed) {
		f.begin()
		stream := f.request()
		time.Sleep(steps[0].at - begin)
		head, err := http.ReadResponse(bufio.NewReader(strings.NewReader(steps[0].raw)), nil)
		if !assert.NoError(t, err) {
			return
		}
		defer head.Body.Close()
		f.fields(stream, head.StatusCode, head.Header)
		for i, s := range steps[1:] {
			time.Sleep(s.at - steps[i].at)
			switch byLength := head.ContentLength >= 0 && i == len(steps)-2; {
			case s.end == shut:
				return
			case s.end == reset:
				f.reset(stream, codeNone)
			case s.end == finish || byLength:
				f.data(stream, flagEnd, s.raw+s.body)
			default:
				f.data(stream, 0, s.raw+s.body)
			}
		}
		f.request()
	}, func(s *http2Stage) {
		r := request(0)
		r.OSL = v.osl
		got = *s.client.Do(s.t.Context(), r, s.client.Now())
		assert.Equal(s.t, 1, s.dialled)
	})
	return got
}

// Over HTTP/2 the same bytes at the same instants give what the files expect, and moving a step changes the same.
func TestVectorsOverHTTP2(t *testing.T) {
	for _, v := range readVectors(t) {
		t.Run(v.name, func(t *testing.T) {
			if v.name == "body-until-the-connection-closes" {
				t.Skip("a stream of HTTP/2 has an end of its own: a connection that closes before is a cut")
			}
			s := v.runHTTP2(t, v.script(t))
			assert.Contains(t, []record.StampSource{record.BodyRead, ""}, s.StampSource)
			before := factsOf(&s)
			before.holdAgainst(t, v.expect)
			for i := range v.steps {
				v.steps[i].at++
				moved := v.runHTTP2(t, v.script(t))
				require.Equal(t, v.steps[i].moved, before.changed(factsOf(&moved)), "the step of line %d, 1 ns later", v.steps[i].line)
				v.steps[i].at--
			}
		})
	}
}
