package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"agentbridge/internal/bridge"
)

func (p *program) doctorCommand() *cobra.Command {
	var server string
	var noClients bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Show what is in force and where it comes from, and look for faults",
		Long: `Show what is in force and where it comes from, and look for faults: exit 1 if there is one, with what to type against each.

Every client that is set up with agentbridge, for you or in this directory, is tried: its server is started with the command, arguments
and environment that the client would use, and is sent a message, which must wake its waiting check_messages; then its hooks are run
as the client runs them, with nothing unread and with something. "No listener" means that nothing is there to hear, "listener deaf"
that something is, and nothing wakes it. The message is from an agent of the doctor's to another one of its own: no agent's messages
are touched. A client may take 10 seconds; --no-clients leaves them out.

Each hub where an agent of this machine has joined is looked at, or the one of --server: whether it answers, its certificate, its clock,
and the token of that agent, which --as or AGENTBRIDGE_TOKEN names.`,
		Example: `  agentbridge doctor
  agentbridge doctor --server https://hub.example --as beta`,
		Args: count(0, 0, "none"),
		RunE: func(cmd *cobra.Command, _ []string) error { return p.doctor(cmd.Context(), server, !noClients) },
	}
	p.asFlag(cmd)
	cmd.Flags().Lookup("as").Usage = "the agent whose hub is looked at, with its token (default: all who joined one)"
	cmd.Flags().StringVar(&server, "server", "", "address of a hub to look at")
	cmd.Flags().BoolVar(&noClients, "no-clients", false, "start no client's server, and no hooks")
	p.jsonFlag(cmd)
	return cmd
}

// diagnosis is what the doctor found.
type diagnosis struct {
	Settings []inForce `json:"settings"`
	Findings []finding `json:"findings"`
}

// inForce is a setting's value.
type inForce struct {
	Key    string `json:"key"`
	Value  string `json:"value"`
	Source string `json:"source"`
}

// finding is one thing the doctor looked at. What is not ok has a hint.
type finding struct {
	What string `json:"what"`
	OK   bool   `json:"ok"`
	Says string `json:"says"`
	Hint string `json:"hint,omitempty"`
	// Kind tells a client that nothing listens for ("no listener") from one that nothing wakes ("listener deaf").
	Kind string `json:"kind,omitempty"`
	// Took is how long something took, in milliseconds.
	Took float64 `json:"took_ms,omitempty"`
}

func (d *diagnosis) good(what, format string, args ...any) {
	d.Findings = append(d.Findings, finding{What: what, OK: true, Says: fmt.Sprintf(format, args...)})
}

func (d *diagnosis) bad(what string, err error) {
	e := bridge.AsError(err)
	d.Findings = append(d.Findings, finding{What: what, Says: e.Message, Hint: e.Hint})
}

func (p *program) doctor(ctx context.Context, server string, tryClients bool) error {
	conf, err := p.loadConfig()
	if err != nil {
		return err
	}
	d := &diagnosis{}
	for _, s := range settings {
		d.Settings = append(d.Settings, inForce{s.name, conf.show(s), conf.from[s.name]})
	}
	p.examine(ctx, conf, d)
	for _, h := range p.hubsToExamine(conf, server) {
		as := *p
		as.as = h.agent
		as.examineHub(ctx, conf, h.url, d)
	}
	examineMachine(d)
	examineSandbox(ctx, conf, d)
	if tryClients {
		p.examineClients(ctx, conf, d)
	}
	faults := 0
	for _, f := range d.Findings {
		if !f.OK {
			faults++
		}
	}
	err = p.answer(d, func() {
		p.diagnosis(d)
		p.tell("%s looked at, %s", some(len(d.Findings), "thing", "things"), faultsFound(faults))
	})
	if err == nil && faults > 0 {
		return exit(1)
	}
	return err
}

func faultsFound(n int) string {
	if n == 0 {
		return "no fault"
	}
	return some(n, "fault", "faults")
}

func (p *program) diagnosis(d *diagnosis) {
	rows := [][]string{{"SETTING", "VALUE", "FROM"}}
	for _, s := range d.Settings {
		rows = append(rows, []string{s.Key, s.Value, s.Source})
	}
	p.table(rows...)
	p.printf("\n")
	for _, f := range d.Findings {
		if f.OK {
			p.printf("ok     %s: %s\n", f.What, f.Says)
			continue
		}
		p.printf("%s  %s: %s\n", p.style(red, "FAULT"), f.What, f.Says)
		if f.Hint != "" {
			p.printf("       hint: %s\n", f.Hint)
		}
	}
}
