package engine

import "math"

// ReasoningTokens is how many of an answer's first tokens are thought, for a ratio from 0
// to 1. The first of them is the mark at which thinking starts, the last one that
// at which it ends; so there are none or at least two.
func ReasoningTokens(answer int, ratio float64) int {
	thought := int(math.Floor(float64(answer) * ratio))
	if answer < 2 || thought < 1 {
		return 0
	}
	return min(max(thought, 2), answer)
}
