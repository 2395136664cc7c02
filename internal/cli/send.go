package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"agentbridge/internal/bridge"
)

func (p *program) sendCommand() *cobra.Command {
	var q bridge.SendRequest
	cmd := &cobra.Command{
		Use:     "send MESSAGE",
		Short:   "Send a message to partners, or to all of them",
		Long:    "Send a message. It is on disk when the command ends. - reads it from stdin. After a failure, the same --key makes a retry safe.",
		Example: "  agentbridge send --as alpha --to beta 'the parser is ready'\n  git diff | agentbridge send --as alpha -",
		Args:    count(1, 1, "one message; put it in quotes, or give - to read it from stdin"),
	}
	p.sendFlags(cmd, &q)
	cmd.Flags().StringVar(&q.Key, "key", "", "sent once, however often it is tried with this key")
	return p.asAgent(cmd, func(ctx context.Context, b agentBridge, c bridge.Caller, args []string) (err error) {
		if q.Message, err = p.text(args[0]); err != nil {
			return err
		}
		res, err := b.Send(ctx, c, q)
		if err != nil {
			return err
		}
		err = p.sent(res)
		p.unread(res.Unread)
		return err
	})
}

// sendFlags are those that send and say have in common.
func (p *program) sendFlags(cmd *cobra.Command, q *bridge.SendRequest) {
	flags := cmd.Flags()
	flags.StringArrayVar(&q.To, "to", nil, "a recipient's name; once for each (default all partners)")
	flags.StringVar((*string)(&q.ActionType), "action-type", "", "question, info, proposal, blocked or complete (default info)")
	flags.StringArrayVar(&q.Files, "file", nil, "the path of a file that it is about; once for each")
	flags.StringVar((*string)(&q.ReplyTo), "reply-to", "", "the message that it answers")
	p.conversationFlag(cmd, (*string)(&q.Conversation), "the conversation (default the only one)")
	cmd.RegisterFlagCompletionFunc("action-type", cobra.FixedCompletions(
		[]string{"question", "info", "proposal", "blocked", "complete"}, cobra.ShellCompDirectiveNoFileComp))
}

// sent shows what became of a message.
func (p *program) sent(res bridge.SendResult) error {
	return p.answer(res, func() {
		what := "stored"
		if res.Duplicate {
			what = "was stored already"
		}
		p.printf("%s  %s as number %d for %s\n", res.Message, what, res.Seq, strings.Join(res.To, ", "))
		p.masked(res.Redacted)
		for _, d := range res.Dead {
			p.tell("not delivered to %s: %s", d.Recipient, d.Reason)
		}
		p.overlaps(res.Overlap)
	})
}
