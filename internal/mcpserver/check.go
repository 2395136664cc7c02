package mcpserver

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"agentbridge/internal/bridge"
)

const (
	firstProgress = 3 * time.Second
	progressEvery = 10 * time.Second
	// noAck is what a client passes as ack to ack nothing.
	noAck = "none"
)

// checkMessages is one turn of the loop: ack, wait, lease.
func (s *Server) checkMessages(ctx context.Context, c *call) (result, error) {
	q := bridge.CheckRequest{Conversation: c.conversation(), Wait: time.Duration(c.number("wait_seconds")) * time.Second, Limit: c.number("limit")}
	switch ack := c.text("ack"); ack {
	case "":
		q.Implied = s.answers.implied(ctx, c.exchange)
	case noAck:
	default:
		q.Ack = bridge.Receipt(ack)
	}
	res, err := s.wait(ctx, c, q)
	if err != nil {
		return result{}, err
	}
	s.answers.forget(c.line, append(q.Implied, q.Ack)...)
	if res.Receipt != "" && !s.answers.answered(c.exchange, res.Receipt) {
		s.giveBack(c.caller, res.Receipt)
		return result{}, context.Canceled
	}
	return result{&res, checkText(res)}, nil
}

// wait checks, and shows while it waits that both sides are there.
func (s *Server) wait(ctx context.Context, c *call, q bridge.CheckRequest) (bridge.CheckResult, error) {
	ctx, cancel := c.attend(ctx)
	defer cancel()
	if q.Wait == 0 || c.leaving.Err() != nil {
		q.Wait = 0
		return s.svc.Check(ctx, c.caller, q)
	}
	waiting, done := context.WithCancel(ctx)
	defer context.AfterFunc(c.leaving, done)()
	var wg sync.WaitGroup
	if token := c.req.Params.GetProgressToken(); token != nil {
		wg.Go(func() { s.showProgress(waiting, c.req, token, q.Wait) })
	}
	if c.remote {
		wg.Go(func() { s.showPresence(waiting, c) })
	}
	res, err := s.svc.Check(waiting, c.caller, q)
	done()
	wg.Wait() // nothing may be said about a request after its answer
	if cancelled(err) && c.leaving.Err() != nil && ctx.Err() == nil {
		res = bridge.CheckResult{Messages: []bridge.Message{}}
		res.Unread, err = s.svc.Unread(ctx, c.caller)
	}
	return res, err
}

// showProgress tells the client's program, never the model, that the wait goes on: some give up on a tool that says nothing.
func (s *Server) showProgress(ctx context.Context, req *mcp.CallToolRequest, token any, total time.Duration) {
	start := time.Now()
	next := time.NewTimer(firstProgress)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-next.C:
			next.Reset(progressEvery)
		}
		err := req.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{
			ProgressToken: token, Message: "waiting for messages", Progress: time.Since(start).Round(time.Second).Seconds(), Total: total.Seconds(),
		})
		if err != nil {
			return
		}
	}
}

// showPresence makes an open wait count as a heartbeat: over HTTP nothing else shows that the client's process is there.
func (s *Server) showPresence(ctx context.Context, c *call) {
	every := time.NewTicker(s.svc.Config().Heartbeat)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		}
		err := s.svc.Heartbeat(ctx, c.caller, bridge.Pulse{})
		switch {
		case errors.Is(err, bridge.Denied) || errors.Is(err, bridge.Expired):
			return // the next look of the wait will say so
		case err != nil && !cancelled(err):
			s.log.Warn("note presence", "error", err)
		}
	}
}

// giveBack returns a batch that no client has.
func (s *Server) giveBack(caller bridge.Caller, receipt bridge.Receipt) {
	if receipt == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), giveBackWithin)
	defer cancel()
	if err := s.svc.GiveBack(ctx, caller, receipt); err != nil {
		s.log.Warn("give back a batch that the client did not get", "receipt", receipt, "error", err)
	}
}

// giveBackWithin bounds how long a client's next request can be held up by giving back. What was not given back in it comes back
// with its lease, or when its process ends.
const giveBackWithin = 10 * time.Second

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
