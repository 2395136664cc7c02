package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"agentbridge/internal/bridge"
	"agentbridge/internal/workload"
)

// stressWish is what the flags say of a run.
type stressWish struct {
	preset, duration, sizes, mix, transport string
	rate                                    string
	agents, conversations, count            int
	keep, markdown, report                  string
}

func (p *program) stressCommand() *cobra.Command {
	var w stressWish
	cmd := &cobra.Command{
		Use:   "stress",
		Short: "Load a bridge with real MCP clients, and report what they saw",
		Long: `One coordinator and its workers, each a real MCP client, send each other messages: every client over stdio with an "agentbridge mcp"
process of its own, or all as clients of a hub. What was lost, doubled or out of order is told from the clients' own records and nothing
else; exit 1 if anything was, or if the log does not verify.

It works in a store of its own that is thrown away, with limits off, and leaves your deployment alone. With --server it loads the hub that you
name instead, within that hub's limits, as the agent of --as or AGENTBRIDGE_TOKEN with workers that it invites; those conversations stay there.

Presets: seed is the test that the program before this one reports, 10 agents and 482 messages in 94 s, with its figures beside ours; 100 is 100
processes for a minute; 1000 is 1,000 clients of one hub for ten. Other flags override what a preset says. At a rate, each message is
due at its time and its latency counts from then, however late it began. Ctrl-C ends the load, and reports what was done.`,
		Example: `  agentbridge stress
  agentbridge stress --preset seed --report ./seed
  agentbridge stress --agents 20 --conversations 4 --rate max --duration 30s
  agentbridge stress --preset 1000 --duration 2m --markdown load.md
  agentbridge stress --server https://hub.example --as alpha --agents 5 --rate 1 --count 20`,
		Args: count(0, 0, "none"),
		RunE: func(cmd *cobra.Command, _ []string) error { return p.stress(cmd, w) },
	}
	flags := cmd.Flags()
	flags.StringVar(&w.preset, "preset", "", "seed, 100 or 1000")
	flags.IntVar(&w.agents, "agents", 0, "how many, the coordinator among them (default 10)")
	flags.IntVar(&w.conversations, "conversations", 0, "how many the workers are spread over; 1: all in one (default one for each worker)")
	flags.StringVar(&w.duration, "duration", "", "how long messages are sent, like 30s or 10m (default 15s where no --count is given)")
	flags.IntVar(&w.count, "count", 0, "how many messages are sent at most")
	flags.StringVar(&w.rate, "rate", "", "messages a second, of all together; max: each agent as fast as it is answered (default 20)")
	flags.StringVar(&w.sizes, "sizes", "", "characters of messages and their shares, like 200:70,4000:5 (default 200)")
	flags.StringVar(&w.mix, "mix", "", "shares of down (to a worker), up (to the coordinator) and all (to a whole conversation) (default down:1,up:1)")
	flags.StringVar(&w.transport, "transport", "", "stdio: a process for each agent; http: clients of one hub (default stdio)")
	flags.StringVar(&w.keep, "keep", "", "use this data directory, and leave it for you to look at")
	flags.StringVar(&w.markdown, "markdown", "", "write the report to this file, and its histogram beside it")
	flags.StringVar(&w.report, "report", "", "write report.md, report.json, latency.svg and samples.csv into this directory")
	flags.StringVar(&p.server, "server", "", "load this hub instead of a store of its own")
	p.asFlag(cmd)
	p.jsonFlag(cmd)
	_ = cmd.MarkFlagDirname("keep")
	_ = cmd.MarkFlagDirname("report")
	_ = cmd.MarkFlagFilename("markdown", "md")
	fixed := func(flag string, words ...string) {
		_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
	}
	fixed("preset", "seed", "100", "1000")
	fixed("transport", "stdio", "http")
	cmd.MarkFlagsMutuallyExclusive("server", "keep")
	return cmd
}

