package bridge_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"agentbridge/internal/bridge"
	"agentbridge/internal/sqlite"
)

// Each of these was wrong once, and was found by somebody who tried to break the rules.

func noLimits(o *bridge.Options) { o.Config.Limits = bridge.NoLimits }

const aSecret = "ghp_" + "16C7e42F292c6912E7710c838347Ae178B4a"

// deaf commits, and says that it does not know.
type deaf struct{ bridge.Store }

func (d deaf) Update(ctx context.Context, s bridge.Scope, fn func(bridge.Tx) error) error {
	if err := d.Store.Update(ctx, s, fn); err != nil {
		return err
	}
	if strings.HasPrefix(string(s), "conv_") {
		return bridge.Errorf(bridge.Unavailable, "nobody knows")
	}
	return nil
}

func TestCheck_OneConversationDoesNotStarveAnother(t *testing.T) {
	w := newWorld(t, noLimits)
	b := w.agent("beta")
	a, c := w.agent("alpha"), w.agent("gamma")
	one, two := w.talk(a, b), w.talk(c, b)
	busy, quiet := a, c
	if two < one {
		busy, quiet = c, a
	}
	w.say(quiet, "urgent")
	for round := range 10 {
		for range 5 {
			w.say(busy, "chatter")
		}
		got := w.check(b, bridge.CheckRequest{Limit: 5})
		if slices.Contains(texts(got), "urgent") {
			t.Logf("round %d", round)
			return
		}
		w.check(b, bridge.CheckRequest{Peek: true, Ack: got.Receipt})
		if err := w.Ack(w.ctx, b, got.Receipt, bridge.Explicit); err != nil {
			t.Fatal(err)
		}
	}
	t.Error("the oldest message of all was passed over ten times")
}

func TestCheck_UnreadIsOfAllAndMoreIsOfWhatWasAsked(t *testing.T) {
	w := newWorld(t)
	a, b, c := w.agent("alpha"), w.agent("beta"), w.agent("gamma")
	one, two := w.talk(a, b), w.talk(c, b)
	w.say(a, "1")
	if got := w.check(b, bridge.CheckRequest{Conversation: two}); got.Unread != 1 {
		t.Errorf("an empty check says unread %d, and 1 waits", got.Unread)
	}
	w.say(c, "2")
	if got := w.check(b, bridge.CheckRequest{Conversation: two}); got.More {
		t.Errorf("more is true although nothing more is in that conversation: %+v", got)
	}
	_ = one
}

func TestLimits_AClockSetBackDoesNotLockOut(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		clock := &wall{off: 20 * time.Hour} // wrong at first
		w := worldAt(t, clock)
		w.tampered = true
		a, b := w.agent("alpha"), w.agent("beta")
		if _, err := w.Create(w.ctx, a, bridge.CreateRequest{Partners: partners("beta"), TTLMinutes: 4 * 24 * 60}); err != nil {
			t.Fatal(err)
		}
		_ = b
		for i := range 100 {
			w.say(a, fmt.Sprint(i))
		}
		clock.off = 0 // put right
		time.Sleep(2 * minute)
		for range 10 {
			if _, err := w.Send(w.ctx, a, bridge.SendRequest{Message: "x"}); err != nil {
				t.Errorf("%s later: %v, retry after %d", "2m", err, bridge.AsError(err).RetryAfter)
				time.Sleep(time.Duration(bridge.AsError(err).RetryAfter) * time.Second)
				continue
			}
			return
		}
	})
}

