package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"agentbridge/internal/bridge"
	"agentbridge/internal/workload"
)

// The names of those whom something befalls.
const (
	killed = "cleo"
	hung   = "ben"
)

// hand is a worker: a client with a process of its own.
type hand struct {
	d      *demo
	name   string
	player *workload.Player // nil: its process was killed
	fell   bool             // its misfortune is over
	missed chan struct{}    // closed when the orchestrator was told that it is silent
	back   bool             // the orchestrator was told that it is back
}

// work takes one task after another, and says what ended that: ctx, or what went wrong.
func (h *hand) work(ctx context.Context) error {
	for {
		res, err := h.player.ClaimTask(ctx, bridge.ClaimTaskRequest{Conversation: h.d.id, Wait: 20 * time.Second})
		if err != nil {
			return err
		}
		if res.Task == nil {
			continue
		}
		if err := h.do(ctx, *res.Task, res.LeaseToken); err != nil {
			return err
		}
		if h.name == killed && !h.fell {
			continue // it reads its mail later, and so it will lose it
		}
		if _, err := h.check(ctx, 0); err != nil {
			return err
		}
	}
}

// do does a task, or what befalls it.
func (h *hand) do(ctx context.Context, v bridge.TaskView, token int64) error {
	s := h.d.by[v.ID]
	if err := h.begin(s, token); err != nil {
		return err
	}
	switch {
	case s.to != h.name || h.fell:
	case h.name == killed:
		return h.die(ctx, s)
	case h.name == hung:
		return h.hang(ctx, s, token)
	}
	for range 2 {
		select {
		case <-time.After(s.takes / 2):
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := h.update(ctx, s, bridge.RenewTask, token); err != nil {
			return err
		}
	}
	if err := h.update(ctx, s, bridge.CompleteTask, token); err != nil {
		return err
	}
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	s.ends++
	s.ended = time.Since(h.d.began)
	h.d.at(h.name, "completes %d %s: %s", s.n, s.title, s.result)
	return nil
}

// begin notes a claim.
func (h *hand) begin(s *step, token int64) error {
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	s.claims = append(s.claims, claim{h.name, token})
	text := fmt.Sprintf("claims %d %s (lease token %d)", s.n, s.title, token)
	if len(s.claims) == 1 {
		h.d.at(h.name, "%s", text)
		return nil
	}
	before := s.claims[len(s.claims)-2].who
	h.d.at(h.name, "%s, which was %s's", text, before)
	if len(s.claims) == 2 {
		close(s.again)
	}
	if before != killed {
		return nil
	}
	took := time.Since(h.d.began) - s.lostAt
	h.d.at("", "… %.1f s after the kill", took.Seconds())
	return promise(took <= 6*time.Second, "a task of a worker that was killed is claimed again within 6 s: it took %s", took)
}

func (h *hand) update(ctx context.Context, s *step, action bridge.TaskAction, token int64) error {
	q := bridge.UpdateTaskRequest{Conversation: h.d.id, Task: s.id, Action: action, LeaseToken: token}
	if action == bridge.CompleteTask {
		q.Result = s.result
	}
	_, err := h.player.UpdateTask(ctx, q)
	return err
}

// die has the process killed with a task in its hands, and started again once the orchestrator knows.
func (h *hand) die(ctx context.Context, s *step) error {
	pid := h.player.PID()
	h.player.Kill()
	h.player = nil
	h.d.mu.Lock()
	s.lostAt = time.Since(h.d.began)
	h.d.at(h.name, "%s", h.d.p.style(red, fmt.Sprintf("process %d gets kill -9, holding %d %s", pid, s.n, s.title)))
	h.d.mu.Unlock()
	select {
	case <-h.missed:
	case <-ctx.Done():
		return ctx.Err()
	}
	player, err := h.d.program.Play(ctx, h.name)
	if err != nil {
		return err
	}
	h.player = player
	again, err := h.check(ctx, 0)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(again.Messages, func(m bridge.Message) bool { return m.ID == h.d.greeted })
	h.d.mu.Lock()
	h.fell = true
	h.d.at(h.name, "starts again as process %d and gets %s again, marked redelivered", h.player.PID(), h.d.greeted)
	h.d.mu.Unlock()
	return promise(i >= 0 && again.Messages[i].Redelivered, "what was not acked comes back, marked")
}

// hang has the client make no calls, while its process lives, until another has its task.
func (h *hand) hang(ctx context.Context, s *step, token int64) error {
	h.d.mu.Lock()
	h.d.at(h.name, "%s", h.d.p.style(red, fmt.Sprintf("hangs over %d %s: its client calls nothing; its process %d lives and shows so", s.n, s.title, h.player.PID())))
	h.d.mu.Unlock()
	select {
	case <-s.again:
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := h.d.look(ctx); err != nil {
		return err
	}
	late := h.update(ctx, s, bridge.CompleteTask, token)
	mail, err := h.check(ctx, 0)
	if err != nil {
		return err
	}
	nudge := slices.IndexFunc(mail.Messages, func(m bridge.Message) bool {
		return m.From == bridge.ProgramName && strings.Contains(m.Text, string(s.id)) && strings.Contains(m.Text, "ends")
	})
	h.d.mu.Lock()
	h.fell = true
	h.d.at(h.name, "wakes and completes %d with token %d. %s: %s", s.n, token, bridge.AsError(late).Code, bridge.AsError(late).Message)
	if nudge >= 0 {
		h.d.at(h.name, "finds what the bridge told it meanwhile: %s", workload.Unframed(mail.Messages[nudge].Text))
	}
	h.d.mu.Unlock()
	return errors.Join(
		promise(errors.Is(late, bridge.LeaseLost), "who comes too late is told so"),
		promise(nudge >= 0, "a holder is nudged before its lease ends"))
}
