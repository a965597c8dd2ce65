package profile

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/llmsweep/llmsweep/mockserver/engine"
)

// Parse reads a profile and returns it, validated, or every problem that it has.
func Parse(data []byte) (*engine.Profile, error) {
	t, err := parseTables(data)
	if err != nil {
		return nil, err
	}
	var p engine.Profile
	var errs [5]error
	p.PrefillTokens, errs[0] = t.vector("prefill_isl")
	p.PrefillMS, errs[1] = t.vector("prefill_ttft_ms")
	p.DecodeKVTokens, errs[2] = t.vector("decode_active_kv_tokens")
	p.DecodeContext, errs[3] = t.vector("decode_context_length")
	p.DecodeMS, errs[4] = t.matrix("decode_itl")
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	if err := p.Validate(); err != nil {
		return nil, err
	}
	return &p, nil
}

// The files of a profiler's directory, by its two ways to write them. Both hold
// what [Convert] wants.
const (
	PrefillNPZ  = "selected_prefill_interpolation/raw_data.npz"
	DecodeNPZ   = "selected_decode_interpolation/raw_data.npz"
	PrefillJSON = "prefill_raw_data.json"
	DecodeJSON  = "decode_raw_data.json"
)

// usages is the number of points of the axis that usage becomes.
const usages = 100

// Convert makes a profile of the two files that a profiler has measured, each NPZ or JSON.
func Convert(prefill, decode []byte) (*engine.Profile, error) {
	p := &engine.Profile{}
	if err := errors.Join(convertPrefill(p, prefill), convertDecode(p, decode)); err != nil {
		return nil, err
	}
	if err := p.Validate(); err != nil {
		return nil, err
	}
	return p, nil
}

func convertPrefill(p *engine.Profile, data []byte) error {
	t, err := parseTables(data)
	if err != nil {
		return fmt.Errorf("prefill data: %w", err)
	}
	v, err := t.vectors("prefill_isl", "prefill_ttft")
	if err != nil {
		return fmt.Errorf("prefill data: %w", err)
	}
	c := newCurve(v[0], v[1])
	p.PrefillTokens, p.PrefillMS = c.x, c.y
	return nil
}

func convertDecode(p *engine.Profile, data []byte) error {
	t, err := parseTables(data)
	if err != nil {
		return fmt.Errorf("decode data: %w", err)
	}
	v, err := t.vectors("x_kv_usage", "y_context_length", "z_itl")
	if err != nil {
		return fmt.Errorf("decode data: %w", err)
	}
	most, err := t.vector("max_kv_tokens")
	switch {
	case err != nil:
		return fmt.Errorf("decode data: %w", err)
	case len(most) == 0 || !(most[0] > 0):
		return fmt.Errorf(`decode data: max_kv_tokens "%v": must begin with a number above 0`, most)
	case len(v[0]) == 0:
		return errors.New("decode data: there are no points")
	}
	grid(p, v[0], v[1], v[2], most[0])
	return nil
}

// grid fills the decode table from points that lie on lines of equal context.
func grid(p *engine.Profile, usage, context, ms []float64, most float64) {
	type points struct{ x, y []float64 }
	lines := map[float64]*points{}
	for k, length := range context {
		line := lines[length]
		if line == nil {
			line = &points{}
			lines[length] = line
		}
		line.x, line.y = append(line.x, usage[k]), append(line.y, ms[k])
	}
	p.DecodeContext = slices.Sorted(maps.Keys(lines))
	p.DecodeMS = make([][]float64, usages)
	for k := range usages {
		u := float64(k) / (usages - 1)
		p.DecodeKVTokens = append(p.DecodeKVTokens, u*most)
		for _, length := range p.DecodeContext {
			line := lines[length]
			p.DecodeMS[k] = append(p.DecodeMS[k], newCurve(line.x, line.y).at(u))
		}
	}
}

// curve is a function on rising points.
type curve struct{ x, y []float64 }

// newCurve sorts points; several at one place become their mean.
func newCurve(x, y []float64) curve {
	sums, counts := map[float64]float64{}, map[float64]float64{}
	for k := range x {
		sums[x[k]] += y[k]
		counts[x[k]]++
	}
	var c curve
	for _, at := range slices.Sorted(maps.Keys(sums)) {
		c.x, c.y = append(c.x, at), append(c.y, sums[at]/counts[at])
	}
	return c
}

// at is the value on the line between the two nearest points, beyond them that of
// the nearest one.
func (c curve) at(x float64) float64 {
	k, _ := slices.BinarySearch(c.x, x)
	switch {
	case k == 0:
		return c.y[0]
	case k == len(c.x):
		return c.y[k-1]
	}
	share := (x - c.x[k-1]) / (c.x[k] - c.x[k-1])
	return c.y[k-1] + float64(share*(c.y[k]-c.y[k-1]))
}