// plan is what the flags say, over what the preset says, over the defaults.
func (w stressWish) plan(changed func(flag string) bool) (plan workload.StressPlan, err error) {
	if w.preset != "" {
		if plan, err = workload.Preset(w.preset); err != nil {
			return plan, err
		}
	} else {
		plan.Rate = 20
	}
	if changed("agents") {
		if plan.Agents = w.agents; w.agents < 2 {
			return plan, bridge.Errorf(bridge.Invalid, "%s nobody to talk to", some(w.agents, "agent has", "agents have")).WithHint("--agents 2 is the least")
		}
		if !changed("conversations") && w.preset != "" { // as many in each as the preset has
			preset, _ := workload.Preset(w.preset)
			crowd := (preset.Agents - 1 + preset.Conversations - 1) / preset.Conversations
			plan.Conversations = (w.agents - 1 + crowd - 1) / crowd
		}
	}
	if changed("conversations") {
		if plan.Conversations = w.conversations; w.conversations < 1 {
			return plan, bridge.Errorf(bridge.Invalid, "%d conversations are none", w.conversations).WithHint("--conversations 1 has all agents in one")
		}
	}
	if changed("count") {
		if plan.Count = w.count; w.count < 1 {
			return plan, bridge.Errorf(bridge.Invalid, "--count %d sends nothing", w.count).WithHint("give how many messages are sent at most, or leave it out")
		}
	}
	switch {
	case changed("duration"):
		if plan.Duration, err = parseDuration(w.duration); err != nil || plan.Duration <= 0 {
			return plan, bridge.Errorf(bridge.Invalid, "--duration %s is no time to send in", w.duration).WithHint("write it like 30s or 10m")
		}
	case w.preset == "" && plan.Count == 0:
		plan.Duration = 15 * time.Second
	}
	switch {
	case w.rate == "max":
		plan.Rate = 0
	case changed("rate"):
		if _, err := fmt.Sscanf(w.rate, "%g", &plan.Rate); err != nil || plan.Rate <= 0 || plan.Rate > 1e6 {
			return plan, bridge.Errorf(bridge.Invalid, "--rate %s is no rate", w.rate).WithHint("messages a second, like 50 or 0.5, or max")
		}
	}
	if changed("sizes") {
		if plan.Sizes, err = workload.ParseShares(w.sizes, nil); err != nil {
			return plan, err
		}
	}
	if changed("mix") {
		if plan.Mix, err = workload.ParseWays(w.mix); err != nil {
			return plan, err
		}
	}
	if changed("transport") {
		plan.Transport = workload.Transport(w.transport)
	}
	return plan, nil
}

func (p *program) stress(cmd *cobra.Command, w stressWish) (err error) {
	plan, err := w.plan(cmd.Flags().Changed)
	if err != nil {
		return err
	}
	if p.server != "" {
		if err := p.stressAt(&plan); err != nil {
			return err
		}
	} else {
		for _, flag := range []string{"data", "store", "config", "as"} {
			if cmd.Flags().Changed(flag) {
				return bridge.Errorf(bridge.Invalid, "stress has a store of its own, and --%s is of another", flag).
					WithHint("name a directory for it with --keep DIR; to load a deployment of yours, name its hub with --server URL")
			}
		}
		dir, end, err := stressDir(w.keep)
		if err != nil {
			return err
		}
		defer end()
		if plan.Program, err = p.loadProgram(dir, plan.Duration); err != nil {
			return err
		}
	}
	bar := &loadBar{p: p, plan: plan}
	if isTerminal(p.stderr) {
		plan.Progress = bar.show
	}
	rep, err := workload.Stress(cmd.Context(), plan)
	bar.end()
	if err != nil {
		return err
	}
	if w.preset == "seed" && p.server == "" && !rep.Interrupted {
		if rep.Saturation, err = p.saturate(cmd.Context(), plan.Program.Data, rep.Plan.Agents); err != nil && cmd.Context().Err() == nil {
			return err // but what was done is reported where this was interrupted
		}
	}
	if err := p.writeReports(rep, w); err != nil {
		return err
	}
	err = p.answer(rep, func() { p.stressReport(rep, w) })
	if err == nil && !rep.Kept() {
		for _, f := range rep.Faults {
			p.tell("%s", masked(f))
		}
		p.tell("error: not as promised: %d lost, %d duplicated, %d out of order, log %s", rep.Lost, rep.Duplicated, rep.OutOfOrder, rep.Integrity)
		p.tell("hint: run it again with --keep DIR and report it, with that directory and the output of agentbridge doctor")
		err = exit(1)
	}
	return err
}

