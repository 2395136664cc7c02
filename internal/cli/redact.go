package cli

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"agentbridge/internal/bridge"
	"agentbridge/internal/redact"
)

func (p *program) redactCommand() *cobra.Command {
	var lines bool
	cmd := &cobra.Command{
		Use:   "redact",
		Short: "Mask the secrets in what stdin holds, as the bridge would",
		Long: `Mask the secrets in what stdin holds, as the bridge would before it stores a message. With --jsonl, lines {"id","text"} become lines
{"id","text","found":[kind…]}. Equal secrets have equal marks within one run.`,
		Example: "  git diff | agentbridge redact",
		Args:    count(0, 0, "none"),
		RunE: func(*cobra.Command, []string) error {
			scanner, err := redact.New(redact.Options{})
			if err != nil {
				return fmt.Errorf("make redaction scanner: %w", err)
			}
			key := make([]byte, 32) // of this run: marks tell nothing to whoever guesses at a secret later
			rand.Read(key)
			if lines {
				return p.redactLines(scanner, key)
			}
			return p.redactAll(scanner, key)
		},
	}
	cmd.Flags().BoolVar(&lines, "jsonl", false, "JSON Lines in and out")
	return cmd
}

func (p *program) redactAll(scanner *redact.Scanner, key []byte) error {
	text, err := io.ReadAll(io.LimitReader(p.stdin, redact.MaxBytes+1))
	if err != nil {
		return bridge.Errorf(bridge.Unavailable, "read stdin: %w", err)
	}
	masked, _, err := scanner.Redact(key, string(text))
	if err != nil {
		return bridge.Errorf(bridge.Invalid, "redact: %w", err).WithHint("nothing was passed through")
	}
	p.printf("%s", masked)
	return nil
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
			Text string          `json:"text"`
		}
		if json.Unmarshal(text, &item) != nil {
			return bridge.Errorf(bridge.Invalid, "line %d is not {\"id\",\"text\"}", n).WithHint("leave out --jsonl for plain text")
		}
		masked, found, err := scanner.Redact(key, item.Text)
		if err != nil {
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
	}
}
