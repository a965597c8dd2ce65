package harness

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/scrape"
)

// maxScrapes bounds a file of scrapes in bytes.
const maxScrapes = 64 << 20

// scrapeOffset keeps the rounds of virtual time away from what else happens at whole seconds.
const scrapeOffset = 333_667 * time.Nanosecond

// settleTime is what a server is given to count its last request.
const settleTime = time.Millisecond

// scraper asks pages beside the load of a level, in a goroutine of its own. A nil scraper asks nothing.
type scraper struct {
	file    string // its name
	askers  []*asker
	log     *record.ScrapeLog
	history *scrape.History
	now     func() int64 // stamp of the level
	limit   int64        // of the file
	edges   chan record.Edge
	done    sync.WaitGroup
	asked   record.Asked
	err     error
}

// startScrapers makes the first rounds of the level, before anything is sent, and has the others made.
func (r *levelRun) startScrapers() {
	s := r.sweep
	edge := record.EdgeStart
	if r.left(record.Warmup) == 0 {
		edge = record.EdgeMeasure
	}
	r.server = r.startScraper(record.ServerMetricsFile, s.serverPages, edge)
	r.gpus = r.startScraper(record.GPUTelemetryFile, s.gpuPages, edge)
}

// startScraper returns nil where there is nothing to ask, or nowhere to keep it.
func (r *levelRun) startScraper(file string, pages []page, edge record.Edge) *scraper {
	if len(pages) == 0 {
		return nil
	}
	s := &scraper{file: file, history: scrape.NewHistory(nil), now: r.client.Now, limit: r.sweep.scrapesLimit, edges: make(chan record.Edge)}
	sources := record.Sources{SchemaVersion: record.SchemaVersion}
	for _, p := range pages {
		a := r.sweep.asker(p)
		a.asked.URL = p.name
		s.askers = append(s.askers, a)
		sources.URLs = append(sources.URLs, p.name)
	}
	s.history.Begin(&sources)
	s.log, s.err = record.AppendScrapes(filepath.Join(r.sweep.LevelDir(r.level), file), sources.URLs)
	s.round(edge)
	s.done.Go(func() { s.tick(r.epoch.Add(time.Duration(s.now()))) })
	return s
}

// tick makes a round each second from begun on, and one whenever an edge is asked for; the empty one is the end.
func (s *scraper) tick(begun time.Time) {
	for k := 1; ; k++ {
		at := begun.Add(time.Duration(k)*scrapeEvery + scrapeOffset)
		if time.Now().After(at) {
			continue // a round took longer than the time to the next one
		}
		for timer := time.NewTimer(time.Until(at)); ; {
			select {
			case <-timer.C:
				s.round("")
			case edge := <-s.edges:
				if edge == "" {
					timer.Stop()
					return
				}
				s.round(edge)
				s.edges <- edge // it is over
				continue
			}
			break
		}
	}
}

// edge makes a round now and waits for it.
func (s *scraper) edge(e record.Edge) {
	if s != nil {
		s.edges <- e
		<-s.edges
	}
}

// round asks all pages together. Rounds that are no edges are left out once the file is full.
func (s *scraper) round(edge record.Edge) {
	if s.err != nil {
		return
	}
	if s.asked.Thinned = s.asked.Thinned || s.log.Size() >= s.limit; s.asked.Thinned && edge == "" {
		return
	}
	round := record.Round{AtNS: s.now(), Edge: edge, Pages: make([]record.Told, len(s.askers))}
	var asking sync.WaitGroup
	for i, a := range s.askers {
		asking.Go(func() { round.Pages[i] = a.ask(edge != "") })
	}
	asking.Wait()
	for _, a := range s.askers {
		s.asked.LeftOut = max(s.asked.LeftOut, a.changes.Left)
	}
	s.history.Add(&round)
	s.err = s.log.Append(&round)
}

// end makes the last round, and another one if the server has not counted expected requests yet, and lets go of everything.
func (s *scraper) end(expected int) *record.Asked {
	if s == nil {
		return nil
	}
	s.edges <- ""
	s.done.Wait()
	time.Sleep(settleTime)
	s.round(record.EdgeEnd)
	if completed, told := s.history.Whole(scrape.Completed); told && int(completed) < expected && s.history.Spans() {
		time.Sleep(scrapeEvery)
		s.round(record.EdgeEnd)
	}
	for _, a := range s.askers {
		a.close()
		s.asked.Sources = append(s.asked.Sources, a.asked)
	}
	if s.log != nil {
		s.asked.Bytes = s.log.Size()
		s.err = errors.Join(s.err, s.log.Close())
	}
	return &s.asked
}

// stopScrapers ends them and keeps how the asking went. GPUs come first: their energy goes on while a server is waited for.
func (r *levelRun) stopScrapers() {
	ok := r.record.Warmup.Outcomes[record.OK] + r.record.Counts.Outcomes[record.OK]
	r.record.GPUTelemetry, r.record.ServerMetrics = r.gpus.end(0), r.server.end(ok)
}

// scrapeWarnings are what a reader must know of the pages, and of what they say that does not go with what this client counted.
func (r *levelRun) scrapeWarnings() []string {
	warnings := append(r.server.warnings(), r.gpus.warnings()...)
	if text := r.otherTraffic(); text != "" {
		warnings = append(warnings, text)
	}
	return warnings
}

func (s *scraper) warnings() []string {
	if s == nil {
		return nil
	}
	var warnings []string
	warn := func(format string, args ...any) {
		warnings = append(warnings, s.file+": "+fmt.Sprintf(format, args...))
	}
	for _, a := range s.asked.Sources {
		if a.Failed > 0 {
			warn("%d of %d times %s told nothing; the first: %s", a.Failed, a.Failed+a.Pages, a.URL, cmp.Or(a.Failure, "no reason"))
		}
	}
	if s.asked.LeftOut > 0 {
		warn("%d series are left out: a page may have %d", s.asked.LeftOut, scrape.MaxSeries)
	}
	if s.asked.Thinned {
		warn("has reached %.3g MiB: after that there is only the end of the level", float64(s.limit)/(1<<20))
	}
	if f, ok := s.history.Measured(); ok && f.Restart {
		warn("a counter fell during the level: a server started anew")
	}
	if s.err != nil {
		warn("%v", s.err)
	}
	return warnings
}

// otherTraffic holds the number of requests that the server completed, warm-up included, against ours; "": it agrees, or is not known. Of a request that
// did not end well for us nobody knows whether it did for the server.
func (r *levelRun) otherTraffic() string {
	if r.server == nil || !r.sweep.covered || r.kept != nil || !r.server.history.Spans() {
		return ""
	}
	completed, told := r.server.history.Whole(scrape.Completed)
	if !told {
		return ""
	}
	least, most := 0, 0
	for _, c := range []record.Counts{r.record.Warmup, r.record.Counts} {
		least += c.Outcomes[record.OK]
		most += c.Ended() - c.Outcomes[record.Rejected] - c.Outcomes[record.ConnectionFailed] + c.Retried.Resent
	}
	n := int(completed)
	if least <= n && n <= most {
		return ""
	}
	ours := fmt.Sprint(least)
	if most > least {
		ours = fmt.Sprintf("%d to %d", least, most)
	}
	why := "other traffic: the figures are not of this load alone"
	if n < least {
		why = "its pages do not tell of all that answered, or it started anew"
	}
	return strings.Join([]string{fmt.Sprintf("the server completed %d requests in this level, this client %s", n, ours), why}, ": ")
}
