package record

import (
	"fmt"
	"strings"
)

// DefaultExports is what -export is where nobody says otherwise.
const DefaultExports = "benchfmt,csv"

// Exports are the formats that a report writes beside AIPerf's.
type Exports struct {
	Benchfmt bool // results.bench, for benchstat
	CSV      bool // results.csv, one value a row
	VLLM     bool // a result of vllm bench serve in each level's folder
}

// ParseExports reads a list of benchfmt, csv and vllm, or none. "" is the default.
func ParseExports(text string) (Exports, error) {
	if strings.TrimSpace(text) == "" {
		text = DefaultExports
	}
	var e Exports
	if strings.TrimSpace(text) == "none" {
		return e, nil
	}
	for item := range strings.SplitSeq(text, ",") {
		switch strings.TrimSpace(item) {
		case "benchfmt":
			e.Benchfmt = true
		case "csv":
			e.CSV = true
		case "vllm":
			e.VLLM = true
		default:
			return Exports{}, fmt.Errorf("must be a list of benchfmt, csv and vllm, or none; %q is none of them", strings.TrimSpace(item))
		}
	}
	return e, nil
}
