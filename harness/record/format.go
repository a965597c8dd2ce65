package record

import (
	"slices"
	"strings"
)

// Format is one of a report's pictures.
type Format string

// The formats.
const (
	PNG Format = "png"
	SVG Format = "svg"
)

// FormatsWanted is what is wrong with a list that ParseFormats does not take.
const FormatsWanted = "must be png, svg, or both as png,svg"

// ParseFormats reads a list of formats, each of which counts once; of an empty one there are none. ok is false for what is no such list.
func ParseFormats(list string) (formats []Format, ok bool) {
	if strings.TrimSpace(list) == "" {
		return nil, true
	}
	for item := range strings.SplitSeq(list, ",") {
		f := Format(strings.TrimSpace(item))
		if f != PNG && f != SVG {
			return nil, false
		}
		formats = append(formats, f)
	}
	slices.Sort(formats)
	return slices.Compact(formats), true
}