func TestClock_ASmallStepBackEndsNoLeaseAndMakesNobodyGone(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		clock := &wall{}
		w := worldAt(t, clock)
		a, b := w.remote("alpha"), w.remote("beta")
		id := w.talk(a, b)
		w.sweep()
		w.say(a, "x")
		w.check(b, bridge.CheckRequest{})
		clock.off = -5 * time.Millisecond
		if p := w.partner(a); p.Liveness != bridge.Alive {
			t.Errorf("5 ms after its heartbeat beta is %s since %s", p.Liveness, p.Since)
		}
		w.sweep()
		if d := w.delivery(id, 1, "beta"); d.State != bridge.Delivered {
			t.Errorf("5 ms after the lease the delivery is %s", d.State)
		}
		if got := w.check(b, bridge.CheckRequest{}); len(got.Messages) != 0 {
			t.Errorf("delivered twice within 5 ms: redelivered %t", got.Messages[0].Redelivered)
		}
	})
}

func TestSweep_ManyAtOnceEraseWithoutErrors(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.agent("alpha"), w.agent("beta")
		w.talk(a, b)
		time.Sleep(5 * time.Hour)
		w.sweep()
		time.Sleep(31 * 24 * time.Hour)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if _, err := w.Sweep(w.ctx); err != nil {
					t.Errorf("Sweep: %v", err)
				}
			})
		}
		wg.Wait()
	})
}

func TestCleanup_DeclaresDeadWhatItErases(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.agent("alpha"), w.agent("beta")
		id := w.talk(a, b)
		w.say(a, "x")
		time.Sleep(5 * time.Hour)
		if n, err := w.Cleanup(w.ctx, time.Hour); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		lines, _ := w.AuditEntries(w.ctx, bridge.AuditFilter{Conversation: id})
		var actions []string
		for _, l := range lines {
			actions = append(actions, l.Action)
		}
		if !slices.Contains(actions, "dead") || !slices.Contains(actions, "end") {
			t.Errorf("entries = %v", actions)
		}
	})
}

