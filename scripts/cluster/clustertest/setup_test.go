package clustertest

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const token = "hf_SecretOfTheTest"

// setup runs scripts/cluster/setup.sh.
func (c *cluster) setup(t *testing.T) result {
	t.Helper()
	return c.run(t, "", outside(t, manifests+"/setup.sh"))
}

// withPlatform lets the namespace look as if Dynamo served there.
func (c *cluster) withPlatform() {
	c.Add(&corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "dynamo-platform-operator-0", Namespace: namespace},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "operator", Image: "operator"}}, NodeName: "node-1"},
		Status:     corev1.PodStatus{Phase: corev1.PodRunning},
	})
}

func TestSetup(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.withPlatform()
	c.set("NAMESPACE", namespace)
	r := c.setup(t)
	require.Zero(t, r.code, r.all())
	assert.Contains(t, r.stdout, "persistentvolumeclaim/dynamo-pvc created")
	assert.Contains(t, r.stdout, "serviceaccount/dynamo-sa created")
	assert.Contains(t, r.stdout, "no secret hf-token-secret")
	assert.Empty(t, r.stderr)
	assert.Empty(t, c.List("secrets", ""))
	assert.Empty(t, c.List("jobs", ""), "the job is the user's to start")
	assert.Nil(t, c.Get("pods", namespace, "pvc-access-pod"))

	r = c.setup(t)
	require.Zero(t, r.code, r.all())
	assert.Contains(t, r.stdout, "dynamo-pvc exists, left as it is")
	assert.Contains(t, r.stdout, "dynamo-sa exists, left as it is")
}

func TestSetupWithToken(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.withPlatform()
	c.set("NAMESPACE", namespace)
	c.set("HF_TOKEN", token)
	// A kubectl between the script and the real one notes what it is given.
	seen := filepath.Join(c.home, "seen")
	between := filepath.Join(c.home, "between")
	require.NoError(t, os.WriteFile(between, []byte("#!/bin/sh\n{ echo \"$@\"; env; } >>"+seen+"\nexec kubectl \"$@\"\n"), 0o700)) //nolint:gosec // a program
	c.set("KUBECTL", between)
	for range 2 {
		r := c.setup(t)
		require.Zero(t, r.code, r.all())
		assert.Contains(t, r.stdout, "secret/hf-token-secret")
		assert.NotContains(t, r.all(), token)
	}
	secret := c.Get("secrets", namespace, "hf-token-secret").(*corev1.Secret)
	assert.Equal(t, token, string(secret.Data["HF_TOKEN"]))
	text, err := os.ReadFile(seen)
	require.NoError(t, err)
	assert.Contains(t, string(text), "--from-file=HF_TOKEN=/dev/stdin")
	assert.NotContains(t, string(text), token, "the token is on a command line or in a child's environment")
	assert.NotContains(t, string(text), "HF_TOKEN="+token)
}

func TestSetupRefuses(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		prepare func(*testing.T, *cluster)
		want    string
	}{
		"no namespace": {
			func(_ *testing.T, c *cluster) { c.set("NAMESPACE", "nowhere") },
			`setup: namespace "nowhere": not found: create it with kubectl create namespace nowhere`,
		},
		"no Dynamo, no terminal": {
			func(*testing.T, *cluster) {}, "no dynamo-platform pods run in namespace \"benchmarking\". No terminal to ask on: set YES=1",
		},
		"no kubectl": {
			func(t *testing.T, c *cluster) { c.set("KUBECTL", filepath.Join(t.TempDir(), "kubectl")) }, "not found on PATH: install it",
		},
		"a name that cannot be": {
			func(_ *testing.T, c *cluster) { c.set("PVC_NAME", "x; rm -rf") }, `setup: PVC_NAME "x; rm -rf": must be`,
		},
		"a name too long": {
			func(_ *testing.T, c *cluster) { c.set("PVC_NAME", strings.Repeat("a.", 127)+"a") }, "253 characters at most",
		},
		"a namespace with a dot": {
			func(_ *testing.T, c *cluster) { c.set("NAMESPACE", "a.b") }, `setup: namespace "a.b": must be`,
		},
		"not told to go on": {
			func(_ *testing.T, c *cluster) { c.set("YES", "0"); c.set("FORCE", "no") }, "No terminal to ask on: set YES=1",
		},
		"half told to go on": {
			func(_ *testing.T, c *cluster) { c.set("YES", "yesterday") }, "No terminal to ask on: set YES=1",
		},
		"pods may not be listed": {
			func(_ *testing.T, c *cluster) { c.Deny("list", "pods") }, `cannot list resource "pods"`,
		},
		"a claim may not be made": {
			func(_ *testing.T, c *cluster) { c.withPlatform(); c.Deny("create", "persistentvolumeclaims") },
			`cannot create resource "persistentvolumeclaims"`,
		},
		"a server that is gone": {
			func(_ *testing.T, c *cluster) { c.Close() }, "was refused",
		},
		"a server that is silent": {silentServer, "setup: namespace \"benchmarking\": "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			c.set("NAMESPACE", namespace)
			test.prepare(t, c)
			r := c.setup(t)
			assert.Equal(t, 1, r.code, r.all())
			assert.Contains(t, r.stderr, test.want)
			assert.Empty(t, c.List("persistentvolumeclaims", ""))
		})
	}
}

