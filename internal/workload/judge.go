package workload

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"

	"agentbridge/internal/bridge"
)

// moment is a time since a history began, by the monotonic clock of this process alone.
type moment = int64

// event is what happened to one task: a worker's call, or the end of a lease.
type event struct {
	what  bridge.TaskAction // an action of update_task, or one of those below
	token int64
	// renewal is the number of this renew among all, or of the one whose lease ran out; 0 is the claim itself.
	renewal int
}

// What happens to a task beside the actions of its holder.
const (
	claimed bridge.TaskAction = "claim"
	lapsed  bridge.TaskAction = "lapse" // the time of a lease was over
	orphan  bridge.TaskAction = "death" // the process that held it was dead
)

// outcome is how a call ended: empty if it was done, or the code of the refusal. Where the process died before it answered, nobody
// knows; that is what [bridge.Unavailable] means, too.
type outcome bridge.Code

const (
	done    outcome = ""
	unknown         = outcome(bridge.Unavailable)
)

func outcomeOf(err error) outcome {
	if err == nil {
		return done
	}
	if refusal, ok := errors.AsType[*bridge.Error](err); ok {
		return outcome(refusal.Code)
	}
	return unknown
}

// history is what all workers know of all tasks.
type history struct {
	began time.Time
	lease time.Duration
	gaps  bool // now and then nobody watches, and such time counts for no lease: it may end later

	mu    sync.Mutex // guards tasks, renewals
	tasks map[bridge.TaskID][]porcupine.Operation
	last  int // renewals so far
}

func newHistory(lease time.Duration) *history {
	return &history{began: time.Now(), lease: lease, tasks: map[bridge.TaskID][]porcupine.Operation{}}
}

func (h *history) now() moment { return int64(time.Since(h.began)) }

// slack is how far apart the clocks of the bridge and of this process may be.
const slack = 100 * time.Millisecond

// note adds what happened between two moments. What nobody knows to be done may be done at any later time. A lease that was got or
// renewed ends by itself, so that is noted too: the bridge counted it from some moment between call and answer.
func (h *history) note(task bridge.TaskID, e event, how outcome, call, answer moment) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if e.what == bridge.RenewTask {
		h.last++
		e.renewal = h.last
	}
	end := answer + int64(h.lease+slack)
	if how == unknown {
		answer, end = math.MaxInt64, math.MaxInt64
	}
	if h.gaps {
		end = math.MaxInt64
	}
	add := func(e event, how outcome, call, answer moment) {
		h.tasks[task] = append(h.tasks[task], porcupine.Operation{Input: e, Output: how, Call: call, Return: answer})
	}
	add(e, how, call, answer)
	if (e.what == claimed || e.what == bridge.RenewTask) && (how == done || how == unknown) {
		add(event{lapsed, e.token, e.renewal}, done, call+int64(h.lease-slack), end)
	}
}

// tell puts into the report what the record shows.
func (h *history) tell(rep *TeamReport) (ends map[bridge.TaskID]int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	ends = map[bridge.TaskID]int{}
	for id, ops := range h.tasks {
		by := map[int64]bool{} // tokens that ended it
		for _, op := range ops {
			took := time.Duration(op.Return - op.Call)
			switch e, how := op.Input.(event), op.Output.(outcome); {
			case how == unknown:
				rep.Unknown++
			case how != done:
				rep.Late++
			case e.what == claimed:
				rep.Claims = append(rep.Claims, took)
			case e.what == bridge.CompleteTask:
				by[e.token] = true
				rep.Completes = append(rep.Completes, took)
			case e.what == orphan:
				if again := nextClaim(ops, e.token); again > 0 {
					rep.Moved = append(rep.Moved, time.Duration(again-op.Call))
				}
			}
		}
		ends[id] = len(by)
	}
	return ends
}

// nextClaim is when a task was claimed again after that token; 0 if never.
func nextClaim(ops []porcupine.Operation, token int64) (at moment) {
	for _, op := range ops {
		if e := op.Input.(event); e.what == claimed && e.token > token && (at == 0 || op.Return < at) {
			at = op.Return
		}
	}
	return at
}

// patience is how long the history of one task may be thought about. Each is short.
const patience = 20 * time.Second

// judge tells which tasks have a history that no order of its calls explains: a token that did not grow, a claim of a task that
// somebody held, a write taken from one who did not hold it, or a second end.
func (h *history) judge() (violations []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	rules := leaseRules()
	m := rules.ToModel()
	for id, ops := range h.tasks {
		if result := porcupine.CheckOperationsTimeout(m, ops, patience); result != porcupine.Ok {
			var text strings.Builder
			fmt.Fprintf(&text, "%s: %s:", id, result)
			for _, op := range ops {
				fmt.Fprintf(&text, " [%s–%s %+v %q]", time.Duration(op.Call), time.Duration(op.Return), op.Input, op.Output)
			}
			violations = append(violations, text.String())
		}
	}
	return violations
}

// standing is a task as it must stand between two events.
type standing struct {
	newest   int64 // the highest token of a claim
	held     bool  // whether the holder of the newest token holds it
	renewal  int   // the number of its last renewal
	end      bool  // it is done
	released bool  // by the holder of the newest token
}

// leaseRules say what may happen to a task, one thing after another.
func leaseRules() porcupine.NondeterministicModel {
	return porcupine.NondeterministicModel{
		Init: func() []any { return []any{standing{}} },
		Step: func(state, input, output any) []any {
			before, e := state.(standing), input.(event)
			after, legal := before.after(e)
			switch output.(outcome) {
			case done:
				if legal {
					return []any{after}
				}
				return nil
			case unknown:
				if legal {
					return []any{before, after}
				}
				return []any{before}
			case outcome(bridge.LeaseLost), outcome(bridge.Conflict):
				if !legal {
					return []any{before}
				}
			}
			return nil // no other refusal has a reason
		},
	}
}

// after is the standing after an event, and whether it may be so.
func (s standing) after(e event) (standing, bool) {
	holds := s.held && s.newest == e.token
	switch e.what {
	case claimed:
		return standing{newest: e.token, held: true}, !s.held && !s.end && e.token > s.newest
	case bridge.RenewTask:
		s.renewal = e.renewal
		return s, holds
	case bridge.CompleteTask:
		again := s.end && s.newest == e.token
		s.held, s.end = false, true
		return s, holds || again
	case bridge.ReleaseTask:
		again := s.released && s.newest == e.token
		s.held, s.released = false, true
		return s, holds || again
	case lapsed:
		if s.newest == e.token && s.renewal == e.renewal {
			s.held = false
		}
	case orphan:
		if s.newest == e.token {
			s.held = false
		}
	}
	return s, true
}
