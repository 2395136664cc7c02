package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"agentbridge/internal/bridge"
	"agentbridge/internal/workload"
)

// The scenes of the demo, but for the work.

func (d *demo) start(ctx context.Context) (err error) {
	if d.lead, err = d.program.Play(ctx, "lead"); err != nil {
		return err
	}
	for _, name := range []string{"ada", "ben", "cleo", "dora"} {
		player, err := d.program.Play(ctx, name)
		if err != nil {
			return err
		}
		d.crew = append(d.crew, &hand{d: d, name: name, player: player, missed: make(chan struct{})})
	}
	d.see("each is the default set-up, but for timers that you would not wait for: %s", strings.ToLower(strings.ReplaceAll(strings.Join(hasty, ", "), "AGENTBRIDGE_", "")))
	return nil
}

func (d *demo) meet(ctx context.Context) error {
	var partners []any
	for _, h := range d.crew {
		partners = append(partners, map[string]any{"name": h.name, "role": "worker"})
	}
	var made bridge.CreateResult
	err := d.lead.Call(ctx, "create_conversation", map[string]any{"role": "plans and looks after the work", "title": "demo", "partners": partners}, &made)
	if err != nil {
		return err
	}
	d.id = made.Conversation
	var ranks []string
	for i, h := range d.crew {
		var joined bridge.JoinResult
		if err := h.player.Call(ctx, "join_conversation", map[string]any{"code": made.Invites[i].Code}, &joined); err != nil {
			return err
		}
		ranks = append(ranks, fmt.Sprintf("%s (%s)", h.name, joined.You.Rank))
	}
	d.see("%s: lead (%s), %s", d.id, made.You.Rank, strings.Join(ranks, ", "))
	again := d.crew[1].player.Call(ctx, "join_conversation", map[string]any{"code": made.Invites[0].Code}, &bridge.JoinResult{})
	d.see("ada's code in ben's hands: %s", bridge.AsError(again).Message)
	return promise(errors.Is(again, bridge.Conflict), "a used code is refused")
}

// greet also shows what comes back to a process that dies before it came back: cleo's copy is not acked until then.
func (d *demo) greet(ctx context.Context) error {
	type taken struct {
		bridge.CheckResult
		at  time.Time
		err error
	}
	woken := make(chan taken, len(d.crew))
	for _, h := range d.crew {
		go func() {
			res, err := h.check(ctx, 20)
			woken <- taken{res, time.Now(), err}
		}()
	}
	select {
	case w := <-woken:
		return errors.Join(w.err, promise(false, "a check waits for messages"))
	case <-time.After(300 * time.Millisecond): // for the reader: this is the waiting
	}
	secret := "ghp_" + strings.ToLower(rand.Text())[:18] + rand.Text()[:18] // shaped like a token, and nobody's
	var sent bridge.SendResult
	err := d.lead.Call(ctx, "send", map[string]any{"conversation_id": d.id, "message": "Welcome. Style is in doc/style.md; CI uses " + secret}, &sent)
	if err != nil {
		return err
	}
	stored := time.Now()
	d.greeted = sent.Message
	var slowest time.Duration
	var text string
	for range d.crew {
		w := <-woken
		if w.err != nil {
			return w.err
		}
		if err := promise(len(w.Messages) == 1, "a message arrives once"); err != nil {
			return err
		}
		slowest, text = max(slowest, w.at.Sub(stored)), w.Messages[0].Text
	}
	d.see("all four checks came back with it, the last %.1f ms after the orchestrator knew it stored:", slowest.Seconds()*1000)
	for line := range strings.Lines(text) {
		d.see("| %s", strings.TrimRight(line, "\n"))
	}
	return errors.Join(
		promise(!strings.Contains(text, secret) && strings.Contains(text, "[REDACTED:") && sent.Redacted == 1, "a secret is masked before it is stored"),
		promise(strings.Contains(text, "another agent"), "a message says that it is not from the user"))
}

// check takes the hand's messages of this conversation; what came before is acked by that.
func (h *hand) check(ctx context.Context, seconds int) (bridge.CheckResult, error) {
	return messages(ctx, h.player, h.d.id, seconds)
}

func messages(ctx context.Context, player *workload.Player, id bridge.ConversationID, seconds int) (res bridge.CheckResult, err error) {
	err = player.Call(ctx, "check_messages", map[string]any{"conversation_id": id, "wait_seconds": seconds, "limit": 50}, &res)
	return res, err
}

func (d *demo) verify(ctx context.Context) error {
	other := *d.p // the same program on the demo's directory
	other.data, other.store, other.config = d.dir, ownStore(d.dir), ""
	o, err := other.open(ctx, existing)
	if err != nil {
		return err
	}
	defer o.close()
	reports, err := o.svc.AuditVerify(ctx, "")
	if err != nil {
		return err
	}
	for _, r := range reports {
		if err := promise(r.Fault == "", "log %s is what was logged: %s", r.Log, r.Fault); err != nil {
			return err
		}
		d.see("ok  %s  %d entries  root %s…", r.Log, r.Entries, r.Root[:12])
	}
	entries, err := o.svc.AuditEntries(ctx, bridge.AuditFilter{Conversation: d.id})
	if err != nil {
		return err
	}
	times := map[string]int{}
	for _, e := range entries {
		times[e.Action]++
		if e.Action == "task_complete" {
			times[e.Subject]++
		}
	}
	for _, s := range d.tasks {
		if err := promise(times[string(s.id)] == 1, "the log has one end of task %s, and not %d", s.id, times[string(s.id)]); err != nil {
			return err
		}
	}
	d.see("it has %d claims, %d lapses, %d completions, one silence and one recovery: as the clients saw it", times["task_claim"], times["task_lapse"], times["task_complete"])
	return errors.Join(
		promise(times["task_claim"] == len(d.tasks)+2 && times["task_lapse"] == 2 && times["task_fail"] == 0, "two tasks lapsed and were claimed again"),
		promise(times["silent"] == 1 && times["recover"] == 1, "one member fell silent, once (%d), and came back (%d)", times["silent"], times["recover"]))
}
