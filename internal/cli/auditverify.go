package cli

import (
	"context"

	"github.com/spf13/cobra"

	"agentbridge/internal/bridge"
)

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
