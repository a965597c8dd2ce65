package compare

import (
	"encoding/json"
	"math"
)

// MarshalJSON writes figures that do not exist, and the open ends of intervals, as null: JSON has neither.
func (e Estimate) MarshalJSON() ([]byte, error) {
	number := func(v float64) *float64 {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil
		}
		return &v
	}
	return json.Marshal(struct {
		Selector
		Unit         string   `json:"unit"`
		HigherBetter bool     `json:"higher_is_better"`
		Primary      bool     `json:"primary"`
		Verdict      Verdict  `json:"verdict,omitempty"`
		Unarmed      string   `json:"not_judged,omitempty"`
		Blocks       int      `json:"blocks"`
		Requests     int      `json:"requests"`
		Base         *float64 `json:"base"`
		Candidate    *float64 `json:"candidate"`
		Change       *float64 `json:"change"`
		Low          *float64 `json:"low"`
		High         *float64 `json:"high"`
		Confidence   float64  `json:"confidence"`
		Margin       float64  `json:"margin,omitempty"`
		P            float64  `json:"p"`
		Holm         float64  `json:"holm"`
		Client       string   `json:"client,omitempty"`
		Text         string   `json:"text"`
	}{
		e.Selector, e.Unit, e.HigherBetter, e.Primary, e.Verdict, e.Unarmed, e.Blocks, e.Requests, number(e.Base), number(e.Candidate), number(e.Change),
		number(e.Low), number(e.High), e.Confidence, e.Margin, e.P, e.Holm, string(e.Client), e.Text,
	})
}
