package agent

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"agentbridge/internal/bridge"
	"agentbridge/internal/mcpserver"
)

// What takes something at the hub, a batch or a task, takes it within one short request, which never waits: a request that waits on a
// connection that broke in the dark would be given what nobody gets. Waiting is a request of its own, which takes nothing.

// Check acks, waits, and takes the next batch.
func (r *Remote) Check(ctx context.Context, c bridge.Caller, q bridge.CheckRequest) (res bridge.CheckResult, err error) {
	until := time.Now().Add(q.Wait)
	if q.Wait < 0 || q.Wait > longestWait {
		_, err := r.AwaitMessages(ctx, c, q) // which says what is wrong with it
		return res, err
	}
	res, err = r.takeBatch(ctx, c, q, until)
	acked := append(q.Implied, q.Ack)
	q.Ack, q.Implied = "", nil
	for err == nil && len(res.Messages) == 0 && time.Now().Before(until) {
		r.forget(acked...)
		q.Wait = time.Until(until)
		ready, failed := r.AwaitMessages(ctx, c, q)
		if failed != nil {
			return bridge.CheckResult{}, failed
		}
		if ready {
			res, err = r.takeBatch(ctx, c, q, until)
		} else {
			res.Unread, err = r.Unread(ctx, c)
		}
	}
	if err == nil {
		r.forget(acked...)
	}
	return res, err
}

// takeBatch is a check that does not wait. What it gave is given back when the process ends, unless it was acked.
func (r *Remote) takeBatch(ctx context.Context, c bridge.Caller, q bridge.CheckRequest, until time.Time) (bridge.CheckResult, error) {
	q.Wait = 0
	res, err := take[bridge.CheckResult](ctx, r, trial{name: "check", caller: c, request: q, until: until})
	if err == nil && res.Receipt != "" {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.held[res.Receipt] = true
		r.permitsMayHaveChanged(res.Messages)
	}
	return res, err
}

// longestWait is how long a call may wait.
const longestWait = 240 * time.Second

// ClaimTask claims a task, and waits for one.
func (r *Remote) ClaimTask(ctx context.Context, c bridge.Caller, q bridge.ClaimTaskRequest) (bridge.ClaimTaskResult, error) {
	until := time.Now().Add(q.Wait)
	if q.Wait < 0 || q.Wait > longestWait {
		_, err := r.AwaitTask(ctx, c, q)
		if err == nil {
			err = bridge.Errorf(bridge.Invalid, "wait_seconds is out of range").WithHint("choose 0 to %d, and call again to wait longer", int(longestWait.Seconds()))
		}
		return bridge.ClaimTaskResult{}, err
	}
	for {
		claim := q
		claim.Wait = 0
		res, err := take[mcpserver.Claimed](ctx, r, trial{name: "claim", caller: c, request: claim, until: until})
		res.ClaimTaskResult.Again = res.Again
		q.Wait = time.Until(until)
		// A refusal of the one task that is asked for may pass: waiting tells.
		mayPass := q.Task != "" && (errors.Is(err, bridge.Conflict) || errors.Is(err, bridge.Denied))
		if q.Wait <= 0 || res.Task != nil || err != nil && !mayPass {
			return res.ClaimTaskResult, err
		}
		if _, err := r.AwaitTask(ctx, c, q); err != nil {
			return bridge.ClaimTaskResult{}, err
		}
	}
}

// AwaitMessages waits for what a check would find.
func (r *Remote) AwaitMessages(ctx context.Context, c bridge.Caller, q bridge.CheckRequest) (bool, error) {
	q.Ack, q.Implied = "", nil
	return await(ctx, q.Wait, func(until time.Time, left func() time.Duration) (bool, error) {
		return ask[bool](ctx, r, trial{name: "await_messages", caller: c, until: until, fresh: func(bool) any {
			q.Wait = left()
			return q
		}})
	})
}

// AwaitTask waits for what a claim would get.
func (r *Remote) AwaitTask(ctx context.Context, c bridge.Caller, q bridge.ClaimTaskRequest) (bool, error) {
	return await(ctx, q.Wait, func(until time.Time, left func() time.Duration) (bool, error) {
		return ask[bool](ctx, r, trial{name: "await_task", caller: c, until: until, fresh: func(bool) any {
			q.Wait = left()
			return q
		}})
	})
}

// AwaitChange waits until a conversation is not where it was seen.
func (r *Remote) AwaitChange(ctx context.Context, c bridge.Caller, id bridge.ConversationID, seen bridge.Mark, atMost time.Duration) (now bridge.Mark, err error) {
	_, err = await(ctx, atMost, func(until time.Time, left func() time.Duration) (bool, error) {
		now, err = ask[bridge.Mark](ctx, r, trial{name: "await_change", caller: c, until: until, fresh: func(bool) any {
			return mcpserver.AwaitedChange{Conversation: id, Seen: seen, Wait: left()}
		}})
		return now != seen, err
	})
	return now, err
}

// await asks until there is something, or the time is up. A hub that closes ends its waits early, and may be back in time.
func await(ctx context.Context, atMost time.Duration, ask func(until time.Time, left func() time.Duration) (bool, error)) (bool, error) {
	until := time.Now().Add(atMost)
	left := func() time.Duration {
		if atMost < 0 {
			return atMost // which is refused
		}
		return max(0, time.Until(until))
	}
	for {
		ready, err := ask(until, left)
		if ready || err != nil || ctx.Err() != nil || !time.Now().Before(until) {
			return ready, err
		}
	}
}

// take makes a call that takes something. Before a try follows one whose answer got lost, what that one took is given back.
func take[R any](ctx context.Context, r *Remote, t trial) (res R, err error) {
	err = r.persist(ctx, t, func() (maybe bool, err error) {
		if err := errors.Join(r.reclaimAll(ctx), r.recallLost(ctx)); err != nil {
			return false, err
		}
		t.call = rand.Text()
		res, maybe, err = once[R](ctx, r, t)
		if err != nil && maybe {
			r.lose(t.call, t.caller.Passing)
		}
		return maybe, err
	})
	return res, err
}