func TestSend_ANewAgentInARevokedSeatHasKeysOfItsOwn(t *testing.T) {
	w := newWorld(t)
	a, b, c := w.agent("alpha"), w.agent("beta"), w.agent("gamma")
	id := w.talk(a, b)
	if _, err := w.Send(w.ctx, b, bridge.SendRequest{Message: "done", Key: "k"}); err != nil {
		t.Fatal(err)
	}
	if err := w.RevokeMember(w.ctx, id, "beta"); err != nil {
		t.Fatal(err)
	}
	made, err := w.Create(w.ctx, a, bridge.CreateRequest{Conversation: id, Partners: partners("beta")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Join(w.ctx, c, bridge.JoinRequest{Code: made.Invites[0].Code}); err != nil {
		t.Fatal(err)
	}
	if res, err := w.Send(w.ctx, c, bridge.SendRequest{Message: "done", Key: "k"}); err != nil || res.Duplicate {
		t.Errorf("another agent's first send: %+v, %v", res, err)
	}
}

func TestLimits_ANewAgentInARevokedSeatHasABudgetOfItsOwn(t *testing.T) {
	w := newWorld(t, strict)
	a, b, c := w.agent("alpha"), w.agent("beta"), w.agent("gamma")
	id := w.talk(a, b)
	for range 10 {
		w.say(b, "x")
	}
	w.RevokeMember(w.ctx, id, "beta")
	made, err := w.Create(w.ctx, a, bridge.CreateRequest{Conversation: id, Partners: partners("beta")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Join(w.ctx, c, bridge.JoinRequest{Code: made.Invites[0].Code}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Send(w.ctx, c, bridge.SendRequest{Message: "hello"}); err != nil {
		t.Errorf("first send of a new agent: %v", err)
	}
}

func TestRevokeToken_ItsProcessKeepsNoMessages(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.agent("alpha"), w.agent("beta")
		w.talk(a, b)
		w.say(a, "x")
		w.check(b, bridge.CheckRequest{})
		if err := w.RevokeToken(w.ctx, b.Token()); err != nil {
			t.Fatal(err)
		}
		token, _, _ := w.NewAgent(w.ctx, "beta", true)
		other := w.process(token, "beta")
		time.Sleep(2 * time.Hour)
		w.sweep()
		if got := w.check(other, bridge.CheckRequest{}); !slices.Contains(texts(got), "x") {
			t.Errorf("two hours later: %q", texts(got))
		}
	})
}

func TestCreate_ALifeThatOverflowsIsRefused(t *testing.T) {
	w := newWorld(t)
	a := w.agent("alpha")
	res, err := w.Create(w.ctx, a, bridge.CreateRequest{Partners: partners("beta"), TTLMinutes: 307445735})
	if !errors.Is(err, bridge.Invalid) {
		t.Errorf("585 years: ends in %s, %v", time.Until(res.ExpiresAt), err)
	}
}

func TestGiveBack_CancelledCallsDoNotKillAMessage(t *testing.T) {
	w := newWorld(t)
	a, b := w.agent("alpha"), w.agent("beta")
	id := w.talk(a, b)
	w.say(a, "x")
	for range 8 {
		got := w.check(b, bridge.CheckRequest{})
		if err := w.GiveBack(w.ctx, b, got.Receipt); err != nil {
			t.Fatal(err)
		}
	}
	if d := w.delivery(id, 1, "beta"); d.State == bridge.Dead {
		t.Errorf("dead, and no client ever saw it: %+v", d)
	}
}

func TestAck_AfterDeathIsNotTakenSilently(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.remote("alpha"), w.remote("beta")
		id := w.talk(a, b)
		w.say(a, "x")
		var last bridge.CheckResult
		for range 8 {
			last = w.check(b, bridge.CheckRequest{})
			time.Sleep(11 * minute)
		}
		w.sweep()
		err := w.Ack(w.ctx, b, last.Receipt, bridge.Explicit)
		if d := w.delivery(id, 1, "beta"); err == nil && d.State != bridge.Acked {
			t.Errorf("Ack said nil and the delivery is %s (%s)", d.State, d.Reason)
		}
	})
}

func TestCheck_AWaitCoversAConversationJoinedMeanwhile(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		a, b, c := w.agent("alpha"), w.agent("beta"), w.agent("gamma")
		w.talk(a, b)
		got := make(chan bridge.CheckResult, 1)
		start := time.Now()
		go func() { got <- w.check(b, bridge.CheckRequest{Wait: 4 * minute}) }()
		synctest.Wait()
		w.talk(c, b) // by a parallel call, or another process of beta
		time.Sleep(time.Second)
		w.say(c, "urgent")
		res := <-got
		if !slices.Equal(texts(res), []string{"urgent"}) {
			t.Errorf("after %s: %q, unread %d", time.Since(start), texts(res), res.Unread)
		}
	})
}

func TestCheck_AWaitOverAllOutlivesOneSeat(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		a, b, c := w.agent("alpha"), w.agent("beta"), w.agent("gamma")
		one := w.talk(a, b)
		errs := make(chan error, 1)
		go func() {
			_, err := w.Check(w.ctx, b, bridge.CheckRequest{Wait: 4 * minute})
			errs <- err
		}()
		synctest.Wait()
		w.talk(c, b)
		w.RevokeMember(w.ctx, one, "beta")
		if err := <-errs; errors.Is(err, bridge.Denied) {
			t.Errorf("a check of all conversations ends with %v", err)
		}
	})
}

func TestJoin_FiveWrongSecretsHaveAnEntry(t *testing.T) {
	w := newWorld(t)
	a, b := w.agent("alpha"), w.agent("beta")
	made, _ := w.Create(w.ctx, a, bridge.CreateRequest{Partners: partners("beta")})
	before, _ := w.AuditEntries(w.ctx, bridge.AuditFilter{Conversation: made.Conversation})
	code := made.Invites[0].Code
	bad := code[:len(code)-4] + "AAAA"
	for range 5 {
		w.Join(w.ctx, b, bridge.JoinRequest{Code: bad})
	}
	_, err := w.Join(w.ctx, b, bridge.JoinRequest{Code: code})
	after, _ := w.AuditEntries(w.ctx, bridge.AuditFilter{Conversation: made.Conversation})
	if err != nil && len(after) == len(before) {
		t.Errorf("the invite was voided (%v) without an entry", err)
	}
}

