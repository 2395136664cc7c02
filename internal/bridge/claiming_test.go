package bridge_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"agentbridge/internal/bridge"
	"agentbridge/internal/sqlite"
)

func TestClaimTask_TheSameInstanceGetsTheSameLeaseAgain(t *testing.T) {
	w := newWorld(t)
	a := w.agent("alpha")
	token, _, err := w.NewAgent(w.ctx, "beta", true)
	if err != nil {
		t.Fatal(err)
	}
	b, other := w.process(token, "beta"), w.process(token, "beta")
	w.talk(a, b)
	task, more := w.todo(a, "x"), w.todo(a, "y")
	first, again := w.claim(b, task), w.claim(b, task)
	if first.Again || !again.Again || again.LeaseToken != first.LeaseToken || again.Task.Attempts != 1 || w.entries(task, "task_claim") != 1 {
		t.Errorf("first %+v, then %+v", first, again)
	}
	if next := w.claim(b, ""); next.Task == nil || next.Task.ID != more {
		t.Errorf("without its name: %+v", next.Task)
	}
	for _, c := range []bridge.Caller{other, passing(b), a} {
		_, err := w.ClaimTask(w.ctx, c, bridge.ClaimTaskRequest{Task: task})
		want(t, err, bridge.Conflict, "lease ends")
	}
	third := w.todo(a, "z")
	one, two := w.claim(passing(b), third), w.claim(passing(other), third)
	if one.LeaseToken != two.LeaseToken || !two.Again {
		t.Errorf("one shell command after the other: %+v, then %+v", one, two)
	}
	_, err = w.ClaimTask(w.ctx, passing(a), bridge.ClaimTaskRequest{Task: third})
	want(t, err, bridge.Conflict, "lease ends")
}

// onDisk is a world where a view does not wait for the turn, so that a call gets as far as its own update.
func onDisk(t *testing.T) *world {
	t.Helper()
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "bridge.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	w := worldOn(t, store, noLimits)
	t.Cleanup(w.holdsTogether)
	return w
}

func TestClaimTask_CancelledGivesBack(t *testing.T) {
	for name, named := range map[string]bool{"the best": false, "one by name": true} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				w := onDisk(t)
				a, b := w.agent("alpha"), w.agent("beta")
				w.talk(a, b)
				q := bridge.ClaimTaskRequest{}
				task := w.todo(a, "x")
				if named {
					q.Task = task
				}
				inGroup(w.store, func(ctx context.Context) {
					if _, err := w.ClaimTask(ctx, b, q); err == nil {
						t.Error("a cancelled claim says nothing")
					}
				})
				if v := w.task(task); v.State != bridge.TaskOpen || v.Attempts != 0 {
					t.Errorf("nobody knows of the claim, and the task is %+v", v)
				}
				if claimed, back := w.entries(task, "task_claim"), w.entries(task, "task_unclaim"); claimed != 1 || back != 1 {
					t.Errorf("claimed %d times, given back %d times", claimed, back)
				}
			})
		})
	}
}

func TestClaimTask_CancelledLeavesWhatWasHeldBefore(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := onDisk(t)
		a, b := w.agent("alpha"), w.agent("beta")
		w.talk(a, b)
		task := w.todo(a, "x")
		lease := w.claim(b, task)
		inGroup(w.store, func(ctx context.Context) {
			if _, err := w.ClaimTask(ctx, b, bridge.ClaimTaskRequest{Task: task}); err == nil {
				t.Error("a cancelled claim says nothing")
			}
		})
		w.end(b, lease, bridge.CompleteTask, "")
	})
}

// muffled commits the first update of a conversation and does not know it; then it does none for a while.
type muffled struct {
	bridge.Store
	broken int // how many more updates break
}

func (m *muffled) Update(ctx context.Context, s bridge.Scope, fn func(bridge.Tx) error) error {
	if !strings.HasPrefix(string(s), "conv_") || m.broken == 0 {
		return m.Store.Update(ctx, s, fn)
	}
	m.broken--
	if m.broken > 0 {
		return deaf{m.Store}.Update(ctx, s, fn)
	}
	return bridge.Errorf(bridge.Unavailable, "not done")
}

