package harness

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/record"
)

// numbered is a file of n prompts, each its own number.
func numbered(t *testing.T, n int) string {
	t.Helper()
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "{\"text\": \"%d\"}\n", i)
	}
	return inputFile(t, b.String())
}

// upTo are the numbers of n records from the first on.
func upTo(first, n int) (records []string) {
	for i := range n {
		records = append(records, fmt.Sprint(first+i))
	}
	return records
}

// TestLevelsByTimeHaveRecordsOfTheirOwn: of each phase that sends for a time nobody knows how many requests it comes to, and what a file has is shared
// among them, so that none asks what one before it has asked.
func TestLevelsByTimeHaveRecordsOfTheirOwn(t *testing.T) {
	var server listener
	perform(t, []string{"-input-file=" + numbered(t, 100), "-concurrencies=1,2", "-duration=400ms", "-warmup-duration=100ms"}, server.answer, func(t *testing.T, s stage) {
		assert.NotContains(t, strings.Join(s.sweep.run.Warnings, " "), "repeat")
		var want []string
		for i, sent := range [][2]int{{2, 8}, {4, 16}} { // all that is prepared, of 25 records
			l := s.run(t, i)
			assert.Equal(t, sent[0], l.Warmup.Ended())
			assert.Equal(t, sent[1], l.Counts.Ended())
			want = slices.Concat(want, upTo([]int{0, 10}[i], sent[0]), upTo([]int{2, 14}[i], sent[1]))
		}
		assert.ElementsMatch(t, want, server.prompts(t))
	})
	perform(t, []string{"-input-file=" + numbered(t, 60), "-concurrencies=1", "-duration=2s", "-warmup-duration=1s"}, answerAfter(51e6), func(t *testing.T, s stage) {
		l := s.run(t, 0)
		assert.Equal(t, 40, l.Counts.Ended())
		const repeated = "40 requests were sent of the 30 records that the input-file has for them, so that prompts repeat: a server that caches prefixes answers those faster"
		assert.Contains(t, l.Warnings, repeated)
		assert.Equal(t, 1, strings.Count(strings.Join(l.Warnings, " "), "repeat"), "the 20 of the warm-up have enough")
	})
}

// TestRunsOfATraceBeginAtItsBegin: each of -repeats replays what the first one does, however little of the trace that is, and a warning says what a cache
// makes of it.
func TestRunsOfATraceBeginAtItsBegin(t *testing.T) {
	path := inputFile(t, strings.Join([]string{
		`{"timestamp":0,"text":"0"}`, `{"timestamp":300,"text":"1"}`, `{"timestamp":1000,"text":"2"}`, `{"timestamp":1200,"text":"3"}`, "",
	}, "\n"))
	var server listener
	perform(t, []string{"-input-file=" + path, "-custom-dataset-type=single_turn", "-fixed-schedule", "-repeats=2", "-request-count=3"}, server.answer, func(t *testing.T, s stage) {
		require.Len(t, s.sweep.Levels(), 3, "the sentinel too")
		for i := range s.sweep.Levels() {
			s.run(t, i)
			var starts []int64
			for _, x := range s.byIndex(t, i) {
				starts = append(starts, x.StartNS/1e6)
			}
			assert.Equal(t, []int64{0, 300, 1000}, starts)
			assert.Equal(t, upTo(0, 3), server.prompts(t)[3*i:])
		}
		assert.Equal(t, []string{`input-file "` + path + `": all runs replay the same part of the trace: a server that caches prefixes answers what it knows faster`}, s.sweep.run.Warnings)
	})
}

// bodiesOf are the bodies of a run of a comparison, by level.
func bodiesOf(t *testing.T, p *Plan, block, attempt int) (s *Sweep, bodies []string) {
	t.Helper()
	s, err := Open(t.Context(), p.Run(p.Arms[block%2], t.TempDir(), block, attempt), Output{})
	require.NoError(t, err)
	defer s.Close()
	for _, l := range s.levels {
		for i := range l.work.Len(record.Profiling) {
			body := string(l.work.Render(record.Profiling, i).Body)
			_, body, _ = strings.Cut(body, `"content":"`)
			body, _, _ = strings.Cut(body, `"`)
			bodies = append(bodies, body)
		}
	}
	return s, bodies
}

// TestBlocksGoOnInTheFile: both arms of a block ask the same of it, and no block what one before it has asked, until the file is used up, which is said.
func TestBlocksGoOnInTheFile(t *testing.T) {
	for _, sampling := range []string{"sequential", "shuffle"} {
		p, err := planFrom(t, nil, "-arm=a=http://a:1", "-arm=b=http://b:1", "-input-file="+numbered(t, 40), "-dataset-sampling="+sampling, "-request-count=5", "-concurrencies=1,2", "-osl=4")
		require.NoError(t, err)
		seen := map[string]bool{}
		for block := range 4 {
			s, bodies := bodiesOf(t, p, block, 0)
			for _, body := range bodies {
				assert.False(t, seen[body], "block %d asks %q again", block, body)
				seen[body] = true
			}
			assert.Empty(t, s.run.Warnings)
			other := *p
			other.Arms = []Arm{p.Arms[1], p.Arms[0]}
			o, same := bodiesOf(t, &other, block, 0)
			assert.Equal(t, bodies, same, "the other arm")
			assert.Equal(t, s.run.WorkloadSHA256, o.run.WorkloadSHA256)
			_, again := bodiesOf(t, p, block, 1)
			assert.NotEqual(t, bodies, again, "a run that is repeated")
		}
		assert.Len(t, seen, 40)
		s, _ := bodiesOf(t, p, 4, 0)
		next, _ := bodiesOf(t, p, 5, 0)
		assert.Equal(t, s.run.Warnings, next.run.Warnings, "it is said once")
		assert.Contains(t, strings.Join(s.run.Warnings, " "), "its 40 records are used up by the blocks of this comparison, of which each run asks 10, and prompts repeat: ")
	}
}
