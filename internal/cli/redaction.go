package cli

import (
	"os"

	"github.com/BurntSushi/toml"

	"agentbridge/internal/bridge"
	"agentbridge/internal/redact"
)

// redaction is the table [redact] of the file: what it adds to the built-in rules. Only the file can say it, because a rule is
// more than a word.
type redaction struct {
	Allow []string // hashes, as `agentbridge redact --hash` prints them
	Rule  []redactionRule
}

// redactionRule is a table [[redact.rule]]; see redact.Rule.
type redactionRule struct {
	Name, Pattern string
	Keywords      []string
	Group         int
	Entropy       float64
}

// readRedaction takes the table [redact] of a file's text and checks it.
func (c *config) readRedaction(path, text string) error {
	var tables struct{ Redact redaction }
	meta, err := toml.Decode(text, &tables)
	if err != nil {
		return bridge.Errorf(bridge.Invalid, "read configuration %s: %w", path, err).WithHint("%s", redactionHint)
	}
	for _, key := range meta.Undecoded() {
		if key[0] == "redact" {
			return bridge.Errorf(bridge.Invalid, "configuration %s: unknown key %q", path, key.String()).WithHint("%s", redactionHint)
		}
	}
	c.Redact = tables.Redact
	if _, err := redact.New(c.Redact.options()); err != nil {
		return bridge.Errorf(bridge.Invalid, "configuration %s: %w", path, err).WithHint("%s", redactionHint)
	}
	return nil
}

const redactionHint = `[redact] holds allow = ["sha256:…"]; a [[redact.rule]] holds name and pattern, perhaps keywords, group and entropy`

func (r redaction) options() redact.Options {
	opts := redact.Options{Allow: r.Allow}
	for _, rule := range r.Rule {
		opts.Rules = append(opts.Rules, redact.Rule(rule))
	}
	return opts
}

// scanner makes the scanner for what is in force: it knows this process's secrets, too.
func (c *config) scanner() (*redact.Scanner, error) {
	opts := c.Redact.options()
	opts.Environ = os.Environ()
	if c.AlertSecret != "" {
		opts.Exact = []string{string(c.AlertSecret)} // from the file, too
	}
	s, err := redact.New(opts)
	if err != nil {
		return nil, bridge.Errorf(bridge.Invalid, "make redaction scanner: %w", err)
	}
	return s, nil
}
