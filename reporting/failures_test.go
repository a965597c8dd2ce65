package reporting

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/reporting/page"
	"github.com/llmsweep/llmsweep/reporting/results"
)

// TestFailuresAreShown: outcome, reason, number and share stand in the page, in JUnit's properties and in the exports, and what speaks of all
// requests has them in it.
func TestFailuresAreShown(t *testing.T) {
	dir := t.TempDir()
	writeTroubled(t, filepath.Join(dir, "troubled"))
	b, err := results.Read(dir, "troubled")
	require.NoError(t, err)
	assert.Equal(t, page.TextRows([][]string{
		{"1!", "rejected", "http 503", "1", "25"}, {"2*!", "cut", "before the first token", "2", "100"}, {"3*!", "cancelled", "signal", "1", "50"},
	}), failures(b).Rows)
	p := page.Page{Title: "t", Tables: []page.Table{failures(b)}}
	require.NoError(t, p.Validate())

	level, err := WriteLevel(filepath.Join(dir, "troubled", "c1"))
	require.NoError(t, err)
	assert.Contains(t, Attributes(level), Attribute{"failures", "1 rejected: http 503"})
	data, err := os.ReadFile(filepath.Join(dir, "troubled", "c1", record.AggregateFile))
	require.NoError(t, err)
	var document struct {
		Requests struct{ Avg float64 } `json:"request_count"`
		Errors   struct{ Avg float64 } `json:"error_request_count"`
		Summary  []struct{ Count int } `json:"error_summary"`
		Ours     struct {
			Counts record.Counts `json:"counts"`
		} `json:"llmsweep"`
	}
	require.NoError(t, json.NewDecoder(bytes.NewReader(data)).Decode(&document))
	assert.Equal(t, 3.0, document.Requests.Avg, "AIPerf's are those that ended well")
	assert.Equal(t, 1.0, document.Errors.Avg)
	require.Len(t, document.Summary, 1)
	assert.Equal(t, 1, document.Summary[0].Count)
	assert.Equal(t, level.Record.Counts, document.Ours.Counts)
	assert.Equal(t, map[record.Reason]int{"http 503": 1}, document.Ours.Counts.Reasons[record.Rejected])
}

// Counts of before there were reasons are shown without.
func TestFailuresOfOldResults(t *testing.T) {
	b := &results.Benchmark{Name: "old", Levels: []results.Level{{
		Point: record.Point{Concurrency: 5}, Record: &record.Level{Status: record.Done, Counts: record.Counts{Outcomes: map[record.Outcome]int{record.OK: 7, record.TimedOut: 1}}},
	}, {Point: record.Point{Concurrency: 6}}}}
	assert.Equal(t, page.TextRows([][]string{{"5", "timed out", "not recorded", "1", "12.5"}}), failures(b).Rows)
	assert.Equal(t, "Concurrency", failures(b).Columns[0].Name)
	assert.Equal(t, "Request rate", failures(&results.Benchmark{Levels: []results.Level{{Point: record.Point{Rate: 2}}}}).Columns[0].Name)
}
