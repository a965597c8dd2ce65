package preflight_test

import (
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/llmsweep/llmsweep/harness/preflight"
)

func now() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

// usual is a run that nothing speaks against.
func usual() preflight.Facts {
	return preflight.Facts{
		Load: preflight.Load{
			Level: "c250", Connections: 250, Reused: true, Requests: 1265, Transport: "own", LongestPrompt: 2035, OSL: 256, BytesWritten: 45_000_000,
			OutputDir: "./benchmarks/results", Now: now(),
		},
		Machine: &preflight.Machine{
			OS: "linux", Files: 1 << 20, FilesOpen: 11, Ports: 28232, DiskFree: 65_000_000_000, Processors: 4, CeilingShare: 0.021, ITL: 20 * time.Millisecond,
		},
		Servers: []preflight.Server{{
			Host: "llm.example.com", Resolved: true, Addresses: []string{"10.0.0.7", "10.0.0.8"}, Protocol: "HTTP/1.1", Context: 4096,
			TLS: &preflight.TLS{Version: "TLS 1.3", Names: []string{"llm.example.com"}, Expires: now().AddDate(0, 0, 85), Verified: true},
		}},
	}
}

func TestAllIsWell(t *testing.T) {
	findings := preflight.Judge(usual())
	assert.Equal(t, "preflight: 8 checks ok", preflight.Summary(findings))
	assert.Equal(t, `  ok       file descriptors  1048576 allowed, c250 needs 277
  ok       local ports       28232 to one address, c250 needs 250
  ok       processors        4; at an ITL of 20ms c250 is 3 % of their
                             calibrated ceiling
  ok       disk space        65 GB free, about 45 MB needed
  ok       name              llm.example.com is 10.0.0.7, 10.0.0.8
  ok       certificate       TLS 1.3 of llm.example.com for llm.example.com,
                             valid until 2026-05-25 12:00 UTC, in 85 days
  ok       http              HTTP/1.1, transport own
  ok       context length    the model takes 4096 tokens, the longest request
                             has 2291: a prompt of 2035 and an answer of 256
`, preflight.Table(findings))
}

