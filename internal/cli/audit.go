package cli

import (
	"cmp"
	"context"
	"encoding/json"
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
	cmd.AddCommand(p.auditShowCommand(), p.auditVerifyCommand(), p.auditCheckpointCommand(),
		p.auditExportCommand(), p.auditProveCommand(), p.auditKeyCommand(), p.auditAcceptCommand())
	return cmd
}

func (p *program) auditShowCommand() *cobra.Command {
	var q auditQuery
	var counted bool
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Show audit entries: who did what, never what was said",
		Example: `  agentbridge audit show --agent beta --since 1h
  agentbridge audit show --action token_new --action token_revoke --last 20
  agentbridge audit show --subject msg_0123456789abcdef
  agentbridge audit show --since 7d --count`,
		Args: count(0, 0, "none"),
	}
	p.auditFlags(cmd, &q)
	cmd.Flags().IntVar(&q.f.Last, "last", 0, "only so many of the newest")
	cmd.Flags().BoolVar(&counted, "count", false, "only how many of each action by each agent")
	p.jsonFlag(cmd)
	return p.asPerson(cmd, func(ctx context.Context, o *opened, _ []string) error {
		f, err := q.filter()
		if err != nil {
			return err
		}
		switch {
		case counted:
			return p.countEntries(ctx, o, f)
		case p.json:
			return p.encodeEntries(ctx, o, f)
		}
		const columns = "%-16s  %-21s  %5s  %-12s  %-12s  %-21s  %s\n"
		n := 0
		err = o.svc.AuditEach(ctx, f, func(l bridge.AuditLine) error {
			if n++; n == 1 {
				p.printf("%s\n", p.style(bold, strings.TrimSuffix(fmt.Sprintf(columns, "AT", "LOG", "N", "ACTOR", "ACTION", "SUBJECT", "FACTS"), "\n")))
			}
			var facts []string
			for _, k := range slices.Sorted(maps.Keys(l.Facts)) {
				facts = append(facts, k+"="+l.Facts[k])
			}
			line := fmt.Sprintf(columns, clock(l.At), l.Log, fmt.Sprint(l.N), l.Actor, l.Action, dash(l.Subject), strings.Join(facts, " "))
			p.printf("%s\n", strings.TrimRight(line, " \n"))
			return nil
		})
		if err == nil && n == 0 {
			err = p.noEntry(ctx, o, f)
		}
		return err
	})
}

// noEntry says that no entry is what was asked for, and what there is instead, so that a mistyped word is not taken for an answer.
func (p *program) noEntry(ctx context.Context, o *opened, f bridge.AuditFilter) error {
	actions, actors := map[string]bool{}, map[string]bool{}
	err := o.svc.AuditEach(ctx, bridge.AuditFilter{Conversation: f.Conversation}, func(l bridge.AuditLine) error {
		actions[l.Action], actors[l.Actor] = true, true
		return nil
	})
	if err != nil {
		return err
	}
	list := func(of map[string]bool) string { return strings.Join(slices.Sorted(maps.Keys(of)), ", ") }
	p.tell("no entry matches")
	for _, a := range f.Actions {
		if !actions[a] {
			p.tell("nothing that is called %s was done; there are: %s", masked(a), list(actions))
		}
	}
	if f.Agent != "" && !actors[f.Agent] {
		p.tell("nobody called %s did anything; there are: %s", masked(f.Agent), list(actors))
	}
	return nil
}

// auditQuery is what flags say of the entries that are meant.
type auditQuery struct {
	f            bridge.AuditFilter
	since, until string
}

// auditFlags adds the flags that choose entries.
func (p *program) auditFlags(cmd *cobra.Command, q *auditQuery) {
	p.conversationFlag(cmd, (*string)(&q.f.Conversation), "only of this conversation (default all, and the deployment's log)")
	cmd.Flags().StringVar(&q.f.Agent, "agent", "", "only what this member did, or person, or bridge")
	cmd.Flags().StringArrayVar(&q.f.Actions, "action", nil, "only this action, such as send, ack or join (repeatable)")
	cmd.Flags().StringVar(&q.f.Subject, "subject", "", "only what was done to this: a message, task, token or member")
	cmd.Flags().StringVar(&q.since, "since", "", "only since then: 90m, 7d, or 2026-11-22T10:00:00Z")
	cmd.Flags().StringVar(&q.until, "until", "", "only before then")
}

func (q *auditQuery) filter() (f bridge.AuditFilter, err error) {
	f = q.f
	if f.Since, err = parseMoment("--since", q.since); err != nil {
		return f, err
	}
	if f.Until, err = parseMoment("--until", q.until); err != nil {
		return f, err
	}
	if f.Last < 0 {
		return f, bridge.Errorf(bridge.Invalid, "--last is below 0").WithHint("leave it out for all entries")
	}
	return f, nil
}

// encodeEntries prints {"entries":[…]}, an entry a line, without holding them all.
func (p *program) encodeEntries(ctx context.Context, o *opened, f bridge.AuditFilter) error {
	none := `{"entries":[`
	before := none // not sooner than the first entry: what fails before is one JSON error
	err := o.svc.AuditEach(ctx, f, func(l bridge.AuditLine) error {
		line, err := json.Marshal(l)
		p.printf("%s%s", before, line)
		before = ",\n"
		return err
	})
	if err != nil {
		return err
	}
	if before != none {
		p.printf("]}\n")
		return nil
	}
	p.printf("%s]}\n", none)
	return p.noEntry(ctx, o, f)
}

// deeds counts what one agent did.
type deeds struct {
	Agent  string `json:"agent"`
	Action string `json:"action"`
	Count  int64  `json:"count"`
}

func (p *program) countEntries(ctx context.Context, o *opened, f bridge.AuditFilter) error {
	type deed struct{ agent, action string }
	counts := map[deed]int64{}
	if err := o.svc.AuditEach(ctx, f, func(l bridge.AuditLine) error { counts[deed{l.Actor, l.Action}]++; return nil }); err != nil {
		return err
	}
	list := []deeds{}
	for d, n := range counts {
		list = append(list, deeds{d.agent, d.action, n})
	}
	slices.SortFunc(list, func(a, b deeds) int {
		return cmp.Or(cmp.Compare(a.Agent, b.Agent), cmp.Compare(b.Count, a.Count), cmp.Compare(a.Action, b.Action))
	})
	err := p.answer(map[string]any{"counts": list}, func() {
		rows := [][]string{{"AGENT", "ACTION", "COUNT"}}
		for _, d := range list {
			rows = append(rows, []string{d.Agent, d.Action, fmt.Sprint(d.Count)})
		}
		p.table(rows...)
	})
	if err == nil && len(list) == 0 {
		err = p.noEntry(ctx, o, f)
	}
	return err
}

// parseMoment reads a moment, or how long it is ago.
func parseMoment(flag, s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if d, err := parseDuration(s); err == nil {
		if d < 0 {
			return time.Time{}, bridge.Errorf(bridge.Invalid, "%s: %s is below 0", flag, s).WithHint("write how long it is ago, like 90m or 7d")
		}
		return time.Now().Add(-d), nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, s, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, bridge.Errorf(bridge.Invalid, "%s is neither a duration nor a moment", flag).WithHint("write it like 90m, 7d, 2026-11-22 or 2026-11-22T10:00:00Z")
}