// TestClaimNames: what setup.sh makes, render and download must find, and what it refuses they must refuse.
func TestClaimNames(t *testing.T) {
	t.Parallel()
	for name, good := range map[string]bool{
		"team.results-1": true, "1e3": true, "1.5": true, "null": true, strings.Repeat("a", 64): true,
		"Results": false, "a..b": false, "a_b": false, "a.": false, "é": false, strings.Repeat("a.", 127) + "a": false,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			c.withPlatform()
			c.set("NAMESPACE", namespace)
			c.set("PVC_NAME", name)
			r := c.setup(t)
			assert.Equal(t, good, r.code == 0, r.all())
			assert.Equal(t, good, c.Get("persistentvolumeclaims", namespace, name) != nil)
			r = c.run(t, "", clusterCommand(t, "render"), "-benchmark-name=b", "-endpoint=svc:1", "-pvc", name)
			assert.Equal(t, good, r.code == 0, r.all())
			if !good {
				r = c.run(t, "", clusterCommand(t, "download"), "-n", namespace, "-o", t.TempDir(), "-folder=/data/results", "-pvc", name)
				assert.Equal(t, 2, r.code, r.all())
			}
		})
	}
}

// silentServer puts a server in place of the cluster's that takes connections and never answers.
func silentServer(t *testing.T, c *cluster) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	config := filepath.Join(c.home, "kubeconfig")
	text, err := os.ReadFile(config)
	require.NoError(t, err)
	text = bytes.ReplaceAll(text, []byte(c.URL()), []byte("http://"+listener.Addr().String()))
	require.NoError(t, os.WriteFile(config, text, 0o600))
	c.set("REQUEST_TIMEOUT", "1s")
}

// TestSetupNoticesAFailureBetween: an old secret is there, so that only the failed step itself tells that the new token is not.
func TestSetupNoticesAFailureBetween(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.withPlatform()
	c.set("NAMESPACE", namespace)
	c.set("HF_TOKEN", "old")
	require.Zero(t, c.setup(t).code)
	c.set("HF_TOKEN", "new")
	c.Deny("patch", "secrets")
	r := c.setup(t)
	assert.Equal(t, 1, r.code, r.all())
	assert.Contains(t, r.stderr, `cannot patch resource "secrets"`)
	assert.NotContains(t, r.stdout, "is ready")
}

func TestSetupGoesOnWhenToldTo(t *testing.T) {
	t.Parallel()
	for _, setting := range []string{"YES=1", "FORCE=1", "YES=Yes", "FORCE=TRUE", "YES=y"} {
		t.Run(setting, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			c.set("NAMESPACE", namespace)
			name, value, _ := strings.Cut(setting, "=")
			c.set(name, value)
			c.set("PVC_NAME", "my-results")
			c.Deny("get", "namespaces")
			r := c.setup(t)
			require.Zero(t, r.code, r.all())
			assert.NotNil(t, c.Get("persistentvolumeclaims", namespace, "my-results"))
			assert.Nil(t, c.Get("persistentvolumeclaims", namespace, "dynamo-pvc"))
			assert.Contains(t, r.stdout, "-pvc my-results")
			assert.Contains(t, r.stdout, `whether namespace "benchmarking" exists may not be asked here`)
		})
	}
}