// TestEachCheck changes one thing about a run that nothing speaks against: one finding changes, and says why and what to do.
func TestEachCheck(t *testing.T) {
	const ports = `; have more with: sudo sysctl -w net.ipv4.ip_local_port_range="1024 65535"`
	for name, c := range map[string]struct {
		change func(*preflight.Facts)
		result preflight.Result
		want   string
	}{
		"one file descriptor too few": {
			func(f *preflight.Facts) { f.Machine.Files = 276 }, preflight.Refusal,
			"file descriptors: 276 allowed, c250 needs 277: 250 for its connections, 11 are open, 16 to spare; allow more in the shell that starts the run " +
				"with: sudo prlimit --pid $$ --nofile=1024 (a container takes them from: docker run --ulimit nofile=1024), or keep -concurrencies at 249 or below",
		},
		"both ends are here": {
			func(f *preflight.Facts) { f.Machine.Files, f.Load.InProcess, f.Machine.Root = 277, true, true }, preflight.Refusal,
			"file descriptors: 277 allowed, c250 needs 527: 500 for its connections, 11 are open, 16 to spare; allow more in the shell that starts the run " +
				"with: ulimit -n 1024 (a container takes them from: docker run --ulimit nofile=1024), or keep -concurrencies at 125 or below",
		},
		"not even one stream": {
			func(f *preflight.Facts) { f.Machine.Files, f.Load.Connections, f.Machine.OS = 20, 3000, "darwin" }, preflight.Refusal,
			"file descriptors: 20 allowed, c250 needs 3027: 3000 for its connections, 11 are open, 16 to spare; allow more in the shell that starts the run " +
				"with: ulimit -n 4096 (a container takes them from: docker run --ulimit nofile=4096)",
		},
		"a system that does not tell": {
			func(f *preflight.Facts) { f.Machine.Files = 0 }, preflight.Unknown,
			"file descriptors: c250 needs 277; this system does not tell how many are allowed",
		},
		"too few ports": {
			func(f *preflight.Facts) { f.Machine.Ports = 249 }, preflight.Refusal,
			"local ports: 249 to one address, c250 needs 250" + ports + ", or name more replicas, or lower -concurrencies",
		},
		"a port for each request": {
			func(f *preflight.Facts) { f.Load.Reused, f.Load.Requests = false, 27983 }, preflight.Warning,
			"local ports: 28232 to one address, and with -connection-reuse=never each of 27983 requests takes one for 60 s after its end: above 466 requests/s " +
				"there will be none left" + ports + ", or leave -connection-reuse at pooled",
		},
		"ports that nobody tells": {
			func(f *preflight.Facts) { f.Machine.Ports = 0 }, preflight.Unknown,
			"local ports: c250 needs 250 to one address; this system does not tell how many there are",
		},
		"more than the ceiling": {
			func(f *preflight.Facts) { f.Machine.CeilingShare = 1.001 }, preflight.Warning,
			"processors: 4; at an ITL of 20ms c250 is 101 % of their calibrated ceiling; use more processors, or lower -concurrencies: a client at its limit " +
				"looks like a slow server",
		},
		"never calibrated": {
			func(f *preflight.Facts) { f.Machine.CeilingShare = 0 }, preflight.Unknown,
			"processors: 4; what they can do at c250 was not calibrated (make calibrate)",
		},
		"a disk that is too small": {
			func(f *preflight.Facts) { f.Machine.DiskFree = 44_999_999 }, preflight.Refusal,
			"disk space: 45 MB free, about 45 MB needed; free some, choose another -output-dir than ./benchmarks/results, or lower -request-count or -osl",
		},
		"a full disk": {
			func(f *preflight.Facts) { f.Machine.DiskFree = 0 }, preflight.Refusal,
			"disk space: 0 B free, about 45 MB needed; free some, choose another -output-dir than ./benchmarks/results, or lower -request-count or -osl",
		},
		"a disk that is nearly too small": {
			func(f *preflight.Facts) { f.Machine.DiskFree = 89_999_999 }, preflight.Warning,
			"disk space: 90 MB free, about 45 MB needed; free some, choose another -output-dir than ./benchmarks/results, or lower -request-count or -osl",
		},
		"a disk that nobody tells": {
			func(f *preflight.Facts) { f.Machine.DiskFree = -1 }, preflight.Unknown,
			"disk space: about 45 MB are needed; this system does not tell what is free",
		},
		"a name that only the server's proxy knows": {
			func(f *preflight.Facts) { f.Servers[0].LookupErr = errors.New("no such host") }, preflight.Unknown, "name: llm.example.com: no such host",
		},
		"a certificate that ends soon": {
			func(f *preflight.Facts) { f.Servers[0].TLS.Expires = now().Add(7*24*time.Hour - time.Minute) }, preflight.Warning,
			"certificate: TLS 1.3 of llm.example.com for llm.example.com, valid until 2026-03-08 11:59 UTC, in 6 days; renew it: from then on no connection will be made",
		},
		"a certificate that ends during the run": {
			func(f *preflight.Facts) { f.Servers[0].TLS.Expires = now().Add(3 * time.Hour) }, preflight.Warning,
			"certificate: TLS 1.3 of llm.example.com for llm.example.com, valid until 2026-03-01 15:00 UTC, in 3 hours; renew it: from then on no connection will be made",
		},
		"a certificate that nobody verified": {
			func(f *preflight.Facts) { f.Servers[0].TLS.Verified = false }, preflight.Unknown, "certificate: TLS 1.3 of llm.example.com is not verified (-insecure)",
		},
		"no keep-alive": {
			func(f *preflight.Facts) { f.Servers[0].Closes = true }, preflight.Warning,
			"http: llm.example.com closes a connection after an answer (HTTP/1.1): requests make new ones, inside their latency; allow keep-alive on the server " +
				"or on the proxy before it",
		},
		"one token too long": {
			func(f *preflight.Facts) { f.Servers[0].Context = 2290 }, preflight.Refusal,
			"context length: the model takes 2290 tokens, the longest request has 2291: a prompt of 2035 and an answer of 256; lower -isl by 17, or serve the " +
				"model with a longer context",
		},
		"an answer that is too long": {
			func(f *preflight.Facts) { f.Servers[0].Context, f.Load.OSL = 4096, 4000 }, preflight.Refusal,
			"context length: the model takes 4096 tokens, the longest request has 6035: a prompt of 2035 and an answer of 4000; lower -osl by 1955, or serve the " +
				"model with a longer context",
		},
		"lengths of a mixture": {
			func(f *preflight.Facts) { f.Servers[0].Context, f.Load.LengthsOf = 2290, "seq-dist" }, preflight.Refusal,
			"context length: the model takes 2290 tokens, the longest request has 2291: a prompt of 2035 and an answer of 256; shorten the longest requests of " +
				"-seq-dist by 17 tokens, or serve the model with a longer context",
		},
		"both too long": {
			func(f *preflight.Facts) { f.Servers[0].Context = 100 }, preflight.Refusal,
			"context length: the model takes 100 tokens, the longest request has 2291: a prompt of 2035 and an answer of 256; lower -isl and -osl, or serve the " +
				"model with a longer context",
		},
		"as long as can be": {
			func(f *preflight.Facts) { f.Servers[0].Context = 2291 }, preflight.Warning,
			"context length: the model takes 2291 tokens, the longest request has 2291: a prompt of 2035 and an answer of 256, to which the server's chat " +
				"template adds some; lower -isl by 16, or serve the model with a longer context",
		},
		"no room for a chat template": {
			func(f *preflight.Facts) { f.Servers[0].Context = 2306 }, preflight.Warning,
			"context length: the model takes 2306 tokens, the longest request has 2291: a prompt of 2035 and an answer of 256, to which the server's chat " +
				"template adds some; lower -isl by 1, or serve the model with a longer context",
		},
		"a completion that is too long": {
			func(f *preflight.Facts) { f.Servers[0].Context, f.Load.NoTemplate = 2290, true }, preflight.Refusal,
			"context length: the model takes 2290 tokens, the longest request has 2291: a prompt of 2035 and an answer of 256; lower -isl by 1, or serve the " +
				"model with a longer context",
		},
		"a server that does not tell its context": {
			func(f *preflight.Facts) { f.Servers[0].Context = 0 }, preflight.Unknown, "context length: the server does not tell",
		},
	} {
		t.Run(name, func(t *testing.T) {
			facts := usual()
			c.change(&facts)
			var other []preflight.Finding
			for _, f := range preflight.Judge(facts) {
				if f.Result != preflight.OK {
					other = append(other, f)
				}
			}
			require.Len(t, other, 1)
			assert.Equal(t, c.result, other[0].Result)
			assert.Equal(t, c.want, other[0].String())
			for line := range strings.Lines(preflight.Table(other)) {
				assert.LessOrEqual(t, utf8.RuneCountInString(strings.TrimSuffix(line, "\n")), 80, line)
			}
		})
	}
}

