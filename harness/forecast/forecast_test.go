package forecast_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/llmsweep/llmsweep/harness/forecast"
)

// TestDurationOfAnUnknownServer holds the range against sums by hand.
func TestDurationOfAnUnknownServer(t *testing.T) {
	one := forecast.Level{Concurrency: 1, Requests: 10, PromptTokens: 20_000, OutputTokens: 1010}
	assert.Equal(t, forecast.Range{Low: 10 * 550 * time.Millisecond, High: 10 * 7 * time.Second}, forecast.Duration(one, nil))

	// 25 requests on 10 slots are three waves, 3 of warm-up one; each waits for nine prompts of 1,000 tokens: 90 ms at best, 1.8 s at worst.
	ten := forecast.Level{Concurrency: 10, Requests: 25, Warmup: 3, PromptTokens: 28_000, OutputTokens: 2828}
	assert.Equal(t, forecast.Range{Low: 4 * 640 * time.Millisecond, High: 4 * 8800 * time.Millisecond}, forecast.Duration(ten, nil))

	// Answers of different lengths count with their mean: 2.5 tokens are 1.5 gaps.
	uneven := forecast.Level{Concurrency: 1, Requests: 3, Warmup: 1, OutputTokens: 10}
	assert.Equal(t, forecast.Range{Low: 4 * 57500 * time.Microsecond, High: 4 * 2075 * time.Millisecond}, forecast.Duration(uneven, nil))

	// A level that cannot reach its concurrency has as many prompts beside one as there are requests.
	few := forecast.Level{Concurrency: 100, Requests: 10, PromptTokens: 10_000, OutputTokens: 10}
	assert.Equal(t, forecast.Range{Low: 140 * time.Millisecond, High: 3800 * time.Millisecond}, forecast.Duration(few, nil))
}

func TestDurationAfterAnEarlierRun(t *testing.T) {
	earlier := []forecast.Measured{ // requests of 1.1, 2 and 4 s
		{Concurrency: 40, TTFT: 2 * time.Second, ITL: 20 * time.Millisecond},
		{Concurrency: 4, TTFT: 100 * time.Millisecond, ITL: 10 * time.Millisecond},
		{Concurrency: 10, TTFT: time.Second, ITL: 10 * time.Millisecond},
	}
	second := func(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
	for name, c := range map[string]struct {
		concurrency, requests int
		low, high             float64 // of the least rounds and the most waves, before the quarter
	}{
		"as measured":      {10, 25, 2.5 * 2, 3 * 2},
		"between two":      {20, 40, 2 * 2, 2 * 4},
		"below the lowest": {2, 10, 5 * 0.55, 5 * 1.1},
		"above the last":   {80, 160, 2 * 4, 2 * 8},
		"half a wave":      {40, 20, 4, 4},
	} {
		t.Run(name, func(t *testing.T) {
			got := forecast.Duration(forecast.Level{Concurrency: c.concurrency, Requests: c.requests, OutputTokens: 101 * c.requests}, earlier)
			assert.Equal(t, forecast.Range{Low: second(c.low / 1.25), High: second(c.high * 1.25)}, got)
		})
	}
}

func TestSpace(t *testing.T) {
	level := forecast.Level{Concurrency: 2, Requests: 10, Warmup: 2, OutputTokens: 1200, Body: 880}
	s := forecast.Needed([]forecast.Level{level, level}, false, 0)
	assert.EqualValues(t, 2*12*1000, s.Inputs)
	assert.EqualValues(t, 2*12*(3200+20*100), s.Log)
	assert.Equal(t, s.Kept(), s.Most())
	assert.Greater(t, forecast.Needed([]forecast.Level{level}, true, 0).Kept(), forecast.Needed([]forecast.Level{level}, false, 0).Kept()+1<<20, "page and charts")
	assert.Equal(t, int64(2*27*256<<10), forecast.Needed([]forecast.Level{level}, true, 2).Kept()-forecast.Needed([]forecast.Level{level}, true, 0).Kept(), "in two formats 20 pictures and 7 of the level")

	huge := forecast.Level{Concurrency: 1, Requests: 2_000_000, OutputTokens: 2_000_000, Body: 1000}
	s = forecast.Needed([]forecast.Level{huge}, false, 0)
	assert.Zero(t, s.Inputs, "the recipe is kept instead")
	assert.EqualValues(t, 1<<30, s.Most()-s.Kept(), "but only when a gigabyte of it is written")
}
