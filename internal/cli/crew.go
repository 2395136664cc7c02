package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
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

// work lasts until all tasks are done and those who fell out are back.
func (d *demo) work(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	working, finish := context.WithCancel(ctx)
	defer finish()
	d.began = time.Now()
	var wg sync.WaitGroup
	for _, h := range d.crew {
		wg.Go(func() {
			if err := h.work(working); err != nil && working.Err() == nil {
				cancel(err)
			}
		})
	}
	wg.Go(func() { d.count(working) })
	if err := d.watch(ctx); err != nil {
		cancel(err)
	}
	finish()
	wg.Wait()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	return d.goodbye(ctx)
}

// count keeps the line up to date that says how far the work is.
func (d *demo) count(ctx context.Context) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		text := ""
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
		d.mu.Lock()
		if ctx.Err() == nil {
			text = fmt.Sprintf("%.1f s: %d of %d done", time.Since(d.began).Seconds(), d.ended(), len(d.tasks))
		}
		d.progress(text)
		d.mu.Unlock()
		if text == "" {
			return
		}
	}
}

// ended counts the tasks that are done, for whoever holds mu.
func (d *demo) ended() (n int) {
	for _, s := range d.tasks {
		n += s.ends
	}
	return n
}

// at shows what somebody did, with the time since the work began. Whoever calls it holds mu.
func (d *demo) at(who, format string, args ...any) {
	d.show("%5.1f s  %-5s %s", time.Since(d.began).Seconds(), who, fmt.Sprintf(format, args...))
}

// watch is what the orchestrator does: it takes what the bridge tells it until all is done.
func (d *demo) watch(ctx context.Context) error {
	for {
		res, err := messages(ctx, d.lead, d.id, 1)
		if err != nil {
			return errors.Join(context.Cause(ctx), err)
		}
		for _, m := range res.Messages {
			if text := workload.Unframed(m.Text); m.From == bridge.ProgramName && !strings.HasPrefix(text, "Task ") {
				if err := d.told(ctx, text); err != nil {
					return err
				}
			}
		}
		d.mu.Lock()
		over := d.ended() == len(d.tasks) && !slices.ContainsFunc(d.crew, func(h *hand) bool {
			return (h.name == killed || h.name == hung) && !h.fell || h.name == killed && !h.back
		})
		d.mu.Unlock()
		if over {
			return nil
		}
	}
}

// told takes an alert.
func (d *demo) told(ctx context.Context, text string) error {
	d.mu.Lock()
	d.at("bridge", "%s", d.p.style(yellow, "tells lead: "+text))
	i := slices.IndexFunc(d.crew, func(h *hand) bool { return strings.HasPrefix(text, h.name+" ") })
	expected := i >= 0 && d.crew[i].name == killed && !d.crew[i].back
	if expected {
		h := d.crew[i]
		select {
		case <-h.missed:
			h.back = true
		default:
			close(h.missed)
		}
	}
	d.mu.Unlock()
	if err := promise(expected, "no alert but for %s: %s", killed, text); err != nil {
		return err
	}
	return d.look(ctx)
}

// look shows what the orchestrator sees of its workers.
func (d *demo) look(ctx context.Context) error {
	var seen bridge.PartnersResult
	if err := d.lead.Call(ctx, "check_partners", map[string]any{"conversation_id": d.id}, &seen); err != nil {
		return err
	}
	var all []string
	for _, s := range seen.Partners {
		all = append(all, fmt.Sprintf("%s %s", s.Name, s.Liveness))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.at("lead", "sees: %s", strings.Join(all, ", "))
	return nil
}

// work takes one task after another until ctx ends.
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

// goodbye has everybody say that they are through, so that nobody is missed.
func (d *demo) goodbye(ctx context.Context) error {
	players := []*workload.Player{d.lead}
	for _, h := range d.crew {
		players = append(players, h.player)
	}
	for _, p := range players {
		if err := p.Call(ctx, "update_status", map[string]any{"conversation_id": d.id, "status": "complete"}, &bridge.StatusResult{}); err != nil {
			return err
		}
	}
	return nil
}
