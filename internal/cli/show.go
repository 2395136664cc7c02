package cli

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"agentbridge/internal/bridge"
)

func (p *program) showCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:               "show [CONVERSATION]",
		Short:             "Show one conversation: members, invites, tasks, the newest messages and what became of them",
		Args:              count(0, 1, "one conversation, or none for the only one"),
		ValidArgsFunction: p.completeFirstConversation,
	}
	p.jsonFlag(cmd)
	return p.asPerson(cmd, func(ctx context.Context, o *opened, args []string) error {
		id, err := o.conversation(ctx, args)
		if err != nil {
			return err
		}
		v, err := o.svc.Show(ctx, id)
		if err != nil {
			return err
		}
		return p.answer(v, func() { p.view(v) })
	})
}

// conversation is the one named first, or the only one that can still be read.
func (o *opened) conversation(ctx context.Context, args []string) (bridge.ConversationID, error) {
	if len(args) > 0 {
		return bridge.ConversationID(args[0]), nil
	}
	list, err := o.svc.List(ctx, false)
	if err != nil {
		return "", err
	}
	switch len(list) {
	case 0:
		return "", bridge.Errorf(bridge.NotFound, "there is no conversation").WithHint("agentbridge list --all shows those that are over")
	case 1:
		return list[0].Conversation, nil
	}
	var ids []string
	for _, c := range list {
		ids = append(ids, string(c.Conversation))
	}
	return "", bridge.Errorf(bridge.Invalid, "there are %d conversations: %s", len(ids), strings.Join(ids, ", ")).WithHint("name one")
}

// until says how far a conversation is, and when it ends or ended.
func until(phase bridge.Phase, expires time.Time) string {
	switch phase {
	case bridge.Open:
		return "open  ends " + when(expires)
	case bridge.Ended:
		return "ended " + when(expires)
	}
	return string(phase) + "  ended " + when(expires)
}

// view shows a conversation.
func (p *program) view(v bridge.View) {
	p.printf("%s  %s", p.style(bold, string(v.Conversation)), until(v.Phase, v.ExpiresAt))
	if v.Title != "" {
		p.printf("  %s", v.Title)
	}
	p.printf("\n")
	p.problems("", v.Summary)
	if v.Phase == bridge.Forgotten {
		p.printf("its content was erased; its audit log is kept: %d entries, root %s\n", v.Entries, v.Root)
		return
	}
	p.printf("\n")
	p.roster(v.Roster, false)
	for _, i := range v.Invites {
		if i.State == "open" {
			p.printf("invite for %s, good until %s\n", i.Name, when(i.ExpiresAt))
		}
	}
	if counts := taskCounts(v.Tasks); counts != "" {
		p.printf("\ntasks: %s\n", counts)
	}
	if len(v.LiveTasks) > 0 {
		p.tasks(v.LiveTasks)
	}
	for _, m := range v.Recent {
		p.printf("\n")
		p.message(m, false)
	}
	if len(v.Deliveries) > 0 {
		p.printf("\n")
		p.deliveries(v.Deliveries)
	}
	p.printf("\naudit log: %d entries, root %s\n", v.Entries, v.Root)
}