func TestErrors_HoldNoSecrets(t *testing.T) {
	revRing := bridge.NewKeyRing()
	w := newWorld(t, func(o *bridge.Options) { o.Keys = revRing })
	a, b := w.agent("alpha"), w.agent("beta")
	w.talk(a, b)
	token, _, _ := w.NewAgent(w.ctx, "eve", true)
	show := func(err error) string { e := bridge.AsError(err); return e.Message + " / " + e.Hint }
	if err := w.RevokeToken(w.ctx, bridge.TokenID(token)); strings.Contains(show(err), token) {
		t.Errorf("RevokeToken: %s", show(err))
	}
	if _, err := w.ExtendToken(w.ctx, bridge.TokenID(token)); strings.Contains(show(err), token) {
		t.Errorf("ExtendToken: %s", show(err))
	}
	if _, err := w.NewToken(w.ctx, bridge.AgentID(token)); strings.Contains(show(err), token) {
		t.Errorf("NewToken: %s", show(err))
	}
	s, err := bridge.New(w.ctx, deaf{w.store}, bridge.Options{Keys: revRing, Scanner: scanner(t)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Send(w.ctx, a, bridge.SendRequest{Message: "x", Key: aSecret}); strings.Contains(show(err), aSecret) {
		t.Errorf("Send: %s", show(err))
	}
}

func TestLiveness_WhoWasGoneYesterdayIsNotAliveToday(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.remote("alpha"), w.remote("beta")
		res, _ := w.Create(w.ctx, a, bridge.CreateRequest{Partners: partners("beta"), TTLMinutes: 30 * 24 * 60})
		if _, err := w.Join(w.ctx, b, bridge.JoinRequest{Code: res.Invites[0].Code}); err != nil {
			t.Fatal(err)
		}
		for range 60 { // watched all the time: beta is gone
			time.Sleep(10 * time.Second)
			w.sweep()
		}
		if p := w.partner(a); p.Liveness != bridge.Gone {
			t.Fatal(p)
		}
		time.Sleep(12 * time.Hour) // the hub is off over night
		w.sweep()
		if _, err := w.ExtendToken(w.ctx, a.Token()); err != nil {
			t.Fatal(err)
		}
		if p := w.partner(a); p.Liveness != bridge.Gone {
			t.Errorf("in the morning beta is %s, last seen %d s ago", p.Liveness, *p.LastSeen)
		}
	})
}

func TestExtend_ThatChangesNothingTellsNobody(t *testing.T) {
	w := newWorld(t)
	a, b := w.agent("alpha"), w.agent("beta")
	id := w.talk(a, b)
	if _, err := w.Extend(w.ctx, id, time.Minute); err != nil {
		t.Fatal(err)
	}
	if got := w.check(a, bridge.CheckRequest{}); len(got.Messages) != 0 {
		t.Errorf("nothing changed, and members read: %s", bare(got.Messages[0]))
	}
}

// inGroup makes a call part of a group commit that stops before COMMIT, and cancels the call there. It needs a bubble.
func inGroup(store bridge.Store, call func(ctx context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	first, last := make(chan int), make(chan int)
	update := func(fn func()) {
		wg.Go(func() {
			_ = store.Update(context.Background(), bridge.Deployment, func(bridge.Tx) error { fn(); return nil })
		})
		synctest.Wait()
	}
	update(func() { <-first })
	update(func() {}) // leads the group
	wg.Go(func() { call(ctx) })
	synctest.Wait()
	var once sync.Once
	update(func() { once.Do(func() { <-last }) })
	close(first)
	synctest.Wait()
	cancel()
	synctest.Wait()
	close(last)
	wg.Wait()
}

func TestCheck_CancelledInAGroupCommitLeavesNothingLeased(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		// On disk, where a view does not wait for the turn: the check gets as far as its lease.
		store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "bridge.db"), sqlite.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		w := worldOn(t, store, noLimits)
		a, b := w.agent("alpha"), w.agent("beta")
		id := w.talk(a, b)
		w.say(a, "x")
		inGroup(w.store, func(ctx context.Context) { _, _ = w.Check(ctx, b, bridge.CheckRequest{}) })
		if d := w.delivery(id, 1, "beta"); d.State != bridge.Stored {
			t.Errorf("delivery = %+v", d)
		}
		if got := w.check(b, bridge.CheckRequest{}); len(got.Messages) != 1 {
			t.Errorf("the message never comes: %+v", got)
		}
	})
}

