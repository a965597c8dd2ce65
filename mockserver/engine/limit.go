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
	if err := c.checkContext(promptTokens, maxTokens); err != nil {
		return err
	}
	refuse := func(option string, limit, need int) error {
		return &LimitError{PromptTokens: promptTokens, MaxTokens: maxTokens, Option: option, Limit: limit, Need: need}
	}
	if need := c.blocks(together(promptTokens, maxTokens)); need > c.NumGPUBlocks {
		return refuse("num-gpu-blocks-override", c.NumGPUBlocks, need)
	}
	if c.Type != SGLang && c.Role != Decode && !c.ChunkedPrefill && promptTokens > c.MaxNumBatchedTokens {
		return refuse("max-num-batched-tokens", c.MaxNumBatchedTokens, promptTokens)
	}
	return nil
}

// checkContext is the part of Check that also holds for a server without a cache.
func (c Config) checkContext(promptTokens, maxTokens int) error {
	length := together(promptTokens, maxTokens)
	if c.MaxModelLen == 0 || length <= c.MaxModelLen {
		return nil
	}
	return &LimitError{PromptTokens: promptTokens, MaxTokens: maxTokens, Option: "max-model-len", Limit: c.MaxModelLen, Need: length}
}

// together is a sum that does not overflow.
func together(promptTokens, maxTokens int) int {
	return promptTokens + min(maxTokens, math.MaxInt-promptTokens)
}

// blocks is how many blocks hold so many tokens. A sum of tokens and block size could overflow.
func (c Config) blocks(tokens int) int {
	return tokens/c.BlockSize + min(1, tokens%c.BlockSize)
}
