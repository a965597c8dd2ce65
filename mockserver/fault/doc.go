// Package fault says which requests of a mock server go wrong, and how. It decides only: it has no clock, no connection and no
// state. What a fault does to an answer is the server's part.
//
// A [Plan] is a list of rules. A request has a number, counted from 1 in the order in which the server understood them, and an instant,
// the time since the server's start at which it did. [Plan.Decide] is a function of the seed, the number and the instant
// and of nothing else, so a run can be repeated, and a test can say beforehand which requests are hit. The first rule that matches wins.
//
// # Rules
//
// [Parse] reads them from YAML:
//
//	rules:
//	  - kind: status
//	    requests: [3, 10-19]
//	    status: 429
//	    retry_after: 2s
//	  - kind: reset
//	    probability: 0.1
//	    from: 10s
//	    until: 20s
//	    tokens: 5
//
// Four keys say when: probability, requests (a list of numbers and ranges), every (each k-th request), from and until (the window
// from the one instant to before the other, since the server's start). All that are given must hold; a rule without them hits every
// request. The other keys belong to the kind. [ParseHeader] reads the same keys, but for those that say when, from one line:
//
//	kind=reset; tokens=5
//
// Everything that is wrong with a file is said at once, each with its rule and its key.
//
// # After n tokens
//
// Kinds that strike in the middle of a stream do it after the write that holds the n-th token of the answer, all choices counted; with 0
// after the response's header. An answer with fewer tokens is struck after the last one, before the event with finish_reason.
//
// # Refused connections
//
// A server cannot refuse one connection and accept the next: what refuses is the operating system, for a socket that nobody listens
// on. So refuse goes by time window only, and the server closes its listening socket meanwhile. A request that comes by a connection from
// before has it reset, since a server that was gone would not answer there either; answers under way are carried to their end.
package fault
