package bridge_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"agentbridge/internal/bridge"
)

func TestCheck_DeliversInOrderAndAcksWhatTheReceiptNames(t *testing.T) {
	w := newWorld(t)
	a, b := w.agent("alpha"), w.agent("beta")
	id := w.talk(a, b)
	for i := range 5 {
		w.say(a, fmt.Sprint(i))
	}
	first := w.check(b, bridge.CheckRequest{Limit: 3})
	if got := texts(first); !slices.Equal(got, []string{"0", "1", "2"}) || !first.More || first.Unread != 2 {
		t.Fatalf("Check = %q, more %t, unread %d", got, first.More, first.Unread)
	}
	if d := w.delivery(id, 1, "beta"); d.State != bridge.Delivered {
		t.Errorf("before the ack the delivery is %s", d.State)
	}
	second := w.check(b, bridge.CheckRequest{Ack: first.Receipt})
	if got := texts(second); !slices.Equal(got, []string{"3", "4"}) || second.More || second.Unread != 0 {
		t.Fatalf("Check = %q, more %t, unread %d", got, second.More, second.Unread)
	}
	if d := w.delivery(id, 1, "beta"); d.State != bridge.Acked || d.How != bridge.Explicit {
		t.Errorf("after the ack the delivery is %+v", d)
	}
	for i, m := range append(first.Messages, second.Messages...) {
		if m.Seq != int64(i+1) || m.Redelivered || m.From != "alpha" || m.Conversation != id {
			t.Errorf("message %d = %+v", i, m)
		}
	}
	if _, err := w.Check(w.ctx, b, bridge.CheckRequest{Ack: first.Receipt}); err != nil {
		t.Errorf("acking twice: %v", err)
	}
}

func TestCheck_ImpliedAcksAreNoErrorWhenTheyComeTooLate(t *testing.T) {
	w := newWorld(t)
	a, b := w.agent("alpha"), w.agent("beta")
	id := w.talk(a, b)
	w.say(a, "x")
	first := w.check(b, bridge.CheckRequest{})
	w.check(b, bridge.CheckRequest{Implied: []bridge.Receipt{first.Receipt}})
	if d := w.delivery(id, 1, "beta"); d.State != bridge.Acked || d.How != bridge.Implied {
		t.Errorf("delivery = %+v", d)
	}
	w.say(a, "y")
	second := w.check(b, bridge.CheckRequest{})
	w.kill(b)
	token, _, _ := w.NewAgent(w.ctx, "beta", true)
	other := w.process(token, "beta")
	w.check(other, bridge.CheckRequest{})
	w.check(b, bridge.CheckRequest{Implied: []bridge.Receipt{second.Receipt}})
	if d := w.delivery(id, 2, "beta"); d.State != bridge.Delivered || d.Instance != other.Instance {
		t.Errorf("delivery = %+v, want it with the other instance", d)
	}
}

func TestAck_OfABatchThatWentToAnotherInstanceIsLost(t *testing.T) {
	w := newWorld(t)
	a, b := w.agent("alpha"), w.agent("beta")
	id := w.talk(a, b)
	w.say(a, "x")
	first := w.check(b, bridge.CheckRequest{})
	token, _, _ := w.NewAgent(w.ctx, "beta", true)
	other := w.process(token, "beta")
	if got := w.check(other, bridge.CheckRequest{}); len(got.Messages) != 0 {
		t.Fatalf("while its process lives a batch goes to another: %q", texts(got))
	}
	w.kill(b)
	again := w.check(other, bridge.CheckRequest{})
	if got := texts(again); !slices.Equal(got, []string{"x"}) || !again.Messages[0].Redelivered {
		t.Fatalf("after the death: %q, %+v", got, again.Messages)
	}
	_, err := w.Check(w.ctx, b, bridge.CheckRequest{Ack: first.Receipt})
	want(t, err, bridge.LeaseLost, "without that receipt")
	w.check(other, bridge.CheckRequest{Ack: again.Receipt})
	if d := w.delivery(id, 1, "beta"); d.State != bridge.Acked {
		t.Errorf("delivery = %+v", d)
	}
}

func TestAck_HoweverLateUnlessAnotherHasIt(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.remote("alpha"), w.remote("beta")
		id := w.talk(a, b)
		w.mayLeave(a, b)
		w.say(a, "x")
		first := w.check(b, bridge.CheckRequest{})
		time.Sleep(time.Hour)
		if _, err := w.Sweep(w.ctx); err != nil {
			t.Fatal(err)
		}
		if d := w.delivery(id, 1, "beta"); d.State != bridge.Stored {
			t.Errorf("an hour later the delivery is %s", d.State)
		}
		if got := w.check(b, bridge.CheckRequest{Ack: first.Receipt}); len(got.Messages) != 0 {
			t.Errorf("an acked message came again: %q", texts(got))
		}
		if d := w.delivery(id, 1, "beta"); d.State != bridge.Acked {
			t.Errorf("delivery = %+v", d)
		}
	})
}

