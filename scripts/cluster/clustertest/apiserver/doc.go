// Package apiserver is a small Kubernetes API server for tests: the real
// kubectl talks to it over real sockets, and what its pods run are real
// processes of this machine.
//
// It serves the kinds that benchmarks in a cluster meet (namespaces, pods,
// services, volume claims, secrets, service accounts, jobs, deployments,
// events) with the behaviour that scripts rely on: strict field validation,
// errors in the words of the real server, watches, dry runs, the pod security
// profile that a namespace enforces, denied permissions, pods that do not start
// because a claim, an image, an account or a secret is missing, exec, logs and
// port-forward.
//
// The way of a request: [Server] finds the resource (request.go), asks whether
// it is allowed (access.go), and reads or changes the store (read.go, write.go,
// store.go). A change starts the controllers (life.go for pods, jobs.go for
// what makes pods), which write to the same store. Streams (exec.go,
// forward.go, logs.go) reach a [Runtime], which the test provides: it stands
// for nodes, images and the network.
//
// It is no conformance test: what it accepts, a real server may still refuse
// for reasons that are not modelled (quotas, admission webhooks, defaults).
package apiserver
