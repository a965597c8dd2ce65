package results

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/llmsweep/llmsweep/harness/record"
	"github.com/llmsweep/llmsweep/harness/steady"
)

// Tally is what is counted over the samples of a level while its log is read. The samples themselves may be millions, and are not held.
type Tally struct {
	FinishReasons map[string]int             // of the answers that ended well; "none" is an answer without
	TokenSources  map[record.TokenSource]int // who counted the tokens of these
	Replicas      map[string]Replica         // what went to each endpoint, by its host:port
	Unstreamed    bool                       // an answer was asked for as a document
	Errors        []ErrorGroup               // by Rank once all are in
	// Prompts and Outputs compare the client's tokenizer with the server's.
	Prompts, Outputs Deviation
	Cache            steady.Cache

	asked            asked
	spans            []steady.Span
	waits            []steady.Span        // for a place of -prefill-concurrency
	arrivals         steady.Arrivals      // of an open loop
	warmup, measured record.Counts        // of which nothing was planned
	endNS            int64                // of the last request
	firstNS          int64                // when the first valid one started
	groups           map[record.Error]int // indices in Errors
	others           int                  // errors beyond maxErrorGroups
}

// ErrorGroup is an error, and of how many requests it was.
type ErrorGroup struct {
	Details record.Error `json:"error_details"`
	Count   int          `json:"count"`
}

// Replica is the part of a level's measured requests that one endpoint had.
type Replica struct {
	Requests  int   `json:"requests"`
	OK        int   `json:"ok"`
	LatencyNS int64 `json:"request_latency_sum_ns"` // of those that ended well
}

// Latency is the mean request latency in seconds; 0: nothing ended well.
func (r Replica) Latency() float64 { return float64(r.LatencyNS) / 1e9 / float64(max(r.OK, 1)) }

// Plus adds up two parts.
func (r Replica) Plus(other Replica) Replica {
	return Replica{r.Requests + other.Requests, r.OK + other.OK, r.LatencyNS + other.LatencyNS}
}

// maxErrorGroups bounds what a server that never says the same twice can take.
const maxErrorGroups = 10_000

// noReason stands for a finish_reason that the server never sent.
const noReason = "none"

// NewTally returns an empty one.
func NewTally() Tally {
	return Tally{
		FinishReasons: map[string]int{}, TokenSources: map[record.TokenSource]int{}, Replicas: map[string]Replica{}, groups: map[record.Error]int{}, Errors: []ErrorGroup{},
		firstNS: math.MaxInt64, warmup: record.Counts{Outcomes: map[record.Outcome]int{}}, measured: record.Counts{Outcomes: map[record.Outcome]int{}},
	}
}

// Add takes one sample into account.
func (t *Tally) Add(s *record.Sample) {
	t.endNS = max(t.endNS, s.EndNS)
	span, measured := steady.SpanOf(s)
	if !measured {
		t.warmup.Count(s)
		return
	}
	t.measured.Count(s)
	t.Unstreamed = t.Unstreamed || s.Unstreamed
	t.spans = append(t.spans, span)
	if s.PrefillNS > 0 {
		t.waits = append(t.waits, steady.Span{StartNS: s.TakenNS(), EndNS: s.StartNS})
	}
	t.arrivals.Add(s)
	t.asked.add(s)
	t.replica(s)
	if s.Valid() {
		t.firstNS = min(t.firstNS, s.StartNS)
		t.FinishReasons[cmp.Or(s.FinishReason, noReason)]++
		t.TokenSources[s.Counted.Source]++
		t.compare(s)
		t.Cache.Add(s)
	}
	if s.Error != nil {
		t.group(*s.Error)
	}
}

func (t *Tally) replica(s *record.Sample) {
	part := Replica{Requests: 1}
	if n := len(s.ChunksNS); s.Valid() && n > 0 {
		part.OK, part.LatencyNS = 1, s.ChunksNS[n-1]-s.StartNS
	}
	t.Replicas[s.Endpoint] = t.Replicas[s.Endpoint].Plus(part)
}

func (t *Tally) group(e record.Error) {
	i, known := t.groups[e]
	switch {
	case known:
		t.Errors[i].Count++
	case len(t.Errors) == maxErrorGroups:
		t.others++
	default:
		t.groups[e] = len(t.Errors)
		t.Errors = append(t.Errors, ErrorGroup{e, 1})
	}
}

// rank puts the most frequent errors first, and those that were too many to be told apart last.
func (t *Tally) rank() {
	slices.SortStableFunc(t.Errors, func(a, b ErrorGroup) int {
		return cmp.Or(b.Count-a.Count, cmp.Compare(a.Details.Code, b.Details.Code), cmp.Compare(a.Details.Message, b.Details.Message))
	})
	t.groups = nil
	if t.others > 0 {
		t.Errors = append(t.Errors, ErrorGroup{record.Error{Type: "others", Message: fmt.Sprintf("errors beyond the first %d different ones", maxErrorGroups)}, t.others})
	}
}
