package chart

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
)

var page = box{0, 0, 800, 480}

// requireSound checks what must hold for any placement.
// It returns how many labels a leader line runs through.
func requireSound(t *testing.T, dots []dot, placements []placement, bounds box) (crossed int) {
	t.Helper()
	for i, p := range placements {
		if !p.placed {
			continue
		}
		assert.InDelta(t, dots[i].w, p.box.maxX-p.box.minX, 1e-9)
		assert.InDelta(t, dots[i].h, p.box.maxY-p.box.minY, 1e-9)
		assert.True(t, p.box.within(bounds), "label %d is outside", i)
		for k, d := range dots {
			assert.False(t, p.box.overlaps(d.box()), "label %d hides dot %d", i, k)
		}
		for k, other := range placements {
			if k == i || !other.placed {
				continue
			}
			assert.False(t, p.box.overlaps(other.box), "labels %d and %d overlap", i, k)
			if p.far && p.leader.crosses(other.box) {
				crossed++
			}
		}
		if !p.far {
			gap := math.Max(math.Abs(p.box.minX-dots[i].x), math.Abs(p.box.maxX-dots[i].x)) - dots[i].w
			assert.Less(t, gap, dots[i].r+2, "label %d without leader is far from its dot", i)
		}
	}
	if t.Failed() {
		t.FailNow()
	}
	return crossed
}

func placed(placements []placement) int {
	n := 0
	for _, p := range placements {
		if p.placed {
			n++
		}
	}
	return n
}

func TestLabelsOfRandomDotsNeverOverlap(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	for range 60 {
		spread := 20 + random.Float64()*300
		var dots []dot
		for range 84 {
			dots = append(dots, dot{
				x: math.Min(math.Max(400+random.NormFloat64()*spread, 0), 800),
				y: math.Min(math.Max(240+random.NormFloat64()*spread/2, 0), 480),
				r: 5.5, w: 5 + random.Float64()*12, h: 6,
			})
		}
		placements := placeLabels(dots, nil, page)
		assert.Equal(t, len(dots), placed(placements), "spread %v", spread)
		crossed := requireSound(t, dots, placements, page)
		assert.True(t, crossed == 0 || spread < 100, "spread %v: %d labels crossed", spread, crossed)
	}
}

func TestLabelsOfCoincidingDotsAreSpread(t *testing.T) {
	dots := make([]dot, 12)
	for i := range dots {
		dots[i] = dot{x: 795, y: 5, r: 5.5, w: 14, h: 6} // in a corner
	}
	placements := placeLabels(dots, nil, page)
	assert.Equal(t, 12, placed(placements))
	requireSound(t, dots, placements, page)
}

func TestLabelPrefersUpperRightAndAvoidsLines(t *testing.T) {
	dots := []dot{{x: 100, y: 100, r: 5, w: 10, h: 6}}
	alone := placeLabels(dots, nil, page)[0]
	assert.Equal(t, box{106, 106, 116, 112}, alone.box)
	assert.False(t, alone.far)
	rising := []segment{{100, 100, 200, 200}}
	assert.Equal(t, box{84, 106, 94, 112}, placeLabels(dots, rising, page)[0].box, "upper left of a rising line")
}

func TestLabelWithoutTextOrRoomIsNotPlaced(t *testing.T) {
	assert.False(t, placeLabels([]dot{{x: 100, y: 100, r: 5, h: 6}}, nil, page)[0].placed)
	assert.False(t, placeLabels([]dot{{x: 5, y: 5, r: 5, w: 20, h: 6}}, nil, box{0, 0, 10, 10})[0].placed)
	assert.Empty(t, placeLabels(nil, nil, page))
}

// The naive twin walks along the segment.
func TestSegmentCrossesBoxLikeItsPoints(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	b := box{3, 3, 7, 6}
	for range 5000 {
		s := segment{random.Float64() * 10, random.Float64() * 10, random.Float64() * 10, random.Float64() * 10}
		if random.IntN(4) == 0 {
			s.x1 = s.x0
		}
		if random.IntN(4) == 0 {
			s.y1 = s.y0
		}
		inside, close := false, false
		for k := range 2001 {
			f := float64(k) / 2000
			x, y := s.x0+f*(s.x1-s.x0), s.y0+f*(s.y1-s.y0)
			at := box{x, y, x, y}
			inside = inside || at.within(b.grown(-0.01))
			close = close || at.within(b.grown(0.01))
		}
		if inside || !close { // else it only touches, within the accuracy of the walk
			assert.Equal(t, inside, s.crosses(b), "%v", s)
		}
	}
}
