package bridge_test

import (
	"testing"

	"agentbridge/internal/bridge"
)

// calling is the caller in a call of that name.
func calling(c bridge.Caller, name string) bridge.Caller {
	c.Call = name
	return c
}

func (w *world) recall(c bridge.Caller, name string) {
	w.t.Helper()
	if err := w.Recall(w.ctx, calling(c, name)); err != nil {
		w.t.Fatal(err)
	}
}

func TestRecall_WhatALostAnswerHeldComesAgain(t *testing.T) {
	w := newWorld(t)
	a, b := w.agent("alpha"), w.remote("beta")
	w.talk(a, b)
	w.say(a, "one")
	if got := w.check(calling(b, "first"), bridge.CheckRequest{}); len(got.Messages) != 1 {
		t.Fatalf("%+v, want a message", got)
	}
	if got := w.check(calling(b, "second"), bridge.CheckRequest{}); len(got.Messages) != 0 {
		t.Fatalf("another call got what the first holds: %+v", got)
	}
	w.recall(b, "second")
	w.recall(a, "first")
	if got := w.check(b, bridge.CheckRequest{}); len(got.Messages) != 0 {
		t.Fatalf("the recall of a call that took nothing, or of another's, gave back: %+v", got)
	}
	w.recall(b, "first")
	w.recall(b, "first")
	got := w.check(calling(b, "third"), bridge.CheckRequest{})
	if len(got.Messages) != 1 || !got.Messages[0].Redelivered {
		t.Fatalf("after the recall: %+v, want the message, marked", got)
	}
	w.check(b, bridge.CheckRequest{Ack: got.Receipt})
	w.recall(b, "third")
	if got := w.check(b, bridge.CheckRequest{}); len(got.Messages) != 0 {
		t.Errorf("after its ack: %+v, want nothing", got)
	}
}

func TestRecall_WhatALostAnswerClaimedIsOpenAgain(t *testing.T) {
	for _, passing := range []bool{false, true} {
		w := newWorld(t)
		a, b := w.agent("alpha"), w.remote("beta")
		b.Passing = passing
		w.talk(a, b)
		w.todo(a, "x")
		lost := w.claim(calling(b, "first"), "")
		w.recall(b, "first")
		got := w.claim(calling(b, "second"), "")
		if got.Task == nil || got.Again || got.Task.Attempts != 1 || got.LeaseToken <= lost.LeaseToken {
			t.Fatalf("after the recall: %+v, want the task as if it had never been claimed, under a new token", got)
		}
		w.recall(b, "first")
		if again := w.claim(b, got.Task.ID); !again.Again || again.LeaseToken != got.LeaseToken {
			t.Fatalf("a recall took the claim of another call: %+v", again)
		}
		w.update(b, bridge.UpdateTaskRequest{Task: got.Task.ID, Action: bridge.RenewTask, LeaseToken: got.LeaseToken})
		w.recall(b, "second")
		w.end(b, got, bridge.CompleteTask, "done")
	}
}

func TestRecall_ARevokedTokenGivesBackWhatItsCallsHold(t *testing.T) {
	w := newWorld(t)
	a, b := w.agent("alpha"), w.remote("beta")
	w.talk(a, b)
	w.say(a, "one")
	w.check(calling(b, "first"), bridge.CheckRequest{})
	if err := w.RevokeToken(w.ctx, b.Token()); err != nil {
		t.Fatal(err)
	}
	res, err := w.Partners(w.ctx, a, bridge.PartnersRequest{})
	if err != nil || len(res.Deliveries) != 1 || res.Deliveries[0].State != bridge.Stored {
		t.Errorf("%+v, %v, want it to wait again", res.Deliveries, err)
	}
}

func TestCreate_OneKeyIsOneConversation(t *testing.T) {
	w := newWorld(t)
	a, b, c := w.agent("alpha"), w.agent("beta"), w.agent("gamma")
	q := bridge.CreateRequest{Key: "k", Role: "lead", Title: "x", Partners: []bridge.Partner{{Name: "beta", Role: "tester"}}}
	create := func(c bridge.Caller) bridge.CreateResult {
		t.Helper()
		res, err := w.Create(w.ctx, c, q)
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	lost, got, other := create(a), create(a), create(c)
	if lost.Conversation != got.Conversation || lost.You != got.You || other.Conversation == got.Conversation {
		t.Fatalf("three tries, the last of another agent: %s, %s, %s; want two conversations", lost.Conversation, got.Conversation, other.Conversation)
	}
	if _, err := w.Join(w.ctx, b, bridge.JoinRequest{Code: lost.Invites[0].Code}); bridge.AsError(err) == nil || bridge.AsError(err).Code != bridge.Denied {
		t.Errorf("the code of the answer that got lost: %v, want denied", err)
	}
	joined, err := w.Join(w.ctx, b, bridge.JoinRequest{Code: got.Invites[0].Code})
	if err != nil {
		t.Fatal(err)
	}
	if joined.You.Rank != bridge.Peer {
		t.Errorf("beta is %s, want peer", joined.You.Rank)
	}
	again, err := w.Join(w.ctx, b, bridge.JoinRequest{Code: got.Invites[0].Code, Again: true})
	if err != nil || again.You != joined.You || again.Conversation != joined.Conversation {
		t.Errorf("joined again after a lost answer: %+v, %v", again, err)
	}
	if _, err := w.Join(w.ctx, c, bridge.JoinRequest{Code: got.Invites[0].Code, Again: true}); bridge.AsError(err) == nil || bridge.AsError(err).Code != bridge.Conflict {
		t.Errorf("another's code: %v, want conflict", err)
	}
}

// A token that ends has a successor, by which its agent goes on with what it holds.
func TestRecall_ASuccessorGivesBackWhatItsTokenTook(t *testing.T) {
	w := newWorld(t)
	a, b := w.agent("alpha"), w.remote("beta")
	w.talk(a, b)
	token, err := w.NewToken(w.ctx, b.Agent())
	if err != nil {
		t.Fatal(err)
	}
	next, err := w.Authenticate(w.ctx, token, bridge.Origin{})
	if err != nil {
		t.Fatal(err)
	}
	w.say(a, "one")
	batch := w.check(b, bridge.CheckRequest{})
	if err := w.GiveBack(w.ctx, next, batch.Receipt); err != nil {
		t.Fatal(err)
	}
	if batch = w.check(calling(b, "lost"), bridge.CheckRequest{}); len(batch.Messages) != 1 {
		t.Errorf("given back by the successor: %+v", batch)
	}
	w.todo(a, "x")
	lost := w.claim(calling(b, "lost"), "")
	w.recall(next, "lost")
	if got := w.check(next, bridge.CheckRequest{}); len(got.Messages) != 1 {
		t.Errorf("recalled by the successor: %+v", got)
	}
	if got := w.claim(next, lost.Task.ID); got.Again || got.Task.Attempts != 1 {
		t.Errorf("the claim recalled by the successor: %+v", got)
	}
}