func TestCheck_RefusesReceiptsThatAreNotTheCallers(t *testing.T) {
	w := newWorld(t)
	a, b, c := w.agent("alpha"), w.agent("beta"), w.agent("gamma")
	id := w.talk(a, b, c)
	w.say(a, "x")
	mine, foreign := w.check(b, bridge.CheckRequest{}), w.check(c, bridge.CheckRequest{})
	_, err := w.Check(w.ctx, b, bridge.CheckRequest{Ack: foreign.Receipt})
	want(t, err, bridge.Denied, "own")
	last := "0"
	if strings.HasSuffix(string(mine.Receipt), last) {
		last = "1"
	}
	for _, bad := range []bridge.Receipt{"x", "rcpt_", "rcpt_00", mine.Receipt[:len(mine.Receipt)-1] + bridge.Receipt(last), bridge.Receipt(strings.ToUpper(string(mine.Receipt))), mine.Receipt + " "} {
		_, err := w.Check(w.ctx, b, bridge.CheckRequest{Ack: bad})
		want(t, err, bridge.Invalid, "ack")
	}
	for _, name := range []string{"beta", "gamma"} {
		if d := w.delivery(id, 1, name); d.State != bridge.Delivered {
			t.Errorf("a refused ack left %s's delivery %s", name, d.State)
		}
	}
}

func TestCheck_OnHTTPTheLeaseDecides(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.remote("alpha"), w.remote("beta")
		w.talk(a, b)
		w.say(a, "x")
		w.check(b, bridge.CheckRequest{})
		time.Sleep(10*minute - time.Second)
		if got := w.check(b, bridge.CheckRequest{}); len(got.Messages) != 0 {
			t.Fatal("delivered again before the lease was over")
		}
		time.Sleep(time.Second)
		got := w.check(b, bridge.CheckRequest{})
		if len(got.Messages) != 1 || !got.Messages[0].Redelivered {
			t.Fatalf("after the lease: %+v", got.Messages)
		}
	})
}

func TestCheck_AfterTheLastAttemptTheDeliveryIsDeadAndTheSenderIsTold(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.remote("alpha"), w.remote("beta")
		id := w.talk(a, b)
		w.mayLeave(a, b)
		w.say(a, "x")
		for i := range 8 {
			if got := w.check(b, bridge.CheckRequest{}); len(got.Messages) != 1 || got.Messages[0].Redelivered != (i > 0) {
				t.Fatalf("attempt %d = %+v", i+1, got.Messages)
			}
			time.Sleep(10 * minute)
		}
		rep, err := w.Sweep(w.ctx)
		if err != nil || rep.Dead != 1 {
			t.Fatalf("Sweep = %+v, %v", rep, err)
		}
		if d := w.delivery(id, 1, "beta"); d.State != bridge.Dead || d.Reason != bridge.DeadAttempts {
			t.Errorf("delivery = %+v", d)
		}
		if got := w.check(b, bridge.CheckRequest{}); len(got.Messages) != 0 {
			t.Error("a dead letter was delivered")
		}
		told := w.check(a, bridge.CheckRequest{})
		if len(told.Messages) != 1 || told.Messages[0].Rank != bridge.Program || !strings.Contains(told.Messages[0].Text, "to beta") {
			t.Errorf("alpha was told %+v", told.Messages)
		}
	})
}

func TestCheck_WaitsAndWakes(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.agent("alpha"), w.agent("beta")
		w.talk(a, b)
		start := time.Now()
		if got := w.check(b, bridge.CheckRequest{Wait: 50 * time.Second}); len(got.Messages) != 0 || time.Since(start) != 50*time.Second {
			t.Fatalf("an empty wait gave %d messages after %s", len(got.Messages), time.Since(start))
		}
		got := make(chan bridge.CheckResult, 1)
		go func() { got <- w.check(b, bridge.CheckRequest{Wait: 4 * minute}) }()
		time.Sleep(minute)
		w.say(a, "wake up")
		if res := <-got; !slices.Equal(texts(res), []string{"wake up"}) || time.Since(start) > 111*time.Second {
			t.Errorf("woke with %q after %s", texts(res), time.Since(start))
		}
		for _, wait := range []time.Duration{-1, 241 * time.Second} {
			_, err := w.Check(w.ctx, b, bridge.CheckRequest{Wait: wait})
			want(t, err, bridge.Invalid, "240")
		}
		_, err := w.Check(w.ctx, b, bridge.CheckRequest{Limit: 51})
		want(t, err, bridge.Invalid, "50")
	})
}