func TestConversation_ShowsMembersOnlyWhatWasForThem(t *testing.T) {
	w := newWorld(t)
	a, b, c := w.agent("alpha"), w.agent("beta"), w.agent("gamma")
	id := w.talk(a, b, c)
	w.say(a, "for beta only", "beta")
	for name, n := range map[string]int{"alpha": 1, "beta": 1, "gamma": 0} {
		caller := map[string]bridge.Caller{"alpha": a, "beta": b, "gamma": c}[name]
		v, err := w.Conversation(w.ctx, caller, id)
		if err != nil || len(v.Recent) != n || len(v.Deliveries) != n {
			t.Errorf("%s sees %d messages and %d deliveries, want %d: %v", name, len(v.Recent), len(v.Deliveries), n, err)
		}
	}
}

// gate holds up one update of a conversation in the middle of its fn.
type gate struct {
	bridge.Store
	armed, in, open chan int
}

func (g *gate) Update(ctx context.Context, scope bridge.Scope, fn func(bridge.Tx) error) error {
	return g.Store.Update(ctx, scope, func(tx bridge.Tx) error {
		if strings.HasPrefix(string(scope), "conv_") {
			select {
			case <-g.armed:
				close(g.in)
				<-g.open
			default:
			}
		}
		return fn(tx)
	})
}

// Under the race detector it fails where an update that its caller left still writes into the caller's answer.
func TestUpdates_ThatTheirCallerLeftDoNotWriteIntoItsAnswer(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "bridge.db"), sqlite.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		g := &gate{Store: store, armed: make(chan int, 1)}
		w := worldOn(t, g, noLimits)
		a, b := w.agent("alpha"), w.agent("beta")
		id := w.talk(a, b)
		for name, call := range map[string]func(ctx context.Context) (any, error){
			"invite": func(ctx context.Context) (any, error) {
				return w.Create(ctx, a, bridge.CreateRequest{Conversation: id, Partners: partners("gamma")})
			},
			"send": func(ctx context.Context) (any, error) {
				return w.Send(ctx, a, bridge.SendRequest{Conversation: id, Message: "x"})
			},
			"status": func(ctx context.Context) (any, error) {
				return w.SetStatus(ctx, a, bridge.StatusRequest{Conversation: id, Status: bridge.Working})
			},
			"extend": func(ctx context.Context) (any, error) { return w.Extend(ctx, id, 5*time.Hour) },
		} {
			ctx, cancel := context.WithCancel(t.Context())
			g.in, g.open = make(chan int), make(chan int)
			var wg sync.WaitGroup
			first := make(chan int)
			for _, fn := range []func(){func() { <-first }, func() {}} { // the second leads the group that the call joins
				wg.Go(func() {
					_ = store.Update(context.WithoutCancel(ctx), bridge.Deployment, func(bridge.Tx) error { fn(); return nil })
				})
				synctest.Wait()
			}
			g.armed <- 1
			wg.Go(func() {
				if got, err := call(ctx); !errors.Is(err, bridge.Unavailable) {
					t.Errorf("%s = %+v, %v, want unavailable", name, got, err)
				}
			})
			synctest.Wait()
			close(first)
			<-g.in
			cancel()
			// Sleeping, not synctest.Wait: to the race detector that would order what the caller does before what fn does.
			time.Sleep(time.Second)
			close(g.open)
			wg.Wait()
		}
	})
}
