package cli

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/json"
	"io"

	"github.com/spf13/cobra"

	"agentbridge/internal/bridge"
	"agentbridge/internal/redact"
)

func (p *program) redactCommand() *cobra.Command {
	var lines, hash bool
	cmd := &cobra.Command{
		Use:   "redact",
		Short: "Mask the secrets in what stdin holds, as the bridge would",
		Long: `Mask the secrets in what stdin holds, as the bridge would before it stores a message. With --jsonl, lines {"id","text"} become lines
{"id","text","found":[kind…]}. Equal secrets have equal marks within one run.

Rules of your own are tables in agentbridge.toml, and what is harmless goes by its hash into allow:

  [redact]
  allow = ["sha256:…"]

  [[redact.rule]]
  name = "acme-key"
  pattern = 'acme-([a-z0-9]{20})'
  keywords = ["acme-"]

--hash prints, in place of the text, the hash and the kind of each secret in it. Keep the hash of a short or common secret to
yourself: whoever reads it can guess what was hashed.`,
		Example: "  git diff | agentbridge redact",
		Args:    count(0, 0, "none"),
		RunE: func(*cobra.Command, []string) error {
			conf, err := p.loadConfig()
			if err != nil {
				return err
			}
			scanner, err := conf.scanner()
			if err != nil {
				return err
			}
			key := make([]byte, 32) // of this run: marks tell nothing to whoever guesses at a secret later
			rand.Read(key)
			switch {
			case lines && hash:
				return bridge.Errorf(bridge.Invalid, "--jsonl and --hash do not go together").WithHint("leave out one of them")
			case lines:
				return p.redactLines(scanner, key)
			case hash:
				return p.hashSecrets(scanner, key)
			}
			return p.redactAll(scanner, key)
		},
	}
	cmd.Flags().BoolVar(&lines, "jsonl", false, "JSON Lines in and out")
	cmd.Flags().BoolVar(&hash, "hash", false, "print hashes for the list of what is allowed")
	return cmd
}

func (p *program) redactAll(scanner *redact.Scanner, key []byte) error {
	_, masked, _, err := p.redactStdin(scanner, key)
	if err != nil {
		return err
	}
	p.printf("%s", masked)
	return nil
}

// hashSecrets prints what to allow so that nothing of stdin is masked any more.
func (p *program) hashSecrets(scanner *redact.Scanner, key []byte) error {
	text, _, found, err := p.redactStdin(scanner, key)
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return bridge.Errorf(bridge.NotFound, "there is no secret in stdin").WithHint("give it the text that was masked, with the words around the secret")
	}
	for _, f := range found {
		p.printf("%s %s\n", redact.Hash(text[f.Start:f.End]), f.Kind)
	}
	return nil
}

// redactStdin gives stdin sanitised, and masked.
func (p *program) redactStdin(scanner *redact.Scanner, key []byte) (text, masked string, found []redact.Finding, err error) {
	raw, err := io.ReadAll(io.LimitReader(p.stdin, redact.MaxBytes+1))
	if err != nil {
		return "", "", nil, bridge.Errorf(bridge.Unavailable, "read stdin: %w", err)
	}
	masked, found, err = scanner.Redact(key, string(raw))
	if err != nil {
		return "", "", nil, bridge.Errorf(bridge.Invalid, "redact: %w", err).WithHint("nothing was passed through")
	}
	return redact.Sanitise(string(raw)), masked, found, nil
}

func (p *program) redactLines(scanner *redact.Scanner, key []byte) error {
	in := bufio.NewReader(p.stdin)
	for n := 1; ; n++ {
		text, err := in.ReadBytes('\n')
		if err == io.EOF && len(bytes.TrimSpace(text)) == 0 {
			return nil
		}
		if err != nil && err != io.EOF {
			return bridge.Errorf(bridge.Unavailable, "read stdin: %w", err)
		}
		var item struct {
			ID   json.RawMessage `json:"id"`
			Text *string         `json:"text"`
		}
		if json.Unmarshal(text, &item) != nil || item.Text == nil {
			p.out.Flush() // what was done before; its error stays
			return bridge.Errorf(bridge.Invalid, "line %d is not {\"id\",\"text\"}", n).WithHint("leave out --jsonl for plain text")
		}
		masked, found, err := scanner.Redact(key, *item.Text)
		if err != nil {
			p.out.Flush()
			return bridge.Errorf(bridge.Invalid, "line %d: redact: %w", n, err).WithHint("nothing of it was passed through")
		}
		out := struct {
			ID    json.RawMessage `json:"id"`
			Text  string          `json:"text"`
			Found []string        `json:"found"`
		}{item.ID, masked, []string{}}
		for _, f := range found {
			out.Found = append(out.Found, f.Kind)
		}
		if err := p.encode(out); err != nil {
			return err
		}
		if in.Buffered() == 0 { // whoever gives one line at a time waits for its answer
			if err := p.flush(); err != nil {
				return err
			}
		}
	}
}
