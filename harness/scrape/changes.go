package scrape

import (
	"math"
	"strings"

	"github.com/llmsweep/llmsweep/harness/record"
)

// MaxSeries bounds what is remembered of a source: one that has new series on each page would fill the memory. Those beyond it are left out.
const MaxSeries = 200_000

// Changes finds what a source's page has that the ones before had not. The zero value is ready. It is used by one goroutine at a time.
type Changes struct {
	// Redact is applied to names and labels before they are kept. Nil: to none.
	Redact func(string) string

	number map[string]int // of a series
	last   []float64      // by number
	seen   []int          // the page that had it last, by number; 0: it is gone
	typed  map[string]bool
	pages  int
	Left   int // series of the last page that were left out, see MaxSeries
}

// Of returns what the page adds and changes.
func (c *Changes) Of(p *Page) record.Told {
	if c.number == nil {
		c.number, c.typed = map[string]int{}, map[string]bool{}
	}
	var told record.Told
	c.pages++
	c.Left = 0
	for _, s := range p.Samples {
		k, known := c.number[s.Series]
		switch {
		case !known && len(c.number) >= MaxSeries:
			c.Left++
			continue
		case !known:
			k = c.add(s.Series, &told)
		case c.seen[k] == c.pages:
			continue // it is on the page twice: the first one counts
		case same(c.last[k], s.Value) && c.seen[k] > 0:
			c.seen[k] = c.pages
			continue
		}
		c.last[k], c.seen[k] = s.Value, c.pages
		told.Values = append(told.Values, record.SeriesValue{Series: k, Value: s.Value})
	}
	for k, page := range c.seen {
		if page > 0 && page < c.pages {
			c.seen[k] = 0
			told.Gone = append(told.Gone, k)
		}
	}
	if len(told.New) > 0 {
		c.types(p, &told)
	}
	return told
}

// add numbers a series. Its text is part of the page, which must not stay for it.
func (c *Changes) add(series string, told *record.Told) int {
	k := len(c.last)
	c.number[strings.Clone(series)] = k
	c.last, c.seen = append(c.last, 0), append(c.seen, 0)
	told.New = append(told.New, c.redact(strings.Clone(series)))
	return k
}

// types adds those of families that are new.
func (c *Changes) types(p *Page, told *record.Told) {
	for name, kind := range p.Types {
		if c.typed[name] || len(c.typed) >= MaxSeries {
			continue
		}
		c.typed[name] = true
		if told.Types == nil {
			told.Types = map[string]string{}
		}
		told.Types[c.redact(name)] = c.redact(kind)
	}
}

func (c *Changes) redact(text string) string {
	if c.Redact == nil {
		return text
	}
	return c.Redact(text)
}

// same takes two that are no numbers for the same.
func same(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) }
