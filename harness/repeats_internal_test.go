package harness

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/record"
)

func TestPreflightIsOfTheLargestRun(t *testing.T) {
	perform(t, []string{"-concurrencies=1,200", "-repeats=2", "-request-count=200"}, answerAfter(time.Millisecond), func(t *testing.T, s stage) {
		assert.Equal(t, 200, s.sweep.load().Connections)
	})
}

func TestEachRunHasIDsOfItsOwn(t *testing.T) {
	perform(t, []string{"-concurrencies=1,2", "-repeats=2", "-request-count=3"}, answerAfter(time.Millisecond), func(t *testing.T, s stage) {
		s.runLeft(t)
		ids := map[string]string{}
		for i, l := range s.sweep.Levels() {
			for _, x := range s.samples(t, i) {
				assert.Empty(t, ids[x.RequestID], "%s has an id of %s", l.Name, ids[x.RequestID])
				ids[x.RequestID] = l.Name
			}
		}
	})
}

func TestRecipeOfARunHasItsSeed(t *testing.T) {
	perform(t, []string{"-concurrencies=1", "-repeats=2", "-request-count=3"}, answerAfter(time.Millisecond), func(t *testing.T, s stage) {
		s.sweep.inputsLimit = 1
		s.runLeft(t)
		a, err := os.ReadFile(filepath.Join(s.sweep.Dir(), "c1", "run-1", record.InputsFile))
		require.NoError(t, err)
		b, err := os.ReadFile(filepath.Join(s.sweep.Dir(), "c1", "run-2", record.InputsFile))
		require.NoError(t, err)
		assert.Contains(t, string(a), `"seed": 100`)
		assert.NotContains(t, string(b), `"seed": 100`, "run 2 draws from another seed")
	})
}

func TestForecastCountsTheRunsThatAreLeft(t *testing.T) {
	var log strings.Builder
	perform(t, []string{"-concurrencies=1,2", "-repeats=3", "-request-count=10"}, answerAfter(time.Millisecond), func(t *testing.T, s stage) {
		s.sweep.progress = newProgress(Output{Log: &log})
		s.sweep.deadline = time.Now().Add(time.Minute)
		s.sweep.forecast(s.sweep.Levels()[1], time.Minute) // c2 of run 1: five more to come
		assert.Contains(t, log.String(), "of measurement are left")
	})
}
