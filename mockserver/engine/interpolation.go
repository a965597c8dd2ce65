package engine

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sort"
)

// Profile is a measured engine: times at grid points, in between and beyond on
// straight lines through the two nearest points of each axis. Axes rise strictly and have at least
// two points, but an axis of the decode table may have one, along which nothing changes.
//
// A line beyond the points may fall to nothing, as the work of no engine does: it ends at 1 ms,
// or at the least time of its table where that is less.
type Profile struct {
	// PrefillTokens is the axis of prompt tokens n and PrefillMS the time at each
	// of its points.
	PrefillTokens, PrefillMS []float64
	// DecodeKVTokens is the axis of tokens in the contexts of a pass,
	// DecodeContext that of their mean length, and DecodeMS the time at each pair:
	// DecodeMS[kv][context].
	DecodeKVTokens, DecodeContext []float64
	DecodeMS                      [][]float64
}

var _ Timing = (*Profile)(nil)

// Validate returns every problem of the profile, joined, or nil. Keys are called by
// their names in a profile's file.
func (p *Profile) Validate() error {
	errs := []error{
		axis("prefill_isl", p.PrefillTokens, 2),
		axis("decode_active_kv_tokens", p.DecodeKVTokens, 1),
		axis("decode_context_length", p.DecodeContext, 1),
		values("prefill_ttft_ms", "prefill_isl", p.PrefillMS, len(p.PrefillTokens)),
	}
	if len(p.DecodeMS) != len(p.DecodeKVTokens) {
		errs = append(errs, fmt.Errorf("decode_itl has %d rows: must have one for each of the %d points of decode_active_kv_tokens",
			len(p.DecodeMS), len(p.DecodeKVTokens)))
	}
	for k, row := range p.DecodeMS {
		errs = append(errs, values(fmt.Sprintf("decode_itl[%d]", k), "decode_context_length", row, len(p.DecodeContext)))
	}
	return errors.Join(errs...)
}

func axis(key string, points []float64, least int) error {
	if len(points) < least {
		return fmt.Errorf("%s has %d points: must have at least %d", key, len(points), least)
	}
	for k, x := range points {
		if math.IsNaN(x) || math.IsInf(x, 0) || k > 0 && x <= points[k-1] {
			return fmt.Errorf("%s[%d] is %v: must be a number above the one before", key, k, x)
		}
	}
	return nil
}

func values(key, of string, v []float64, want int) error {
	if len(v) != want {
		return fmt.Errorf("%s has %d values: must have one for each of the %d points of %s", key, len(v), want, of)
	}
	for k, y := range v {
		if !(y > 0) || math.IsInf(y, 0) {
			return fmt.Errorf("%s[%d] is %v: must be a time above 0 ms", key, k, y)
		}
	}
	return nil
}

// Prefill is the time at n on the first table.
func (p *Profile) Prefill(w Work) float64 {
	return p.prefill(float64(w.batch()))
}

func (p *Profile) prefill(n float64) float64 {
	return floored(locate(p.PrefillTokens, n).between(p.PrefillMS), p.PrefillMS)
}

// Decode is the time on the second table, first along the contexts, then along the tokens.
func (p *Profile) Decode(w Work) float64 {
	return p.decode(float64(w.ContextTokens), float64(w.ContextTokens)/float64(w.Decoding))
}

func (p *Profile) decode(kv, context float64) float64 {
	row := locate(p.DecodeKVTokens, kv)
	column := locate(p.DecodeContext, context)
	ms := row.mix(column.between(p.DecodeMS[row.low]), column.between(p.DecodeMS[row.high]))
	return floored(ms, p.DecodeMS...)
}

// floored is a time as the lines of tables have it, or their floor. Few are so short that the
// tables must be looked through.
func floored(ms float64, tables ...[]float64) float64 {
	if ms >= mostFloor {
		return ms
	}
	return max(ms, floor(tables...))
}

const mostFloor = 1 // ms

// floor is the least time of tables.
func floor(tables ...[]float64) float64 {
	least := float64(mostFloor)
	for _, t := range tables {
		least = min(least, slices.Min(t))
	}
	return least
}

// Warnings says where the lines beyond the points of a valid profile fall to nothing: below the
// first points, or above the last ones where times fall with more work.
func (p *Profile) Warnings() []string {
	var warnings []string
	warn := func(falls bool, format string, args ...any) {
		if falls {
			warnings = append(warnings, fmt.Sprintf(format, args...))
		}
	}
	at := func(key string, points []float64, k int) string { return fmt.Sprintf("%s %v", key, points[k]) }
	last := len(p.PrefillTokens) - 1
	warn(p.prefill(1) <= floor(p.PrefillMS), "the line below %s falls to %v ms, and goes no lower",
		at("prefill_isl", p.PrefillTokens, 0), floor(p.PrefillMS))
	warn(p.PrefillMS[last] < p.PrefillMS[last-1], "the line beyond %s falls: more tokens take less time",
		at("prefill_isl", p.PrefillTokens, last))
	warn(p.decode(1, 1) <= floor(p.DecodeMS...), "the lines below %s and %s fall to %v ms, and go no lower",
		at("decode_active_kv_tokens", p.DecodeKVTokens, 0), at("decode_context_length", p.DecodeContext, 0), floor(p.DecodeMS...))
	return warnings
}

// position is a place on an axis: from point low to point high, of which it lies
// the given share of the way, below 0 or above 1 outside the axis.
type position struct {
	low, high int
	share     float64
}

func locate(points []float64, x float64) position {
	if len(points) == 1 {
		return position{}
	}
	high := min(max(1, sort.SearchFloat64s(points, x)), len(points)-1)
	low := high - 1
	return position{low: low, high: high, share: (x - points[low]) / (points[high] - points[low])}
}

func (at position) between(v []float64) float64 {
	return at.mix(v[at.low], v[at.high])
}

func (at position) mix(low, high float64) float64 {
	return low + float64(at.share*(high-low))
}

// validateTiming looks into the models of this package.
func validateTiming(t Timing) error {
	switch t := t.(type) {
	case Polynomials:
		if !t.finite() {
			return errors.New("coefficients: each must be a finite number")
		}
	case *Profile:
		if err := t.Validate(); err != nil {
			return fmt.Errorf("planner-profile-data: %w", err)
		}
	}
	return nil
}
