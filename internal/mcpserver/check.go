package mcpserver

import (
	"context"
	"fmt"
	"strings"
	"time"

	"agentbridge/internal/bridge"
)

// noAck is what a client passes as ack to ack nothing.
const noAck = "none"

// checkMessages is one turn of the loop: ack, wait, lease.
func (s *Server) checkMessages(ctx context.Context, c *call) (result, error) {
	q := bridge.CheckRequest{Conversation: c.conversation(), Limit: c.number("limit")}
	switch ack := c.text(ackArgument); ack {
	case "":
		q.Implied = s.answers.implied(ctx, c.exchange)
	case noAck:
	default:
		q.Ack = bridge.Receipt(ack)
	}
	res, left, err := wait(ctx, waiting{c, c.seconds(waitArgument)}, func(ctx context.Context, atMost time.Duration) (bridge.CheckResult, error) {
		q.Wait = atMost
		return s.svc.Check(ctx, c.caller, q)
	})
	if left {
		res = bridge.CheckResult{Messages: []bridge.Message{}}
		res.Unread, err = s.svc.Unread(ctx, c.caller)
	}
	if err != nil {
		return result{}, err
	}
	s.answers.acked(c.line, append(q.Implied, q.Ack)...)
	if res.Receipt != "" {
		if err := s.hold(c, held{batch: res.Receipt}); err != nil {
			return result{}, err
		}
	}
	return result{shape: &res, text: checkText(res), nothing: len(res.Messages) == 0}, nil
}

// awaitMessages waits for what a check would give.
func (s *Server) awaitMessages(ctx context.Context, c *call, atMost time.Duration) (bool, error) {
	return s.svc.AwaitMessages(ctx, c.caller, bridge.CheckRequest{Conversation: c.conversation(), Limit: c.number("limit"), Wait: atMost})
}

func checkText(res bridge.CheckResult) string {
	if len(res.Messages) == 0 {
		return "No messages. Call check_messages again to go on waiting." + unread(res.Unread)
	}
	var b strings.Builder
	for _, m := range res.Messages {
		fmt.Fprintf(&b, "%s %s seq %d", m.ID, m.Conversation, m.Seq)
		if m.ActionType != bridge.Info {
			fmt.Fprintf(&b, " %s", m.ActionType)
		}
		if m.ReplyTo != "" {
			fmt.Fprintf(&b, " in reply to %s", m.ReplyTo)
		}
		if m.Redelivered {
			b.WriteString(" (redelivered)")
		}
		fmt.Fprintf(&b, "\n%s\n", m.Text)
	}
	fmt.Fprintf(&b, "receipt: %s", res.Receipt)
	return b.String() + unread(res.Unread)
}
