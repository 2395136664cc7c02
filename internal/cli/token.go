package cli

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"

	"agentbridge/internal/bridge"
)

func (p *program) tokenCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Make, renew, revoke and list tokens",
		Args:  noCommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(p.tokenNewCommand(), p.tokenRenewCommand(), p.tokenRevokeCommand(), p.tokenListCommand())
	return cmd
}

func (p *program) tokenRenewCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "renew [ID]",
		Short: "Let a token be good for a full life from now, also one that has expired",
		Long: `Let a token be good for a full life from now. The token stays the same, so whoever has it need not be told. Without an ID it is the
one in AGENTBRIDGE_TOKEN, or that of an agent of this machine. A token goes on no longer than the key that signed it, and a child token
is not renewed.`,
		Args: count(0, 1, "one token's id, or none for your own"),
	}
	p.asFlag(cmd)
	p.jsonFlag(cmd)
	return p.asPerson(cmd, func(ctx context.Context, o *opened, args []string) error {
		var id bridge.TokenID
		if len(args) == 1 {
			id = bridge.TokenID(args[0])
		} else if c, err := p.ownToken(ctx, o); err != nil && !errors.Is(err, bridge.Expired) {
			return err
		} else {
			id = c.Token()
		}
		expires, err := o.svc.ExtendToken(ctx, id)
		if err != nil {
			return err
		}
		return p.answer(map[string]any{"token_id": id, "expires_at": expires}, func() { p.printf("%s  good until %s\n", id, when(expires)) })
	})
}

// ownToken authenticates with the token that the command line names, and replaces none.
func (p *program) ownToken(ctx context.Context, o *opened) (bridge.Caller, error) {
	if token := os.Getenv(tokenVariable); token != "" {
		return p.byVariable(ctx, o, token)
	}
	if err := p.nameAgent(o.conf); err != nil {
		return bridge.Caller{}, err
	}
	c, err := o.bearer(ctx, p.as)
	if errors.Is(err, fs.ErrNotExist) {
		err = bridge.Errorf(bridge.NotFound, "there is no agent %q on this machine", p.as).WithHint("agentbridge token list shows all tokens")
	}
	return c, err
}

func (p *program) tokenRevokeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "revoke ID",
		Short: "End a token and its children, at once and in every process",
		Args:  count(1, 1, "one token's id; agentbridge token list shows them"),
	}
	p.jsonFlag(cmd)
	return p.asPerson(cmd, func(ctx context.Context, o *opened, args []string) error {
		if err := o.svc.RevokeToken(ctx, bridge.TokenID(args[0])); err != nil {
			return err
		}
		return p.answer(map[string]any{"token_id": args[0]}, func() { p.printf("%s  revoked\n", args[0]) })
	})
}

func (p *program) tokenListCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the tokens, never their secrets",
		Long: `List the tokens, never their secrets. KEY is the id of the key that signed each. A child token is held to a rank, a conversation, and
the life of the token that it comes from.`,
		Args: count(0, 0, "none"),
	}
	p.jsonFlag(cmd)
	return p.asPerson(cmd, func(ctx context.Context, o *opened, _ []string) error {
		list, err := o.svc.Tokens(ctx)
		if err != nil {
			return err
		}
		return p.answer(map[string]any{"tokens": list}, func() {
			rows := [][]string{{"TOKEN ID", "AGENT", "STATE", "MADE", "EXPIRES", "KEY", "HELD TO"}}
			for _, t := range list {
				expires := when(t.ExpiresAt)
				if t.State != "valid" && t.ExpiresAt.After(time.Now()) {
					expires = "-"
				}
				rows = append(rows, []string{string(t.ID), t.Agent, t.State, clock(t.CreatedAt), expires, t.KeyID, heldTo(t)})
			}
			p.table(rows...)
		})
	})
}
