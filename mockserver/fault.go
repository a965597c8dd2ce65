package mockserver

import (
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/llmsweep/llmsweep/mockserver/fault"
)

// faultHeader is what a request asks for a fault with, in the canonical form of package net/http.
const faultHeader = "X-Mock-Fault"

// struck is what the record has of a fault.
type struck struct {
	Kind    fault.Kind `json:"kind"`
	Rule    int        `json:"rule,omitempty"`    // its place in the plan; none if the request asked for it
	Request uint64     `json:"request,omitempty"` // the number that rules know it by
	At      int64      `json:"at_ns"`             // when it struck
	Sees    string     `json:"client_sees"`
}

// choose decides what goes wrong with a request that has been understood. It fails where the request asks for what
// cannot be, or what was chosen for it cannot be done to its answer.
func (e *exchange) choose(c *call) *failure {
	o := &e.server.options
	asked := e.r.Header[faultHeader]
	switch {
	case len(asked) > 0 && !o.FaultHeader:
		return invalid(http.StatusBadRequest, "fault_not_allowed",
			"The header %s is not taken: start the server with -allow-fault-header, or leave it out.", faultHeader)
	case !o.FaultHeader && len(o.Faults.Rules) == 0:
		return nil
	case len(asked) > 0:
		if fail := e.ask(asked); fail != nil {
			return fail
		}
		if fail := e.doable(c); fail != nil {
			return fail
		}
		e.number = e.server.numbered.Add(1) // what is refused shifts no rule's numbers
		return nil
	}
	e.number = e.server.numbered.Add(1)
	if e.fault = o.Faults.Decide(uint64(o.Seed), e.number, e.arrived()); e.fault == nil {
		return nil
	}
	return e.doable(c)
}

// withoutFault fails where a request asks for a fault on a route that has none, rather than to answer as if nothing had been asked.
func (e *exchange) withoutFault() *failure {
	if len(e.r.Header[faultHeader]) == 0 {
		return nil
	}
	return invalid(http.StatusBadRequest, "fault_not_allowed",
		"The header %s is not taken here: faults are for /v1/chat/completions and /v1/completions; leave it out.", faultHeader)
}

// ask takes the fault that a request asks for.
func (e *exchange) ask(asked []string) *failure {
	if len(asked) > 1 {
		return invalid(http.StatusBadRequest, "invalid_fault", "The header %s is there %d times: send it once.", faultHeader, len(asked))
	}
	f, err := fault.ParseHeader(asked[0])
	if err != nil {
		return invalid(http.StatusBadRequest, "invalid_fault", "The header %s is %q: %s.", faultHeader, asked[0], strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	e.fault = &fault.Strike{Fault: f}
	return nil
}

// doable fails where a fault cannot be done to an answer. Half of it would be another fault.
func (e *exchange) doable(c *call) *failure {
	kind := e.fault.Kind
	lack := ""
	switch connection := directOf(e.r); {
	case kind.StreamsOnly() && !c.stream:
		lack = "is for streamed answers: set stream to true"
	case kind.NeedsConnection() && connection == nil:
		lack = "needs the connection itself, which HTTP/1.1 without TLS on a listener of the server's own has; this request came otherwise"
	case kind == fault.Reset || kind == fault.ResetBeforeHeaders:
		if _, can := connection.(lingerer); !can {
			lack = "needs a TCP connection"
		}
	}
	if lack == "" {
		return nil
	}
	return &failure{status: http.StatusNotImplemented, Message: fmt.Sprintf("The fault %s %s.", kind, lack), Type: "server_error",
		Code: "fault_not_possible"}
}

// lingerer is a connection whose end can be a reset, as that of TCP.
type lingerer interface {
	net.Conn
	// SetLinger says for how many seconds Close tries to send what is left; with 0 it resets the connection.
	SetLinger(seconds int) error
}

// struck notes that the fault strikes now, after so many tokens, unless it has before.
func (e *exchange) struck(tokens int) {
	if e.line == nil || e.line.Fault != nil {
		return
	}
	e.line.Fault = &struck{
		Kind: e.fault.Kind, Rule: e.fault.Rule, Request: e.number, At: int64(e.server.loop.now()), Sees: e.fault.Sees(tokens, e.arrived()),
	}
}

// contentType is that of an answer, unless a fault has another.
func (e *exchange) contentType(right string) string {
	if e.fault == nil || e.fault.Kind != fault.WrongContentType {
		return right
	}
	e.struck(0)
	return e.fault.ContentType
}
