package cli

import (
	"github.com/BurntSushi/toml"

	"agentbridge/internal/bridge"
	"agentbridge/internal/policy"
)

// policing is the table [policy] of the file: what it adds to the built-in tables. Only the file can say it, because a rule is
// more than a word.
type policing struct {
	Allow []policy.Rule
	Deny  []policy.Refusal
}

// readPolicy takes the table [policy] of a file's text and checks it.
func (c *config) readPolicy(path, text string) error {
	var tables struct{ Policy policing }
	meta, err := toml.Decode(text, &tables)
	if err != nil {
		return bridge.Errorf(bridge.Invalid, "read configuration %s: %w", path, err).WithHint("%s", policyHint)
	}
	for _, key := range meta.Undecoded() {
		if key[0] == "policy" {
			return bridge.Errorf(bridge.Invalid, "configuration %s: unknown key %q", path, key.String()).WithHint("%s", policyHint)
		}
	}
	c.Policy = tables.Policy
	if _, err := policy.New(c.Policy.options("")); err != nil {
		return bridge.Errorf(bridge.Invalid, "configuration %s: %w", path, err).WithHint("%s", policyHint)
	}
	return nil
}

const policyHint = `a [[policy.allow]] holds program, mode and reason, perhaps words, flags, args and ask; a [[policy.deny]] program and reason; see doc/commands.md`

func (p policing) options(workspace string) policy.Options {
	return policy.Options{Workspace: workspace, Allow: p.Allow, Deny: p.Deny}
}
