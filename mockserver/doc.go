// Package mockserver is an inference server without a model: it speaks the
// OpenAI HTTP API, answers in random words, and takes for it the time that a
// continuously batching engine would take. It lets a benchmark be tested where
// there is no GPU, against figures that can be worked out beforehand.
//
//	server, err := mockserver.New(mockserver.DefaultOptions())
//	if err != nil { … }
//	defer server.Close()
//	err = server.Serve(listener) // or use server as an http.Handler
//
// # What it serves
//
// POST /v1/chat/completions and /v1/completions, streamed or whole; GET
// /v1/models, /health, /live and /version. Errors are OpenAI's envelope,
// {"error":{"message","type","code"}}. A blank-separated word is a token, in
// prompts and answers alike; the words of an answer follow from Options.Seed
// and the number of the request. An answer always has max_completion_tokens (or
// max_tokens) tokens and ends with finish_reason "length". Without either it
// has 16 tokens, for a chat 256, or fewer where Options.MaxModelLen leaves
// fewer.
//
// The package shares no code with our client: the two meet in bytes only, so
// that they cannot be wrong together.
//
// # The cache
//
// Prompts that begin alike share the blocks of the simulated cache, and the
// usage tells as cached_tokens how much of a prompt was found there. A request
// that the cache could never hold gets a 400.
//
// # Time
//
// Package engine says what a pass of the batch computes, how long it takes, and
// which engine of a deployment does it; one goroutine, the loop, carries it
// out. The schedule is absolute: a pass starts at the planned end of the one
// before, or, when the engine was idle, at the instant at which a request
// arrived. A request has arrived when its body is read and understood, and
// joins the first pass that starts later than that. Lateness of the machine
// delays the writing of tokens but never enters the schedule, so it does not
// add up. (Where passes take no time at all, with Options.SpeedupRatio 0, there
// is no schedule to keep and each pass starts at the instant at which the loop
// comes to it.)
//
// The loop counts a token as ready at the end of its pass; the goroutine of the
// request, the one that net/http started, writes it. Counting never waits, so a
// client that does not read stops nobody but itself. What is ready together for
// one request goes out in one write.
//
// # Virtual time
//
// With Options.Virtual the server works inside a testing/synctest bubble, bit
// for bit the same in every run. Goroutines that wake at the same instant run
// in any order, so no two events may share one: the k-th token of a pass,
// counted from 1, is written k nanoseconds after its end, and a pass lasts long
// enough that its start and its end are clear of the tokens of the pass before
// and that it spans at least one nanosecond more than it has tokens. Make the
// server inside the bubble and close it there.
package mockserver
