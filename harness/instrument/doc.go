// Package instrument is what the client knows of itself. A benchmark's client is a measuring instrument: while it measures a level, a
// Watch measures the client, and Judge says whether the level's figures are the server's.
//
// What is measured, and what only it can see:
//
//   - Canaries: one to three streams beside the load, through the same client code, from a writer inside the process that notes the true
//     instant just before each write. Delay = the client's stamp - that instant: how late stamps are. Where the load is encrypted they are, too, by a
//     certificate made in memory; the writer's own encryption is in the delay. It is blind to a process that does not run
//     at all, since then its writer does not run either; and over HTTP/2 to what it costs the load that its streams share connections, since
//     each canary has its own.
//   - A probe: a goroutine that asks to be woken each millisecond. It is as late as a goroutine whose socket has something to read, and sees
//     what the canaries cannot: a process that is stopped, starved by its neighbours or held to a share of a processor. The period is a millisecond
//     because at five a client that is saturated by its own load hardly shows. Of an instant that passed while nothing ran every
//     millisecond counts, so that a pause weighs as much as it is long. One of more than 100 ms is a Gap, with its instant.
//   - Send lateness: how long a slot was free before its next request started; and from that, how many requests really were in flight.
//   - Go's scheduler and collector, the process's processor time, its wait for a processor, the hypervisor's share; and how late plain sleeps
//     are on the idle machine before the run. They are recorded to explain a verdict, not to make one: a client can be late by hundreds of
//     milliseconds on a third of its processors.
//
// # The verdict
//
//	canary delay p99, probe lateness p99   max(1 ms, 5 % of the median ITL)
//	send lateness p99                      max(2 ms, 1 % of the median TTFT)
//	requests sent more than 10 ms late     0.1 %, judged of 1,000 requests or more
//	shortfall in flight                    1 %, judged of a second or more
//	time in gaps above 100 ms              none
//
// Above a limit the client is suspect: figures carry ErrorMS, the larger p99 of canary and probe, as error bar. Above five times the limit
// (shares: 5 %) it is limited: then a quarter of the median ITL, or more, is the client's. A reading of fewer values than its percentile
// needs (stat.Floor) makes suspect at most, and the check says so.
//
// # In virtual time
//
// Canaries (over in-memory connections that are handed in), lateness and what was in flight exist there and are the same in each run. Of
// the machine nothing is read. A chunk counts if it was written before the instant of Stop, whatever runs first at that instant.
//
// # Cost
//
// On an idle process the probe takes 2 to 4 % of one processor and three canaries 2 to 3 %, most of it for waking up; beside a load, which
// is awake anyway, less (BenchmarkWatch). Memory is bounded: of each reading 131,072 values are kept at most, then every second of them,
// and so on. Nothing of it enters counts, logs or metrics of the level. How the garbage collector is kept quiet is in collector.go.
package instrument
