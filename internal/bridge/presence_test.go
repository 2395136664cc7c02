package bridge_test

import (
	"testing"
	"time"

	"agentbridge/internal/bridge"
)

// partner is what a sees of its one partner.
func (w *world) partner(a bridge.Caller) bridge.PartnerState {
	w.t.Helper()
	res, err := w.Partners(w.ctx, a, bridge.PartnersRequest{})
	if err != nil {
		w.t.Fatal(err)
	}
	if len(res.Partners) != 1 {
		w.t.Fatalf("partners = %+v", res.Partners)
	}
	return res.Partners[0]
}

func TestLiveness_IsWhatTheBridgeSaw(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.agent("alpha"), w.remote("beta")
		res, err := w.Create(w.ctx, a, bridge.CreateRequest{Partners: partners("beta")})
		if err != nil {
			t.Fatal(err)
		}
		see := func(live bridge.Liveness, seen int64, since time.Time) {
			t.Helper()
			p := w.partner(a)
			if p.Liveness != live || !p.Since.Equal(since) || (seen < 0) != (p.LastSeen == nil) || seen >= 0 && *p.LastSeen != seen {
				t.Errorf("partner = %s since %s, last seen %v; want %s since %s, %d", p.Liveness, p.Since, p.LastSeen, live, since, seen)
			}
		}
		start := time.Now().UTC()
		time.Sleep(minute)
		see(bridge.Gone, -1, start) // invited, never seen
		if _, err := w.Join(w.ctx, b, bridge.JoinRequest{Code: res.Invites[0].Code}); err != nil {
			t.Fatal(err)
		}
		joined := time.Now().UTC()
		see(bridge.Alive, 0, joined)
		for range 12 { // heartbeats and no progress for three minutes
			time.Sleep(15 * time.Second)
			if err := w.Heartbeat(w.ctx, b, bridge.Pulse{}); err != nil {
				t.Fatal(err)
			}
		}
		see(bridge.Idle, 0, joined.Add(3*minute))
		w.say(b, "still here")
		last := time.Now().UTC()
		see(bridge.Alive, 0, last)
		time.Sleep(45*time.Second - time.Microsecond)
		see(bridge.Alive, 44, last)
		time.Sleep(time.Microsecond)
		see(bridge.Silent, 45, last.Add(45*time.Second))
		time.Sleep(255 * time.Second)
		see(bridge.Gone, 300, last.Add(5*minute))
	})
}

func TestLiveness_ALocalProcessThatDiedIsKnownAtOnce(t *testing.T) {
	w := newWorld(t)
	a, b := w.agent("alpha"), w.agent("beta")
	w.talk(a, b)
	if p := w.partner(a); p.Liveness != bridge.Alive {
		t.Fatalf("partner = %+v", p)
	}
	w.kill(b)
	if p := w.partner(a); p.Liveness != bridge.Silent {
		t.Errorf("a dead process leaves its agent %s", p.Liveness)
	}
	token, _, _ := w.NewAgent(w.ctx, "beta", true)
	again := w.process(token, "beta")
	if err := w.Heartbeat(w.ctx, again, bridge.Pulse{}); err != nil {
		t.Fatal(err)
	}
	if p := w.partner(a); p.Liveness != bridge.Alive {
		t.Errorf("with a second instance the agent is %s", p.Liveness)
	}
	if err := w.Heartbeat(w.ctx, again, bridge.Pulse{End: true}); err != nil {
		t.Fatal(err)
	}
	if p := w.partner(a); p.Liveness != bridge.Silent {
		t.Errorf("after saying goodbye the agent is %s", p.Liveness)
	}
}

