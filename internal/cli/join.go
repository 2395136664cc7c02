package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"agentbridge/internal/bridge"
)

func (p *program) joinCommand() *cobra.Command {
	var q bridge.JoinRequest
	cmd := &cobra.Command{
		Use:   "join [CODE]",
		Short: "Join a conversation with the code of an invite",
		Long: `Join a conversation with the code of an invite; - reads it from stdin, where no list of processes shows it.
Without a code it is the invite addressed to your name on this machine.`,
		Example: "  agentbridge join --as beta\n  pass show code | agentbridge join --as beta -",
		Args:    count(0, 1, "one code, or none for the invite addressed to you"),
	}
	p.conversationFlag(cmd, (*string)(&q.Conversation), "which of several invites, where no code is given")
	return p.asAgent(cmd, func(ctx context.Context, b agentBridge, c bridge.Caller, args []string) (err error) {
		if len(args) == 1 {
			if q.Code, err = p.text(args[0]); err != nil {
				return err
			}
			if q.Code == "" {
				return bridge.Errorf(bridge.Invalid, "the code is empty").WithHint("leave it out to take the invite addressed to your name")
			}
		}
		res, err := b.Join(ctx, c, q)
		if err != nil {
			return err
		}
		err = p.answer(res, func() {
			p.printf("%s  you are %s; it ends %s\n", res.Conversation, who(res.You.Name, res.You.Rank, res.You.Role), when(res.ExpiresAt))
			var partners []string
			for _, m := range res.Partners {
				partners = append(partners, who(m.Name, m.Rank, m.Role))
			}
			p.printf("with %s\n", strings.Join(partners, ", "))
		})
		p.unread(res.Unread)
		return err
	})
}
