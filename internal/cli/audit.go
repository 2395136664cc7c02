package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"agentbridge/internal/bridge"
)

func (p *program) auditCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Read the audit logs, and prove that nobody changed them",
		Args:  noCommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(p.auditShowCommand(), p.auditVerifyCommand())
	return cmd
}

func (p *program) auditShowCommand() *cobra.Command {
	var f bridge.AuditFilter
	var since string
	cmd := &cobra.Command{
		Use:     "show",
		Short:   "Show audit entries: who did what, never what was said",
		Example: "  agentbridge audit show --agent beta --since 1h",
		Args:    count(0, 0, "none"),
	}
	p.conversationFlag(cmd, (*string)(&f.Conversation), "only of this conversation (default all, and the deployment's log)")
	cmd.Flags().StringVar(&f.Agent, "agent", "", "only what this member did")
	cmd.Flags().StringVar(&f.Action, "action", "", "only this action, such as send, ack or join")
	cmd.Flags().StringVar(&since, "since", "", "only since then: 90m, 7d, or 2026-11-22T10:00:00Z")
	p.jsonFlag(cmd)
	return p.asPerson(cmd, func(ctx context.Context, o *opened, _ []string) (err error) {
		if f.Since, err = parseSince(since); err != nil {
			return err
		}
		lines, err := o.svc.AuditEntries(ctx, f)
		if err != nil {
			return err
		}
		return p.answer(map[string]any{"entries": lines}, func() {
			rows := [][]string{{"AT", "LOG", "N", "ACTOR", "ACTION", "SUBJECT", "FACTS"}}
			for _, l := range lines {
				var facts []string
				for _, k := range slices.Sorted(maps.Keys(l.Facts)) {
					facts = append(facts, k+"="+l.Facts[k])
				}
				rows = append(rows, []string{clock(l.At), l.Log, fmt.Sprint(l.N), l.Actor, l.Action, dash(l.Subject), strings.Join(facts, " ")})
			}
			p.table(rows...)
		})
	})
}

// parseSince reads a moment, or how long it is ago.
func parseSince(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if d, err := parseDuration(s); err == nil {
		return time.Now().Add(-d), nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, s, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, bridge.Errorf(bridge.Invalid, "--since is neither a duration nor a moment").WithHint("write it like 90m, 7d, 2026-11-22 or 2026-11-22T10:00:00Z")
}

func (p *program) auditVerifyCommand() *cobra.Command {
	var id string
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Check every log against its head: a line for each, exit 1 on a fault",
		Args:  count(0, 0, "none"),
	}
	p.conversationFlag(cmd, &id, "only the log of this conversation (default all)")
	p.jsonFlag(cmd)
	return p.asPerson(cmd, func(ctx context.Context, o *opened, _ []string) error {
		reports, err := o.svc.AuditVerify(ctx, bridge.ConversationID(id))
		if err != nil {
			return err
		}
		faults := 0
		for _, r := range reports {
			if r.Fault != "" {
				faults++
			}
		}
		err = p.answer(map[string]any{"logs": reports}, func() {
			for _, r := range reports {
				if r.Fault == "" {
					p.printf("ok     %s  %d entries  root %s\n", r.Log, r.Entries, r.Root)
				} else {
					p.printf("%s  %s  %d entries: %s\n", p.style(red, "FAULT"), r.Log, r.Entries, r.Fault)
				}
			}
		})
		if err == nil && faults > 0 {
			p.tell("error: %s not what was logged", some(faults, "log is", "logs are"))
			p.tell("hint: keep a copy of the store as it is; an earlier backup tells what was changed")
			return exit(1)
		}
		return err
	})
}
