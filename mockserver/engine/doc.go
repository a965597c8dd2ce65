// Package engine is a model of continuously batching inference engines, as Dynamo's mocker
// simulates them: requests go in, passes with their tokens come out.
//
// The model is pure. It has no clock, no goroutine and no I/O; time is a [time.Duration] that
// the caller hands in, counted from whatever instant the caller likes. So the same requests at
// the same instants give the same tokens on every machine, and a schedule can be worked out
// with pencil and paper. Waiting, and telling clients, is the caller's work.
//
// There are two doors. [Engine] is one engine: Submit, Step, Step, …, where each Step is a pass
// and the caller sees to it that passes follow one another. [Fleet] is a deployment: several
// engines side by side, or prefill engines in front of decode engines, or a [Plain] server that
// has known figures instead of an engine. It says with Next when something is to be done; Step
// does it. A server needs the Fleet only.
//
// # Blocks
//
// The cache has Config.NumGPUBlocks blocks of Config.BlockSize tokens. A sequence, prompt and
// what was generated, holds a block for each BlockSize tokens that are computed or planned. A
// full block has a name, the hash of all tokens up to its end ([Hasher]), and whoever needs a
// block of that name shares it. A block that nobody holds any more stays, inactive, until its
// place is needed: the one that has been inactive longest is evicted. A sequence lets go of its
// last block first, so that the end of a prefix is evicted before its beginning. A block that
// is not full has no name and is not kept.
//
// A waiting request finds the blocks at its beginning that are in the cache. They need not be
// computed, but one token must be, so that a next one can follow: of a prompt of 128 tokens
// that is wholly in the cache 64 are computed again. Only an admission looks for blocks to
// skip; a running request that fills a block that exists shares its memory and saves no time. A
// name stands for a block as soon as a pass plans to compute it; when the request is preempted
// in that very pass it does not any more.
//
// # A pass of vLLM
//
// A pass may compute Config.MaxNumBatchedTokens tokens.
//
//  1. Running requests come first, in order of admission. Each takes the tokens that are known
//     but not computed, as far as the budget goes: one when it decodes, the rest of its prompt
//     when an earlier pass had room for a part of it only. If blocks are lacking, the request
//     admitted last (fifo: first) is preempted, again and again until they fit or the request
//     itself had to go. A preempted request lets go of its blocks, keeps what it has generated,
//     and waits in front of all others; the tokens that the pass was to compute of it are
//     undone and go back to the budget.
//
//  2. Unless somebody was preempted, waiting requests are admitted, in order, while fewer than
//     Config.MaxNumSeqs run and budget is left. The first one that does not fit ends it. A
//     request fits if all that is known of it does: the blocks for it, less those that are
//     active already. Without chunked prefill it must also fit what is left of the budget; only
//     a preempted request that has grown beyond a whole budget is computed in a pass that
//     nobody else has taken tokens of.
//
//  3. The pass takes the time for its prompts plus, if any request decodes, the time for that.
//     With Dynamo's curves, in milliseconds,
//
//     prefill(n) = 4.209989e-07 n² + 1.518344e-02 n + 16.50142
//     decode(u)  = -25.74 u² + 54.01 u + 5.74, at least 1
//
//     where n is the number of prefilling requests times the difference of two whole means, of
//     the lengths to which their prompts are computed at the end of the pass and at its start,
//     and u, at most 1, is the sum of the contexts of the decoding requests over the size of
//     the cache. The sum is rounded to nanoseconds once.
//
//  4. At the end of the pass each request whose known tokens are all computed gets a token. So
//     the pass that completes a prompt yields token 0 already. With [Speculation] a request
//     that decodes gets more of them.
//
// A request is refused at once, with a [*LimitError], if it could never be served.
//
// # The other types
//
// TRT-LLM is as vLLM, but a request is admitted only if its prompt and its whole answer fit
// beside what is reserved for the running ones. So nobody is ever preempted
// (guaranteed_no_evict).
//
// SGLang has passes that compute prompts and others that decode, and the former go first. A
// request is admitted if prompt and answer, less what is active already, fit into what is left
// of the cache when a share of the tokens that running requests still have to generate is set
// aside, and one token less than a page for each of them. The share begins at 0.7 times the
// conservativeness, falls to 0.14 of that in 600 passes that decode, and begins again when
// memory runs out. Then the request with the fewest generated tokens is retracted, the latest
// of several, as in a preemption. Answers of requests admitted in the same pass are set aside
// whole. A pass takes ChunkedPrefillSize prompt tokens, and MaxPrefillTokens unless one request
// alone has more. Requests of one pass do not find each other's blocks. With the policy lpm up
// to 128 waiting requests are sorted by what they find in the cache; one that finds at most 32
// tokens but begins with the same 32 as one before it goes behind all others.
//
// # Decisions
//
// Dynamo's mocker has had two schedulers; where they differ this is the later one (2026): the
// constant of prefill once a pass, no watermark, the latest request preempted first, contexts
// rather than blocks in u. Its newer orders of eviction are left out: letting go of the last
// block first already evicts leaves before their parents. Generated tokens are random there, so
// an answer's blocks are found again only by the request itself, after a preemption, unless the
// caller names them in Request.Blocks.
//
// The tokens of a request that has not been computed yet need blocks, the last token that was
// generated does not: the 49th token behind a prompt of 2000 opens block 33 when it is
// computed.
//
// A decode engine computes the last token of a prompt, as decoding, to get the first of the
// answer. Noise and speedups apply to every pass; the speedup to transfers too.
//
// # What it leaves out
//
// Contention: transfers do not share a link, and a copy costs no engine time. Tiers of memory
// beyond the first. Priorities and routing by prefix. What a token is.
package engine
