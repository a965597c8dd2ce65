package http1_test

import (
	"net/http"
	"strings"
	"testing"
)

// deliberate are parts of our errors where net/http makes none: see the differences in vectors.
func deliberate() []string {
	return []string{
		"malformed HTTP response", "HTTP status code", "HTTP header line", "interim responses", "more than 512 lines", "longer than 256 KiB",
		"HTTP status 101", "HTTP trailer line", "HTTP chunk line",
	}
}

// FuzzResponse holds us against net/http on arbitrary bytes in arbitrary reads: what both accept is the same, what net/http refuses is
// refused, and what only we refuse is refused for one of the reasons above.
func FuzzResponse(f *testing.F) {
	for i, v := range vectors() {
		if len(v.wire) < 10_000 {
			f.Add([]byte(v.wire), uint16(1+i%20), v.method == http.MethodHead)
		}
	}
	f.Fuzz(func(t *testing.T, wire []byte, size uint16, head bool) {
		if len(wire) > 64<<10 || size == 0 || len(wire)/int(size) > 5000 {
			return
		}
		method := http.MethodGet
		if head {
			method = http.MethodHead
		}
		our, net := ours(t, method, pieces(string(wire), int(size))), theirs(t, method, pieces(string(wire), int(size)))
		if our.err != nil && net.err == nil {
			for _, reason := range deliberate() {
				if strings.Contains(our.err.Error(), reason) {
					return
				}
			}
		}
		if our.err == nil && net.err != nil && strings.Contains(net.err.Error(), "bad trailer key") {
			return // trailers are thrown away, whatever is announced
		}
		same(t, our, net)
	})
}
