package harness

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/llmsweep/llmsweep/harness/workload"
)

// Arm is one of the two targets of a comparison.
type Arm struct {
	Name     string
	Target   *url.URL // the route of its requests, credentials included; nil: an embedded mock server of its own
	MockArgs []string // of that mock server
	Command  string   // line for a shell that starts the server before each run, and is stopped after it; "": the server runs anyway
}

// ArmLevel is the concurrency of a comparison whose levels are not named.
const ArmLevel = 10

// usualBlocks are as many as a comparison has at most where -blocks does not say it.
const usualBlocks = 20

// mockArm begins the target of an arm that is the embedded mock server; its options follow.
const mockArm = "mock:"

// arms reads -arm and -arm-command.
func (r *resolver) arms(p *Plan) {
	values, _ := r.values("arm")
	for _, value := range values {
		name, target, found := strings.Cut(value, "=")
		if name = strings.TrimSpace(name); !found || !namePattern.MatchString(name) {
			r.fault("arm", armShown(value), "must be NAME=URL, or NAME=mock: with options of the mock server; a name has letters, digits, - and _ only")
			continue
		}
		arm := Arm{Name: name}
		if args, mock := strings.CutPrefix(strings.TrimSpace(target), mockArm); mock {
			arm.MockArgs = strings.Fields(args)
		} else {
			u, err := ParseEndpoint(target, "")
			if err != nil {
				r.problems = append(r.problems, fmt.Errorf("arm %s: %w", name, err))
				continue
			}
			arm.Target = p.toRoute(u)
		}
		p.Arms = append(p.Arms, arm)
	}
	r.armCommands(p)
	switch given := r.given("benchmark-name"); {
	case len(p.Arms) == 0:
		return
	case len(p.Arms) == 2 && !given:
		p.BenchmarkName = p.Arms[0].Name + "-vs-" + p.Arms[1].Name
	case !given:
		p.BenchmarkName = p.Arms[0].Name + "-self"
	}
	if !r.given("concurrencies") && len(p.RequestRates) == 0 && !p.FixedSchedule {
		p.Concurrencies = []int{ArmLevel}
	}
}

// armCommands reads -arm-command.
func (r *resolver) armCommands(p *Plan) {
	commands, _ := r.values("arm-command")
	for _, value := range commands {
		name, command, found := strings.Cut(value, "=")
		i := slices.IndexFunc(p.Arms, func(a Arm) bool { return a.Name == strings.TrimSpace(name) })
		switch {
		case !found || strings.TrimSpace(command) == "":
			r.fault("arm-command", armShown(value), "must be NAME=COMMAND")
		case i < 0:
			r.fault("arm-command", armShown(value), "names no -arm: pass -arm "+armShown(value)+"=URL too, where its server will listen")
		case p.Arms[i].Target == nil:
			r.fault("arm-command", p.Arms[i].Name, "is the embedded mock server, which needs no command")
		case p.Arms[i].Command != "":
			r.fault("arm-command", p.Arms[i].Name, "is given twice")
		default:
			p.Arms[i].Command = command
		}
	}
}

// armShown is the name alone: what follows may hold a password.
func armShown(value string) string {
	name, _, _ := strings.Cut(value, "=")
	return strings.TrimSpace(name)
}

// arms checks that two arms can be compared.
func (c *checks) arms(p *Plan) {
	if len(p.Arms) == 0 {
		return
	}
	names := make([]string, 0, len(p.Arms))
	for _, arm := range p.Arms {
		names = append(names, arm.Name)
		switch {
		case strings.EqualFold(arm.Name, "plots"):
			c.fault("arm", arm.Name, "is reserved for the charts")
		case p.Virtual && arm.Target != nil:
			c.fault("virtual", "true", fmt.Sprintf("cannot go with arm %s, which is no embedded mock server (write -arm %s=%s)", arm.Name, arm.Name, mockArm))
		}
	}
	switch {
	case len(names) > 2:
		c.fault("arm", strings.Join(names, ", "), "may be given twice: the first is the base, the second the candidate")
	case len(names) == 2 && strings.EqualFold(names[0], names[1]):
		c.fault("arm", names[0], "names both arms: their results go into folders of that name")
	}
	for _, other := range []struct {
		name, why string
		given     bool
	}{
		{"endpoint", "its place is -arm NAME=URL", len(p.Targets) > 0},
		{"mock-args", "each arm has its own: -arm NAME=" + mockArm + "ARGS", len(p.MockArgs) > 0},
		{"baseline", "it compares recorded results", p.Gate.Baseline != ""},
		{"data-dir", "it judges recorded results", p.Gate.DataDir != ""},
		{"repeats", "a comparison repeats its runs itself: see -blocks", p.Repeats > 1},
		{"resume", "a comparison is not gone on with: start it anew", p.Resume != ""},
		{"preflight-only", "each run of an arm has its own preflight", p.PreflightOnly},
	} {
		if other.given {
			c.fault("arm", strings.Join(names, ", "), "cannot go with -"+other.name+": "+other.why)
		}
	}
}

// Run returns the plan of one run of an arm in a block, into dir. Lengths and schedule are those of the other arm's run in this block; the
// text is its own, so that no arm meets its predecessor's prefix cache.
func (p *Plan) Run(arm Arm, dir string, block, attempt int) *Plan {
	q := *p
	q.Arms, q.Plot, q.Formats, q.Overwrite, q.Started = nil, false, nil, false, arm.Command != ""
	q.BenchmarkName, q.OutputDir = arm.Name, dir
	q.Seed = derived(p.Seed, "block", "", block)
	q.block = &inFile{turn: block + attempt*(maxBlocks+1), of: cmp.Or(p.Blocks, usualBlocks) + 1, seed: p.Seed} // one that is repeated comes behind all others
	// 48 bits, as a nonce that is drawn: small enough to be copied by hand.
	q.Nonce = derived(p.Nonce, "nonce", arm.Name, block<<8|attempt) >> 16
	q.Endpoints, q.Targets, q.Forwards = nil, nil, nil
	q.MockArgs = slices.Clone(arm.MockArgs)
	if arm.Target != nil {
		u := *arm.Target
		q.AddTarget(&u)
		return &q
	}
	if !slices.ContainsFunc(arm.MockArgs, isSeed) { // each start has its own noise, as a server's would
		q.MockArgs = append(q.MockArgs, fmt.Sprintf("-seed=%d", derived(p.Seed, "mock", arm.Name, block<<8|attempt)>>32))
	}
	return &q
}

func isSeed(arg string) bool {
	name, _, _ := strings.Cut(strings.TrimLeft(arg, "-"), "=")
	return strings.HasPrefix(arg, "-") && name == "seed"
}

// derived is a seed of its own for each purpose, arm and number.
func derived(seed uint64, purpose, arm string, number int) uint64 {
	return workload.Stream(seed, purpose, arm, number).Uint64()
}
