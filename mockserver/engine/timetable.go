package engine

import (
	"math"
	"time"
)

// timetable knows which worker of a fleet has something to do first, of several the one of the lowest number. It is a
// tournament: each node of a binary tree has the winner of the two below it, and a worker whose instant changes plays
// its matches again.
type timetable struct {
	workers []worker // by number
	due     []time.Duration
	winners []int // of node k: the nodes below it are 2k and 2k+1, and the last half are the workers
}

// idle is the instant of a worker that has nothing to do.
const idle = time.Duration(math.MaxInt64)

func newTimetable(workers []worker) timetable {
	size := 1
	for size < len(workers) {
		size *= 2
	}
	t := timetable{workers: workers, due: make([]time.Duration, size), winners: make([]int, 2*size)}
	for k := range size {
		t.due[k] = idle
		t.winners[size+k] = k
	}
	for node := size - 1; node > 0; node-- {
		t.winners[node] = t.winners[2*node]
	}
	return t
}

// changed asks a worker again when it has something to do.
func (t *timetable) changed(number int) {
	due, busy := t.workers[number].next()
	if !busy {
		due = idle
	}
	t.due[number] = due
	for node := (len(t.due) + number) / 2; node > 0; node /= 2 {
		left, right := t.winners[2*node], t.winners[2*node+1]
		t.winners[node] = left
		if t.due[right] < t.due[left] {
			t.winners[node] = right
		}
	}
}

// first is the number of the worker that is first, and its instant. It is not found when all are idle.
func (t *timetable) first() (number int, at time.Duration, found bool) {
	number = t.winners[1]
	return number, t.due[number], t.due[number] < idle
}
