// Package bench holds the entry points of llmsweep: go test functions that turn flags into a run. It has no logic of its own;
// package harness runs, package reporting shows.
//
//	go test ./bench -run Sweep -v -count=1 -timeout 0 -endpoint=http://localhost:8000 -benchmark-name=vllm-agg
//
// An entry point runs only when -run names it, so that go test ./... stays a test of the code. -v shows the progress and the
// table, -count=1 keeps go test from answering out of its cache, and -timeout 0 lifts its limit of ten minutes. Flags of our own
// come after the package. All of them: go test ./bench -v -llmsweep.help
package bench
