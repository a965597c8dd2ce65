package compare

import (
	"encoding/json"
	"math"

	"github.com/llmsweep/llmsweep/harness/record"
)

// estimate is an Estimate in JSON, which has no number for figures that do not exist and for the open ends of intervals.
type estimate struct {
	Selector
	Unit         string               `json:"unit"`
	HigherBetter bool                 `json:"higher_is_better"`
	Primary      bool                 `json:"primary"`
	Verdict      Verdict              `json:"verdict,omitempty"`
	Unarmed      string               `json:"not_judged,omitempty"`
	Blocks       int                  `json:"blocks"`
	Requests     int                  `json:"requests"`
	Base         *float64             `json:"base"`
	Candidate    *float64             `json:"candidate"`
	Change       *float64             `json:"change"`
	Low          *float64             `json:"low"`
	High         *float64             `json:"high"`
	Confidence   float64              `json:"confidence"`
	Margin       float64              `json:"margin,omitempty"`
	P            float64              `json:"p"`
	Holm         float64              `json:"holm"`
	Client       record.ClientVerdict `json:"client,omitempty"`
	Text         string               `json:"text"`
}

// MarshalJSON writes figures that do not exist, and the open ends of intervals, as null: JSON has neither.
func (e Estimate) MarshalJSON() ([]byte, error) {
	return json.Marshal(estimate{
		e.Selector, e.Unit, e.HigherBetter, e.Primary, e.Verdict, e.Unarmed, e.Blocks, e.Requests, orNull(e.Base), orNull(e.Candidate), orNull(e.Change),
		orNull(e.Low), orNull(e.High), e.Confidence, e.Margin, e.P, e.Holm, e.Client, e.Text,
	})
}

// UnmarshalJSON reads what MarshalJSON writes. What was null is NaN: whether an end of an interval was open or did not exist is not told apart.
func (e *Estimate) UnmarshalJSON(data []byte) error {
	var s estimate
	if err := json.Unmarshal(data, &s); err != nil {
		return err
	}
	*e = Estimate{
		Selector: s.Selector, Unit: s.Unit, HigherBetter: s.HigherBetter, Primary: s.Primary, Verdict: s.Verdict, Unarmed: s.Unarmed, Blocks: s.Blocks,
		Requests: s.Requests, Base: orNaN(s.Base), Candidate: orNaN(s.Candidate), Change: orNaN(s.Change), Low: orNaN(s.Low), High: orNaN(s.High),
		Confidence: s.Confidence, Margin: s.Margin, P: s.P, Holm: s.Holm, Client: s.Client, Text: s.Text,
	}
	return nil
}

// finding is a Finding in JSON.
type finding struct {
	Level     string               `json:"level"`
	Metric    string               `json:"metric"`
	Statistic string               `json:"statistic"`
	Unit      string               `json:"unit"`
	Verdict   Verdict              `json:"verdict"`
	Client    record.ClientVerdict `json:"client,omitempty"`
	Limit     bool                 `json:"limit,omitempty"`
	Value     *float64             `json:"value"`
	Baseline  *float64             `json:"baseline,omitempty"`
	Bound     *float64             `json:"bound"`
	Samples   int                  `json:"samples"`
	Text      string               `json:"text"`
}

// MarshalJSON writes figures that do not exist as null.
func (f Finding) MarshalJSON() ([]byte, error) {
	return json.Marshal(finding{
		f.Level, f.Metric, f.Statistic, f.Unit, f.Verdict, f.Client, f.Limit, orNull(f.Value), orNull(f.Baseline), orNull(f.Bound), f.Samples, f.Text,
	})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (f *Finding) UnmarshalJSON(data []byte) error {
	var s finding
	if err := json.Unmarshal(data, &s); err != nil {
		return err
	}
	*f = Finding{s.Level, s.Metric, s.Statistic, s.Unit, s.Verdict, s.Client, s.Limit, orNaN(s.Value), orNaN(s.Baseline), orNaN(s.Bound), s.Samples, s.Text}
	return nil
}

func orNull(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}

func orNaN(v *float64) float64 {
	if v == nil {
		return math.NaN()
	}
	return *v
}
