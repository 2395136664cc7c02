package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"agentbridge/internal/bridge"
	"agentbridge/internal/policy"
)

func (p *program) approveCommand() *cobra.Command {
	var network, watch bool
	cmd := &cobra.Command{
		Use:   "approve [ID]",
		Short: "Say yes or no to the commands that agents ask for; from your terminal",
		Long: `Show the commands that agents ask for, one after the other, and ask you about each: exactly what will run, where, in which sandbox, and
what the policy thinks of it. A yes is signed with your key, for exactly this command, and good once, within five minutes of the question.
With ID, it asks about that one.

It works only on a terminal, with your passphrase, so that no tool or message says yes.`,
		Args: count(0, 1, "one command, or none for all that wait"),
	}
	cmd.Flags().BoolVar(&network, "network", false, "with ID: the command may use the network")
	cmd.Flags().BoolVar(&watch, "watch", false, "stay, and ask about each command as it comes")
	return p.asPerson(cmd, func(ctx context.Context, o *opened, args []string) error {
		if len(args) > 0 && watch || len(args) == 0 && network {
			return bridge.Errorf(bridge.Invalid, "--network goes with an ID, and --watch without").WithHint("agentbridge approve asks about each")
		}
		h, err := p.person(ctx, "approve")
		if err != nil {
			return err
		}
		defer h.leave()
		d := desk{o: o, h: h, network: network}
		if len(args) == 1 {
			c, err := o.svc.FindCommand(ctx, bridge.CommandID(args[0]))
			if err != nil {
				return err
			}
			return d.decide(ctx, c)
		}
		return d.all(ctx, watch)
	})
}

// desk is where a person decides about commands. The key is unwrapped once, for as long as they sit there.
type desk struct {
	o       *opened
	h       *person
	network bool
	key     *approver
	seen    map[bridge.CommandID]bool
}

// all decides about all that wait, and with watch about those that come.
func (d *desk) all(ctx context.Context, watch bool) error {
	d.seen = map[bridge.CommandID]bool{}
	hint := d.o.svc.WatchCommands(ctx)
	for {
		asked, err := d.o.svc.Asked(ctx)
		if err != nil {
			return err
		}
		fresh := 0
		for _, c := range asked {
			if d.seen[c.ID] {
				continue
			}
			d.seen[c.ID] = true
			fresh++
			if err := d.decide(ctx, c); err != nil && !passesAtDesk(err) {
				return err
			} else if err != nil {
				d.h.say("%s", bridge.AsError(err).Text())
			}
		}
		switch {
		case fresh > 0:
			continue // others may have come meanwhile
		case !watch && len(d.seen) == 0:
			d.h.say("No command waits for you.")
			return nil
		case !watch:
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-hint:
		case <-time.After(time.Minute):
		}
	}
}

// passesAtDesk reports whether an error is about one command, so that the next can be decided about.
func passesAtDesk(err error) bool {
	switch bridge.AsError(err).Code {
	case bridge.Conflict, bridge.Expired, bridge.NotFound:
		return true
	}
	return false
}

// decide shows a command, asks, and does as the person says.
func (d *desk) decide(ctx context.Context, c bridge.Command) error {
	if c.State != bridge.CommandWaiting {
		return bridge.Errorf(bridge.Conflict, "command %s is %s already", c.ID, c.State).WithHint("agentbridge approve shows those that wait; the agent can ask again")
	}
	d.show(c)
	d.h.forget() // a yes to the command before, typed twice, is none to this one
	prompt := "run it once? [y]es, yes with [n]etwork, [d]eny, [s]kip: "
	if d.network {
		prompt = "run it once, WITH network? [y]es, [d]eny, [s]kip: "
	}
	for range passphraseTries {
		said, err := d.h.ask(prompt)
		if err != nil {
			return err
		}
		switch strings.ToLower(said) {
		case "y", "yes":
			return d.approve(ctx, c, d.network)
		case "n", "network":
			return d.approve(ctx, c, true)
		case "d", "deny", "no":
			why, err := d.h.ask("why, for the agent (may be empty): ")
			if err != nil {
				return err
			}
			if err := d.o.svc.DenyCommand(ctx, c.Conversation, c.ID, why); err != nil {
				return err
			}
			d.h.say("%s: denied.", c.ID)
			return nil
		case "s", "skip":
			return nil
		}
	}
	return bridge.Errorf(bridge.Denied, "that was no answer").WithHint("nothing was done; it waits until %s", clock(c.ExpiresAt))
}

