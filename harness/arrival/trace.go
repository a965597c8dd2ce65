package arrival

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// Trace returns the starts of recorded requests from their time stamps in milliseconds, in ascending order: how long after the first each
// one came, times scale, which 0.5 plays at twice the speed. Stamps may be equal. It fails on a scale that is not above 0 or is infinite, on a stamp
// that is no number or comes before its predecessor, and where a start is later than a time.Duration can say.
func Trace(stamps []float64, scale float64) ([]time.Duration, error) {
	if !(scale > 0 && scale <= math.MaxFloat64) { // not a number is neither
		return nil, fmt.Errorf("time-scale %q: must be above 0 and finite", fmt.Sprint(scale))
	}
	starts := make([]time.Duration, len(stamps))
	previous := time.Duration(-1)
	for i, stamp := range stamps {
		var ok bool
		if previous, ok = after(previous, (stamp-stamps[0])*1e6*scale); !ok || i > 0 && stamp < stamps[i-1] {
			return nil, badStamp(stamps, i)
		}
		starts[i] = previous
	}
	return starts, nil
}

// badStamp says what is wrong with the i-th stamp.
func badStamp(stamps []float64, i int) error {
	text := func(stamp float64) string { return strconv.FormatFloat(stamp, 'f', -1, 64) }
	reason := "comes more than 292 years after request 0: give milliseconds, or a smaller -time-scale"
	switch stamp := stamps[i]; {
	case math.IsNaN(stamp) || math.IsInf(stamp, 0):
		reason = "is no time: give milliseconds"
	case i > 0 && stamp < stamps[i-1]:
		reason = fmt.Sprintf("comes before request %d, at %q: sort the trace", i-1, text(stamps[i-1]))
	}
	return fmt.Errorf("timestamp %q: request %d of the trace, counted from 0, %s", text(stamps[i]), i, reason)
}