func TestCheck_ACancelledWaitTakesNothing(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.agent("alpha"), w.agent("beta")
		id := w.talk(a, b)
		ctx, cancel := context.WithCancel(w.ctx)
		done := make(chan error)
		go func() {
			_, err := w.Check(ctx, b, bridge.CheckRequest{Wait: minute})
			done <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Fatalf("error = %v", err)
		}
		w.say(a, "x")
		if d := w.delivery(id, 1, "beta"); d.State != bridge.Stored {
			t.Errorf("delivery = %+v", d)
		}
		if got := w.check(b, bridge.CheckRequest{}); len(got.Messages) != 1 || got.Messages[0].Redelivered {
			t.Errorf("Check = %+v", got)
		}
	})
}

func TestGiveBack_TheMessagesComeAgainMarked(t *testing.T) {
	w := newWorld(t)
	a, b := w.agent("alpha"), w.agent("beta")
	w.talk(a, b)
	w.say(a, "x")
	first := w.check(b, bridge.CheckRequest{})
	if err := w.GiveBack(w.ctx, b, first.Receipt); err != nil {
		t.Fatal(err)
	}
	again := w.check(b, bridge.CheckRequest{})
	if len(again.Messages) != 1 || !again.Messages[0].Redelivered {
		t.Fatalf("Check = %+v", again)
	}
	w.check(b, bridge.CheckRequest{Ack: again.Receipt})
	if err := w.GiveBack(w.ctx, b, again.Receipt); err != nil {
		t.Fatal(err)
	}
	if got := w.check(b, bridge.CheckRequest{}); len(got.Messages) != 0 {
		t.Error("what was acked came again")
	}
}

func TestCheck_PeekChangesNothing(t *testing.T) {
	w := newWorld(t)
	a, b := w.agent("alpha"), w.agent("beta")
	id := w.talk(a, b)
	w.say(a, "x")
	for range 2 {
		if got := w.check(b, bridge.CheckRequest{Peek: true}); len(got.Messages) != 1 || got.Receipt != "" {
			t.Fatalf("peek = %+v", got)
		}
	}
	if d := w.delivery(id, 1, "beta"); d.State != bridge.Stored || d.Attempts != 0 {
		t.Errorf("delivery = %+v", d)
	}
}

func TestCheck_CoversAllConversationsWithOneReceipt(t *testing.T) {
	w := newWorld(t)
	a, b, c := w.agent("alpha"), w.agent("beta"), w.agent("gamma")
	one, two := w.talk(a, b), w.talk(c, b)
	w.say(a, "from alpha")
	w.say(c, "from gamma")
	only := w.check(b, bridge.CheckRequest{Conversation: two, Peek: true})
	if got := texts(only); !slices.Equal(got, []string{"from gamma"}) {
		t.Errorf("in %s: %q", two, got)
	}
	both := w.check(b, bridge.CheckRequest{})
	if got := texts(both); len(got) != 2 {
		t.Fatalf("Check = %q", got)
	}
	w.check(b, bridge.CheckRequest{Ack: both.Receipt})
	for _, id := range []bridge.ConversationID{one, two} {
		if d := w.delivery(id, 1, "beta"); d.State != bridge.Acked {
			t.Errorf("in %s: %+v", id, d)
		}
	}
}

func TestCheck_ABatchIsNoLongerThanClientsShow(t *testing.T) {
	w := newWorld(t)
	a, b := w.agent("alpha"), w.agent("beta")
	w.talk(a, b)
	for range 3 {
		w.say(a, strings.Repeat("x ", 20_000))
	}
	first := w.check(b, bridge.CheckRequest{})
	if len(first.Messages) != 1 || !first.More {
		t.Errorf("%d long messages in a batch, more %t", len(first.Messages), first.More)
	}
	rest := w.check(b, bridge.CheckRequest{Ack: first.Receipt})
	if len(rest.Messages) != 1 || rest.Messages[0].Seq != 2 {
		t.Errorf("then %+v", rest.Messages)
	}
}

func TestCheck_TwoInstancesNeverHoldTheSameMessage(t *testing.T) {
	w := newWorld(t)
	a, b := w.agent("alpha"), w.agent("beta")
	w.talk(a, b)
	token, _, _ := w.NewAgent(w.ctx, "beta", true)
	instances := []bridge.Caller{b, w.process(token, "beta"), w.process(token, "betb")}
	const n = 60
	for i := range n {
		w.say(a, fmt.Sprint(i))
	}
	got := make(chan []int64, len(instances))
	for _, c := range instances {
		go func() {
			var seqs []int64
			for {
				res, err := w.Check(w.ctx, c, bridge.CheckRequest{Limit: 3})
				if err != nil {
					t.Error(err)
				}
				if len(res.Messages) == 0 {
					break
				}
				for _, m := range res.Messages {
					seqs = append(seqs, m.Seq)
				}
			}
			got <- seqs
		}()
	}
	var all []int64
	for range instances {
		seqs := <-got
		if !slices.IsSorted(seqs) {
			t.Errorf("an instance got %v", seqs)
		}
		all = append(all, seqs...)
	}
	slices.Sort(all)
	if len(all) != n || len(slices.Compact(all)) != n {
		t.Errorf("%d messages went out as %v", n, all)
	}
}
