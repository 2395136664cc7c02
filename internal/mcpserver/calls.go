package mcpserver

import (
	"context"
	"fmt"
	"strings"
	"time"

	"agentbridge/internal/bridge"
)

func (s *Server) createConversation(ctx context.Context, c *call) (result, error) {
	q := bridge.CreateRequest{
		Conversation: c.conversation(), Name: c.text("name"), Role: c.text("role"), Title: c.text("title"), TTLMinutes: c.number("ttl_minutes"),
	}
	partners, _ := c.arguments["partners"].([]any)
	for _, v := range partners {
		p := call{}
		p.arguments, _ = v.(map[string]any)
		q.Partners = append(q.Partners, bridge.Partner{Name: p.text("name"), Role: p.text("role"), Rank: bridge.Rank(p.text("rank"))})
	}
	res, err := s.svc.Create(ctx, c.caller, q)
	if err != nil {
		return result{}, err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Conversation %s, until %s. You are %s (%s). Give each partner its own code, for its join_conversation:", res.Conversation, clock(res.ExpiresAt), res.You.Name, res.You.Rank)
	for _, i := range res.Invites {
		fmt.Fprintf(&b, "\n%s: %s (until %s)", i.Name, i.Code, clock(i.ExpiresAt))
	}
	return result{shape: &res, text: b.String() + unread(res.Unread)}, nil
}

func (s *Server) joinConversation(ctx context.Context, c *call) (result, error) {
	res, err := s.svc.Join(ctx, c.caller, bridge.JoinRequest{Conversation: c.conversation(), Code: c.text("code")})
	if err != nil {
		return result{}, err
	}
	var partners []string
	for _, p := range res.Partners {
		partners = append(partners, fmt.Sprintf("%s (%s)", p.Name, p.Rank))
	}
	text := fmt.Sprintf("You are %s (%s) in %s, until %s. Partners: %s.", res.You.Name, res.You.Rank, res.Conversation, clock(res.ExpiresAt), strings.Join(partners, ", "))
	return result{shape: &res, text: text + unread(res.Unread)}, nil
}

func (s *Server) send(ctx context.Context, c *call) (result, error) {
	res, err := s.svc.Send(ctx, c.caller, bridge.SendRequest{
		Conversation: c.conversation(), Message: c.text("message"), To: c.texts("to"), ActionType: bridge.ActionType(c.text("action_type")),
		Files: c.texts("files_involved"), ReplyTo: bridge.MessageID(c.text("reply_to")), Key: c.text("key"),
	})
	if err != nil {
		return result{}, err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Stored as %s (seq %d) for %s.", res.Message, res.Seq, strings.Join(res.To, ", "))
	if res.Duplicate {
		b.WriteString(" It was there already: this key was sent before.")
	}
	for _, d := range res.Dead {
		fmt.Fprintf(&b, " Not for %s: inbox full.", d.Recipient)
	}
	masked(&b, res.Redacted)
	overlaps(&b, res.Overlap)
	return result{shape: &res, text: b.String() + unread(res.Unread)}, nil
}

func (s *Server) updateStatus(ctx context.Context, c *call) (result, error) {
	res, err := s.svc.SetStatus(ctx, c.caller, bridge.StatusRequest{
		Conversation: c.conversation(), Status: bridge.Status(c.text("status")), Note: c.text("note"),
	})
	if err != nil {
		return result{}, err
	}
	return result{shape: &res, text: fmt.Sprintf("Your partners see: %s.", res.Status) + unread(res.Unread)}, nil
}

func (s *Server) checkPartners(ctx context.Context, c *call) (result, error) {
	res, err := s.svc.Partners(ctx, c.caller, bridge.PartnersRequest{Conversation: c.conversation()})
	if err != nil {
		return result{}, err
	}
	var b strings.Builder
	if len(res.Partners) == 0 {
		b.WriteString("No partners yet.\n")
	}
	for _, p := range res.Partners {
		fmt.Fprintf(&b, "%s (%s, %s): %s", p.Name, p.Rank, p.Conversation, p.Liveness)
		switch {
		case !p.Joined:
			b.WriteString(", has not joined")
		case p.Status != "":
			fmt.Fprintf(&b, ", says %s", p.Status)
		}
		b.WriteByte('\n')
	}
	for _, d := range res.Deliveries {
		fmt.Fprintf(&b, "%s to %s: %s", d.Message, d.Recipient, d.State)
		if d.Reason != "" {
			fmt.Fprintf(&b, " (%s)", d.Reason)
		}
		b.WriteByte('\n')
	}
	return result{shape: &res, text: strings.TrimSuffix(b.String(), "\n") + unread(res.Unread)}, nil
}

func masked(b *strings.Builder, n int) {
	if n > 0 {
		fmt.Fprintf(b, " Secrets masked: %d.", n)
	}
}

func overlaps(b *strings.Builder, list []bridge.Overlap) {
	for _, o := range list {
		fmt.Fprintf(b, " %s is also working on %s.", o.From, o.File)
	}
}

// unread is how every text ends that has something to say about it.
func unread(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("\nunread: %d (check_messages)", n)
}

func clock(t time.Time) string { return t.UTC().Format(time.RFC3339) }
