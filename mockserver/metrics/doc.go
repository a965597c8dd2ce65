// Package metrics counts what the mock server does and writes it as Prometheus text, under the
// names that dashboards know from the real servers.
//
// A page has two parts, which are counted in two places. [Engines] sees each chunk of tokens at
// the instant that the schedule gives it, and belongs to the goroutine that steps the fleet: it
// takes no lock. [Frontend] sees requests come and go and takes a short one for each. [Page]
// writes a reading of both, [GPUs] a page as NVIDIA's exporter does.
//
// # Names
//
// Engines of type vllm write vllm:*, with the labels engine, which is the rank, and model_name.
// Those of type sglang write sglang:*, with model_name, engine_type (unified, prefill or
// decode), tp_rank, pp_rank and moe_ep_rank, and dp_rank where there is more than one engine.
// TRT-LLM has the vLLM-like core and its names. What stands before the engines is
// dynamo_frontend_*, with the label model. Buckets of the engines are those of the real servers;
// the front end's are spread evenly on a logarithmic scale and rounded to two digits, after a
// first one of 0.
//
// # What is counted, and when
//
// Everything of an answer is counted before a client can see it: whoever has read the last token
// of a request finds that request on the next page. A duration is the difference of two instants
// of the schedule, a token being due when its pass ends. So in virtual time the sums are those of
// the client's log; in real time a late machine makes clients wait longer than these figures say,
// never shorter.
//
// Where a pass gives several tokens at once, vLLM observes one gap between tokens; SGLang and the
// front end observe as many as there are tokens, each a share of it. The sums are equal.
//
// Tokens of prompts are counted with the first token of the answer. Prefix cache queries and hits
// are counted in tokens when the engine admits a request first. In a disaggregated deployment these
// two are the prefill engines', whose ranks follow those of the others, and all else is the decode
// engines', but for requests that end before they come to one. So the sum of each counter over all ranks is what clients
// have seen. Each choice of a request is one to the engines, as in vLLM: with n of them the prompt counts n times, where
// the usage that the client sees has it once. The front end observes one time to first token a request.
//
// A request to the front end has the status success or error, and the error_type of Dynamo's front
// end: validation, not_found, not_implemented, overload (a 503), internal, or cancelled for a client
// that went away. Requests without a valid key, or to no route, are not counted.
//
// # GPUs
//
// A GPU stands for an engine. It is busy while a pass runs: its utilisation is that of the last
// whole second, its power lies between two constants in proportion, its memory is taken up at
// start as by the real engines. Where passes take no time (a speedup of 0, a plain server) it is
// idle.
package metrics
