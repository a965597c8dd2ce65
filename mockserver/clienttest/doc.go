// Package clienttest tests the mock server with clients that we did not write:
// OpenAI's official ones for Go and JavaScript, and Prometheus' own parser.
//
// It is a module of its own, so that they stay out of the main module, whose
// programs it reaches as processes only: they are built from the repository
// that this folder lies in. The JavaScript client needs node and npm; without
// them its tests skip, or fail if REQUIRE_NODE=1.
//
// Run them by make test-clients, or with -count=1: go test's cache sees no file
// outside a module, and would answer a change of what is tested with the last
// result.
package clienttest