func (d *desk) approve(ctx context.Context, c bridge.Command, network bool) error {
	if d.key == nil {
		key, err := d.h.approver(d.o.conf.Data, false)
		if err != nil {
			return err
		}
		d.key = &key
	}
	c.Network = network
	if err := d.o.svc.ApproveCommand(ctx, c, d.key.sign); err != nil {
		return err
	}
	d.h.say("%s: approved, once%s.", c.ID, map[bool]string{true: ", with network", false: ""}[network])
	return nil
}

// show shows exactly what would run. The words of agents are marked as such, and nothing in them can pass for ours.
func (d *desk) show(c bridge.Command) {
	h := d.h
	h.say("%s  %s asks, in %s; it waits until %s", c.ID, c.Member, c.Conversation, when(c.ExpiresAt))
	for line := range strings.SplitSeq(c.Text, "\n") {
		h.say("  | %s", line)
	}
	reason := "none given"
	if c.Reason != "" {
		reason = fmt.Sprintf("%q (the agent's words)", c.Reason)
	}
	h.say("  reason   %s", reason)
	h.say("  where    %s", c.Workspace)
	_, tier, err := workspaceOf(d.o.conf, c.Workspace, c.Mode)
	if err != nil {
		h.say("  sandbox  none: %s", bridge.AsError(err).Message)
	} else {
		h.say("  sandbox  %s, without network unless you say so", tier)
	}
	h.say("  policy   %s mode: %s, %s", c.Mode, c.Verdict, c.Why)
	for _, line := range d.executed(c) {
		h.say("  runs     %s", line)
	}
}

// executed are the programs with their arguments, each quoted, as the policy sees them now.
func (d *desk) executed(c bridge.Command) (lines []string) {
	root, err := os.OpenRoot(c.Workspace)
	if err != nil {
		return []string{"nothing, as it stands: " + bridge.AsError(err).Message}
	}
	defer root.Close()
	rules, err := policy.New(d.o.conf.Policy.options(filepath.ToSlash(c.Workspace)))
	if err != nil {
		return []string{"nothing, as it stands: " + err.Error()}
	}
	now := rules.DecideIn(c.Mode, c.Text, root.FS())
	switch {
	case now.Verdict == policy.Deny:
		return []string{"nothing, as it stands: " + now.Reason}
	case now.Verdict == policy.Ask && c.Verdict != policy.Ask:
		return []string{"nothing, as it stands: " + now.Reason + ", which was not so when it was asked for"}
	case now.Script != "":
		return []string{"a shell, with the text above"}
	}
	for _, step := range now.Steps {
		var stages []string
		for _, command := range step.Commands {
			stages = append(stages, stageText(command))
		}
		lines = append(lines, strings.TrimSpace(string(step.When)+" "+strings.Join(stages, " | ")))
	}
	return lines
}

// stageText is one program of a pipeline, with everything that it gets.
func stageText(c policy.Command) string {
	text := fmt.Sprintf("%q", c.Argv)
	if len(c.Env) > 0 {
		text = fmt.Sprintf("%q ", c.Env) + text
	}
	for _, r := range c.Redirects {
		if r.Path == "" {
			text += fmt.Sprintf(" %d%s%d", r.FD, r.Op, r.From)
		} else {
			text += fmt.Sprintf(" %d%s %q", r.FD, r.Op, r.Path)
		}
	}
	if c.Dir != "" {
		text += fmt.Sprintf(" (in %q)", c.Dir)
	}
	return text
}

func (p *program) denyCommand() *cobra.Command {
	var why string
	cmd := &cobra.Command{
		Use:   "deny ID",
		Short: "Say no to a command that an agent asks for; from your terminal",
		Args:  count(1, 1, "one command"),
	}
	cmd.Flags().StringVar(&why, "why", "", "a word to the agent")
	p.jsonFlag(cmd)
	return p.asPerson(cmd, func(ctx context.Context, o *opened, args []string) error {
		if err := atTerminal("deny"); err != nil {
			return err
		}
		c, err := o.svc.FindCommand(ctx, bridge.CommandID(args[0]))
		if err != nil {
			return err
		}
		if err := o.svc.DenyCommand(ctx, c.Conversation, c.ID, why); err != nil {
			return err
		}
		return p.answer(map[string]any{"command_id": c.ID, "state": bridge.CommandDenied}, func() { p.printf("%s  denied\n", c.ID) })
	})
}
