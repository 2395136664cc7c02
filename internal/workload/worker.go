package workload

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"agentbridge/internal/bridge"
)

// What is to befall a worker with its next task.
const (
	dieNext  = iota + 1 // its process is killed while it holds the task
	hangNext            // its client calls nothing until the lease is over
)

// worker is one agent of a team: it takes one task after another.
type worker struct {
	t    *team
	name string
	odds *rand.Rand // only its own goroutine's, and so is last
	last job        // what it claimed last
	fate atomic.Int32

	heard  moment     // when it was last called and answered
	missed int        // claims whose answer never came
	mu     sync.Mutex // guards player and killed
	player *Player
	killed moment // when its process got SIGKILL; 0: it lives
}

var errKilled = errors.New("it was killed")

// job is a task that a worker claimed.
type job struct {
	id    bridge.TaskID
	token int64
}

// kill ends the worker's process, whatever it is doing.
func (w *worker) kill() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.killed == 0 {
		w.killed = max(1, w.t.history.now())
		w.player.process.Process.Kill()
		w.t.kills.Add(1)
	}
}

// rise starts the worker's process again after it died.
func (w *worker) rise(ctx context.Context, cause error) error {
	if !w.bury() {
		return fmt.Errorf("%s ended by itself: %w", w.name, cause)
	}
	again, err := w.t.p.Play(ctx, w.name)
	for deadline := time.Now().Add(startPatience); err != nil && w.t.o.Mortal && ctx.Err() == nil && time.Now().Before(deadline); {
		pause(ctx, 50*time.Millisecond)
		again, err = w.t.p.Play(ctx, w.name)
	}
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.player, w.killed = again, 0
	return nil
}

// bury waits until a process that was killed is dead, and notes what died with it. It reports whether one was killed.
func (w *worker) bury() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.killed == 0 && !w.t.o.Mortal {
		return false
	}
	if w.killed == 0 {
		w.killed = max(1, w.heard)
	}
	w.player.Kill()
	if w.last != (job{}) && w.t.p.Server == "" { // at a hub a lease is the agent's, whose next process may go on with it
		w.t.history.note(w.last.id, event{what: orphan, token: w.last.token}, done, w.killed, w.t.history.now())
	}
	return true
}

// run works until ctx ends.
func (w *worker) run(ctx context.Context) error {
	defer w.bury() // it may have been killed just before the end, or while it hung
	for ctx.Err() == nil {
		job, err := w.claim(ctx)
		if err == nil && job != nil {
			err = w.do(ctx, *job)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// claim takes a task: none where nothing was to be done, or its process was killed.
func (w *worker) claim(ctx context.Context) (*job, error) {
	call := w.t.history.now()
	res, err := w.player.ClaimTask(ctx, bridge.ClaimTaskRequest{Wait: 5 * time.Second})
	answer := w.t.history.now()
	if err != nil {
		if outcomeOf(err) == unknown {
			w.missed++
		}
		return nil, w.failed(ctx, err)
	}
	w.heard = call
	if res.Task == nil {
		return nil, nil
	}
	j := job{res.Task.ID, res.LeaseToken}
	w.t.history.note(j.id, event{what: claimed, token: j.token}, done, call, answer)
	w.last = j
	return &j, nil
}

// failed sorts out a call without a proper answer: a process that was killed is started again.
func (w *worker) failed(ctx context.Context, err error) error {
	how := outcomeOf(err)
	if ctx.Err() != nil {
		return nil // the work is over
	}
	if how != unknown {
		w.t.fault("%s: %v", w.name, err)
		return nil
	}
	if bridge.AsError(err).Code == bridge.Unavailable {
		pause(ctx, respite)
		return nil
	}
	return w.rise(ctx, err)
}

// do does a task in one of the ways in which workers do: mostly they complete it.
func (w *worker) do(ctx context.Context, j job) error {
	switch w.fate.Swap(0) {
	case dieNext:
		// It comes back before it calls anything, with a token of which everybody can know that it is not good any more.
		w.kill()
		if err := w.rise(ctx, errKilled); err != nil {
			return err
		}
	case hangNext:
		w.t.hangs.Add(1)
		select {
		case <-time.After(w.t.o.Lease + 2*slack + rand.N(w.t.o.Lease/2)): // now and then before anybody noticed
		case <-ctx.Done():
			return nil
		}
	}
	steps := []bridge.TaskAction{bridge.CompleteTask}
	switch roll := w.odds.IntN(100); {
	case roll < 5:
		steps = []bridge.TaskAction{bridge.RenewTask, bridge.CompleteTask}
	case roll < 8:
		steps = []bridge.TaskAction{bridge.ReleaseTask}
	case roll < 10: // as one does whose first answer was lost
		steps = []bridge.TaskAction{bridge.CompleteTask, bridge.CompleteTask}
	}
	for _, step := range steps {
		// The same call again until its outcome is known.
		for how := unknown; how == unknown; {
			var err error
			if how, err = w.update(ctx, j, step); err != nil || ctx.Err() != nil {
				return err
			}
		}
	}
	return nil
}

// update makes one call for a task and notes what came of it.
func (w *worker) update(ctx context.Context, j job, step bridge.TaskAction) (outcome, error) {
	call := w.t.history.now()
	q := bridge.UpdateTaskRequest{Conversation: w.t.id, Task: j.id, Action: step, LeaseToken: j.token}
	if step != bridge.RenewTask {
		q.Result = w.name
	}
	_, err := w.player.UpdateTask(ctx, q)
	answer := w.t.history.now()
	how := outcomeOf(err)
	if ctx.Err() == nil || how != unknown {
		w.t.history.note(j.id, event{what: step, token: j.token}, how, call, answer)
	}
	switch how {
	case done:
		if step == bridge.CompleteTask {
			w.t.ended.Add(1)
		}
		return how, nil
	case outcome(bridge.LeaseLost), outcome(bridge.Conflict):
		return how, nil
	}
	return how, w.failed(ctx, err)
}
