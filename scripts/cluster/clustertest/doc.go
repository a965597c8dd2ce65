// Package clustertest tests what scripts/cluster offers, with the real kubectl
// against the small API server of package apiserver: the manifests and their
// overlays, setup.sh, the render and download commands, k8s:// endpoints, and
// the commands of the documentation.
//
// It is a module of its own, so that the dependencies on k8s.io stay out of the
// main module, whose programs it reaches as processes only: they are built from
// the repository that this folder lies in. kubectl is taken from the PATH, or
// from KUBECTL; without it the tests skip, or fail if REQUIRE_KUBECTL=1.
// Folder kubectl builds one.
//
// Run them by make test-cluster, or with -count=1: go test's cache sees no file
// outside a module, and would answer a change of what is tested with the last
// result.
package clustertest
