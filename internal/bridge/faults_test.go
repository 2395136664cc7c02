package bridge_test

import (
	"errors"
	"slices"
	"testing"

	"agentbridge/internal/bridge"
	"agentbridge/internal/sqlite"
	"agentbridge/internal/storetest"
)

// insist repeats a call whose outcome nobody knows, as its promise says one may.
func insist[T any](t *testing.T, call func() (T, error)) (T, error) {
	t.Helper()
	v, err := call()
	for range 2 {
		if !errors.Is(err, bridge.Unavailable) {
			break
		}
		v, err = call()
	}
	return v, err
}

// brokenWorld is a world whose store breaks where the plan says, and two agents that talk in it. A point that breaks on the way there
// counts as well.
func brokenWorld(t *testing.T, plan storetest.Plan) (w *world, a, b bridge.Caller, id bridge.ConversationID) {
	t.Helper()
	store, err := sqlite.Open(t.Context(), ":memory:", sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	w = &world{t: t, ctx: t.Context(), store: store, dead: map[bridge.Instance]bool{}}
	faulty := storetest.Faulty(store, plan)
	w.Service, err = insist(t, func() (*bridge.Service, error) {
		return bridge.New(w.ctx, faulty, bridge.Options{Keys: ring, Scanner: scanner(t), Dead: w.isDead})
	})
	must(nil, err)
	login := func(name string, local bool) bridge.Caller {
		t.Helper()
		token, err := insist(t, func() (string, error) {
			token, _, err := w.NewAgent(w.ctx, name, local)
			return token, err
		})
		must(nil, err)
		return w.process(token, name)
	}
	a, b = login("alpha", true), login("beta", true)
	made, err := insist(t, func() (bridge.CreateResult, error) {
		return w.Create(w.ctx, a, bridge.CreateRequest{Role: "lead", Partners: partners("beta")})
	})
	must(nil, err)
	_, err = insist(t, func() (bridge.JoinResult, error) {
		return w.Join(w.ctx, b, bridge.JoinRequest{Code: made.Invites[0].Code})
	})
	if err != nil && !errors.Is(err, bridge.Conflict) { // a code whose answer got lost is used, and the refusal says by whom
		t.Fatal(err)
	}
	return w, a, b, made.Conversation
}

// TestEveryWriteBrokenTwice tells one story with each write, each commit and each answer broken in turn. Whoever repeats what was
// unavailable ends up where nothing broke: nothing lost, nothing doubled, every effect with its entry.
func TestEveryWriteBrokenTwice(t *testing.T) {
	storetest.BreakEach(t, func(t *testing.T, plan storetest.Plan) {
		w, a, b, id := brokenWorld(t, plan)
		must := func(_ any, err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		sent := []bridge.SendResult{}
		for _, key := range []string{"one", "two", "three"} {
			res, err := insist(t, func() (bridge.SendResult, error) {
				return w.Send(w.ctx, a, bridge.SendRequest{Conversation: id, Message: key, Key: key})
			})
			must(nil, err)
			sent = append(sent, res)
		}
		got, err := insist(t, func() (bridge.CheckResult, error) { return w.Check(w.ctx, b, bridge.CheckRequest{Limit: 1}) })
		must(nil, err)
		if !slices.Equal(texts(got), []string{"one"}) {
			t.Fatalf("first came %q", texts(got))
		}
		_, err = insist(t, func() (any, error) { return nil, w.Ack(w.ctx, b, got.Receipt, bridge.Explicit) })
		must(nil, err)
		_, err = insist(t, func() (any, error) {
			return w.SetStatus(w.ctx, b, bridge.StatusRequest{Conversation: id, Status: bridge.Working, Note: "on it"})
		})
		must(nil, err)
		_, err = insist(t, func() (any, error) { return w.Check(w.ctx, b, bridge.CheckRequest{Limit: 1}) })
		must(nil, err)
		w.kill(b)
		_, err = insist(t, func() (any, error) { return w.Sweep(w.ctx) })
		must(nil, err)
		_, err = insist(t, func() (any, error) { return nil, w.RevokeMember(w.ctx, id, "beta") })
		if err != nil && !errors.Is(err, bridge.NotFound) { // it was, and the answer got lost
			t.Fatal(err)
		}

		if n := w.stored(id); n < 3 {
			t.Errorf("%d messages are stored", n)
		}
		for i, state := range []bridge.DeliveryState{bridge.Acked, bridge.Dead, bridge.Dead} {
			if sent[i].Seq != int64(i+1) {
				t.Errorf("message %d has seq %d", i+1, sent[i].Seq)
			}
			if d := w.delivery(id, int64(i+1), "beta"); d.State != state {
				t.Errorf("delivery %d = %+v, want %s", i+1, d, state)
			}
		}
		w.holdsTogether()
	})
}

// ring is made once: making it is no part of the story.
var ring = bridge.NewKeyRing()
