package workload

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// betweenPairs is where a pair in brackets ends and the next begins.
var betweenPairs = regexp.MustCompile(`(:[^,()]*),\s*\(`)

// plain is a mixture as "ISL,OSL:percent;...", whichever of AIPerf's two other spellings it has: "[(ISL,OSL):percent,...]", or
// {"pairs": [{"isl": 256, "isl_stddev": 10, "osl": 128, "osl_stddev": 5, "prob": 40}, ...]}.
func plain(text string) (string, error) {
	trimmed := strings.TrimSpace(text)
	switch {
	case strings.HasPrefix(trimmed, "{"):
		return plainJSON(trimmed)
	case strings.HasPrefix(trimmed, "[") && strings.HasSuffix(trimmed, "]"):
		parts := strings.Split(betweenPairs.ReplaceAllString(trimmed[1:len(trimmed)-1], "$1;("), ";")
		for i, part := range parts {
			if at := strings.LastIndex(part, ")"); at > 0 {
				parts[i] = strings.TrimPrefix(strings.TrimSpace(part[:at]), "(") + part[at+1:]
			}
		}
		return strings.Join(parts, ";"), nil
	}
	return text, nil
}

func plainJSON(text string) (string, error) {
	var mixture struct {
		Pairs []struct {
			ISL    float64 `json:"isl"`
			ISLStd float64 `json:"isl_stddev"`
			OSL    float64 `json:"osl"`
			OSLStd float64 `json:"osl_stddev"`
			Prob   float64 `json:"prob"`
		} `json:"pairs"`
	}
	decoder := json.NewDecoder(bytes.NewReader([]byte(text)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&mixture); err != nil {
		return "", fmt.Errorf("seq-dist %q: is no JSON of pairs: %w", text, err)
	}
	if decoder.More() {
		return "", fmt.Errorf("seq-dist %q: has more behind the JSON of its pairs", text)
	}
	number := func(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
	var parts []string
	for _, p := range mixture.Pairs {
		parts = append(parts, fmt.Sprintf("%s|%s,%s|%s:%s", number(p.ISL), number(p.ISLStd), number(p.OSL), number(p.OSLStd), number(p.Prob)))
	}
	return strings.Join(parts, ";"), nil
}
