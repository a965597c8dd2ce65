package mockserver

import (
	"context"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// stopping is a request for so many tokens that stops at strings.
func stopping(length, minimum int, stops ...string) *call {
	return &call{kind: text, prompts: []tokens{{count: 1}}, n: 1, length: length, minimum: minimum, stop: stops}
}

// naiveStop looks for stop strings after each token in all that was said, and takes those that this token completes.
func naiveStop(said []string, minimum int, stops []string) (tokens, length int) {
	all := ""
	for k, token := range said {
		before := len(all)
		all += token
		begin := -1
		for _, stop := range stops {
			if at := strings.Index(all[max(0, before-len(stop)+1):], stop); at >= 0 && k+1 >= minimum {
				at += max(0, before-len(stop)+1)
				if begin < 0 || at < begin {
					begin = at
				}
			}
		}
		if begin >= 0 {
			return k + 1, begin
		}
	}
	return len(said), len(all)
}

// The search in stretches finds what a search after each token finds.
func TestStopsAreThoseOfANaiveSearch(t *testing.T) {
	t.Parallel()
	s, err := New(DefaultOptions())
	require.NoError(t, err)
	defer s.Close()
	const length = 3*drawnAtOnce + 100
	draws := rand.New(rand.NewPCG(1, 2))
	stopped := 0
	for number := range uint64(400) {
		said := spoken(s, number, length)
		all := strings.Join(said, "")
		var stops []string
		for range 1 + draws.IntN(3) {
			from := draws.IntN(len(all))
			stops = append(stops, all[from:min(len(all), from+1+draws.IntN(40))])
		}
		stops = append(stops, all[draws.IntN(len(all)):][:1]+"\n")
		minimum := draws.IntN(2) * draws.IntN(length)
		tokens, bytes := naiveStop(said, minimum, stops)
		p := s.newScript(stopping(length, minimum, stops...), number)
		require.Equal(t, tokens, p.tokens, "%q from %d", stops, minimum)
		require.Equal(t, bytes, len(strings.Join(said[:p.shown], ""))+p.part, "%q from %d", stops, minimum)
		if p.finish == "stop" {
			stopped++
		}
	}
	assert.Greater(t, stopped, 300)
}

// No byte of the overlap of two stretches is missing.
func TestStopsAcrossStretches(t *testing.T) {
	t.Parallel()
	s, err := New(DefaultOptions())
	require.NoError(t, err)
	defer s.Close()
	said := spoken(s, 1, 2*drawnAtOnce)
	all, stretch := strings.Join(said, ""), len(strings.Join(said[:drawnAtOnce], ""))
	for length := 2; length < 60; length++ {
		for within := 1; within < length; within++ {
			stop := all[stretch-within : stretch-within+length]
			tokens, bytes := naiveStop(said, drawnAtOnce+1, []string{stop})
			p := s.newScript(stopping(2*drawnAtOnce, drawnAtOnce+1, stop), 1)
			require.Equal(t, tokens, p.tokens, "%q", stop)
			require.Equal(t, bytes, len(strings.Join(said[:p.shown], ""))+p.part, "%q", stop)
		}
	}
}

// spoken are the tokens of an answer that nothing stops.
func spoken(s *Server, number uint64, length int) []string {
	d := speaker{kind: text, seed: uint64(s.options.Seed), words: s.words}
	p := script{number: number, tokens: length, shown: length}
	said := make([]string, length)
	for k := range said {
		said[k] = string(d.appendText(nil, &p, k))
	}
	return said
}

// What was searched is not searched, copied or kept again: nothing is allocated for a token.
func TestSearchForStopsIsLinear(t *testing.T) {
	s, err := New(DefaultOptions())
	require.NoError(t, err)
	defer s.Close()
	c := stopping(100*drawnAtOnce, 0, strings.Repeat("z", mostStopLength), "\n")
	assert.Less(t, testing.AllocsPerRun(1, func() { s.newScript(c, 1) }), 100.0)
}

// A client that goes away ends the search; the request counts as one that was cancelled.
func TestSearchForStopsEndsWithItsClient(t *testing.T) {
	t.Parallel()
	s, err := New(DefaultOptions())
	require.NoError(t, err)
	defer s.Close()
	looks := 0
	c := stopping(mostAtOnce, 0, "\n")
	c.gone = func() bool { looks++; return looks > 3 }
	assert.Equal(t, "length", s.newScript(c, 1).finish)
	assert.Equal(t, 4, looks)

	request := httptest.NewRequest("POST", "/v1/completions", strings.NewReader(
		`{"model":"`+s.options.Model+`","prompt":"a","stop":"\n","max_tokens":1000000,"stream":true}`))
	w := httptest.NewRecorder()
	assert.PanicsWithValue(t, http.ErrAbortHandler, func() {
		s.ServeHTTP(w, request.WithContext(&leaving{Context: t.Context(), looks: 3}))
	})
	assert.Empty(t, w.Body.String())
	w = httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	assert.Contains(t, w.Body.String(), `error_type="cancelled"} 1`)
}

// leaving is the context of a client that goes away after it was looked at so many times.
type leaving struct {
	context.Context
	looks int
}

func (l *leaving) Err() error {
	if l.looks--; l.looks < 0 {
		return context.Canceled
	}
	return nil
}
