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
// POST /v1/chat/completions and /v1/completions, streamed or whole, /v1/embeddings and
// /tokenize; GET /v1/models, /health, /live, /version, /metrics and /dcgm/metrics. Errors are
// OpenAI's envelope, {"error":{"message","type","param","code"}}. With Options.APIKey the routes
// that use the model want it; with Options.StartupTime they and /health answer 503 at first.
// ServeTLS also speaks HTTP/2.
//
// A blank-separated word is a token, in prompts and answers alike; the words of an answer follow
// from Options.Seed and the number of the request. An answer has max_completion_tokens (or
// max_tokens) tokens and ends with finish_reason "length". Without either it has 16 tokens, for a
// chat 256, or fewer where Options.MaxModelLen leaves fewer. It ends before, with "stop", at a stop
// string or, unless ignore_eos is set, with the probability Options.EOSProbability at each token;
// neither counts before min_tokens. The scheduler does not foresee such an end.
//
// With n, or several prompts, each choice is a request of its own to the engines. With
// Options.ThinkingRatio the beginning of an answer is thought: a chat has it as reasoning_content,
// where the first and the last token of it, the marks, have no text and so no event. A tool that
// tool_choice forces is called with the simplest arguments that satisfy its schema; a token is
// its name, or four bytes of the arguments. The answer is then as long as that takes and ends with
// "tool_calls"; blanks follow where min_tokens or ignore_eos want more. The text of an embedding is
// computed as a prompt is; equal texts have equal vectors.
//
// Sampling parameters are checked for their ranges and have no effect. What is not known is ignored.
//
// The package shares no code with our client: the two meet in bytes only, so
// that they cannot be wrong together.
//
// # Options
//
// [Options] say what is served, how large engines and their deployment are, and how fast. Each
// stands for itself here. The command's flags, in package cmd, also derive some from others: the block
// size from the type of engine, the size of a token in the cache from the model's config.json, the
// seed of the noise from Seed, the timing from a file with a measured profile.
//
// # The cache
//
// Prompts that begin alike share the blocks of the simulated cache, and the
// usage tells as cached_tokens how much of a prompt was found there. A request
// that the cache could never hold gets a 400.
//
// # The record
//
// Options.Record gets a line of JSON for each request to the engines when it has ended, refused ones
// too. Instants are in nanoseconds since server_start_unix_ns, on a clock that does not jump:
// arrival_ns, when the request was read and understood; admission_ns, when its first choice began to
// run, or null; writes_ns, each just before the write, with the tokens in it as write_tokens; end_ns.
// Beside them id, x_request_id, number, path, stream, status, error (a code), prompt_tokens,
// cached_tokens, max_tokens, completion_tokens, finish_reasons and canceled, which says that the client
// went away. Nobody waits for the file: what it cannot take is missing, and Close says so.
//
// # Faults
//
// [Options.Faults] are rules by which requests go wrong, see package fault; with Options.FaultHeader a request may ask for a fault of its own in
// the header X-Mock-Fault. Only the two routes that generate have faults; one that is asked for with embeddings is a 400. The engines work on
// such a request as they would on any, and keep their schedule, unless the fault keeps it from them or breaks it off. The record's line of a request has the fault that struck as
// fault: kind, rule (its place from 1, none for one that was asked for), request (the number that rules know it by), at_ns and
// client_sees; a status of 0 is that of a response which never began. A time in which connections were refused has a line of its own,
// whose fault has at_ns, until_ns and refused_connections, null where only the operating system could tell.
//
// What acts on the connection needs one of the server's own, of HTTP/1.1 without TLS: see [fault.Kind.NeedsConnection]. Elsewhere, and where an
// answer is not streamed that should be, the request is refused with status 501 rather than half spoiled.
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
