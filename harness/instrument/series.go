package instrument

import (
	"slices"

	"github.com/llmsweep/llmsweep/harness/stat"
)

// series keeps the values of one reading, in nanoseconds: all of them up to a bound, beyond it every second, every fourth and so on.
type series struct {
	kept   []int64
	stride int // every stride-th value is kept; 0 is 1
	n      int // values so far
	most   int64
}

// seriesBound is even, so that the thinned values stay equally spaced.
const seriesBound = 1 << 17

func (s *series) add(v int64) {
	if len(s.kept) == seriesBound {
		for i := range seriesBound / 2 {
			s.kept[i] = s.kept[2*i]
		}
		s.kept, s.stride = s.kept[:seriesBound/2], 2*max(s.stride, 1)
	}
	if s.n%max(s.stride, 1) == 0 {
		s.kept = append(s.kept, v)
	}
	s.n++
	s.most = max(s.most, v)
}

// merge takes the values of another series of the same stride, as those of streams that ran beside each other have but for a few.
func (s *series) merge(other *series) {
	s.kept = append(s.kept, other.kept...)
	s.n += other.n
	s.most = max(s.most, other.most)
}

// milliseconds returns percentiles of the kept values.
func (s *series) milliseconds(percentiles ...float64) []float64 {
	sorted := make([]float64, len(s.kept))
	for i, v := range s.kept {
		sorted[i] = float64(v) / 1e6
	}
	slices.Sort(sorted)
	values := make([]float64, len(percentiles))
	for i, q := range percentiles {
		values[i] = stat.Percentile(sorted, q)
	}
	return values
}
