package mcpserver

import (
	"context"
	"time"

	"agentbridge/internal/bridge"
)

// held is what an answer holds that goes back where the client does not get that answer: a batch of messages, or the claim of a
// task. A batch is also acked by coming back, where the client did get it; a claim is not, its lease alone says how long it lasts.
type held struct {
	batch bridge.Receipt
	claim claim
}

// claim is the right to a task, as an answer gave it.
type claim struct {
	conversation bridge.ConversationID
	task         bridge.TaskID
	leaseToken   int64
}

func (h held) nothing() bool { return h == held{} }

// hold gives the call's answer something to hold. Where nobody waits for that answer any more, it is given back at once.
func (s *Server) hold(c *call, h held) error {
	if s.answers.answered(c.exchange, h) {
		return nil
	}
	s.giveBack(c.caller, h)
	return context.Canceled
}

// giveBack returns what no client has.
func (s *Server) giveBack(caller bridge.Caller, h held) {
	if h.nothing() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), giveBackWithin)
	defer cancel()
	if h.batch != "" {
		if err := s.svc.GiveBack(ctx, caller, h.batch); err != nil {
			s.log.Warn("give back a batch that the client did not get", "receipt", h.batch, "error", err)
		}
		return
	}
	if err := s.svc.UnclaimTask(ctx, caller, h.claim.conversation, h.claim.task, h.claim.leaseToken); err != nil {
		s.log.Warn("give back a task that the client did not get", "task", h.claim.task, "error", err)
	}
}

// giveBackWithin bounds how long a client's next request can be held up by giving back. What was not given back in it comes back
// with its lease, or when its process ends.
const giveBackWithin = 10 * time.Second
