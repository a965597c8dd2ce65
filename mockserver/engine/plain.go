package engine

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
)

// Plain is a server without an engine, for tests that want a known truth: requests
// do not share passes, each has a first token and then one after the other at
// times that follow from these figures alone. There is no cache.
type Plain struct {
	// TTFT is from the arrival, or from the end of the wait for a place, to the
	// first token, and ITL from one token to the next.
	TTFT, ITL time.Duration
	// TTFTPerInputToken is added to TTFT for each token of the prompt.
	TTFTPerInputToken time.Duration
	// TTFTPerRequest and ITLPerRequest are added for each other request that runs,
	// at the instant from which the time is counted.
	TTFTPerRequest, ITLPerRequest time.Duration
}

func (p Plain) validate() error {
	atLeastZero := func(option string, d time.Duration) error {
		if d >= 0 && d <= 24*time.Hour {
			return nil
		}
		return fmt.Errorf(`%s "%v": must be from 0 to 24h`, option, d)
	}
	return errors.Join(
		atLeastZero("ttft", p.TTFT),
		atLeastZero("itl", p.ITL),
		atLeastZero("ttft-per-input-token", p.TTFTPerInputToken),
		atLeastZero("ttft-per-request", p.TTFTPerRequest),
		atLeastZero("itl-per-request", p.ITLPerRequest),
	)
}

// plain is a worker that follows these figures.
type plain struct {
	Plain
	config  Config
	noise   noise
	spread  spread
	inbox   []event
	waiting []event
	running agenda
	ready   []answer      // of which a token is due; used again
	serial  uint64        // of the next admission
	freed   time.Duration // when a place was last free again after none had been
	free    time.Duration // end of the last pass
	busy    bool
	pass    Pass
}

// answer is a request that has its place.
type answer struct {
	request   Request
	serial    uint64 // of its admission
	generated int
	due       time.Duration // of the next token
}

var _ worker = (*plain)(nil)

func (p *plain) submit(at time.Duration, r Request) {
	p.inbox = append(p.inbox, event{at, r})
}

func (p *plain) cancel(at time.Duration, id uint64) {
	p.inbox = append(p.inbox, event{at, Request{ID: id}})
}

// next is the end of the pass, the next arrival or the next token. A pass here is
// an instant, but for what the fleet adds to keep tokens apart.
func (p *plain) next() (time.Duration, bool) {
	if p.busy {
		return p.pass.End, true
	}
	earliest := time.Duration(math.MaxInt64)
	if len(p.inbox) > 0 {
		earliest = p.inbox[0].at
	}
	if len(p.running) > 0 {
		earliest = min(earliest, p.running[0].due)
	}
	return max(p.free, earliest), len(p.inbox) > 0 || len(p.running) > 0
}

func (p *plain) step(time.Duration) (Pass, bool) {
	if p.busy {
		p.busy = false
		p.free = p.pass.End
		return p.pass, true
	}
	now, _ := p.next()
	p.pass = Pass{Start: now, End: now, Rank: p.config.Rank, Admitted: p.pass.Admitted[:0], Chunks: p.pass.Chunks[:0]}
	n := 0
	for ; n < len(p.inbox) && p.inbox[n].at <= now; n++ {
		p.tell(p.inbox[n])
	}
	p.inbox = slices.Delete(p.inbox, 0, n)
	p.admit()
	full := len(p.running) == p.config.MaxNumSeqs
	p.emit(now)
	if full && len(p.running) < p.config.MaxNumSeqs {
		p.freed = now
		p.admit()
	}
	p.busy = len(p.pass.Chunks) > 0 || len(p.pass.Admitted) > 0
	if len(p.pass.Chunks) > 0 && p.spread != nil {
		p.pass.End = p.spread(now, now, len(p.pass.Chunks))
	}
	return Pass{}, false
}

func (p *plain) tell(e event) {
	if e.request.PromptTokens > 0 {
		p.waiting = append(p.waiting, e)
		return
	}
	full := len(p.running) == p.config.MaxNumSeqs
	p.waiting = slices.DeleteFunc(p.waiting, func(w event) bool { return w.request.ID == e.request.ID })
	p.running.remove(e.request.ID)
	if full && len(p.running) < p.config.MaxNumSeqs {
		p.freed = e.at
	}
}

// admit gives places to waiting requests.
func (p *plain) admit() {
	n := min(len(p.waiting), p.config.MaxNumSeqs-len(p.running))
	for _, w := range p.waiting[:n] {
		first := p.TTFT + scaled(p.TTFTPerInputToken, w.request.PromptTokens) + scaled(p.TTFTPerRequest, len(p.running))
		due := max(w.at, p.freed) + p.takes(first, p.config.SpeedupRatio)
		p.running.add(answer{request: w.request, serial: p.serial, due: due})
		p.serial++
		p.pass.Admitted = append(p.pass.Admitted, Admission{ID: w.request.ID})
	}
	p.waiting = slices.Delete(p.waiting, 0, n)
}

// emit gives one token to each request of which one is due.
func (p *plain) emit(now time.Duration) {
	next := p.ITL + scaled(p.ITLPerRequest, len(p.running)-1)
	p.ready = p.running.take(p.ready[:0], now)
	for _, a := range p.ready {
		last := a.generated+1 == a.request.length()
		p.pass.Chunks = append(p.pass.Chunks, Chunk{ID: a.request.ID, Index: a.generated, Count: 1, Last: last})
		if last {
			continue
		}
		a.generated++
		a.due += p.takes(next, p.config.SpeedupRatio*p.config.DecodeSpeedupRatio)
		p.running.add(a)
	}
	clear(p.ready)
}

// scaled is d times n, and no longer than a pass may be.
func scaled(d time.Duration, n int) time.Duration {
	const longest = time.Duration(longestPass)
	if n > 0 && d > longest/time.Duration(n) {
		return longest
	}
	return d * time.Duration(n)
}

// takes is a time with noise, faster by a ratio.
func (p *plain) takes(d time.Duration, ratio float64) time.Duration {
	return time.Duration(min(math.Round(slowed(float64(d)*p.noise.draw(), ratio)), longestPass))
}

func (p *plain) stats() Stats {
	return Stats{Running: len(p.running), Waiting: len(p.waiting)}
}
