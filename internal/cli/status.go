package cli

import (
	"context"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"agentbridge/internal/bridge"
)

func (p *program) setStatusCommand() *cobra.Command {
	var q bridge.StatusRequest
	cmd := &cobra.Command{
		Use:       "set-status working|waiting|blocked|complete",
		Short:     "Tell your partners how you are doing",
		Example:   "  agentbridge set-status --as beta blocked --note 'waiting for the schema'",
		Args:      count(1, 1, "one status: working, waiting, blocked or complete"),
		ValidArgs: []string{"working", "waiting", "blocked", "complete"},
	}
	cmd.Flags().StringVar(&q.Note, "note", "", "a few words about it")
	p.conversationFlag(cmd, (*string)(&q.Conversation), "the conversation (default the only one)")
	return p.asAgent(cmd, func(ctx context.Context, b agentBridge, c bridge.Caller, args []string) error {
		q.Status = bridge.Status(args[0])
		res, err := b.SetStatus(ctx, c, q)
		if err != nil {
			return err
		}
		err = p.answer(res, func() { p.printf("%s  %s\n", res.Conversation, res.Status) })
		p.unread(res.Unread)
		return err
	})
}

func (p *program) partnersCommand() *cobra.Command {
	var q bridge.PartnersRequest
	cmd := &cobra.Command{
		Use:   "partners",
		Short: "See who is there, and what became of your messages",
		Long: `See who is there: status is what a partner says of itself, liveness is what the bridge saw. Below it, what became of your
newest messages.`,
		Args: count(0, 0, "none"),
	}
	p.conversationFlag(cmd, (*string)(&q.Conversation), "only of this conversation (default all of yours)")
	return p.asAgent(cmd, func(ctx context.Context, b agentBridge, c bridge.Caller, _ []string) error {
		res, err := b.Partners(ctx, c, q)
		if err != nil {
			return err
		}
		err = p.answer(res, func() {
			if len(res.Partners) == 0 {
				p.tell("no partners")
			} else {
				p.roster(res.Partners, true)
			}
			if len(res.Deliveries) > 0 {
				p.printf("\n")
				p.deliveries(res.Deliveries)
			}
		})
		p.unread(res.Unread)
		return err
	})
}

// roster shows members.
func (p *program) roster(list []bridge.PartnerState, withConversation bool) {
	rows := [][]string{{"NAME", "RANK", "ROLE", "STATUS", "LIVENESS", "SEEN", "NOTE"}}
	if withConversation {
		rows[0] = append(rows[0], "CONVERSATION")
	}
	for _, m := range list {
		liveness, seen := string(m.Liveness), "never"
		if !m.Joined {
			liveness = "invited"
		}
		if m.LastSeen != nil {
			seen = distance(-time.Duration(*m.LastSeen) * time.Second)
		}
		row := []string{m.Name, string(m.Rank), dash(line(m.Role, 40)), dash(string(m.Status)), liveness, seen, dash(line(m.Note, 40))}
		if withConversation {
			row = append(row, string(m.Conversation))
		}
		rows = append(rows, row)
	}
	p.table(rows...)
}

// deliveries shows copies of messages.
func (p *program) deliveries(list []bridge.DeliveryReport) {
	rows := [][]string{{"MESSAGE", "NUMBER", "TO", "STATE", "SINCE", "HOW OR WHY"}}
	for _, d := range list {
		rows = append(rows, []string{
			string(d.Message), strconv.FormatInt(d.Seq, 10), d.Recipient, string(d.State), clock(d.At), dash(string(d.Reason) + string(d.How)),
		})
	}
	p.table(rows...)
}
