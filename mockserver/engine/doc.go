// Package engine is a model of a continuously batching inference engine, in
// the manner of vLLM: requests go in, passes with their tokens come out.
//
// The model is pure. It has no clock, no goroutine and no I/O; time is a
// [time.Duration] that the caller hands to [Engine.Step], counted from
// whatever instant the caller likes. So the same requests at the same instants
// give the same tokens on every machine, and a schedule can be worked out with
// pencil and paper. Waiting, and telling clients, is the caller's work.
//
// # One pass
//
// Requests wait in the order of [Engine.Submit] until a pass takes them into
// the running list, where they stay, in order of admission, until they have
// all their tokens. A pass may compute Config.MaxNumBatchedTokens tokens:
//
//  1. Running requests come first, in order. A request takes the tokens that
//     are known but not computed: one when it decodes, the rest of its prompt
//     when an earlier pass had room for a part of it only. What exceeds the
//     budget stays for the next pass.
//  2. Then waiting requests are admitted while fewer than Config.MaxNumSeqs run
//     and budget is left. The last one may get a part of its prompt.
//  3. The pass takes prefill(n) once, where n is the number of prompt tokens it
//     computes, plus decode(u) if any request decodes, where u is the sum of the
//     context lengths of the decoding requests over the size of the cache.
//  4. At the end of the pass each request whose known tokens are all computed
//     gets one token. So the pass that completes a prompt yields token 0 already.
//
// The two curves, in milliseconds, are the default ones of Dynamo's mocker:
//
//	prefill(n) = 4.209989e-07 n² + 1.518344e-02 n + 16.50142    0 when n is 0
//	decode(u)  = -25.74 u² + 54.01 u + 5.74                     1 at least, u at most 1
//
// Their sum is rounded to nanoseconds once for the pass.
//
// # What it leaves out
//
// The cache is only a number here, the divisor of u: nothing is ever too long
// for it, no request is preempted and no prefix is shared. The places for that
// are schedule and admit in engine.go.
package engine