// stressDir is where a run works, and what is done with it in the end.
func stressDir(keep string) (dir string, end func(), err error) {
	if keep == "" {
		if dir, err = os.MkdirTemp("", "agentbridge-stress-"); err != nil {
			return "", nil, bridge.Errorf(bridge.Unavailable, "make a directory for the load: %w", err).WithHint("name one with --keep DIR")
		}
		return dir, func() { os.RemoveAll(dir) }, nil
	}
	if names, err := os.ReadDir(keep); err == nil && len(names) > 0 {
		return "", nil, bridge.Errorf(bridge.Invalid, "%s is not empty", keep).WithHint("name a new directory: what is measured begins with an empty store")
	}
	if err := os.MkdirAll(keep, 0o700); err != nil {
		return "", nil, bridge.Errorf(bridge.Unavailable, "make a directory for the load: %w", err).WithHint("name another with --keep DIR")
	}
	dir, err = filepath.Abs(keep)
	return dir, func() {}, err
}

// loadProgram is this program over a directory of a load's own: without limits, and with lives that outlast it.
func (p *program) loadProgram(dir string, span time.Duration) (workload.Program, error) {
	self, err := os.Executable()
	if err != nil {
		return workload.Program{}, fmt.Errorf("find own program: %w", err)
	}
	env := []string{"AGENTBRIDGE_LIMITS=off", "AGENTBRIDGE_LOG=error", variable("store") + "=" + ownStore(dir)}
	if span > 2*time.Hour {
		life := showDuration(span + time.Hour)
		env = append(env, variable("conversation_ttl")+"="+life, variable("token_ttl")+"="+life)
	}
	return workload.Program{Path: self, Data: dir, Env: env, Stderr: p.stderr}, nil
}

// saturate measures what callers get done at the bridge itself, in directories of their own, beside the way of the seed's program.
func (p *program) saturate(ctx context.Context, dir string, callers int) (s *workload.Saturation, err error) {
	dir = filepath.Join(dir, "saturation")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, bridge.Errorf(bridge.Unavailable, "make a directory: %w", err).WithHint("name another with --keep DIR")
	}
	own := map[string]string{"data": dir, "store": ownStore(dir), "limits": "off", "log": "error"}
	conf, err := loadConfig(own, func(string) string { return "" }) // nothing of what the user's environment says
	if err != nil {
		return nil, err
	}
	p.logAs(conf)
	o, err := p.openAt(ctx, conf, fresh)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, o.close()) }()
	got, err := workload.Saturate(ctx, o.svc, dir, callers)
	if err != nil {
		return nil, err
	}
	return &got, nil
}

// stressAt lets the run go to a hub that is there.
func (p *program) stressAt(plan *workload.StressPlan) error {
	conf, err := p.loadConfig()
	if err != nil {
		return err
	}
	if err := p.nameAgent(conf); err != nil {
		return err
	}
	if plan.Server, err = p.hubAt(conf, p.server, p.as); err != nil {
		return err
	}
	plan.Token, err = p.bearerOf(conf)
	return err
}

// loadBar tells on a terminal how far a run is.
type loadBar struct {
	p    *program
	plan workload.StressPlan
	line statusLine
}

func (b *loadBar) show(s workload.StressProgress) {
	b.line.p, b.line.terminal = b.p, true
	if s.Sent == 0 && s.Ran == 0 {
		b.line.show(fmt.Sprintf("%d of %d agents are there", s.Seated, b.plan.Agents), false)
		return
	}
	const width = 24
	share := 0.0
	if b.plan.Duration > 0 {
		share = s.Ran.Seconds() / b.plan.Duration.Seconds()
	}
	if b.plan.Count > 0 {
		share = max(share, float64(s.Sent)/float64(b.plan.Count))
	}
	full := min(width, int(share*width))
	text := fmt.Sprintf("[%s%s] %.0f s, %d sent, %d arrived", strings.Repeat("=", full), strings.Repeat(" ", width-full), s.Ran.Seconds(), s.Sent, s.Arrived)
	if s.Settling {
		text += ", waiting for the rest"
	}
	b.line.show(text, false)
}

// end takes the bar away.
func (b *loadBar) end() {
	if b.line.shown {
		fmt.Fprint(b.p.stderr, "\r\x1b[K")
	}
}
