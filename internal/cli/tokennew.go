package cli

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"agentbridge/internal/bridge"
)

func (p *program) tokenNewCommand() *cobra.Command {
	var name string
	child := childFlags{}
	cmd := &cobra.Command{
		Use:   "new [--as NAME | --name NAME] [--rank RANK] [--conversation-id ID] [--for D]",
		Short: "Make a token and print it, this once",
		Long: `Make a token and print it, this once. --name makes a new agent, to be used elsewhere. --as makes a further token of an agent of this
machine; where the one that it keeps here is no longer good, the new one takes its place.

--rank, --conversation-id and --for make a child token instead, of the agent's own token: for a helper that is to do less. It bears the
same name and takes the same seats, with no more than that rank, in that conversation only, for no longer than that time. It ends with
its parent, is not renewed, and makes, joins and invites to no conversation where it is held to a rank or a conversation. A child token
in AGENTBRIDGE_TOKEN can make children of its own.`,
		Example: `  agentbridge token new --as alpha
  agentbridge token new --as alpha --rank observer --conversation-id conv_0123456789abcdef --for 30m`,
		Args: count(0, 0, "none"),
	}
	p.asFlag(cmd)
	p.jsonFlag(cmd)
	cmd.Flags().StringVar(&name, "name", "", "make a new agent of this name")
	cmd.MarkFlagsMutuallyExclusive("as", "name")
	child.add(p, cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		ctx := cmd.Context()
		if child.given(cmd) {
			return p.newChild(ctx, cmd, child)
		}
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
		made := p.newcomer(conf)
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
		id, expires := o.minted(ctx, token)
		err = p.answer(map[string]any{"token": token, "token_id": id, "agent": agent.Name, "agent_id": agent.ID, "expires_at": expires}, func() {
			p.printf("%s\n", token)
			p.tell("good until %s", when(expires))
		})
		switch {
		case err != nil:
		case name != "":
			err = p.namesakes(ctx, o, agent, "agentbridge token new --as "+agent.Name+" is for the one of this machine")
		case made != "":
			p.tell("%s", made)
			err = p.namesakes(ctx, o, agent, "a further token of another's is made with that one's in "+tokenVariable)
		}
		return err
	}
	return cmd
}

// minted gives the id and the end of a token that was just made; neither where it cannot be looked up, for then it is good all the same.
func (o *opened) minted(ctx context.Context, token string) (id bridge.TokenID, expires time.Time) {
	c, err := o.svc.Authenticate(ctx, token, bridge.Origin{Instance: o.store.Instance(), Local: true})
	if err != nil {
		return "", time.Time{}
	}
	expires, _ = o.svc.Expiry(ctx, c)
	return c.Token(), expires
}

// namesakes says that there are other agents of a new one's name, which is allowed and may not have been meant, and what to do otherwise.
func (p *program) namesakes(ctx context.Context, o *opened, made bridge.Agent, otherwise string) error {
	list, err := o.svc.Tokens(ctx)
	if err != nil {
		return err
	}
	others := map[string]bool{}
	var token bridge.TokenID
	for _, t := range list {
		switch {
		case t.AgentID == made.ID:
			token = t.ID
		case t.Agent == made.Name && (t.State == "valid" || t.State == "expired"): // which can be renewed
			others[string(t.AgentID)] = true
		}
	}
	if len(others) > 0 {
		p.tell("this is a further agent of the name %s, beside %s", made.Name, strings.Join(slices.Sorted(maps.Keys(others)), ", "))
		p.tell("if you did not mean that: agentbridge token revoke %s ends it, and %s", token, otherwise)
	}
	return nil
}

// anotherToken makes a token of the agent whose token is in AGENTBRIDGE_TOKEN.
func (p *program) anotherToken(ctx context.Context, o *opened) (string, bridge.Agent, error) {
	c, err := p.caller(ctx, o)
	if err != nil {
		return "", bridge.Agent{}, err
	}
	token, err := o.svc.NewOwnToken(ctx, c)
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
