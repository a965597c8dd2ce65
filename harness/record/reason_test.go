package record_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/record"
)

// TestReasonsAreAClosedList: every constant belongs to one outcome, has a sentence, and no two have the same words.
func TestReasonsAreAClosedList(t *testing.T) {
	owner := map[record.Reason]record.Outcome{}
	for _, o := range record.Outcomes() {
		for _, r := range record.Reasons(o) {
			assert.Empty(t, owner[r], "%q is of two outcomes", r)
			owner[r] = o
		}
	}
	file, err := parser.ParseFile(token.NewFileSet(), "reason.go", nil, parser.ParseComments)
	require.NoError(t, err)
	constants := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if kind, typed := spec.Type.(*ast.Ident); !typed || kind.Name != "Reason" {
			return true
		}
		text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		require.NoError(t, err)
		assert.NotEmpty(t, owner[record.Reason(text)], "%s is in no list", spec.Names[0])
		assert.NotNil(t, spec.Comment, "%s has no sentence", spec.Names[0])
		constants++
		return true
	})
	assert.Len(t, owner, constants)
	assert.Empty(t, record.Reasons(record.OK))
}

func TestReasonOf(t *testing.T) {
	assert.Equal(t, record.Reason("http 429"), record.HTTPStatus(429))
	for _, o := range record.Outcomes() {
		for _, r := range record.Reasons(o) {
			for _, other := range record.Outcomes() {
				assert.Equal(t, o == other, r.Of(other), "%q of %s", r, other)
			}
		}
		assert.False(t, record.Reason("framing").Of(o), "what old logs have")
		assert.Equal(t, o == record.OK, record.Reason("").Of(o))
	}
	for _, r := range []record.Reason{"http 204", "http", "http x", "http 0429", "http  429", "429"} {
		assert.False(t, r.Of(record.Rejected), "%q", r)
	}
	assert.True(t, record.Reason("http 307").Of(record.Rejected))
}

// TestCountsAddUp: each request that ended is in its outcome, and each that did not end well in one reason of it.
func TestCountsAddUp(t *testing.T) {
	c := record.Counts{Planned: 6, NotStarted: 6, Outcomes: map[record.Outcome]int{}}
	c.Count(&record.Sample{Outcome: record.OK})
	assert.Nil(t, c.Reasons)
	retries := []record.Retry{{RefusedNS: 10, ResumedNS: 15}, {RefusedNS: 20, ResumedNS: 40}}
	c.Count(&record.Sample{Outcome: record.Rejected, Reason: "http 503"})
	c.Count(&record.Sample{Outcome: record.Rejected, Reason: "http 429", Retries: retries})
	c.Count(&record.Sample{Outcome: record.Rejected, Reason: "http 503", Conn: record.Conn{Resent: 2}})
	c.Count(&record.Sample{Outcome: record.Cut, Reason: record.CutAfterToken, Retries: retries[:1]})
	assert.Equal(t, record.Counts{
		Planned: 6, NotStarted: 1, Outcomes: map[record.Outcome]int{record.OK: 1, record.Rejected: 3, record.Cut: 1},
		Reasons: map[record.Outcome]map[record.Reason]int{record.Rejected: {"http 503": 2, "http 429": 1}, record.Cut: {record.CutAfterToken: 1}},
		Retried: record.Retried{Requests: 2, Retries: 3, WaitingNS: 30, Resent: 2},
	}, c)
}
