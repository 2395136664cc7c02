package bridge_test

import (
	"slices"
	"testing"

	"agentbridge/internal/bridge"
)

// A store from before two rotations, and the key file from after them, which holds none of its keys.
func TestAdoptKeys_OpensAStoreOfABackupFromBeforeTheKeysAtHand(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		made, err := w.Create(w.ctx, w.agent("alpha"), bridge.CreateRequest{Role: "lead", Partners: []bridge.Partner{{Name: "beta", Role: "tester"}}})
		if err != nil {
			t.Fatal(err)
		}
		ring := bridge.NewKeyRing()
		_, err = bridge.New(w.ctx, w.store, bridge.Options{Keys: ring, Scanner: scanner(t)})
		want(t, err, bridge.Invalid, "key adopt")

		done, err := bridge.AdoptKeys(w.ctx, w.store, ring)
		if err != nil || done.Ended != 1 || len(done.Before) != 1 || done.Before[0] == done.Current {
			t.Fatalf("AdoptKeys = %+v, %v; want the one token of the key before to end", done, err)
		}
		next := worldOn(t, w.store, func(o *bridge.Options) { o.Keys = ring })
		for _, tok := range next.tokens() {
			if tok.State != "retired" {
				t.Errorf("a token of the key before is %s, want retired", tok.State)
			}
		}
		view, err := next.Show(next.ctx, made.Conversation)
		if err != nil || len(view.Invites) != 1 || view.Invites[0].State != "void" {
			t.Errorf("invites = %+v, %v; want one that is void", view.Invites, err)
		}
		if got := next.subjects("key_adopt"); !slices.Equal(got, []string{done.Current}) {
			t.Errorf("key_adopt entries = %v, want one of %s", got, done.Current)
		}
		if _, err := next.Unread(next.ctx, next.agent("gamma")); err != nil {
			t.Error(err)
		}
		_, err = bridge.AdoptKeys(w.ctx, w.store, ring)
		want(t, err, bridge.Conflict, "nothing to adopt")
		w.tampered = true // its own keys are not the store's any more
		next.holdsTogether()
	})
}

// A process that began with the keys of before finds those that were adopted by itself.
func TestAdoptKeys_HoldsInProcessesThatRunAlready(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := &ringFile{}
		w := newWorld(t, f.option)
		a := w.agent("alpha")
		ring := bridge.NewKeyRing()
		if err := f.save(ring); err != nil {
			t.Fatal(err)
		}
		w.sweep()
		if _, err := w.Unread(w.ctx, a); err != nil {
			t.Fatal(err) // the keys in use stay
		}
		if _, err := bridge.AdoptKeys(w.ctx, w.store, ring); err != nil {
			t.Fatal(err)
		}
		w.sweep()
		_, err := w.Unread(w.ctx, a)
		want(t, err, bridge.Denied, "")
		if _, err := w.Unread(w.ctx, w.agent("beta")); err != nil {
			t.Error(err)
		}
	})
}

func TestAdoptKeys_DoesNotBringBackAKeyThatTheStoreLeftBehind(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := &ringFile{}
		w := newWorld(t, f.option)
		w.agent("alpha")
		old, err := bridge.ParseKeyRing(f.text)
		if err != nil {
			t.Fatal(err)
		}
		w.rotate(f, 0)
		_, err = bridge.AdoptKeys(w.ctx, w.store, old)
		want(t, err, bridge.Invalid, "after the last")
		if n := len(w.subjects("key_adopt")); n != 0 {
			t.Errorf("%d key_adopt entries, want none", n)
		}
	})
}
