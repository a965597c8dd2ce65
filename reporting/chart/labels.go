package chart

import "math"

// box is a rectangle in points, y up.
type box struct{ minX, minY, maxX, maxY float64 }

func (b box) overlaps(o box) bool {
	return b.minX < o.maxX && o.minX < b.maxX && b.minY < o.maxY && o.minY < b.maxY
}

func (b box) within(o box) bool {
	return b.minX >= o.minX && b.maxX <= o.maxX && b.minY >= o.minY && b.maxY <= o.maxY
}

func (b box) grown(by float64) box {
	return box{b.minX - by, b.minY - by, b.maxX + by, b.maxY + by}
}

// segment is a straight line between two points.
type segment struct{ x0, y0, x1, y1 float64 }

// crosses reports whether any part of s lies inside b (Liang-Barsky clipping).
func (s segment) crosses(b box) bool {
	from, to := 0.0, 1.0
	clip := func(delta, room float64) bool { // keeps t with t*delta <= room
		switch {
		case delta == 0:
			return room > 0
		case delta > 0:
			to = math.Min(to, room/delta)
		default:
			from = math.Max(from, room/delta)
		}
		return from < to
	}
	dx, dy := s.x1-s.x0, s.y1-s.y0
	return clip(-dx, s.x0-b.minX) && clip(dx, b.maxX-s.x0) && clip(-dy, s.y0-b.minY) && clip(dy, b.maxY-s.y0)
}

// dot is a marker at (x, y) with the radius r that wants a label of size w x h.
// All in points. A label of no width is not placed.
type dot struct{ x, y, r, w, h float64 }

func (d dot) box() box { return box{d.x - d.r, d.y - d.r, d.x + d.r, d.y + d.r} }

// placement is where the label of a dot goes.
type placement struct {
	placed bool
	box    box
	leader segment // from the dot to the label; drawn only if far
	far    bool
}

// placeLabels finds a place for the label of each dot inside bounds, such that
// no label overlaps another label or a dot. Labels stand close to their dot,
// upper right first, beside the lines given if they can; where that is taken,
// further out with a leader line that avoids dots and labels if it can. A label
// for which the whole surrounding is full is not placed: a wrong reading is
// worse than a missing one.
func placeLabels(dots []dot, lines []segment, bounds box) []placement {
	s := scene{dots: dots, lines: lines, bounds: bounds, placements: make([]placement, len(dots))}
	for i, d := range dots {
		if d.w > 0 {
			s.placements[i] = s.find(i)
		}
	}
	return s.placements
}

// scene is the state of the search: first come, first served. Moving labels
// that already stand (simulated annealing and the like) gains little at the
// sizes met here and makes one new point move all the labels.
type scene struct {
	dots       []dot
	lines      []segment
	bounds     box
	placements []placement
}

// demands are what a place must satisfy beyond never overlapping.
type demands struct {
	rings     int  // how many rings around the dot are searched
	offLines  bool // the label does not touch a line
	offDots   bool // the leader line does not run across another dot
	offLabels bool // no leader line runs through a label
}

// find returns the first free place for the label of dot i, giving up one
// demand after the other.
func (s *scene) find(i int) placement {
	const near, ringWidth, rings = 1.0, 5.0, 48
	for _, want := range []demands{
		{rings: 1, offLines: true, offLabels: true},
		{rings: rings, offDots: true, offLabels: true},
		{rings: rings, offLabels: true},
		{rings: rings}, // needed where dots coincide: the first labels wall them in
	} {
		for ring := range want.rings {
			for k := range 16 {
				p := candidate(s.dots[i], near+float64(ring)*ringWidth, angle(k))
				p.far = ring > 0
				if s.free(i, p, want) {
					return p
				}
			}
		}
	}
	return placement{}
}

// angle returns the k-th direction to try, in radians: the diagonals, then the
// axes, then what lies between.
func angle(k int) float64 {
	order := [16]float64{45, 135, 0, 315, 225, 90, 180, 270, 22.5, 67.5, 337.5, 112.5, 157.5, 292.5, 247.5, 202.5}
	return order[k] * math.Pi / 180
}

// candidate puts the label of d at the distance from the square around it, in
// direction a: the middle of the label lies on a rectangle, not on a circle, so
// that at 45 degrees two corners meet.
func candidate(d dot, distance, a float64) placement {
	sin, cos := math.Sincos(a)
	larger := math.Max(math.Abs(sin), math.Abs(cos))
	x := d.x + cos/larger*(d.r+distance+d.w/2)
	y := d.y + sin/larger*(d.r+distance+d.h/2)
	b := box{x - d.w/2, y - d.h/2, x + d.w/2, y + d.h/2}
	return placement{placed: true, box: b, leader: segment{
		x0: d.x, y0: d.y,
		x1: math.Min(math.Max(d.x, b.minX), b.maxX),
		y1: math.Min(math.Max(d.y, b.minY), b.maxY),
	}}
}

func (s *scene) free(i int, p placement, want demands) bool {
	const air = 0.8 // points around a label
	roomy := p.box.grown(air)
	return p.box.within(s.bounds) &&
		s.clearOfDots(i, p, roomy, want.offDots) &&
		s.clearOfLabels(p, roomy, want.offLabels) &&
		(!want.offLines || s.clearOfLines(roomy))
}

func (s *scene) clearOfDots(i int, p placement, roomy box, leaderToo bool) bool {
	for k, d := range s.dots {
		if roomy.overlaps(d.box()) || (leaderToo && p.far && k != i && p.leader.crosses(d.box())) {
			return false
		}
	}
	return true
}

func (s *scene) clearOfLabels(p placement, roomy box, leadersToo bool) bool {
	for _, other := range s.placements {
		if !other.placed {
			continue
		}
		crossed := (other.far && other.leader.crosses(roomy)) || (p.far && p.leader.crosses(other.box))
		if roomy.overlaps(other.box) || (leadersToo && crossed) {
			return false
		}
	}
	return true
}

func (s *scene) clearOfLines(roomy box) bool {
	for _, line := range s.lines {
		if line.crosses(roomy) {
			return false
		}
	}
	return true
}
