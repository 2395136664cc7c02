package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"agentbridge/internal/bridge"
)

func (p *program) extendCommand() *cobra.Command {
	var d duration
	cmd := &cobra.Command{
		Use:               "extend CONVERSATION",
		Short:             "Let a conversation go on for longer, also one that expired less than an hour ago",
		Example:           "  agentbridge extend conv_0123456789abcdef --for 3h",
		Args:              count(1, 1, "one conversation"),
		ValidArgsFunction: p.completeFirstConversation,
	}
	cmd.Flags().Var(&d, "for", "how long from now (default conversation_ttl)")
	p.jsonFlag(cmd)
	return p.asPerson(cmd, func(ctx context.Context, o *opened, args []string) error {
		if !cmd.Flags().Changed("for") {
			d = duration(o.conf.Bridge.ConversationTTL)
		}
		expires, err := o.svc.Extend(ctx, bridge.ConversationID(args[0]), time.Duration(d))
		if err != nil {
			return err
		}
		return p.answer(map[string]any{"conversation_id": args[0], "expires_at": expires}, func() {
			p.printf("%s  ends %s\n", args[0], when(expires))
		})
	})
}

func (p *program) closeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:               "close CONVERSATION",
		Short:             "End a conversation now; it can be read for another hour",
		Args:              count(1, 1, "one conversation"),
		ValidArgsFunction: p.completeFirstConversation,
	}
	p.jsonFlag(cmd)
	return p.asPerson(cmd, func(ctx context.Context, o *opened, args []string) error {
		if err := o.svc.Close(ctx, bridge.ConversationID(args[0])); err != nil {
			return err
		}
		return p.answer(map[string]any{"conversation_id": args[0]}, func() { p.printf("%s  closed\n", args[0]) })
	})
}

func (p *program) revokeCommand() *cobra.Command {
	var id string
	cmd := &cobra.Command{
		Use:   "revoke [--conversation-id ID] NAME",
		Short: "Take a member's seat away, at once",
		Long: `Take a member's seat in a conversation away, at once and in every process. What it has not taken yet is dead, and the senders are
told. To shut an agent out of everything, revoke its tokens: agentbridge token revoke.`,
		Args: count(1, 1, "one member's name"),
	}
	p.conversationFlag(cmd, &id, "the conversation (default the only one)")
	p.jsonFlag(cmd)
	return p.asPerson(cmd, func(ctx context.Context, o *opened, args []string) error {
		var named []string
		if id != "" {
			named = []string{id}
		}
		conversation, err := o.conversation(ctx, named)
		if err != nil {
			return err
		}
		if err := o.svc.RevokeMember(ctx, conversation, args[0]); err != nil {
			return err
		}
		return p.answer(map[string]any{"conversation_id": conversation, "name": args[0]}, func() {
			p.printf("%s  %s is no longer a member\n", conversation, args[0])
		})
	})
}

func (p *program) cleanupCommand() *cobra.Command {
	var age duration
	cmd := &cobra.Command{
		Use:     "cleanup",
		Short:   "Erase what was said in conversations long over; their audit logs stay",
		Example: "  agentbridge cleanup --older-than 7d",
		Args:    count(0, 0, "none"),
	}
	cmd.Flags().Var(&age, "older-than", "over for at least so long (default retention)")
	p.jsonFlag(cmd)
	return p.asPerson(cmd, func(ctx context.Context, o *opened, _ []string) error {
		if !cmd.Flags().Changed("older-than") {
			age = duration(o.conf.Bridge.Retention)
		}
		n, err := o.svc.Cleanup(ctx, time.Duration(age))
		if err != nil {
			return err
		}
		return p.answer(map[string]any{"erased": n}, func() { p.printf("%s erased\n", some(n, "conversation", "conversations")) })
	})
}

func (p *program) exportCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "export CONVERSATION",
		Short: "Write all of a conversation as JSON Lines",
		Long: `Write all of a conversation to stdout, one JSON value a line: {"kind":KIND,"value":…}, where KIND is conversation, member, message,
delivery, task or entry, in this order.`,
		Args:              count(1, 1, "one conversation"),
		ValidArgsFunction: p.completeFirstConversation,
	}
	return p.asPerson(cmd, func(ctx context.Context, o *opened, args []string) error {
		return o.svc.Export(ctx, bridge.ConversationID(args[0]), func(kind string, value any) error {
			return p.encode(struct {
				Kind  string `json:"kind"`
				Value any    `json:"value"`
			}{kind, value})
		})
	})
}
