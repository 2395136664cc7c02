package bridge_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"agentbridge/internal/bridge"
	"agentbridge/internal/sqlite"
)

func strict(o *bridge.Options) { o.Config.Limits = bridge.StrictLimits }

// alone is limits with that budget and no other, so that it can be told from all others.
func alone(name string, b bridge.Budget) option {
	return func(o *bridge.Options) {
		o.Config.InboxDepth = 1 << 30
		o.Config.Limits = bridge.Limits{Name: name, Budgets: [len(bridge.Limits{}.Budgets)]bridge.Budget{b}}
	}
}

// spender does again and again what a budget bounds.
func (w *world) spender(b bridge.Budget) func() error {
	w.t.Helper()
	token, _, err := w.NewAgent(w.ctx, "alpha", false)
	if err != nil {
		w.t.Fatal(err)
	}
	a, err := w.Authenticate(w.ctx, token, bridge.Origin{Address: "192.0.2.1"})
	if err != nil {
		w.t.Fatal(err)
	}
	make := func() (bridge.CreateResult, error) {
		return w.Create(w.ctx, a, bridge.CreateRequest{Partners: partners("beta"), TTLMinutes: 30 * 24 * 60})
	}
	var id bridge.ConversationID
	if b.Of == bridge.EachMember {
		res, err := make()
		if err != nil {
			w.t.Fatal(err)
		}
		id = res.Conversation
	}
	n := 0
	do := map[bridge.ChargeKind]func() error{
		bridge.Write: func() error {
			_, err := w.Send(w.ctx, a, bridge.SendRequest{Message: "x", Conversation: id})
			return err
		},
		bridge.Change: func() error {
			_, err := w.SetStatus(w.ctx, a, bridge.StatusRequest{Status: bridge.Working, Conversation: id})
			return err
		},
		bridge.Read:       func() error { _, err := w.Partners(w.ctx, a, bridge.PartnersRequest{}); return err },
		bridge.Creation:   func() error { _, err := make(); return err },
		bridge.Invitation: func() error { _, err := make(); return err },
		bridge.Joining:    func() error { _, err := w.Join(w.ctx, a, bridge.JoinRequest{Code: "x"}); return err },
		bridge.Failure: func() error {
			if b.Of == bridge.EachAgent {
				_, err := w.Join(w.ctx, a, bridge.JoinRequest{Code: "x"})
				return err
			}
			n++
			where := "192.0.2.1"
			if b.Of == bridge.Everybody {
				where = fmt.Sprintf("2001:db8:%x:%x::1", n/65536, n%65536)
			}
			return w.FailedAuthentication(w.ctx, bridge.Origin{Address: where})
		},
	}[b.Kind]
	return func() error {
		if _, err := w.ExtendToken(w.ctx, a.Token()); err != nil {
			return err
		}
		return do()
	}
}

// ledger knows when something was let through, and so what must be now.
type ledger struct {
	windows []bridge.Window
	at      []time.Time
	met     [3]bool // which windows were found full
}

func (l *ledger) room(now time.Time) bool {
	room := true
	for i, w := range l.windows {
		if n := len(l.at); w.Max > 0 && n >= w.Max && now.Sub(l.at[n-w.Max]) < w.Per {
			room, l.met[i] = false, true
		}
	}
	return room
}

// try does it once, and wants it let through if and only if there is room under every window. It gives how long to wait then.
func (l *ledger) try(t *testing.T, now func() time.Time, do func() error) (wait time.Duration) {
	t.Helper()
	err := do()
	at := now()
	limited := errors.Is(err, bridge.RateLimited)
	switch room := l.room(at); {
	case limited == room:
		t.Fatalf("try after %d let through, with room under every limit %t: %v", len(l.at), room, err)
	case limited && (bridge.AsError(err).RetryAfter < 1 || bridge.AsError(err).Hint == ""):
		t.Fatalf("refused without saying when to come back: %+v", err)
	case !limited:
		l.at = append(l.at, at)
		return 0
	}
	return time.Duration(bridge.AsError(err).RetryAfter) * time.Second
}

