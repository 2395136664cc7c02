package bridge_test

import (
	"fmt"
	"slices"
	"testing"

	"agentbridge/internal/bridge"
)

func TestWaiting_NamesWhoSentAndTakesNothing(t *testing.T) {
	w := newWorld(t)
	a, b, c := w.agent("alpha"), w.agent("beta"), w.agent("gamma")
	w.talk(b, a)
	w.talk(c, a)
	if k, err := w.Waiting(w.ctx, a); err != nil || k.Name != "alpha" || k.Unread != 0 || k.From != nil || k.NewestAt != nil {
		t.Errorf("before anything was sent: %+v, %v", k, err)
	}
	w.say(c, "one")
	w.say(b, "two")
	w.say(c, "three")
	for range 2 { // the first look changes nothing for the second
		k, err := w.Waiting(w.ctx, a)
		if err != nil || k.Unread != 3 || !slices.Equal(k.From, []string{"beta", "gamma"}) || k.NewestAt == nil {
			t.Errorf("%+v, %v; want 3 from beta and gamma", k, err)
		}
	}
	if got := w.check(a, bridge.CheckRequest{}); len(got.Messages) != 3 || got.Messages[0].Redelivered {
		t.Errorf("Check = %+v, want all three for the first time", got)
	}
	if k, err := w.Waiting(w.ctx, a); err != nil || k.Unread != 0 || k.From != nil {
		t.Errorf("after they were taken: %+v, %v", k, err)
	}
}

func TestWaiting_NamesOfManyAreFew(t *testing.T) {
	w := newWorld(t)
	a := w.agent("alpha")
	for i := range 9 {
		other := w.agent(fmt.Sprintf("other%d", i))
		w.talk(other, a)
		w.say(other, "hello")
	}
	if k, err := w.Waiting(w.ctx, a); err != nil || k.Unread != 9 || len(k.From) != 5 || !slices.IsSorted(k.From) {
		t.Errorf("%+v, %v; want 9 unread and five names", k, err)
	}
}
