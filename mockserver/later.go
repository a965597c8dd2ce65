package mockserver

import (
	"slices"
	"time"
)

// step is how far an answer has come at an instant.
type step struct {
	progress
	at time.Duration // to be written
}

// delayed is what a stream has yet to write. The engines go on meanwhile, so there may be many steps.
type delayed struct {
	heard progress // as far as the loop has counted
	steps []step
	timer *time.Timer
}

// streamLater streams an answer whose tokens, after the first few, come later than they would by the same time each.
func (e *exchange) streamLater(d *renderer) {
	out, err := e.beginStream()
	later := &delayed{timer: time.NewTimer(0)}
	defer later.timer.Stop()
	for err == nil && d.open > 0 {
		var s step
		if s, err = e.nextStep(later); err != nil {
			break
		}
		if e.progress.total >= e.fault.Tokens {
			e.struck(e.progress.total)
		}
		for e.progress = s.progress; err == nil && d.written < s.total; {
			err = e.write(out, d)
		}
	}
	e.endStream(d, err)
}

// nextStep waits until the next step is to be written.
func (e *exchange) nextStep(later *delayed) (step, error) {
	for {
		var rings <-chan time.Time
		if len(later.steps) > 0 {
			later.timer.Reset(later.steps[0].at - e.server.loop.now())
			rings = later.timer.C
		}
		select {
		case <-rings:
			s := later.steps[0]
			later.steps = later.steps[1:]
			return s, nil
		case <-e.answer.changed:
			if err := e.hear(later); err != nil {
				return step{}, err
			}
		case <-e.server.stop:
			return step{}, errStopped
		}
	}
}

// hear adds what is new to the steps.
func (e *exchange) hear(later *delayed) error {
	before := later.heard.total
	news, err := e.answer.state(&later.heard)
	if err == nil {
		err = e.r.Context().Err()
	}
	if err != nil || !news {
		return err
	}
	s := step{progress: later.heard, at: later.heard.due}
	s.ready, s.ends = slices.Clone(s.ready), slices.Clone(s.ends)
	if before >= e.fault.Tokens {
		s.at += e.fault.Later(e.arrived())
	}
	later.steps = append(later.steps, s)
	return nil
}

// wholeLater sends a document later than it would be.
func (e *exchange) wholeLater(d *renderer) {
	if !e.complete(d) {
		return
	}
	e.struck(0)
	if later := e.fault.Later(e.arrived()); later > 0 {
		e.endStream(d, e.pause(later))
	}
	_, _ = e.w.Write(e.document(d))
}
