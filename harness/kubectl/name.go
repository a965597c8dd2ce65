package kubectl

import "regexp"

var (
	label     = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)
	subdomain = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)
)

// ValidLabel reports whether a text is a label of RFC 1123, as the name of a namespace or service must be: lower-case letters, digits
// and -, at most 63, with a letter or digit at both ends.
func ValidLabel(name string) bool { return len(name) <= 63 && label.MatchString(name) }

// ValidSubdomain reports whether a text is a subdomain of RFC 1123, as most other names in a cluster must be: as a label, dots between
// its parts, at most 253 characters in all.
func ValidSubdomain(name string) bool { return len(name) <= 253 && subdomain.MatchString(name) }
