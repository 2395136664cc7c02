package cli

import (
	"context"

	"github.com/spf13/cobra"

	"agentbridge/internal/bridge"
)

func (p *program) pauseCommand() *cobra.Command {
	return p.gate("pause", "paused", "Stop a conversation for its agents until you resume it; from your terminal",
		`Stop a conversation for its agents until you resume it. Meanwhile they cannot send, add or claim; they can read, and finish what they
hold. It works only from a terminal, so that no tool or script does it by mistake.`, (*bridge.Service).Pause)
}

func (p *program) resumeCommand() *cobra.Command {
	return p.gate("resume", "resumed", "Let the agents of a paused conversation go on; from your terminal",
		`Let the agents of a paused conversation go on, whether you paused it or the loop guard did. It works only from a terminal, so that no
tool or script does it by mistake.`, (*bridge.Service).Resume)
}

// gate makes pause or resume.
func (p *program) gate(verb, done, short, long string, do func(*bridge.Service, context.Context, bridge.ConversationID) error) *cobra.Command {
	cmd := &cobra.Command{
		Use:               verb + " [CONVERSATION]",
		Short:             short,
		Long:              long,
		Args:              count(0, 1, "one conversation, or none for the only one"),
		ValidArgsFunction: p.completeFirstConversation,
	}
	p.jsonFlag(cmd)
	return p.asPerson(cmd, func(ctx context.Context, o *opened, args []string) error {
		if err := atTerminal(verb); err != nil {
			return err
		}
		id, err := o.conversation(ctx, args)
		if err != nil {
			return err
		}
		if err := do(o.svc, ctx, id); err != nil {
			return err
		}
		return p.answer(map[string]any{"conversation_id": id}, func() { p.printf("%s  %s\n", id, done) })
	})
}
