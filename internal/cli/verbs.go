package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"agentbridge/internal/bridge"
)

// What the commands have in common.

// asAgent makes a command of what an agent does: the bridge is opened, and made if need be, and the agent authenticated. An agent that is
// at a hub needs nothing of this machine but its token.
func (p *program) asAgent(cmd *cobra.Command, do func(ctx context.Context, b agentBridge, c bridge.Caller, args []string) error) *cobra.Command {
	p.asFlag(cmd)
	p.jsonFlag(cmd)
	p.serverFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ctx := cmd.Context()
		conf, err := p.loadConfig()
		if err != nil {
			return err
		}
		// Who it is comes first: where nobody can be meant, no store is made.
		if err := p.nameAgent(conf); err != nil {
			return err
		}
		if hub, err := p.hub(conf); hub != nil || err != nil {
			if err != nil {
				return err
			}
			return p.atHub(ctx, hub, func(b agentBridge, c bridge.Caller) error { return do(ctx, b, c, args) })
		}
		made := p.newcomer(conf)
		o, err := p.openAt(ctx, conf, fresh)
		if err != nil {
			return err
		}
		defer o.close()
		c, err := p.caller(ctx, o)
		if err != nil {
			return err
		}
		if made != "" {
			p.tell("%s", made)
		}
		c.Passing = true
		return do(ctx, o.svc, c, args)
	}
	return cmd
}

// asPerson makes a command of what the person in charge does, whose right is to read and write the store's file.
func (p *program) asPerson(cmd *cobra.Command, do func(ctx context.Context, o *opened, args []string) error) *cobra.Command {
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		o, err := p.open(cmd.Context(), existing)
		if err != nil {
			return err
		}
		defer o.close()
		return do(cmd.Context(), o, args)
	}
	return cmd
}

// unread reminds an agent of what waits for it.
func (p *program) unread(n int) {
	if n > 0 && !p.json {
		p.tell("%s for you: %s", some(n, "message waits", "messages wait"), p.checkLine())
	}
}

// checkLine is what the agent of this command types to get its messages.
func (p *program) checkLine() string {
	if p.as == "" {
		return "agentbridge check" // whose token is in the environment
	}
	return "agentbridge check --as " + quoted(p.as)
}

// some counts things.
func some(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// who shows somebody with rank and role. The bridge and the person in charge are called what they are.
func who(name string, rank bridge.Rank, role string) string {
	switch {
	case role == "" && name == string(rank):
		return name
	case role == "":
		return fmt.Sprintf("%s (%s)", name, rank)
	}
	return fmt.Sprintf("%s (%s, %s)", name, rank, line(role, 40))
}

// parsePartner reads NAME=ROLE[:RANK]. A role of several words may hold colons; otherwise a small word after the last is meant as a rank.
func parsePartner(s string) (bridge.Partner, error) {
	name, role, _ := strings.Cut(s, "=")
	partner := bridge.Partner{Name: name, Role: role}
	before, last, ok := cutLast(role, ":")
	if !ok {
		return partner, nil
	}
	ranks := []string{string(bridge.Observer), string(bridge.Worker), string(bridge.Peer), string(bridge.Orchestrator)}
	switch {
	case slices.Contains(ranks, last):
		partner.Role, partner.Rank = before, bridge.Rank(last)
	case last != "" && strings.Trim(last, "abcdefghijklmnopqrstuvwxyz") == "" && (!strings.Contains(before, " ") || edits(nearest(last, ranks), last) == 1):
		hint := fmt.Sprintf("ranks are %s; in a role, put a space after the colon", strings.Join(ranks, ", "))
		if near := nearest(last, ranks); near != "" {
			hint = fmt.Sprintf("did you mean %s? ", near) + hint
		}
		return partner, bridge.Errorf(bridge.Invalid, "a partner's role ends in a word that is no rank").WithHint("%s", hint)
	}
	return partner, nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// partners are the values of --partner.
func parsePartners(values []string) (list []bridge.Partner, err error) {
	for _, v := range values {
		partner, err := parsePartner(v)
		if err != nil {
			return nil, err
		}
		list = append(list, partner)
	}
	return list, nil
}

// duration is a flag's value in the form that people write: 45s, 3h, 30d.
type duration time.Duration

func (d *duration) String() string {
	if *d == 0 {
		return "" // none, so help shows no default
	}
	return showDuration(time.Duration(*d))
}
func (d *duration) Type() string { return "duration" }
func (d *duration) Set(s string) error {
	v, err := parseDuration(s)
	switch {
	case err != nil:
		return bridge.Errorf(bridge.Invalid, "%q is not a duration", s).WithHint("write it like 45s, 10m, 3h or 30d") // see badFlag
	case v < 0:
		return bridge.Errorf(bridge.Invalid, "%s is below 0", s).WithHint("write it like 45s, 10m, 3h or 30d")
	}
	*d = duration(v)
	return nil
}
