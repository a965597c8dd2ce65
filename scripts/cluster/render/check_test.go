package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestImageNames(t *testing.T) {
	for _, name := range []string{
		"llmsweep", "llmsweep:dev", "ghcr.io/llmsweep/llmsweep:latest", "localhost:5000/a", "REGISTRY.example.com/a_b/c__d/e--f.g:V1.0_rc-1", "[::1]:5000/a",
		"a@sha256:" + digest, "a:tag@sha256:" + digest, "10.0.0.1:80/a",
	} {
		assert.True(t, validImage(name), name)
	}
	for _, name := range []string{
		"", "FOO", "a/B", "foo:bar:baz", "foo//bar", "/foo", "foo/", "foo:", "foo::a", "foo:-a", "foo@", "foo@sha256:0a", "foo@sha256:" + strings.ToUpper(digest),
		"foo@sha256:" + digest + ":tag", "foo bar", "-foo", "foo_", "a___b", "a..b", "http://a/b", "foo:" + strings.Repeat("a", 129), "a\n",
	} {
		assert.False(t, validImage(name), name)
	}
}

func TestLoopback(t *testing.T) {
	for _, host := range []string{
		"localhost", "LOCALHOST", "localhost.", "api.localhost", "127.0.0.1", "127.9.8.7", "127.1", "0.0.0.0", "0", "::1", "::", "::ffff:127.0.0.1",
	} {
		assert.True(t, isLoopback(host), host)
	}
	for _, host := range []string{"svc", "localhost-svc", "svc.ns.svc.cluster.local", "127.svc", "10.0.0.1", "0.svc", "localhost.example.com", "fd00::1"} {
		assert.False(t, isLoopback(host), host)
	}
}
