package workload

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"agentbridge/internal/bridge"
)

// Transport is how agents reach the bridge.
type Transport string

const (
	Stdio Transport = "stdio" // each with an `agentbridge mcp` process of its own, through the MCP SDK
	HTTP  Transport = "http"  // as clients of one hub
)

// StressPlan says who plays in [Stress], what, and for how long. The zero value of a field is its default.
type StressPlan struct {
	// Program is the binary, its data directory, which is the run's alone, and settings. With a Server none of it is used.
	Program Program
	Server  bridge.HubAddress // a hub that is there already; without URL the run has a store of its own
	Token   string            // the coordinator's at Server; the workers get theirs for the codes of their invites

	Agents        int           // the coordinator among them; 10
	Conversations int           // each with the coordinator and its share of the workers; one for each worker
	Transport     Transport     // Stdio; with a Server always HTTP
	Rate          float64       // messages a second, of all together, each due at its time; 0: every agent sends as soon as it has its answer
	Round         int           // at a rate: so many are due 10 ms after one another, then none until the next round; 0 or 1: evenly
	Count         int           // messages after which the load ends; 0: any number
	Duration      time.Duration // after which it ends; 0: when ctx ends, or Count is reached
	Sizes         []Share       // characters of messages; 200
	Mix           []Share       // of [Down], [Up] and [All]; half down, half up

	Progress func(StressProgress) // told now and then; nil: nobody is
}

// roundGap is between the messages of a round.
const roundGap = 10 * time.Millisecond

// due is when the nth message is, after the load began.
func (p StressPlan) due(n int) time.Duration {
	round := max(1, p.Round)
	first := float64(n/round*round) / p.Rate
	gap := min(roundGap, time.Duration(float64(time.Second)/p.Rate))
	return time.Duration(first*float64(time.Second)) + time.Duration(n%round)*gap
}

// Share is one kind of what there is several of, and how many of all it is, as a weight.
type Share struct{ What, Weight int }

// The ways that messages take.
const (
	Down = iota // from the coordinator to one worker
	Up          // from a worker to the coordinator
	All         // from the coordinator to everybody in a conversation
)

// StressProgress is how far a run is.
type StressProgress struct {
	Seated        int // agents that are there
	Sent, Arrived int // messages that were answered; deliveries that came
	Ran           time.Duration
	Settling      bool // nothing is sent any more
}

// wayNames are how people write the ways.
var wayNames = []string{Down: "down", Up: "up", All: "all"}

// ParseShares reads shares like "200:70,4000:5"; a weight that is left out is 1. Words, if any, stand for their index.
func ParseShares(text string, words []string) (shares []Share, err error) {
	for part := range strings.SplitSeq(text, ",") {
		what, weight, weighed := strings.Cut(strings.TrimSpace(part), ":")
		s := Share{What: -1, Weight: 1}
		for i, word := range words {
			if word == what {
				s.What = i
			}
		}
		if len(words) == 0 {
			if s.What, err = strconv.Atoi(what); err != nil {
				s.What = -1
			}
		}
		if weighed {
			if s.Weight, err = strconv.Atoi(weight); err != nil {
				s.Weight = -1
			}
		}
		if s.What < 0 || s.Weight < 0 {
			return nil, bridge.Errorf(bridge.Invalid, "%q is no share", part).WithHint("write it like 200:70,4000:5 for sizes, or down:45,up:45,all:10 for ways")
		}
		shares = append(shares, s)
	}
	return shares, nil
}

// ParseWays reads a mix like "down:45,up:45,all:10".
func ParseWays(text string) ([]Share, error) { return ParseShares(text, wayNames) }

// pick chooses a share by a number that any number may be.
func pick(shares []Share, roll uint64) int {
	sum := 0
	for _, s := range shares {
		sum += s.Weight
	}
	left := int(roll % uint64(sum))
	for _, s := range shares {
		if left -= s.Weight; left < 0 {
			return s.What
		}
	}
	return shares[0].What
}

