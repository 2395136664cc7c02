package cli

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"

	"github.com/spf13/cobra"

	"agentbridge/internal/bridge"
)

func (p *program) tokenNewCommand() *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "new [--as NAME | --name NAME]",
		Short: "Make a token and print it, this once",
		Long: `Make a token and print it, this once. --name makes a new agent, to be used elsewhere. --as makes a further token of an agent of this
machine; where the one that it keeps here is no longer good, the new one takes its place.`,
		Args: count(0, 0, "none"),
	}
	p.asFlag(cmd)
	p.jsonFlag(cmd)
	cmd.Flags().StringVar(&name, "name", "", "make a new agent of this name")
	cmd.MarkFlagsMutuallyExclusive("as", "name")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		ctx := cmd.Context()
		conf, err := p.loadConfig()
		if err != nil {
			return err
		}
		if name == "" {
			if err := p.nameAgent(conf); err != nil {
				return err
			}
		}
		o, err := p.openAt(ctx, conf, fresh)
		if err != nil {
			return err
		}
		defer o.close()
		var token string
		var agent bridge.Agent
		switch {
		case name != "":
			token, agent, err = o.svc.NewAgent(ctx, name, false)
		case p.as != "":
			token, agent, err = o.furtherToken(ctx, p.as)
		default:
			token, agent, err = p.anotherToken(ctx, o)
		}
		if err != nil {
			return err
		}
		return p.answer(map[string]any{"token": token, "agent": agent.Name, "agent_id": agent.ID}, func() { p.printf("%s\n", token) })
	}
	return cmd
}

// anotherToken makes a token of the agent whose token is in AGENTBRIDGE_TOKEN.
func (p *program) anotherToken(ctx context.Context, o *opened) (string, bridge.Agent, error) {
	c, err := p.caller(ctx, o)
	if err != nil {
		return "", bridge.Agent{}, err
	}
	token, err := o.svc.NewToken(ctx, c.Agent())
	return token, bridge.Agent{ID: c.Agent(), Name: c.Name()}, err
}

// furtherToken makes a token of a local agent, and puts it in its file where the one there is not good.
func (o *opened) furtherToken(ctx context.Context, name string) (string, bridge.Agent, error) {
	release, err := lockFile(ctx, filepath.Join(o.conf.Data, agentsDir, making))
	if err != nil {
		return "", bridge.Agent{}, err
	}
	defer release()
	_, kept := o.bearer(ctx, name)
	token, agent, err := o.svc.NewAgent(ctx, name, true)
	if err == nil && (errors.Is(kept, fs.ErrNotExist) || errors.Is(kept, bridge.Expired) || errors.Is(kept, bridge.Denied)) {
		err = writePrivate(o.tokenPath(name), []byte(token+"\n"), true)
	}
	return token, agent, err
}
