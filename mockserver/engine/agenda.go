package engine

import (
	"cmp"
	"slices"
	"time"
)

// agenda is the running requests of a plain server as a heap: the one whose token is due
// first is first.
type agenda []answer

// add puts a request in.
func (a *agenda) add(x answer) {
	*a = append(*a, x)
	h := *a
	for k := len(h) - 1; k > 0; {
		parent := (k - 1) / 2
		if h[parent].due <= h[k].due {
			return
		}
		h[parent], h[k] = h[k], h[parent]
		k = parent
	}
}

// take moves the requests of which a token is due out of the agenda, in order of admission.
func (a *agenda) take(into []answer, now time.Duration) []answer {
	for len(*a) > 0 && (*a)[0].due <= now {
		h := *a
		last := len(h) - 1
		into = append(into, h[0])
		h[0] = h[last]
		*a = h[:last]
		a.sink(0)
	}
	slices.SortFunc(into, func(x, y answer) int { return cmp.Compare(x.serial, y.serial) })
	return into
}

func (a *agenda) sink(k int) {
	h := *a
	for {
		child := 2*k + 1
		if child >= len(h) {
			return
		}
		if child+1 < len(h) && h[child+1].due < h[child].due {
			child++
		}
		if h[k].due <= h[child].due {
			return
		}
		h[k], h[child] = h[child], h[k]
		k = child
	}
}

// remove takes a request out before its end.
func (a *agenda) remove(id uint64) {
	h := *a
	k := slices.IndexFunc(h, func(x answer) bool { return x.request.ID == id })
	if k < 0 {
		return
	}
	*a = slices.Delete(h, k, k+1)
	for k = len(*a)/2 - 1; k >= 0; k-- {
		a.sink(k)
	}
}
