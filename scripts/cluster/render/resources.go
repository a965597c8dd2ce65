package main

import (
	"fmt"
	"math/big"
	"strings"
)

// What a container may use at most if nothing is said, unless it asks for more.
const (
	defaultCPULimit    = "8"
	defaultMemoryLimit = "16Gi"
)

// quantity says how amounts of one resource are written, the smaller part of what Kubernetes reads: fractions of a byte or exponents are
// nothing that anybody means.
type quantity struct {
	units map[string]string // how many cores or bytes each is
	least string
	form  string // for messages
}

func cpuQuantity() quantity {
	return quantity{
		units: map[string]string{"": "1", "m": "0.001"}, least: "0.001",
		form: "must be CPUs such as 4, 0.5 or 500m, at least 1m",
	}
}

func memoryQuantity() quantity {
	return quantity{
		units: map[string]string{
			"": "1", "k": "1e3", "M": "1e6", "G": "1e9", "T": "1e12", "Ki": "0x1p10", "Mi": "0x1p20", "Gi": "0x1p30", "Ti": "0x1p40",
		},
		// Below, a unit was forgotten: no program starts in so little.
		least: "0x1p20",
		form:  "must be an amount of memory such as 8Gi or 512Mi, at least 1Mi",
	}
}

// parse returns the amount in cores or bytes.
func (q quantity) parse(text string) (amount *big.Rat, ok bool) {
	digits := strings.TrimRight(text, "kmKMGTi")
	unit, known := new(big.Rat).SetString(q.units[text[len(digits):]])
	whole, fraction, hasPoint := strings.Cut(digits, ".")
	if !known || !onlyDigits(whole) || hasPoint && !onlyDigits(fraction) || len(digits) > 20 {
		return nil, false
	}
	number, _ := new(big.Rat).SetString(digits)
	amount = number.Mul(number, unit)
	least, _ := new(big.Rat).SetString(q.least)
	return amount, amount.Cmp(least) >= 0
}

func onlyDigits(text string) bool { return text != "" && strings.Trim(text, "0123456789") == "" }

// limit returns the limit that goes with a request: the one that was given, else the usual one, or the request where that is more.
func (q quantity) limit(request, given, usual string) string {
	if given != "" {
		return given
	}
	asked, ok := q.parse(request)
	if most, _ := q.parse(usual); ok && asked.Cmp(most) > 0 {
		return request
	}
	return usual
}

// resource checks request and limit of one resource; flag is the name of the request's flag.
func (p *problems) resource(flag string, q quantity, request, limit string) {
	asked, ok := q.parse(request)
	if !ok {
		p.fault(flag, request, q.form)
	}
	if limit == "" {
		return
	}
	most, limited := q.parse(limit)
	if !limited {
		p.fault(flag+"-limit", limit, q.form)
	}
	if ok && limited && asked.Cmp(most) > 0 {
		p.fault(flag, request, fmt.Sprintf("is more than the limit: raise -%s-limit %s, or leave it out", flag, limit))
	}
}
