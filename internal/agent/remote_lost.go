package agent

import (
	"context"
	"errors"
	"slices"
	"time"

	"agentbridge/internal/bridge"
	"agentbridge/internal/mcpserver"
)

// lostCall is a call that may have taken something, of which the answer did not come.
type lostCall struct {
	name    string
	passing bool
	since   time.Time
}

// lostFor is how long it is tried to give back what a lost answer held. After that the hub's own leases have ended.
const lostFor = 30 * time.Minute

// lose notes a call whose answer got lost, and sees to it that what it took is given back, also where nothing is called any more.
func (r *Remote) lose(call string, passing bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lost = append(r.lost, lostCall{call, passing, time.Now()})
	if r.stop != nil || r.shut {
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	r.stop = stop
	r.undo.Go(func() {
		pause := backoff{least: leastPause, most: mostPause}
		for ctx.Err() == nil {
			err := r.recallLost(ctx)
			r.mu.Lock()
			if len(r.lost) == 0 || errors.Is(err, bridge.Denied) || errors.Is(err, bridge.Expired) {
				r.stop = nil
				r.mu.Unlock()
				break
			}
			r.mu.Unlock()
			select {
			case <-time.After(pause.next()):
			case <-ctx.Done():
			}
		}
		stop()
	})
}

// recallLost undoes, once, the calls whose answers got lost. It fails where one of them cannot be undone now.
func (r *Remote) recallLost(ctx context.Context) error {
	r.mu.Lock()
	calls := slices.Clone(r.lost)
	r.mu.Unlock()
	for _, l := range calls {
		_, _, err := once[mcpserver.Nothing](ctx, r, trial{name: "recall", caller: bridge.Caller{Passing: l.passing}, call: l.name, request: mcpserver.Nothing{}})
		if err != nil && time.Since(l.since) < lostFor {
			return err
		}
		r.mu.Lock()
		r.lost = slices.DeleteFunc(r.lost, func(o lostCall) bool { return o == l })
		r.mu.Unlock()
	}
	return nil
}

// reclaimAll gives back, once, what a process before this one held.
func (r *Remote) reclaimAll(ctx context.Context) error {
	r.reclaiming.Lock()
	defer r.reclaiming.Unlock()
	if !r.reclaim {
		return nil
	}
	_, _, err := once[mcpserver.Nothing](ctx, r, trial{name: "reclaim", request: mcpserver.Nothing{}})
	r.reclaim = err != nil
	return err
}

// forget notes that these batches are not held any more.
func (r *Remote) forget(receipts ...bridge.Receipt) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, receipt := range receipts {
		delete(r.held, receipt)
	}
}

// Close gives back what this process holds and did not ack, as the end of a local process does, and ends what runs in the background. It
// takes no longer than ctx.
func (r *Remote) Close(ctx context.Context, c bridge.Caller) error {
	r.mu.Lock()
	r.shut = true
	stop := r.stop
	held := r.held
	r.held = map[bridge.Receipt]bool{}
	r.mu.Unlock()
	if stop != nil {
		stop()
	}
	r.undo.Wait()
	err := r.recallLost(ctx)
	for receipt := range held {
		_, _, failed := once[mcpserver.Nothing](ctx, r, trial{name: "give_back", caller: c, request: receipt})
		err = errors.Join(err, failed)
	}
	r.client.CloseIdleConnections()
	return err
}
