// Package harness plans and runs a sweep: it turns flags and environment into a Plan, refuses a bad one before anything is sent,
// and runs one level after another against an OpenAI-compatible endpoint.
//
// The way of the data:
//
//  1. RegisterFlags defines every flag; Flags.Plan resolves flags, environment, a file of flags and defaults into a Plan.
//  2. Plan.Validate reports all problems at once; Plan.FindTokenizer finds what lengths are in, if it is not the embedded tokenizer.
//  3. Open claims the benchmark's folder; Sweep.Ready waits for the server, judges with package preflight whether the sweep can run, and
//     writes run.json. Of an endpoint inside a cluster it first starts a port-forward, which lives until Sweep.Close. A run that is resumed
//     goes on in its folder instead: see past and ledger.
//  4. Sweep.RunLevel draws the level's lengths, renders its bodies ahead of the slots that send them, and appends one
//     record.Sample to the log for each request as it ends.
//  5. Beside the measured requests, package instrument measures the client itself; its verdict is part of the level. What the server
//     tells of itself is asked each second by a scraper, and understood by package scrape.
//  6. What the samples mean is computed by package metric, and shown by package reporting, from the files.
//
// A level is a closed loop: c slots, each sending its next request as soon as the last one ended. RunLevel owns every goroutine
// it starts and returns only after they ended. The clock is package time's; inside a testing/synctest bubble the same code runs
// in virtual time, with Sweep.Dial for a network.
package harness
