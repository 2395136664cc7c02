package cli

import (
	"context"
	"encoding/json"
	"io"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"agentbridge/internal/bridge"
	"agentbridge/internal/creds"
)

func (p *program) credsPushCommand() *cobra.Command {
	var to string
	cmd := &cobra.Command{
		Use:   "push [--to NAME]",
		Short: "Send invites to trusted machines through the repository",
		Long: `Send invites to trusted machines through the repository. On stdin it takes what "create --json" or "invite --json" printed, or one join
code; on a terminal it asks for a code and does not show it. The codes must be a hub's, so "agentbridge serve" runs when they are made.

Each invite goes to the machine that is trusted under the invited member's name; with --to all of them go to that one machine.
Nothing is sent unless all can be.`,
		Example: `  agentbridge create --as alpha --role leads --partner beta=tests --partner gamma=writes --json | agentbridge creds push
  agentbridge invite --as alpha --conversation-id conv_0123456789abcdef --partner gamma=writes --json | agentbridge creds push --to worker
  agentbridge creds push --to worker`,
		Args: count(0, 0, "none: codes are read from stdin"),
		RunE: p.withPost(func(ctx context.Context, _ *config, b *post, _ []string) error { return p.credsPush(ctx, b, to) }),
	}
	cmd.Flags().StringVar(&to, "to", "", "the machine to send to (default the one trusted under the invited member's name)")
	p.jsonFlag(cmd)
	return cmd
}

type sentInvite struct {
	Name      string    `json:"name,omitempty"` // of the member
	To        string    `json:"to"`
	ExpiresAt time.Time `json:"expires_at"`
}

func (p *program) credsPush(ctx context.Context, b *post, to string) error {
	invites, err := p.invitesGiven()
	if err != nil {
		return err
	}
	now := time.Now()
	files, sent := map[string][]byte{}, []sentInvite{}
	for _, given := range invites {
		if err := creds.CheckCode(given.Code); err != nil {
			return err
		}
		hub, name, _ := bridge.CodeHub(given.Code)
		machine := to
		if machine == "" {
			machine = name
		}
		if machine == "" {
			return bridge.Errorf(bridge.Invalid, "the code does not say whom it seats").WithHint("name the machine that it is for: agentbridge creds push --to NAME")
		}
		m, err := b.book.Find(machine)
		if err != nil {
			return err
		}
		i, err := b.self.NewInvite(m, strings.Join(strings.Fields(given.Code), ""), now, given.ExpiresAt)
		if err != nil {
			return err
		}
		if files[creds.InviteFile(i)], err = b.self.Seal(i, m); err != nil {
			return err
		}
		sent = append(sent, sentInvite{name, machine, i.Expires})
		if u, err := url.Parse(hub.URL); err == nil && slices.Contains([]string{"127.0.0.1", "::1", "localhost"}, u.Hostname()) {
			p.tell("note: the code says that the hub is at %s, which only this machine reaches, unless the other has a tunnel to it; see `agentbridge serve --url`", hub.URL)
		}
	}
	err = b.repository().Publish(ctx, now, func(*creds.Snapshot) (map[string][]byte, error) { return files, nil })
	if err != nil {
		return err
	}
	return p.answer(map[string]any{"sent": sent}, func() {
		for _, s := range sent {
			p.printf("%s's invite went to %s; it is good until %s\n", dash(s.Name), s.To, when(s.ExpiresAt))
		}
	})
}

// maxInvites is how much is read of invites, in bytes: more than a conversation has members for.
const maxInvites = 256 << 10

// invitesGiven reads the invites to send.
func (p *program) invitesGiven() ([]bridge.InviteCode, error) {
	if in, ok := p.stdin.(*os.File); ok && isTerminal(in) {
		code, err := p.askCode(in)
		return []bridge.InviteCode{{Code: code}}, err
	}
	text, err := io.ReadAll(io.LimitReader(p.stdin, maxInvites))
	if err != nil {
		return nil, bridge.Errorf(bridge.Unavailable, "read stdin: %w", err)
	}
	if trimmed := strings.TrimSpace(string(text)); trimmed != "" && !strings.HasPrefix(trimmed, "{") {
		return []bridge.InviteCode{{Code: trimmed}}, nil
	}
	var made bridge.CreateResult
	if json.Unmarshal(text, &made) != nil || len(made.Invites) == 0 {
		return nil, bridge.Errorf(bridge.Invalid, "there is no invite on stdin").
			WithHint("agentbridge create … --json | agentbridge creds push, or the same with invite, or a code alone")
	}
	return made.Invites, nil
}