func TestStatus_IsWhatTheAgentSays(t *testing.T) {
	w := newWorld(t)
	a, b := w.agent("alpha"), w.agent("beta")
	w.talk(a, b)
	if _, err := w.SetStatus(w.ctx, b, bridge.StatusRequest{Status: bridge.Blocked, Note: "need \x1b[31mkeys"}); err != nil {
		t.Fatal(err)
	}
	if p := w.partner(a); p.Status != bridge.Blocked || p.Note != "need keys" {
		t.Errorf("partner = %+v", p)
	}
	_, err := w.SetStatus(w.ctx, b, bridge.StatusRequest{Status: "busy"})
	want(t, err, bridge.Invalid, "working")
}

func TestPartners_TellWhatBecameOfTheCallersMessages(t *testing.T) {
	w := newWorld(t)
	a, b := w.agent("alpha"), w.agent("beta")
	w.talk(a, b)
	first, second := w.say(a, "1"), w.say(a, "2")
	w.say(b, "not mine")
	got := w.check(b, bridge.CheckRequest{Limit: 1})
	w.check(b, bridge.CheckRequest{Limit: 1, Ack: got.Receipt})
	res, err := w.Partners(w.ctx, a, bridge.PartnersRequest{})
	if err != nil {
		t.Fatal(err)
	}
	states := map[bridge.MessageID]bridge.DeliveryState{}
	for _, d := range res.Deliveries {
		states[d.Message] = d.State
	}
	if len(states) != 2 || states[first.Message] != bridge.Acked || states[second.Message] != bridge.Delivered {
		t.Errorf("deliveries = %+v", res.Deliveries)
	}
	if res.Unread != 1 {
		t.Errorf("unread = %d, want beta's message", res.Unread)
	}
}

// wall is a clock that tests set.
type wall struct{ off time.Duration }

func (c *wall) now() time.Time { return time.Now().Add(c.off) }

func TestClock_AJumpMakesNobodySilentAndLosesNoLease(t *testing.T) {
	for name, jump := range map[string]time.Duration{"forward": 2 * time.Hour, "back": -2 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				clock := &wall{}
				w := worldAt(t, clock)
				a, b := w.remote("alpha"), w.remote("beta")
				res, err := w.Create(w.ctx, a, bridge.CreateRequest{Partners: partners("beta"), TTLMinutes: 24 * 60})
				if err != nil {
					t.Fatal(err)
				}
				if _, err := w.Join(w.ctx, b, bridge.JoinRequest{Code: res.Invites[0].Code}); err != nil {
					t.Fatal(err)
				}
				for _, c := range []bridge.Caller{a, b} {
					if _, err := w.ExtendToken(w.ctx, c.Token()); err != nil {
						t.Fatal(err)
					}
				}
				w.say(a, "x")
				w.check(b, bridge.CheckRequest{})
				sweep := func() {
					t.Helper()
					if _, err := w.Sweep(w.ctx); err != nil {
						t.Fatal(err)
					}
				}
				sweep()
				time.Sleep(20 * time.Second)
				clock.off = jump
				if p := w.partner(a); p.Liveness != bridge.Alive {
					t.Errorf("right after the jump beta is %s", p.Liveness)
				}
				sweep()
				time.Sleep(20 * time.Second)
				sweep()
				if p := w.partner(a); p.Liveness != bridge.Alive {
					t.Errorf("20 s after the jump beta is %s", p.Liveness)
				}
				if got := w.check(b, bridge.CheckRequest{}); len(got.Messages) != 0 {
					t.Error("the jump ended a delivery lease")
				}
				time.Sleep(minute)
				sweep()
				if p := w.partner(a); p.Liveness == bridge.Gone {
					t.Error("beta is gone by a clock")
				}
			})
		})
	}
}

func TestClock_ASmallStepBackStandsStill(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		clock := &wall{}
		w := worldAt(t, clock)
		a, b := w.agent("alpha"), w.agent("beta")
		id := w.talk(a, b)
		w.say(a, "1")
		clock.off = -30 * time.Second
		w.say(a, "2")
		list, err := w.Messages(w.ctx, id, 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		if list[1].SentAt.Before(list[0].SentAt) {
			t.Errorf("message 2 was sent at %s, before message 1 at %s", list[1].SentAt, list[0].SentAt)
		}
	})
}
