package kubectl_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/llmsweep/llmsweep/harness/kubectl"
)

func TestNames(t *testing.T) {
	for _, test := range []struct {
		name             string
		label, subdomain bool
	}{
		{"dynamo-pvc", true, true}, {"a", true, true}, {"1e3", true, true}, {"a--b", true, true},
		{strings.Repeat("a", 63), true, true}, {strings.Repeat("a", 64), false, true},
		{"a.b-c.d", false, true}, {strings.Repeat("ab.", 84) + "a", false, true}, {strings.Repeat("ab.", 84) + "ab", false, false},
		{"", false, false}, {"A", false, false}, {"a_b", false, false}, {"-a", false, false}, {"a-", false, false}, {"a\n", false, false},
		{".a", false, false}, {"a.", false, false}, {"a..b", false, false}, {"a.-b", false, false}, {"é", false, false}, {"a b", false, false},
	} {
		assert.Equal(t, test.label, kubectl.ValidLabel(test.name), "label %q", test.name)
		assert.Equal(t, test.subdomain, kubectl.ValidSubdomain(test.name), "subdomain %q", test.name)
	}
}
