package bridge_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"agentbridge/internal/bridge"
)

func strict(o *bridge.Options) { o.Config.Limits = bridge.StrictLimits }

func TestLimits_StrictIsExactInEverySlidingWindow(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	draw := rand.New(rand.NewPCG(seed, 0))
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, strict)
		a := w.agent("alpha")
		res, err := w.Create(w.ctx, a, bridge.CreateRequest{Partners: partners("beta"), TTLMinutes: 30 * 24 * 60})
		if err != nil {
			t.Fatal(err)
		}
		var accepted []time.Time
		free := func(now time.Time) bool {
			return !slices.ContainsFunc(bridge.StrictLimits.Budgets[0].Windows[:], func(win bridge.Window) bool {
				n := len(accepted)
				return n >= win.Max && now.Sub(accepted[n-win.Max]) < win.Per
			})
		}
		for range 120 {
			time.Sleep(time.Duration(draw.IntN(900)) * time.Second)
			if _, err := w.ExtendToken(w.ctx, a.Token()); err != nil {
				t.Fatal(err)
			}
			for range 1 + draw.IntN(25) {
				time.Sleep(time.Duration(draw.IntN(8000)) * time.Millisecond)
				_, err := w.Send(w.ctx, a, bridge.SendRequest{Message: "x", Conversation: res.Conversation})
				now := time.Now()
				switch allowed := free(now); {
				case err == nil && !allowed:
					t.Fatalf("send %d was let through over a limit", len(accepted)+1)
				case err == nil:
					accepted = append(accepted, now)
				case allowed || !errors.Is(err, bridge.RateLimited) || bridge.AsError(err).RetryAfter < 1:
					t.Fatalf("send %d, with room under every limit %t: %v", len(accepted)+1, allowed, err)
				}
			}
		}
		if len(accepted) < 500 {
			t.Errorf("only %d sends were tried against the daily limit", len(accepted))
		}
	})
}

func TestLimits_RetryAfterIsWhenItWorksAgain(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, strict)
		a, b := w.agent("alpha"), w.agent("beta")
		id := w.talk(a, b)
		for i := range 10 {
			w.say(a, fmt.Sprint(i))
			time.Sleep(time.Second)
		}
		_, err := w.Send(w.ctx, a, bridge.SendRequest{Message: "x"})
		want(t, err, bridge.RateLimited, "wait")
		if n := w.stored(id); n != 10 {
			t.Errorf("stored %d", n)
		}
		if after := bridge.AsError(err).RetryAfter; after != 50 {
			t.Errorf("retry after %d s, want 50", after)
		}
		time.Sleep(49*time.Second + 900*time.Millisecond)
		if _, err := w.Send(w.ctx, a, bridge.SendRequest{Message: "x"}); err == nil {
			t.Error("sent too early")
		}
		time.Sleep(100 * time.Millisecond)
		w.say(a, "x")
		w.say(b, "others have a budget of their own")
	})
}

func TestLimits_ReadsHaveTheirOwn(t *testing.T) {
	w := newWorld(t)
	a, b := w.agent("alpha"), w.agent("beta")
	w.talk(a, b)
	for range 600 {
		w.check(b, bridge.CheckRequest{})
	}
	_, err := w.Check(w.ctx, b, bridge.CheckRequest{})
	want(t, err, bridge.RateLimited, "wait")
	w.say(b, "writing goes on")
}

func TestLimits_OffIsOff(t *testing.T) {
	w := newWorld(t, func(o *bridge.Options) { o.Config.Limits = bridge.NoLimits })
	a, b := w.agent("alpha"), w.agent("beta")
	w.talk(a, b)
	for i := range 150 {
		w.say(a, fmt.Sprint(i))
	}
}

func TestLimits_ARetryOfASentKeyIsNotCharged(t *testing.T) {
	w := newWorld(t, strict)
	a, b := w.agent("alpha"), w.agent("beta")
	w.talk(a, b)
	for range 30 {
		if _, err := w.Send(w.ctx, a, bridge.SendRequest{Message: "x", Key: "k"}); err != nil {
			t.Fatal(err)
		}
	}
}