func TestLimits_EveryBudgetIsExactInEverySlidingWindow(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	for _, limits := range []bridge.Limits{bridge.DefaultLimits, bridge.StrictLimits} {
		for _, b := range limits.Budgets {
			t.Run(fmt.Sprintf("%s/%s/%s", limits.Name, b.Kind, b.Of), func(t *testing.T) {
				if testing.Short() { // without the windows that take thousands of calls to fill, unless there is no other
					for i, w := range b.Windows[1:] {
						if w.Max > 300 {
							b.Windows[1+i] = bridge.Window{}
						}
					}
				}
				inBubble(t, func(t *testing.T) {
					w := newWorld(t, alone(limits.Name, b))
					do := w.spender(b)
					draw := rand.New(rand.NewPCG(seed, 0))
					l := ledger{windows: b.Windows[:]}
					windows := slices.DeleteFunc(slices.Clone(b.Windows[:]), func(w bridge.Window) bool { return w.Max == 0 })
					short, long := windows[0], windows[len(windows)-1]
					// Faster than the shortest window lets through, with pauses about as long as the fullest window asks for.
					for tries := 0; tries < long.Max+long.Max/4 || !l.met[len(windows)-1]; tries++ {
						time.Sleep(time.Duration(draw.Int64N(int64(short.Per) / int64(short.Max))))
						wait := l.try(t, time.Now, do)
						if wait > 0 && draw.IntN(short.Max) < 3 || wait > 2*short.Per {
							time.Sleep(time.Duration(draw.Int64N(int64(wait) + int64(short.Per)/4)))
						}
					}
					for i := range windows {
						if !l.met[i] {
							t.Errorf("%d were let through, and %s was never full", len(l.at), windows[i])
						}
					}
				})
			})
		}
	}
}

func TestLimits_StrictIsTheSeedsForMessages(t *testing.T) {
	if got, want := bridge.StrictLimits.Budgets[0].String(), "10 a minute, 100 an hour, 500 a day"; got != want || bridge.StrictLimits.Budgets[0].Kind != bridge.Write {
		t.Errorf("strict is %s, want %s", got, want)
	}
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, strict)
		a, b := w.agent("alpha"), w.agent("beta")
		w.talk(a, b)
		for range 10 { // what the seed did not bound takes nothing from the messages
			w.todo(a, "x")
			w.say(a, "x")
			w.claim(b, "")
		}
		_, err := w.Send(w.ctx, a, bridge.SendRequest{Message: "x"})
		want(t, err, bridge.RateLimited, "wait")
		_, err = w.AddTask(w.ctx, a, bridge.AddTaskRequest{Title: "x"})
		want(t, err, bridge.RateLimited, "wait")
	})
}

// onClock is a world with limits of one budget, whose wall clock the test sets.
func onClock(t *testing.T, clock *wall, b bridge.Budget) *world {
	t.Helper()
	store, err := sqlite.Open(t.Context(), ":memory:", sqlite.Options{Now: clock.now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return worldOn(t, store, alone("test", b))
}

func TestLimits_AreExactByAClockThatIsSetForward(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		clock := &wall{}
		b := bridge.StrictLimits.Budgets[0]
		w := onClock(t, clock, b)
		do := w.spender(b)
		draw := rand.New(rand.NewPCG(1, 2))
		l := ledger{windows: b.Windows[:]}
		for range 400 {
			if draw.IntN(4) == 0 {
				clock.off += time.Duration(draw.IntN(5400)) * time.Second
			}
			time.Sleep(time.Duration(draw.IntN(8000)) * time.Millisecond)
			l.try(t, clock.now, do)
		}
	})
}

func TestLimits_AClockSetBackALittleLetsNobodyHaveMore(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		clock := &wall{}
		b := bridge.Budget{Kind: bridge.Write, Of: bridge.EachMember, Windows: [3]bridge.Window{{Max: 10, Per: minute}}}
		w := onClock(t, clock, b)
		do := w.spender(b)
		draw := rand.New(rand.NewPCG(3, 4))
		real := ledger{windows: b.Windows[:]}
		for range 600 {
			if draw.IntN(10) == 0 {
				clock.off -= time.Duration(draw.IntN(50)) * time.Second
			}
			time.Sleep(time.Duration(draw.IntN(7000)) * time.Millisecond)
			room := real.room(time.Now())
			err := do()
			switch {
			case err == nil && !room:
				t.Fatal("more than 10 within a minute")
			case err == nil:
				real.at = append(real.at, time.Now())
			case bridge.AsError(err).RetryAfter > 60:
				t.Fatalf("wait for %d s, and the window is a minute", bridge.AsError(err).RetryAfter)
			}
		}
		time.Sleep(minute)
		if err := do(); err != nil {
			t.Errorf("after a whole window: %v", err)
		}
	})
}

