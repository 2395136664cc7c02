package cli

import (
	"context"
	"os"

	"github.com/spf13/cobra"

	"agentbridge/internal/bridge"
)

func (p *program) sayCommand() *cobra.Command {
	var q bridge.SendRequest
	cmd := &cobra.Command{
		Use:   "say MESSAGE",
		Short: "Speak in a conversation as the person in charge, from your terminal",
		Long: `Speak in a conversation with the rank of a person, which no agent has. It works only from a terminal, so that no
tool or script speaks as a person by mistake. Who has a shell of yours can make a terminal: see doc/guarantees.md.`,
		Args: count(1, 1, "one message; put it in quotes, or give - to read it from stdin"),
	}
	p.sendFlags(cmd, &q)
	p.jsonFlag(cmd)
	return p.asPerson(cmd, func(ctx context.Context, o *opened, args []string) (err error) {
		if err := atTerminal("say"); err != nil {
			return err
		}
		if q.Message, err = p.text(args[0]); err != nil {
			return err
		}
		res, err := o.svc.Say(ctx, q)
		if err != nil {
			return err
		}
		return p.sent(res)
	})
}

// atTerminal refuses what only a person may do where there is no controlling terminal.
func atTerminal(verb string) error {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return bridge.Errorf(bridge.Denied, "%s is for a person, and there is no terminal", verb).
			WithHint("type it in a terminal yourself; it is not for agents or scripts")
	}
	return tty.Close()
}
