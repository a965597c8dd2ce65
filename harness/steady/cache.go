package steady

import "github.com/llmsweep/llmsweep/harness/record"

// Cache is how much of its prompts a server had in its prefix cache, in tokens as it counts them, over the requests of which it told. Add takes the
// samples one by one.
type Cache struct {
	Requests  int // of which the server told
	Prompt    int // tokens of their prompts, the server's template included
	Hits      int // of these, in the cache
	Shared    int // that prompts share on purpose
	Unplanned int // hits beyond what is shared on purpose and beyond the template, see Add
}

// Add takes a sample into account. Of a request that was found in the cache what it shares on purpose is planned, and as many tokens more as the server
// counts beyond the client: its chat template, which begins every prompt alike, and where the tokenizers differ what the shared tokens become by that.
func (c *Cache) Add(s *record.Sample) {
	u := s.Usage
	if !s.Valid() || u == nil || u.CachedTokens == nil || u.PromptTokens == 0 {
		return
	}
	c.Requests++
	c.Prompt += u.PromptTokens
	c.Hits += *u.CachedTokens
	c.Shared += s.SharedTokens
	c.Unplanned += max(0, *u.CachedTokens-s.SharedTokens-max(0, u.PromptTokens-s.Counted.PromptByClient()))
}

// With is both together.
func (c Cache) With(other Cache) Cache {
	return Cache{c.Requests + other.Requests, c.Prompt + other.Prompt, c.Hits + other.Hits, c.Shared + other.Shared, c.Unplanned + other.Unplanned}
}

// Percent is a number of tokens as a part of the prompts'; 0 where nothing is known.
func (c Cache) Percent(tokens int) float64 { return 100 * float64(tokens) / float64(max(1, c.Prompt)) }