func TestLimits_AClockSetBackFarLocksNobodyOut(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		clock := &wall{off: 24 * time.Hour}
		b := bridge.Budget{Kind: bridge.Write, Of: bridge.EachMember, Windows: [3]bridge.Window{{Max: 10, Per: minute}}}
		w := onClock(t, clock, b)
		do := w.spender(b)
		for range 10 {
			if err := do(); err != nil {
				t.Fatal(err)
			}
		}
		want(t, do(), bridge.RateLimited, "wait")
		clock.off = 0
		l := ledger{windows: b.Windows[:]}
		for range 40 {
			time.Sleep(5 * time.Second)
			l.try(t, clock.now, do)
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

func TestLimits_WhatIsRefusedChargesNothing(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, strict)
		a := w.agent("alpha")
		create := func(n int) error {
			var names []string
			for i := range n {
				names = append(names, fmt.Sprint("p", i))
			}
			_, err := w.Create(w.ctx, a, bridge.CreateRequest{Partners: partners(names...)})
			return err
		}
		if err := errors.Join(create(60), create(30)); err != nil {
			t.Fatal(err)
		}
		for range 20 { // 11 invites are too many, and the calls that they came with are not counted either
			want(t, create(11), bridge.RateLimited, "invite the others")
		}
		for range 8 {
			if err := create(1); err != nil {
				t.Fatal(err)
			}
		}
		want(t, create(1), bridge.RateLimited, "several partners")
		time.Sleep(minute)
		if err := create(1); err != nil {
			t.Error(err)
		}
	})
}

func TestLimits_MoreThanAWholeBudgetAtOnceIsInvalid(t *testing.T) {
	w := newWorld(t, alone("test", bridge.Budget{Kind: bridge.Invitation, Of: bridge.EachAgent, Windows: [3]bridge.Window{{Max: 2, Per: minute}}}))
	_, err := w.Create(w.ctx, w.agent("alpha"), bridge.CreateRequest{Partners: partners("a", "b", "c")})
	want(t, err, bridge.Invalid, "parts")
}

// What cannot be let in says which came first: the look at the budget, or the look at the text.
func TestLimits_AreLookedAtBeforeALongText(t *testing.T) {
	w := newWorld(t, strict)
	a, b, c := w.agent("alpha"), w.agent("beta"), w.agent("gamma")
	id := w.talk(a, b)
	long := strings.Repeat("long ", 2000)
	unreadable := long + "\xff"
	key := func(text string) error {
		_, err := w.Send(w.ctx, a, bridge.SendRequest{Message: text, Key: "k"})
		return err
	}
	if err := key(long); err != nil {
		t.Fatal(err)
	}
	want(t, key(unreadable), bridge.Invalid, "")
	for range 9 {
		w.say(a, "x")
	}
	_, err := w.Send(w.ctx, a, bridge.SendRequest{Message: unreadable})
	want(t, err, bridge.RateLimited, "wait")
	if err := key(long); err != nil {
		t.Errorf("a retry: %v", err)
	}
	_, err = w.Send(w.ctx, c, bridge.SendRequest{Message: unreadable, Conversation: id})
	want(t, err, bridge.Denied, "invite")

	lease := w.claim(b, w.todo(a, "x"))
	for range 9 {
		w.todo(a, "x")
	}
	_, err = w.AddTask(w.ctx, a, bridge.AddTaskRequest{Title: "x", Detail: unreadable})
	want(t, err, bridge.RateLimited, "wait")
	_, err = w.SetStatus(w.ctx, a, bridge.StatusRequest{Status: bridge.Working, Note: unreadable})
	want(t, err, bridge.RateLimited, "wait")
	for range 10 {
		w.end(b, lease, bridge.RenewTask, "")
	}
	_, err = w.UpdateTask(w.ctx, b, holders(lease, bridge.ReleaseTask, unreadable))
	want(t, err, bridge.RateLimited, "wait")
	_, err = w.UpdateTask(w.ctx, a, holders(lease, bridge.CompleteTask, unreadable))
	want(t, err, bridge.Denied, "holder")
	w.end(b, lease, bridge.CompleteTask, long)
	w.end(b, lease, bridge.CompleteTask, long) // again
}