// TestEdges: the last figure that is still well.
func TestEdges(t *testing.T) {
	for name, change := range map[string]func(*preflight.Facts){
		"file descriptors": func(f *preflight.Facts) { f.Machine.Files = 277 },
		"ports":            func(f *preflight.Facts) { f.Machine.Ports = 250 },
		"ports, replicas":  func(f *preflight.Facts) { f.Machine.Ports, f.Servers = 125, append(f.Servers, f.Servers[0]) },
		"ports, never":     func(f *preflight.Facts) { f.Load.Reused, f.Load.Requests = false, 27982 },
		"ports, loopback": func(f *preflight.Facts) {
			f.Load.Reused, f.Load.Requests, f.Servers[0].Loopback = false, 1<<20, true
		},
		"ceiling":                func(f *preflight.Facts) { f.Machine.CeilingShare = 1 },
		"disk":                   func(f *preflight.Facts) { f.Machine.DiskFree = 90_000_000 },
		"certificate":            func(f *preflight.Facts) { f.Servers[0].TLS.Expires = now().Add(7 * 24 * time.Hour) },
		"context":                func(f *preflight.Facts) { f.Servers[0].Context = 2307 },
		"context, a completion":  func(f *preflight.Facts) { f.Servers[0].Context, f.Load.NoTemplate = 2291, true },
		"closes, as was wished":  func(f *preflight.Facts) { f.Servers[0].Closes, f.Load.Reused = true, false },
		"an address has no name": func(f *preflight.Facts) { f.Servers[0].Resolved = false },
	} {
		t.Run(name, func(t *testing.T) {
			facts := usual()
			change(&facts)
			for _, f := range preflight.Judge(facts) {
				assert.Equal(t, preflight.OK, f.Result, f)
			}
		})
	}
}

func TestVirtualRunsAskNothingOfTheMachine(t *testing.T) {
	facts := usual()
	facts.Machine, facts.Servers = nil, []preflight.Server{{Protocol: "HTTP/1.1", Context: 2000}}
	findings := preflight.Judge(facts)
	assert.Equal(t, "preflight: 1 check ok, 1 refused", preflight.Summary(findings))
	assert.Len(t, preflight.Of(findings, preflight.Refusal), 1)
}

func TestReplicasAreJudgedEach(t *testing.T) {
	facts := usual()
	second := facts.Servers[0]
	second.Host, second.Context = "b.example.com", 1000
	facts.Servers = append(facts.Servers, second, second)
	findings := preflight.Judge(facts)
	assert.Equal(t, "preflight: 10 checks ok, 1 refused", preflight.Summary(findings), "what they have in common is said once")
}

func TestBytes(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1 kB", 45_678: "45.7 kB", 45_678_901: "45.7 MB", 65_678_901_234: "65.68 GB"} {
		assert.Equal(t, want, preflight.Bytes(n))
	}
}
