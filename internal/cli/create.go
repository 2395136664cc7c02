package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"agentbridge/internal/bridge"
)

func (p *program) createCommand() *cobra.Command {
	var q bridge.CreateRequest
	var partners []string
	var ttl duration
	cmd := &cobra.Command{
		Use:   "create [--role ROLE] --partner NAME[=ROLE[:RANK]]…",
		Short: "Start a conversation and get a join code for each partner",
		Long: `Start a conversation. Each partner gets a single-use join code, which is shown this once.

With two members both are peers. With more you are the orchestrator and the others workers, unless a rank is given: observer,
worker, peer or orchestrator.`,
		Example: "  agentbridge create --as alpha --role 'writes the parser' --partner beta='tests the parser'",
		Args:    count(0, 0, "none"),
	}
	flags := cmd.Flags()
	flags.StringVar(&q.Role, "role", "", "what you do in it")
	flags.StringArrayVar(&partners, "partner", nil, "a partner, NAME or NAME=ROLE[:RANK]; once for each")
	flags.StringVar(&q.Name, "name", "", "your name in it (default your agent's)")
	flags.StringVar(&q.Title, "title", "", "what it is about")
	flags.Var(&ttl, "ttl", "how long it lasts, such as 8h (default conversation_ttl)")
	flags.IntVar(&q.TTLMinutes, "ttl-minutes", 0, "the same in minutes")
	cmd.MarkFlagsMutuallyExclusive("ttl", "ttl-minutes")
	p.conversationFlag(cmd, (*string)(&q.Conversation), "invite the partners to this conversation instead")
	return p.asAgent(cmd, func(ctx context.Context, b agentBridge, c bridge.Caller, _ []string) (err error) {
		if cmd.Flags().Changed("ttl") {
			if q.TTLMinutes = int(time.Duration(ttl) / time.Minute); q.TTLMinutes < 1 {
				return bridge.Errorf(bridge.Invalid, "--ttl is less than a minute").WithHint("choose 1m or more")
			}
		}
		if q.Partners, err = parsePartners(partners); err != nil {
			return err
		}
		if len(q.Partners) == 0 {
			return noPartner()
		}
		return p.create(ctx, b, c, q)
	})
}

func (p *program) inviteCommand() *cobra.Command {
	var q bridge.CreateRequest
	var partners []string
	cmd := &cobra.Command{
		Use:     "invite --conversation-id ID --partner NAME[=ROLE[:RANK]]…",
		Short:   "Invite more partners to a conversation, or one of them anew",
		Example: "  agentbridge invite --as alpha --conversation-id conv_0123456789abcdef --partner gamma='writes the documentation'",
		Args:    count(0, 0, "none"),
	}
	cmd.Flags().StringArrayVar(&partners, "partner", nil, "a partner, NAME or NAME=ROLE[:RANK]; once for each")
	p.conversationFlag(cmd, (*string)(&q.Conversation), "the conversation")
	return p.asAgent(cmd, func(ctx context.Context, b agentBridge, c bridge.Caller, _ []string) (err error) {
		if q.Conversation == "" {
			return bridge.Errorf(bridge.Invalid, "no conversation is named").WithHint("name it with --conversation-id; agentbridge list shows them")
		}
		if q.Partners, err = parsePartners(partners); err != nil {
			return err
		}
		if len(q.Partners) == 0 {
			return noPartner()
		}
		return p.create(ctx, b, c, q)
	})
}

func noPartner() error {
	return bridge.Errorf(bridge.Invalid, "no partner is named").WithHint("name at least one: --partner beta=tester")
}

// create makes the conversation, or the invites, and shows the codes.
func (p *program) create(ctx context.Context, b agentBridge, c bridge.Caller, q bridge.CreateRequest) error {
	res, err := b.Create(ctx, c, q)
	if err != nil {
		return err
	}
	err = p.answer(res, func() {
		p.printf("%s  you are %s; it ends %s\n\n", res.Conversation, who(res.You.Name, res.You.Rank, res.You.Role), when(res.ExpiresAt))
		if _, _, ok := bridge.CodeHub(res.Invites[0].Code); ok {
			p.showHubInvites(res.Invites)
			return
		}
		rows := [][]string{{"PARTNER", "JOIN CODE", "GOOD UNTIL"}}
		for _, i := range res.Invites {
			rows = append(rows, []string{i.Name, i.Code, when(i.ExpiresAt)})
		}
		p.table(rows...)
		p.tell("give each partner its code; on this machine an agent of that name can join without: agentbridge join --as %s", res.Invites[0].Name)
	})
	p.unread(res.Unread)
	return err
}

// showHubInvites shows what each partner types, on any machine that reaches the hub. The code is a word of its own, and pasted where it is
// asked for: what is on a command line can be seen by others.
func (p *program) showHubInvites(invites []bridge.InviteCode) {
	for _, i := range invites {
		p.printf("%s, until %s\n", p.style(bold, i.Name), when(i.ExpiresAt))
		p.printf("  agentbridge join                 asks for this code:\n\n%s\n\n", i.Code)
		p.printf("  %s\n\n", addLine(nil, i.Name))
	}
	p.tell("give each partner its code, by a way that only it reads; each is good once. On this machine an agent of that name can join without: agentbridge join --as %s", invites[0].Name)
}