func TestClaimTask_WhatCannotBeGivenBackAtOnceIsGivenBackBeforeTheNextClaim(t *testing.T) {
	keys := bridge.NewKeyRing()
	w := newWorld(t, func(o *bridge.Options) { o.Keys = keys })
	a, b := w.agent("alpha"), w.agent("beta")
	w.talk(a, b)
	one := w.todo(a, "1")
	w.todo(a, "2")
	s, err := bridge.New(w.ctx, &muffled{w.store, 2}, bridge.Options{Keys: keys, Scanner: scanner(t)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.ClaimTask(w.ctx, b, bridge.ClaimTaskRequest{}); !errors.Is(err, bridge.Unavailable) {
		t.Fatalf("ClaimTask = %v", err)
	}
	if v := w.task(one); v.State != bridge.TaskClaimed {
		t.Fatalf("task = %+v", v)
	}
	if got, err := s.ClaimTask(w.ctx, b, bridge.ClaimTaskRequest{}); err != nil || got.Task.ID != one || got.Task.Attempts != 1 {
		t.Errorf("then beta gets %+v, %v", got.Task, err)
	}
}

func TestClaimTask_OfUnknownOutcomeIsAsIfItHadNotBeen(t *testing.T) {
	keys := bridge.NewKeyRing()
	w := newWorld(t, func(o *bridge.Options) { o.Keys = keys })
	a, b := w.agent("alpha"), w.agent("beta")
	w.talk(a, b)
	one := w.todo(a, "1")
	w.todo(a, "2")
	s, err := bridge.New(w.ctx, deaf{w.store}, bridge.Options{Keys: keys, Scanner: scanner(t)})
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range []bridge.TaskID{"", one} {
		if _, err := s.ClaimTask(w.ctx, b, bridge.ClaimTaskRequest{Task: task}); !errors.Is(err, bridge.Unavailable) {
			t.Errorf("ClaimTask = %v", err)
		}
		if v := w.task(one); v.State != bridge.TaskOpen || v.Attempts != 0 {
			t.Errorf("task = %+v", v)
		}
	}
	if got := w.claim(b, ""); got.Task.ID != one {
		t.Errorf("claimed %+v", got.Task)
	}
}

func TestUnclaimTask_IsAsIfItHadNeverBeenMade(t *testing.T) {
	w := newWorld(t, fewAttempts(2))
	a, b := w.agent("alpha"), w.agent("beta")
	id := w.talk(a, b)
	task := w.todo(a, "x")
	for range 5 { // more often than there are attempts
		got := w.claim(b, "")
		for range 2 {
			if err := w.UnclaimTask(w.ctx, b, id, task, got.LeaseToken); err != nil {
				t.Fatal(err)
			}
		}
		_, err := w.UpdateTask(w.ctx, b, bridge.UpdateTaskRequest{Task: task, Action: bridge.CompleteTask, LeaseToken: got.LeaseToken})
		want(t, err, bridge.LeaseLost, "claim_task")
	}
	if v := w.task(task); v.State != bridge.TaskOpen || v.Attempts != 0 || v.Holder != "" {
		t.Errorf("task = %+v", v)
	}
	held := w.claim(b, task)
	for _, late := range []struct {
		who   bridge.Caller
		token int64
	}{{b, held.LeaseToken - 1}, {a, held.LeaseToken}, {passing(b), held.LeaseToken}} {
		if err := w.UnclaimTask(w.ctx, late.who, id, task, late.token); err != nil {
			t.Errorf("late or foreign: %v", err)
		}
	}
	w.end(b, held, bridge.CompleteTask, "")
	if err := w.UnclaimTask(w.ctx, b, id, task, held.LeaseToken); err != nil || w.task(task).State != bridge.TaskDone {
		t.Errorf("after the end: %v, %+v", err, w.task(task))
	}
	w.told(a, "is done")
}
