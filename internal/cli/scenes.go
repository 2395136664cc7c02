package cli

import (
	"context"
	"fmt"

	"agentbridge/internal/bridge"
)

// The second half of the demo.

func (d *demo) answer(ctx context.Context) error {
	var sent bridge.SendResult
	err := d.beta.Call(ctx, "send", map[string]any{"conversation_id": d.id, "message": "The one in doc/grammar.md.", "reply_to": d.question, "key": "answer-1"}, &sent)
	if err != nil {
		return err
	}
	var again bridge.SendResult
	err = d.beta.Call(ctx, "send", map[string]any{"conversation_id": d.id, "message": "The one in doc/grammar.md.", "reply_to": d.question, "key": "answer-1"}, &again)
	if err != nil {
		return err
	}
	d.see("beta sent its answer twice under one key: stored once (%s, duplicate %t)", again.Message, again.Duplicate)
	if err := promise(again.Duplicate && again.Message == sent.Message, "the same key makes one message"); err != nil {
		return err
	}
	// Coming back is how a client says that it took the batch before.
	if _, err := d.beta.Check(ctx, 0); err != nil {
		return err
	}
	var status bridge.StatusResult
	if err := d.beta.Call(ctx, "update_status", map[string]any{"conversation_id": d.id, "status": "working", "note": "writing cases"}, &status); err != nil {
		return err
	}
	got, err := d.alpha.Check(ctx, 5)
	if err != nil {
		return err
	}
	if err := promise(len(got.Messages) == 1 && got.Messages[0].ReplyTo == d.question, "the answer arrives and says what it answers"); err != nil {
		return err
	}
	if _, err := d.alpha.Check(ctx, 0); err != nil {
		return err
	}
	var seen bridge.PartnersResult
	if err := d.alpha.Call(ctx, "check_partners", map[string]any{"conversation_id": d.id}, &seen); err != nil {
		return err
	}
	if len(seen.Partners) != 1 || len(seen.Deliveries) != 1 {
		return promise(false, "partners and deliveries are told")
	}
	beta, copied := seen.Partners[0], seen.Deliveries[0]
	d.see("alpha sees: beta says %s (%s), the bridge saw it %s; its question is %s", beta.Status, beta.Note, beta.Liveness, copied.State)
	return promise(beta.Liveness == bridge.Alive && beta.Status == bridge.Working && copied.State == bridge.Acked, "status, liveness and delivery are the true ones")
}

func (d *demo) crash(ctx context.Context) error {
	var sent bridge.SendResult
	if err := d.alpha.Call(ctx, "send", map[string]any{"conversation_id": d.id, "message": "Please test the new branch."}, &sent); err != nil {
		return err
	}
	first, err := d.beta.Check(ctx, 5)
	if err != nil {
		return err
	}
	if err := promise(len(first.Messages) == 1 && !first.Messages[0].Redelivered, "the message arrives"); err != nil {
		return err
	}
	pid := d.beta.PID()
	d.beta.Kill()
	if d.beta, err = d.program.Play(ctx, "beta"); err != nil {
		return err
	}
	second, err := d.beta.Check(ctx, 5)
	if err != nil {
		return err
	}
	if err := promise(len(second.Messages) == 1 && second.Messages[0].ID == sent.Message && second.Messages[0].Redelivered, "what was not acked comes back, marked"); err != nil {
		return err
	}
	d.see("process %d got kill -9; process %d got %s again, marked redelivered", pid, d.beta.PID(), sent.Message)
	third, err := d.beta.Check(ctx, 0)
	if err != nil {
		return err
	}
	d.see("beta came back for more, so it is acked: %d messages left", len(third.Messages)+third.Unread)
	return promise(len(third.Messages) == 0 && third.Unread == 0, "what was acked never comes again")
}

func (d *demo) verify(ctx context.Context) error {
	other := *d.p // the same program on the demo's directory
	other.data, other.store, other.config = d.dir, "", ""
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
		if err := promise(r.Fault == "", fmt.Sprintf("log %s is what was logged: %s", r.Log, r.Fault)); err != nil {
			return err
		}
		d.see("ok  %s  %d entries  root %s…", r.Log, r.Entries, r.Root[:12])
	}
	return nil
}
