package engine

import (
	"fmt"
	"math"
)

// LimitError says that an engine of some size can never serve a request.
type LimitError struct {
	PromptTokens, MaxTokens int
	// Option is the limit that would have to be larger, by its name on the mock
	// server's command line; Limit is its value.
	Option string
	Limit  int
	// Need is what the request needs of it.
	Need int
}

// Error names the lengths, the limit and what to do.
func (e *LimitError) Error() string {
	return fmt.Sprintf("request exceeds worker admission limits: prompt of %d and answer of %d tokens need %s \"%d\", not \"%d\": "+
		"shorten them or raise the limit", e.PromptTokens, e.MaxTokens, e.Option, e.Need, e.Limit)
}

// Check returns a [*LimitError] if an engine of this configuration could never
// serve a request of these lengths, however idle, and nil otherwise.
func (c Config) Check(promptTokens, maxTokens int) error {
	if c.Role == Prefill {
		maxTokens = 1
	}
	refuse := func(option string, limit, need int) error {
		return &LimitError{PromptTokens: promptTokens, MaxTokens: maxTokens, Option: option, Limit: limit, Need: need}
	}
	length := promptTokens + min(maxTokens, math.MaxInt-promptTokens)
	if c.MaxModelLen > 0 && length > c.MaxModelLen {
		return refuse("max-model-len", c.MaxModelLen, length)
	}
	if need := c.blocks(length); need > c.NumGPUBlocks {
		return refuse("num-gpu-blocks-override", c.NumGPUBlocks, need)
	}
	if c.Type != SGLang && c.Role != Decode && !c.ChunkedPrefill && promptTokens > c.MaxNumBatchedTokens {
		return refuse("max-num-batched-tokens", c.MaxNumBatchedTokens, promptTokens)
	}
	return nil
}

// blocks is how many blocks hold so many tokens. A sum of tokens and block size could overflow.
func (c Config) blocks(tokens int) int {
	return tokens/c.BlockSize + min(1, tokens%c.BlockSize)
}
