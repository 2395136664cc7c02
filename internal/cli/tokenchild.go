package cli

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"agentbridge/internal/bridge"
)

// childFlags say what a child token is held to.
type childFlags struct {
	rank, conversation *string
	life               *duration
}

func (f *childFlags) add(p *program, cmd *cobra.Command) {
	f.rank, f.conversation, f.life = new(string), new(string), new(duration)
	cmd.Flags().StringVar(f.rank, "rank", "", "make a child token, with no more rank than this: observer, worker, peer or orchestrator")
	p.conversationFlag(cmd, f.conversation, "make a child token, good in this conversation only")
	cmd.Flags().Var(f.life, "for", "make a child token, good for so long (default: as long as its parent)")
	for _, flag := range []string{"rank", "conversation-id", "for"} {
		cmd.MarkFlagsMutuallyExclusive("name", flag)
	}
}

func (f *childFlags) given(cmd *cobra.Command) bool {
	return cmd.Flags().Changed("rank") || cmd.Flags().Changed("conversation-id") || cmd.Flags().Changed("for")
}

// newChild makes a child of the token that the command line names. One that has expired is not replaced for it.
func (p *program) newChild(ctx context.Context, cmd *cobra.Command, f childFlags) error {
	for flag, empty := range map[string]bool{"rank": *f.rank == "", "conversation-id": *f.conversation == "", "for": *f.life <= 0} {
		if cmd.Flags().Changed(flag) && empty {
			return bridge.Errorf(bridge.Invalid, "--%s holds the token to nothing", flag).WithHint("give it a value, or leave it out")
		}
	}
	o, err := p.open(ctx, existing)
	if err != nil {
		return err
	}
	defer o.close()
	c, err := p.ownToken(ctx, o)
	if err != nil {
		return err
	}
	asked := time.Now().Add(time.Duration(*f.life))
	child, err := o.svc.NewChildToken(ctx, c, bridge.ChildRequest{
		Rank: bridge.Rank(*f.rank), Conversation: bridge.ConversationID(*f.conversation), Life: time.Duration(*f.life),
	})
	if err != nil {
		return err
	}
	return p.answer(child, func() {
		p.printf("%s\n", child.Token)
		if *f.life > 0 && child.ExpiresAt.Before(asked.Add(-time.Second)) {
			p.tell("good until %s, and not for %s: then its parent ends, and it with it", when(child.ExpiresAt), f.life)
		} else {
			p.tell("good until %s", when(child.ExpiresAt))
		}
	})
}

// heldTo says what a child token is held to; empty for an agent's own.
func heldTo(t bridge.TokenState) string {
	if t.Parent == "" {
		return ""
	}
	held := []string{"child of " + string(t.Parent)}
	if t.Rank != "" {
		held = append(held, string(t.Rank))
	}
	if t.Conversation != "" {
		held = append(held, string(t.Conversation))
	}
	return strings.Join(held, ", ")
}