// Preset is a plan that has a name: seed, 100 or 1000. What it is measured on is the caller's to add.
func Preset(name string) (StressPlan, error) {
	mixed := []Share{{200, 70}, {1000, 25}, {4000, 5}}
	switch name {
	case "seed": // the test that the seed reports: 482 operations in 94 s; in rounds, as a coordinator hands out work and hears of it
		return StressPlan{Agents: 10, Conversations: 9, Count: 482, Duration: 94 * time.Second, Rate: 482.0 / 94, Round: 18}, nil
	case "100":
		return StressPlan{Agents: 100, Conversations: 11, Duration: time.Minute, Rate: 50, Sizes: mixed, Mix: []Share{{Down, 48}, {Up, 48}, {All, 4}}}, nil
	case "1000":
		return StressPlan{Agents: 1000, Conversations: 27, Duration: 10 * time.Minute, Rate: 100, Transport: HTTP, Sizes: mixed, Mix: []Share{{Down, 49}, {Up, 49}, {All, 2}}}, nil
	}
	return StressPlan{}, bridge.Errorf(bridge.Invalid, "there is no preset %q", name).WithHint("choose seed, 100 or 1000, or say what you want with --agents, --rate, --count and --duration")
}

// leastSize is what a message needs to be told from all others.
const leastSize = 24

// complete gives the plan with its defaults, or says what of it cannot be.
func (p StressPlan) complete() (StressPlan, error) {
	if p.Agents == 0 {
		p.Agents = 10
	}
	if p.Conversations == 0 {
		p.Conversations = max(1, p.Agents-1)
	}
	if p.Server.URL != "" {
		p.Transport = HTTP
	}
	if p.Transport == "" {
		p.Transport = Stdio
	}
	if len(p.Sizes) == 0 {
		p.Sizes = []Share{{200, 1}}
	}
	if len(p.Mix) == 0 {
		p.Mix = []Share{{Down, 1}, {Up, 1}}
	}
	bad := func(hint, format string, args ...any) (StressPlan, error) {
		return p, bridge.Errorf(bridge.Invalid, format, args...).WithHint("%s", hint)
	}
	workers := p.Agents - 1
	switch crowd := (workers + p.Conversations - 1) / max(1, p.Conversations); {
	case p.Agents < 2:
		return bad("--agents 2 is the least", "%d agents have nobody to talk to", p.Agents)
	case p.Conversations < 0:
		return bad("--conversations 1 is the least", "%d conversations are none", p.Conversations)
	case crowd+1 > mostMembers:
		return bad(fmt.Sprintf("at least --conversations %d", (workers+mostMembers-2)/(mostMembers-1)),
			"%d conversations of %d agents have up to %d members, and %d are allowed", p.Conversations, p.Agents, crowd+1, mostMembers)
	case p.Rate < 0 || p.Count < 0 || p.Duration < 0:
		return bad("leave it out, or give a number above 0", "a rate, count or duration is below 0")
	case p.Rate > 0 && p.Rate < 0.001:
		return bad("--rate 1 is one message a second", "a rate of %g is no load", p.Rate)
	case p.Transport != Stdio && p.Transport != HTTP:
		return bad("choose stdio or http", "there is no transport %q", p.Transport)
	}
	for _, list := range [][]Share{p.Sizes, p.Mix} {
		sum := 0
		for _, s := range list {
			sum += s.Weight
		}
		if sum == 0 {
			return bad("give one of them a weight, as in 200:1", "shares that are all 0 leave nothing to send")
		}
	}
	for _, s := range p.Sizes {
		if s.What < leastSize || s.What > mostSize {
			return bad(fmt.Sprintf("%d to %d", leastSize, mostSize), "messages cannot have %d characters", s.What)
		}
	}
	return p, p.files()
}

// What the bridge takes by default.
const (
	mostMembers = 64
	mostSize    = 50_000
)

// files checks that the system lets this process, and a hub of the same limits, open as many files as the plan needs.
func (p StressPlan) files() error {
	limit, known := fileLimit()
	each, other := 7, "" // pipes, their process, and the run directory's socket
	if p.Transport == HTTP {
		each, other = 3, " in this process, and as many in the hub" // a waiting call, another, and one that is being closed
	}
	if need := uint64(p.Agents*each + 100); known && need > limit {
		return bridge.Errorf(bridge.Unavailable, "%d agents need about %d open files%s, and the system allows %d", p.Agents, need, other, limit).
			WithHint("raise it: ulimit -Hn %d as root, LimitNOFILE=%d for a service, nofile in /etc/security/limits.conf; or --agents %d", need, need, max(2, (int(limit)-100)/each))
	}
	return nil
}
