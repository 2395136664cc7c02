package cli

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"agentbridge/internal/bridge"
)

// tokenVariable holds a token that overrides every local agent.
const tokenVariable = "AGENTBRIDGE_TOKEN"

// A local agent is one whose token lies in the data directory: DIR/agents/NAME.token. Beside it, NAME.lock is locked by the `mcp`
// processes that are this agent.
const (
	agentsDir   = "agents"
	tokenSuffix = ".token"
	lockSuffix  = ".lock"
	making      = ".making" // locked while an agent or its token is made
)

// nameAgent settles which local agent acts: the one that --as names, or the only one. It is none of them where a token is given.
func (p *program) nameAgent(conf *config) error {
	if p.as != "" {
		return checkFileName(p.as)
	}
	if os.Getenv(tokenVariable) != "" {
		return nil
	}
	names, err := localAgents(conf.Data)
	switch {
	case err != nil:
		return err
	case len(names) == 1:
		p.as = names[0]
		return nil
	case len(names) == 0:
		return bridge.Errorf(bridge.Invalid, "there is no agent on this machine yet").
			WithHint("say who you are with --as NAME, which makes one, or set %s", tokenVariable)
	}
	return bridge.Errorf(bridge.Invalid, "there are %d agents on this machine: %s", len(names), strings.Join(names, ", ")).
		WithHint("say which one you are with --as NAME")
}

// newcomer says that the agent that nameAgent settled is not there yet and will be made, so that a mistyped name is not taken for an
// agent without messages. Empty: it is there.
func (p *program) newcomer(conf *config) string {
	names, err := localAgents(conf.Data)
	if err != nil || p.as == "" || os.Getenv(tokenVariable) != "" || slices.Contains(names, p.as) {
		return ""
	}
	said := p.as + " is a new agent of this machine"
	if n := len(names); n > 0 {
		said += ", beside " + strings.Join(names[:min(n, 8)], ", ")
		if n > 8 {
			said += " and " + some(n-8, "other", "others")
		}
	}
	return said
}

// caller authenticates who runs a shell verb: the bearer of AGENTBRIDGE_TOKEN, or the local agent that nameAgent settled.
func (p *program) caller(ctx context.Context, o *opened) (bridge.Caller, error) {
	if token := os.Getenv(tokenVariable); token != "" {
		return p.byVariable(ctx, o, token)
	}
	return o.local(ctx, p.as)
}

// byVariable authenticates with a token from the environment. It overrides every local agent, and must not do so behind the back
// of somebody who named another one.
func (p *program) byVariable(ctx context.Context, o *opened, token string) (bridge.Caller, error) {
	c, err := o.svc.Authenticate(ctx, token, bridge.Origin{Instance: o.store.Instance(), Local: true})
	if err == nil && p.as != "" && p.as != c.Name() {
		return c, bridge.Errorf(bridge.Invalid, "%s is the token of %q, and --as names %q", tokenVariable, c.Name(), p.as).
			WithHint("leave out --as, or unset %s", tokenVariable)
	}
	return c, err
}

// localAgents lists the agents of this machine, sorted.
func localAgents(dir string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(dir, agentsDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, bridge.Errorf(bridge.Denied, "list agents: %w", err).WithHint("the data directory must be yours; choose another with --data DIR")
	}
	var names []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), tokenSuffix); ok {
			names = append(names, name)
		}
	}
	slices.Sort(names) // by name, not by file name: alpha before alpha-2
	return names, nil
}

// local authenticates as the local agent of that name, which is fit for a path, and makes it on first use. Processes that start together become one agent.
//
// A token that has expired is replaced: whoever can read this directory can make tokens anyway. The old one stays expired, so
// that a copy of it that went astray is not revived. A token that is not accepted is not replaced: somebody revoked it.
func (o *opened) local(ctx context.Context, name string) (bridge.Caller, error) {
	c, err := o.bearer(ctx, name)
	if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, bridge.Expired) {
		return c, err
	}
	release, err := lockFile(ctx, filepath.Join(o.conf.Data, agentsDir, making))
	if err != nil {
		return c, err
	}
	defer release()
	// Look again: another process may have been first.
	if c, err = o.bearer(ctx, name); !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, bridge.Expired) {
		return c, err
	}
	token, _, err := o.svc.NewAgent(ctx, name, true)
	if err != nil {
		return c, err
	}
	if err := writePrivate(o.tokenPath(name), []byte(token+"\n"), true); err != nil {
		return c, err
	}
	return o.bearer(ctx, name)
}

// replacement gives a process of a local agent another token where its own ends with the key that signed it. Of several processes one
// makes it, and it becomes the agent's. For the bearer of AGENTBRIDGE_TOKEN there is none: nil.
func (o *opened) replacement(c bridge.Caller) func(context.Context) error {
	if os.Getenv(tokenVariable) != "" {
		return nil
	}
	path, life := o.tokenPath(c.Name()), o.svc.Config().TokenTTL
	return func(ctx context.Context) error {
		release, err := lockFile(ctx, filepath.Join(o.conf.Data, agentsDir, making))
		if err != nil {
			return err
		}
		defer release()
		if token, err := readPrivate(path, o.log); err == nil && o.svc.Adopt(ctx, c, string(token)) == nil {
			if ends, err := o.svc.Expiry(ctx, c); err == nil && time.Until(ends) > life/3 {
				return nil // another process was first
			}
		}
		token, _, err := o.svc.NewAgent(ctx, c.Name(), true)
		if err != nil {
			return err
		}
		if err := writePrivate(path, []byte(token+"\n"), true); err != nil {
			return err
		}
		return o.svc.Adopt(ctx, c, token)
	}
}

// bearer authenticates with the token file of that name. [fs.ErrNotExist]: there is none.
func (o *opened) bearer(ctx context.Context, name string) (bridge.Caller, error) {
	token, err := readPrivate(o.tokenPath(name), o.log)
	if err != nil {
		return bridge.Caller{}, err
	}
	c, err := o.svc.Authenticate(ctx, string(token), bridge.Origin{Instance: o.store.Instance(), Local: true})
	if errors.Is(err, bridge.Denied) {
		return c, bridge.Errorf(bridge.Denied, "the token in %s is not accepted", o.tokenPath(name)).
			WithHint("if it was revoked by mistake, `agentbridge token new --as %s` makes a new one", name)
	}
	return c, err
}

func (o *opened) tokenPath(name string) string {
	return filepath.Join(o.conf.Data, agentsDir, name+tokenSuffix)
}

// What names are made of; the bridge has the last word.
const (
	maxName      = 64
	nameAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"
)

// checkFileName refuses names that must not become part of a path.
func checkFileName(name string) error {
	if name == "" || len(name) > maxName || strings.Trim(name, nameAlphabet) != "" {
		return bridge.Errorf(bridge.Invalid, "that is not a valid agent name").
			WithHint("names have 1 to %d of the characters A-Z a-z 0-9 . _ -", maxName)
	}
	return nil
}
