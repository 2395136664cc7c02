package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"agentbridge/internal/bridge"
	"agentbridge/internal/workload"
)

// validateWish is what the flags say.
type validateWish struct {
	realTime      bool
	rows, set     []string
	evidence      string
	check, key    string
	pointedAtData bool
}

// usualCompression makes the 90 minutes of the seed's test one.
const usualCompression = 15

func (p *program) validateCommand() *cobra.Command {
	var w validateWish
	cmd := &cobra.Command{
		Use:   "validate",
		Short: "Carry out the validation protocol: pass or fail for each row, with the measurement",
		Long: `Carry out the validation protocol (doc/protocol.md) with real clients, processes and timers: what every deployment does all day, then recovery
from idle agents, credentials through git, a keep-alive whose hub comes and goes, the watchdog, and pushed beside polled messages. Each row
passes or fails, with what was measured, the target, and what the program before this one reported. Exit 1 if any fails.

It starts a deployment of its own that is thrown away, with timers 15 times as fast, and takes about 80 seconds; --real-time takes the default
timers and 90 minutes. --set changes a setting of that deployment, so that you see whether yours would hold. With --data or --store it
uses the deployment that is there, with its own timers, and leaves its conversations and agents, named validate-…, there; with --server a hub's, as
the agent of --as or AGENTBRIDGE_TOKEN, as far as an agent can.

--evidence writes a directory with the report, every observation, the settings without secrets, versions, the audit log's tiles and a citation, signed
with the deployment's audit key. --check verifies such a directory later, anywhere, and needs no store: with --key it proves whose deployment it was.`,
		Example: `  agentbridge validate
  agentbridge validate --row 9 --row 12 --set silent_after=10s
  agentbridge validate --evidence ./evidence
  agentbridge validate --check ./evidence --key ~/keys/agentbridge.pub`,
		Args: count(0, 0, "none"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if w.check != "" {
				return p.checkEvidence(w.check, w.key)
			}
			if w.key != "" {
				return bridge.Errorf(bridge.Invalid, "there is nothing to check with --key").WithHint("name the directory of evidence with --check DIR")
			}
			w.pointedAtData = cmd.Flags().Changed("data") || cmd.Flags().Changed("store")
			return p.validate(cmd, w)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&w.realTime, "real-time", false, "with the default timers, for 90 minutes")
	flags.StringArrayVar(&w.rows, "row", nil, "carry out this row only (repeatable)")
	flags.StringArrayVar(&w.set, "set", nil, "change a setting of the deployment that is made, like silent_after=10s (repeatable)")
	flags.StringVar(&w.evidence, "evidence", "", "write evidence into this new directory")
	flags.StringVar(&w.check, "check", "", "verify this directory of evidence, and do nothing else")
	flags.StringVar(&w.key, "key", "", "with --check: the public key, or a file of such, that you kept of the deployment")
	flags.StringVar(&p.server, "server", "", "validate the deployment of this hub")
	p.asFlag(cmd)
	p.jsonFlag(cmd)
	_ = cmd.MarkFlagDirname("evidence")
	_ = cmd.MarkFlagDirname("check")
	for _, other := range []string{"real-time", "row", "set", "evidence", "server"} {
		cmd.MarkFlagsMutuallyExclusive("check", other)
	}
	cmd.MarkFlagsMutuallyExclusive("server", "evidence")
	return cmd
}

func (p *program) validate(cmd *cobra.Command, w validateWish) error {
	if w.evidence != "" {
		if err := emptyDir(w.evidence); err != nil {
			return err
		}
	}
	scratch, err := os.MkdirTemp("", "agentbridge-validate-")
	if err != nil {
		return bridge.Errorf(bridge.Unavailable, "make a directory: %w", err).WithHint("TMPDIR must name a place that can be written to")
	}
	defer os.RemoveAll(scratch)
	plan, conf, err := p.validatePlan(w, scratch)
	if err != nil {
		return err
	}
	line := &rowLine{line: statusLine{p: p, terminal: true}, began: time.Now()}
	if isTerminal(p.stderr) {
		plan.Progress = line.show
	}
	run, seen, acknowledged, err := workload.Validate(cmd.Context(), plan)
	if line.line.shown {
		fmt.Fprint(p.stderr, "\r\x1b[K")
	}
	if err != nil {
		return err
	}
	for i := range run.Rows { // what a program said may be in it
		run.Rows[i].Fault = masked(run.Rows[i].Fault)
	}
	rep, err := workload.Judge(run, seen)
	if err != nil {
		return err
	}
	key := ""
	if w.evidence != "" {
		if key, err = p.writeEvidence(cmd.Context(), w.evidence, plan, conf, run, seen, acknowledged); err != nil {
			return err
		}
	}
	if err := p.answer(rep, func() { p.validated(rep, w, key) }); err != nil {
		return err
	}
	if rep.Passed {
		return cmd.Context().Err()
	}
	p.tell("error: not validated: %s", rep.Verdict())
	p.tell("hint: look at the rows that failed, and at the settings in force: agentbridge doctor; a machine that is busy with other things fails rows, too")
	return exit(1)
}

// validatePlan says what is validated. Conf is the deployment's configuration, as its agents have it; nil where it is a hub's.
func (p *program) validatePlan(w validateWish, scratch string) (plan workload.ValidatePlan, conf *config, err error) {
	self, err := os.Executable()
	if err != nil {
		return plan, nil, fmt.Errorf("find own program: %w", err)
	}
	if w.pointedAtData && p.server != "" {
		return plan, nil, bridge.Errorf(bridge.Invalid, "--server is of another deployment than --data or --store").WithHint("name one")
	}
	if (w.pointedAtData || p.server != "") && (len(w.set) > 0 || w.realTime) {
		return plan, nil, bridge.Errorf(bridge.Invalid, "a deployment that is there has its own settings, and its own time").WithHint("leave out --set and --real-time, or --data, --store and --server")
	}
	plan = workload.ValidatePlan{
		Program: workload.Program{Path: self, Env: []string{"AGENTBRIDGE_LOG=error"}}, Compression: 1, KeepAlive: workload.ShortKeepAlive, Poll: workload.ShortPoll, Rows: w.rows, Scratch: filepath.Join(scratch, "elsewhere"),
	}
	if err := os.Mkdir(plan.Scratch, 0o700); err != nil {
		return plan, nil, err
	}
	switch {
	case p.server != "":
		if conf, err = p.loadConfig(); err != nil {
			return plan, nil, err
		}
		if err = p.nameAgent(conf); err != nil {
			return plan, nil, err
		}
		at, err := p.hubAt(conf, p.server, p.as)
		if err != nil {
			return plan, nil, err
		}
		plan.Deployment, plan.Program.Data, plan.Program.Server = "the hub "+at.URL, filepath.Join(scratch, "agents"), p.server
		plan.Token, err = p.bearerOf(conf)
		return plan, nil, err
	case w.pointedAtData:
		if conf, err = p.loadConfig(); err != nil {
			return plan, nil, err
		}
		plan.Deployment, plan.Program.Data = "one that was there", conf.Data
		for _, v := range os.Environ() { // the deployment's settings; who an agent is the run says itself
			if strings.HasPrefix(v, "AGENTBRIDGE_") && !strings.HasPrefix(v, tokenVariable+"=") {
				plan.Program.Env = append(plan.Program.Env, v)
			}
		}
		for key, value := range map[string]string{"store": p.store, "config": p.config} {
			if value != "" {
				plan.Program.Env = append(plan.Program.Env, variable(key)+"="+value)
			}
		}
		return plan, conf, nil
	}
	plan.Own, plan.Program.Data, plan.Deployment = true, filepath.Join(scratch, "data"), "one of its own, made for it"
	if err := os.Mkdir(plan.Program.Data, 0o700); err != nil {
		return plan, nil, err
	}
	set := map[string]string{}
	if w.realTime {
		plan.KeepAlive, plan.Poll = workload.LongKeepAlive, workload.LongPoll
	} else {
		plan.Compression, set = usualCompression, workload.Settings(usualCompression)
	}
	for _, s := range w.set {
		key, value, ok := strings.Cut(s, "=")
		if !ok || !slices.ContainsFunc(settings[2:], func(s setting) bool { return s.name == key }) {
			return plan, nil, bridge.Errorf(bridge.Invalid, "--set %s names no setting", s).WithHint("write it like silent_after=10s; agentbridge doctor shows the keys")
		}
		set[key] = value
	}
	set["store"] = ownStore(plan.Program.Data)
	for key, value := range set {
		plan.Program.Env = append(plan.Program.Env, variable(key)+"="+value)
	}
	slices.Sort(plan.Program.Env)
	conf, err = loadConfig(map[string]string{"data": plan.Program.Data}, func(name string) string {
		for key, value := range set {
			if variable(key) == name {
				return value
			}
		}
		return ""
	})
	if err == nil {
		for key := range set {
			if w.realTime || conf.from[key] == variable(key) {
				conf.from[key] = "validate"
			}
		}
	}
	return plan, conf, err
}

// validated prints a report.
func (p *program) validated(rep workload.ValidateReport, w validateWish, key string) {
	rows := [][]string{workload.ReportHead}
	rows = append(rows, rep.Lines()...)
	p.table(rows...)
	p.printf("\n%s, %s\n", rep.Verdict(), rep.Timers())
	if w.evidence != "" {
		p.printf("evidence: %s, signed with %s\n", w.evidence, key)
		p.printf("keep that key elsewhere, and check it with: agentbridge validate --check %s --key KEY\n", w.evidence)
	}
}

// rowLine tells on a terminal which rows are under way.
type rowLine struct {
	line  statusLine
	began time.Time

	mu    sync.Mutex // guards what follows
	under []string
	over  int
}

func (l *rowLine) show(row, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if text == "begins" {
		l.under = append(l.under, row)
	} else {
		l.under = slices.DeleteFunc(l.under, func(r string) bool { return r == row })
		l.over++
	}
	l.line.show(fmt.Sprintf("%.0f s: %d rows over, under way: %s", time.Since(l.began).Seconds(), l.over, strings.Join(l.under, ", ")), false)
}

// emptyDir wants a directory to write into: a new one, or one that is empty.
func emptyDir(dir string) error {
	names, err := os.ReadDir(dir)
	if err == nil && len(names) > 0 {
		return bridge.Errorf(bridge.Invalid, "%s is not empty", dir).WithHint("name a new directory: evidence holds nothing else")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return bridge.Errorf(bridge.Unavailable, "make %s: %w", dir, err).WithHint("name a directory that can be written to")
	}
	return nil
}
