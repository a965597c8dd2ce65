// Package fakekubectl lets a test binary stand in for kubectl: a link to it under that name is put on PATH, and answers as scripted.
// It knows no cluster. What the real kubectl makes of a cluster is tested with the real one.
package fakekubectl

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Rule is what kubectl does when it is called with certain arguments.
type Rule struct {
	Match  string // part of the arguments, joined with blanks; "" is every call
	Times  int    // for so many calls only; 0: all
	Stdout string
	Stderr string
	Code   int
	// File is copied to standard output, between Stdout and the end.
	File string
	// Forward makes it a port-forward to this address, until it is killed.
	Forward string
	// Hang keeps it running after everything else.
	Hang bool
	// Dispatch lets a child of it do all this, as kubectl does that chooses another version of itself.
	Dispatch bool
}

// Call is one call of kubectl.
type Call struct {
	PID   int
	Args  []string
	Stdin string
}

// Line is the arguments, joined with blanks.
func (c Call) Line() string { return strings.Join(c.Args, " ") }

// script is what the fake finds in the file that FAKE_KUBECTL names.
type script struct {
	Log   string
	Rules []Rule
}

const variable = "FAKE_KUBECTL"

// Calls gives access to what a fake was asked.
type Calls struct {
	t   testing.TB
	log string
}

// Install puts a kubectl on PATH that follows the first rule that matches, and fails where none does.
func Install(t testing.TB, rules ...Rule) *Calls {
	t.Helper()
	dir := t.TempDir()
	self, err := os.Executable()
	must(t, err)
	must(t, os.Symlink(self, filepath.Join(dir, "kubectl")))
	calls := &Calls{t, filepath.Join(dir, "calls")}
	data, err := json.Marshal(script{calls.log, rules})
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, "script"), data, 0o600))
	t.Setenv(variable, filepath.Join(dir, "script"))
	// Under the race detector every process would sleep for a second before it ends.
	t.Setenv("GORACE", "atexit_sleep_ms=0")
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	return calls
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// All returns the calls so far, in order.
func (c *Calls) All() []Call {
	c.t.Helper()
	calls, err := read(c.log)
	must(c.t, err)
	return calls
}

// Matching returns the calls with part in their arguments.
func (c *Calls) Matching(part string) []Call {
	c.t.Helper()
	var kept []Call
	for _, call := range c.All() {
		if strings.Contains(call.Line(), part) {
			kept = append(kept, call)
		}
	}
	return kept
}

func read(path string) ([]Call, error) {
	data, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return nil, nil
	}
	var calls []Call
	for line := range bytes.Lines(data) {
		var call Call
		// A line that is just being written has no end yet.
		if json.Unmarshal(line, &call) == nil {
			calls = append(calls, call)
		}
	}
	return calls, err
}

// Main acts as kubectl, and does not return, in a process that was started under that name. TestMain calls it first.
func Main() {
	if filepath.Base(os.Args[0]) != "kubectl" {
		return
	}
	code, err := act(os.Args[1:])
	if err != nil {
		_, _ = io.WriteString(os.Stderr, "fake kubectl: "+err.Error()+"\n")
		code = 99
	}
	os.Exit(code)
}

// act plays one call and returns the exit code.
func act(args []string) (int, error) {
	data, err := os.ReadFile(os.Getenv(variable))
	if err != nil {
		return 0, err
	}
	var s script
	if err := json.Unmarshal(data, &s); err != nil {
		return 0, err
	}
	rule, found := s.choose(args)
	if err := s.note(args); err != nil {
		return 0, err
	}
	if !found {
		_, err := io.WriteString(os.Stderr, "no rule for: "+strings.Join(args, " ")+"\n")
		return 98, err
	}
	return rule.play(args)
}

// choose finds the rule of a call.
func (s script) choose(args []string) (Rule, bool) {
	earlier, _ := read(s.Log)
	for _, rule := range s.Rules {
		if !strings.Contains(strings.Join(args, " "), rule.Match) {
			continue
		}
		before := 0
		for _, call := range earlier {
			if strings.Contains(call.Line(), rule.Match) {
				before++
			}
		}
		if rule.Times == 0 || before < rule.Times {
			return rule, true
		}
	}
	return Rule{}, false
}

// note appends the call to the log, with what came on standard input.
func (s script) note(args []string) error {
	stdin, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	line, err := json.Marshal(Call{os.Getpid(), args, string(stdin)})
	if err != nil {
		return err
	}
	log, err := os.OpenFile(s.Log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = log.Write(append(line, '\n'))
	if closing := log.Close(); err == nil {
		err = closing
	}
	return err
}

func (r Rule) play(args []string) (int, error) {
	if r.Dispatch && os.Getenv("FAKE_DISPATCHED") == "" {
		cmd := exec.Command(os.Args[0], args...)
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		cmd.Env = append(os.Environ(), "FAKE_DISPATCHED=1")
		err := cmd.Run()
		return cmd.ProcessState.ExitCode(), err
	}
	_, _ = io.WriteString(os.Stderr, r.Stderr)
	_, _ = io.WriteString(os.Stdout, r.Stdout)
	if r.File != "" {
		file, err := os.Open(r.File)
		if err != nil {
			return 0, err
		}
		defer file.Close()
		if _, err := io.Copy(os.Stdout, file); err != nil {
			return 0, err
		}
	}
	if r.Forward != "" {
		return 1, forward(r.Forward)
	}
	for r.Hang {
		time.Sleep(time.Hour)
	}
	return r.Code, nil
}

// forward passes connections on as a port-forward does.
func forward(to string) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	port := strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
	_, _ = io.WriteString(os.Stdout, "Forwarding from 127.0.0.1:"+port+" -> 8000\n")
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		go pass(conn, to)
	}
}

func pass(conn net.Conn, to string) {
	defer conn.Close()
	server, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer server.Close()
	_, _ = io.WriteString(os.Stdout, "Handling connection for "+conn.LocalAddr().String()+"\n")
	go func() {
		_, _ = io.Copy(server, conn)
		_ = server.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(conn, server)
}
