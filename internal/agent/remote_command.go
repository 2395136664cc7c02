package agent

import (
	"context"
	"crypto/rand"
	"time"

	"agentbridge/internal/bridge"
	"agentbridge/internal/mcpserver"
)

// RunCommand asks for a command once, however often an answer gets lost, and waits for what becomes of it.
func (r *Remote) RunCommand(ctx context.Context, c bridge.Caller, q bridge.RunCommandRequest) (v bridge.CommandView, err error) {
	wait := q.Wait
	if q.ID == "" {
		if q.Key == "" {
			q.Key = rand.Text()
		}
		if wait >= 0 && wait <= longestWait {
			q.Wait = 0
		}
		v, err = ask[bridge.CommandView](ctx, r, trial{name: "run_command", caller: c, request: q})
		if err != nil || v.State.Final() || q.Wait != 0 || wait == 0 {
			return v, err
		}
		q = bridge.RunCommandRequest{Conversation: v.Conversation, ID: v.ID}
	}
	_, err = await(ctx, wait, func(until time.Time, left func() time.Duration) (bool, error) {
		v, err = ask[bridge.CommandView](ctx, r, trial{name: "run_command", caller: c, until: until, fresh: func(bool) any {
			q.Wait = left()
			return q
		}})
		return err == nil && v.State.Final(), err
	})
	return v, err
}

// AnswerCommand hands on what a person said in the agent's program. Where an answer of the hub got lost, the next one may be that the command
// was answered already ([bridge.Conflict]).
func (r *Remote) AnswerCommand(ctx context.Context, c bridge.Caller, q bridge.CommandAnswer) (bridge.CommandView, error) {
	return ask[bridge.CommandView](ctx, r, trial{name: "answer_command", caller: c, request: q})
}

// permitsAskedWithin is how long a list of tools waits for a hub.
const permitsAskedWithin = 1500 * time.Millisecond

// MayAskForCommands asks the hub, and does not wait long: a list of tools is wanted.
func (r *Remote) MayAskForCommands(ctx context.Context, c bridge.Caller) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, permitsAskedWithin)
	defer cancel()
	may, err := ask[bool](ctx, r, trial{name: "may_ask_for_commands", caller: c, request: mcpserver.Nothing{}})
	if ctx.Err() != nil {
		return false, bridge.Errorf(bridge.Unavailable, "the hub does not answer")
	}
	return may, err
}

// WatchPermits gives a hint when a batch held a word of the bridge itself, which says so where commands were enabled: a hub is not asked all
// the time.
func (r *Remote) WatchPermits(ctx context.Context) <-chan struct{} {
	hints := make(chan struct{}, 1)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.permits = append(r.permits, hints)
	context.AfterFunc(ctx, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		for i, other := range r.permits {
			if other == hints {
				r.permits = append(r.permits[:i:i], r.permits[i+1:]...)
				return
			}
		}
	})
	return hints
}

// permitsMayHaveChanged looks whether a batch says so. r.mu must be held.
func (r *Remote) permitsMayHaveChanged(batch []bridge.Message) {
	for _, m := range batch {
		if m.From != bridge.ProgramName {
			continue
		}
		for _, hints := range r.permits {
			select {
			case hints <- struct{}{}:
			default:
			}
		}
		return
	}
}
