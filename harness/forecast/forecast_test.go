package forecast_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/llmsweep/llmsweep/harness/forecast"
)

func measured(f forecast.Phase) forecast.Level { return forecast.Level{Measured: f} }

// TestDurationOfAnUnknownServer holds the range against sums by hand.
func TestDurationOfAnUnknownServer(t *testing.T) {
	one := measured(forecast.Phase{Concurrency: 1, Requests: 10, PromptTokens: 20_000, OutputTokens: 1010})
	assert.Equal(t, forecast.Range{Low: 10 * 550 * time.Millisecond, High: 10 * 7 * time.Second}, forecast.Duration(one, nil))

	// 25 requests on 10 slots are three waves, each of which waits for nine prompts of 1,000 tokens: 90 ms at best, 1.8 s at worst. 3 of warm-up are one
	// wave that waits for two.
	ten := forecast.Level{
		Warmup:   forecast.Phase{Concurrency: 10, Requests: 3, PromptTokens: 3_000, OutputTokens: 303},
		Measured: forecast.Phase{Concurrency: 10, Requests: 25, PromptTokens: 25_000, OutputTokens: 2525},
	}
	assert.Equal(t, forecast.Range{Low: (3*640 + 570) * time.Millisecond, High: (3*8800 + 7400) * time.Millisecond}, forecast.Duration(ten, nil))

	// Answers of different lengths count with their mean: 2.5 tokens are 1.5 gaps.
	uneven := measured(forecast.Phase{Concurrency: 1, Requests: 4, OutputTokens: 10})
	assert.Equal(t, forecast.Range{Low: 4 * 57500 * time.Microsecond, High: 4 * 2075 * time.Millisecond}, forecast.Duration(uneven, nil))

	// A level that cannot reach its concurrency has as many prompts beside one as there are requests.
	few := measured(forecast.Phase{Concurrency: 100, Requests: 10, PromptTokens: 10_000, OutputTokens: 10})
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
			got := forecast.Duration(measured(forecast.Phase{Concurrency: c.concurrency, Requests: c.requests, OutputTokens: 101 * c.requests}), earlier)
			assert.Equal(t, forecast.Range{Low: second(c.low / 1.25), High: second(c.high * 1.25)}, got)
		})
	}
}

func TestSpace(t *testing.T) {
	level := forecast.Level{Warmup: forecast.Phase{Requests: 2, OutputTokens: 200}, Measured: forecast.Phase{Requests: 10, OutputTokens: 1000}, Body: 880}
	s := forecast.Needed([]forecast.Level{level, level}, false, 0)
	assert.EqualValues(t, 2*12*1000, s.Inputs)
	assert.EqualValues(t, 2*12*(3200+20*100), s.Log)
	assert.Equal(t, s.Kept(), s.Most())
	assert.Greater(t, forecast.Needed([]forecast.Level{level}, true, 0).Kept(), forecast.Needed([]forecast.Level{level}, false, 0).Kept()+1<<20, "page and charts")
	assert.Equal(t, int64(2*27*256<<10), forecast.Needed([]forecast.Level{level}, true, 2).Kept()-forecast.Needed([]forecast.Level{level}, true, 0).Kept(), "in two formats 20 pictures and 7 of the level")

	huge := measured(forecast.Phase{Concurrency: 1, Requests: 2_000_000, OutputTokens: 2_000_000})
	huge.Body = 1000
	s = forecast.Needed([]forecast.Level{huge}, false, 0)
	assert.Zero(t, s.Inputs, "the recipe is kept instead")
	assert.EqualValues(t, 1<<30, s.Most()-s.Kept(), "but only when a gigabyte of it is written")
}
