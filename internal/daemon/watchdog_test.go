package daemon

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"agentbridge/internal/bridge"
)

// inbox is a sink that keeps what it takes.
type inbox struct {
	answer func(try int) error // nil: takes all

	mu    sync.Mutex // guards tries, taken
	tries []time.Time
	taken []bridge.Alert
}

func (b *inbox) sink() Sink {
	return Sink{Kind: "webhook", Name: "webhook", Send: func(_ context.Context, a bridge.Alert) error {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.tries = append(b.tries, time.Now())
		if b.answer != nil {
			if err := b.answer(len(b.tries)); err != nil {
				return err
			}
		}
		b.taken = append(b.taken, a)
		return nil
	}}
}

func (b *inbox) kinds(member string) (kinds []bridge.AlertKind) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, a := range b.taken {
		if a.Member == member {
			kinds = append(kinds, a.Kind)
		}
	}
	return kinds
}

func (b *inbox) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.taken)
}

// run starts watchdogs and gives the end of them.
func run(ctx context.Context, dogs ...*Watchdog) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	for _, dog := range dogs {
		wg.Go(func() { dog.Run(ctx) })
	}
	return func() {
		cancel()
		wg.Wait()
	}
}

// Two processes watch, and each has the sinks: an alert reaches the sink once, of each silence and of each return.
func TestWatchdog_TwoOfThemTellASilenceOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		_, alpha, beta, gamma := w.team(t)
		got := &inbox{}
		metrics := NewMetrics(w.Service, "test", w.log)
		var told []bridge.Alert
		first, second := w.watchdog(got.sink()), w.watchdog(got.sink())
		first.Metrics, first.Alert = metrics, func(a bridge.Alert) { told = append(told, a) }
		stop := run(t.Context(), first, second)
		pass := func(d time.Duration, there ...bridge.Caller) {
			for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(10 * time.Second) {
				for _, c := range there {
					w.beat(t, c)
				}
			}
		}
		pass(time.Minute, alpha, beta, gamma)
		if n := got.count(); n > 0 {
			t.Errorf("%d alerts while all were there", n)
		}
		pass(3*time.Minute, alpha, gamma)
		if kinds := got.kinds("beta"); !slices.Equal(kinds, []bridge.AlertKind{bridge.AlertSilent}) {
			t.Errorf("beta fell silent: the sink got %v, want one alert", kinds)
		}
		pass(time.Minute, alpha, beta, gamma)
		pass(3*time.Minute, alpha, gamma)
		stop()
		want := []bridge.AlertKind{bridge.AlertSilent, bridge.AlertRecovered, bridge.AlertSilent}
		if kinds := got.kinds("beta"); !slices.Equal(kinds, want) || len(got.taken) != 3 {
			t.Errorf("beta was silent, back and silent again: the sink got %v of %d, want %v", kinds, len(got.taken), want)
		}
		if len(told) != 3 {
			t.Errorf("the first watchdog told %d alerts, want all 3, whoever raised them", len(told))
		}
		numbers, _ := scrape(t, metrics)
		if numbers["alerts_total{kind=silent}"] != 2 || numbers["alerts_total{kind=recovered}"] != 1 || numbers["sweep_total{result=ok}"] < 90 {
			t.Errorf("counted %v silent, %v recovered, %v sweeps", numbers["alerts_total{kind=silent}"], numbers["alerts_total{kind=recovered}"], numbers["sweep_total{result=ok}"])
		}
		if s := w.said.String(); strings.Contains(s, "not taken") {
			t.Errorf("the log: %s", s)
		}
	})
}

func TestWatchdog_NoPauseBetweenSweepsIsLongerThanItSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		dog := w.watchdog()
		dog.Health = NewHealth(w.Service, dog.Every, w.log)
		stop := run(t.Context(), dog)
		last := time.Now()
		for range 40 {
			time.Sleep(3750*time.Millisecond - time.Since(last)) // three quarters of it at least
			var swept time.Time
			for deadline := last.Add(5 * time.Second); !swept.After(last); time.Sleep(10 * time.Millisecond) {
				synctest.Wait()
				dog.Health.mu.Lock()
				swept = dog.Health.swept
				dog.Health.mu.Unlock()
				if time.Now().After(deadline.Add(20 * time.Millisecond)) {
					t.Fatalf("no sweep for %v", time.Since(last))
				}
			}
			if pause := swept.Sub(last); pause < 3750*time.Millisecond {
				t.Fatalf("a sweep after %v", pause)
			}
			last = swept
		}
		stop()
	})
}

func TestWatchdog_TriesAgainUntilTheSinkTakesIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := calmWorld(t)
		id, _, _, _ := w.team(t)
		got := &inbox{answer: func(try int) error {
			if try < 5 {
				return errors.New("it answered 500 Internal Server Error")
			}
			return nil
		}}
		dog := w.watchdog(got.sink())
		dog.Metrics = NewMetrics(w.Service, "test", w.log)
		want := w.raise(t, id, 1)
		stop := run(t.Context(), dog)
		time.Sleep(30 * time.Minute)
		stop()
		if len(got.tries) != 5 || len(got.taken) != 1 || got.taken[0].ID != want.ID {
			t.Fatalf("%d tries at %v, taken %+v; want the fifth to take it, and no more", len(got.tries), got.tries, got.taken)
		}
		for i := 2; i < len(got.tries); i++ {
			if before, after := got.tries[i-1].Sub(got.tries[i-2]), got.tries[i].Sub(got.tries[i-1]); after <= before {
				t.Errorf("a pause of %v after one of %v: want them to grow", after, before)
			}
		}
		if n := strings.Count(w.said.String(), `msg="alert not taken, it is tried again" sink=webhook alert=`+string(want.ID)); n != 4 {
			t.Errorf("the log tells %d failures, want one for each of 4:\n%s", n, w.said)
		}
		numbers, _ := scrape(t, dog.Metrics)
		if numbers["alert_sendings_total{result=failed,sink=webhook}"] != 4 || numbers["alert_sendings_total{result=ok,sink=webhook}"] != 1 {
			t.Errorf("the numbers: %v", numbers)
		}
	})
}

// A sink that does not answer holds up neither the sweeps, nor another sink, nor the end.
func TestWatchdog_ADeafSinkHoldsUpNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := calmWorld(t)
		id, _, _, _ := w.team(t)
		got := &inbox{}
		hears := got.sink()
		hears.Kind, hears.Name = "command", "command"
		deaf := Sink{Kind: "webhook", Name: "webhook", Send: func(ctx context.Context, _ bridge.Alert) error {
			<-ctx.Done()
			return ctx.Err()
		}}
		dog := w.watchdog(deaf, hears)
		dog.Health = NewHealth(w.Service, dog.Every, w.log)
		stop := run(t.Context(), dog)
		synctest.Wait()
		w.raise(t, id, 1)
		time.Sleep(10 * time.Minute)
		if n := got.count(); n != 1 {
			t.Errorf("the other sink took %d alerts, want 1", n)
		}
		if code, state := ask(t, dog.Health); code != 200 {
			t.Errorf("the sweeps stay away: %+v", state)
		}
		start := time.Now()
		stop()
		if took := time.Since(start); took > 0 {
			t.Errorf("the end took %v", took)
		}
	})
}

// A process that ends in the middle leaves what it did not send to the next.
func TestWatchdog_WhatWasNotSentAtTheEndIsSentByTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := calmWorld(t)
		id, _, _, _ := w.team(t)
		for n := range 3 {
			w.raise(t, id, n)
		}
		ctx, end := context.WithCancel(t.Context())
		first := &inbox{}
		sink := first.sink()
		send := sink.Send
		sink.Send = func(ctx context.Context, a bridge.Alert) error { defer end(); return send(ctx, a) }
		run(ctx, w.watchdog(sink))
		time.Sleep(time.Second)
		synctest.Wait()
		if len(first.taken) != 1 {
			t.Fatalf("the first took %d, want 1 and then its end", len(first.taken))
		}
		second := &inbox{}
		stop := run(t.Context(), w.watchdog(second.sink()))
		time.Sleep(time.Minute)
		stop()
		if len(second.taken) != 2 {
			t.Errorf("the second took %+v, want the other 2", second.taken)
		}
		for _, a := range second.taken {
			if a.ID == first.taken[0].ID {
				t.Errorf("%s was sent twice: that it was taken was not noted at the end", a.ID)
			}
		}
	})
}

// Twenty alerts about one member and a sink that takes half a minute for each: no alert is sent by two at a time, none again while the
// first may still be at it, and all arrive.
func TestWatchdog_ASlowSinkGetsNoAlertTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := calmWorld(t)
		id, _, _, _ := w.team(t)
		for n := range 20 {
			w.raise(t, id, n)
		}
		var mu sync.Mutex
		tries := map[bridge.AlertID]int{}
		slow := Sink{Kind: "command", Name: "command", Send: func(ctx context.Context, a bridge.Alert) error {
			mu.Lock()
			tries[a.ID]++
			mu.Unlock()
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(30*time.Second - time.Millisecond):
				return nil
			}
		}}
		stop := run(t.Context(), w.watchdog(slow), w.watchdog(slow))
		time.Sleep(20 * time.Minute)
		stop()
		for a, n := range tries {
			if n != 1 {
				t.Errorf("%s was sent %d times", a, n)
			}
		}
		if len(tries) != 20 {
			t.Errorf("%d alerts were sent, want all 20", len(tries))
		}
		if s := w.said.String(); s != "" {
			t.Errorf("the log: %s", s)
		}
	})
}

// Two processes with commands of their own: each command gets each alert. The label of the metrics tells nothing of a command.
func TestWatchdog_TwoCommandsEachGetEachAlert(t *testing.T) {
	same := func(s string) string { return s }
	one, two := Command("notify one", same), Command("notify two", same)
	if again := Command("notify one", same); one.Name == two.Name || one.Name != again.Name || !regexp.MustCompile(`^command-[0-9a-f]{8}$`).MatchString(one.Name) {
		t.Fatalf("they are named %q, %q, and the first again %q", one.Name, two.Name, again.Name)
	}
	synctest.Test(t, func(t *testing.T) {
		w := calmWorld(t)
		id, _, _, _ := w.team(t)
		first, second := &inbox{}, &inbox{}
		one.Send, two.Send = first.sink().Send, second.sink().Send
		dog := w.watchdog(one)
		dog.Metrics = NewMetrics(w.Service, "test", w.log)
		w.raise(t, id, 1)
		stop := run(t.Context(), dog, w.watchdog(two))
		time.Sleep(time.Minute)
		stop()
		if first.count() != 1 || second.count() != 1 {
			t.Errorf("the commands took %d and %d alerts, want 1 each", first.count(), second.count())
		}
		numbers, _ := scrape(t, dog.Metrics)
		if numbers["alert_sendings_total{result=ok,sink=command}"] != 1 {
			t.Errorf("the numbers: %v", numbers)
		}
	})
}

func TestFollower_TellsEachAlertOnceAndNoneOfBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := calmWorld(t)
		id, _, _, _ := w.team(t)
		w.raise(t, id, 0)
		f, err := Follow(t.Context(), w.Service)
		if err != nil {
			t.Fatal(err)
		}
		told := 0
		for n := 1; n <= 50; n++ {
			w.raise(t, id, n)
			if n%3 == 0 {
				w.raise(t, id, 1000+n)
			}
			news, err := f.News(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			told += len(news)
			time.Sleep(time.Minute)
		}
		if told != 66 {
			t.Errorf("told %d alerts, want each of 66 once", told)
		}
		if len(f.told) > 20 {
			t.Errorf("it remembers %d alerts, want only those of the last ten minutes", len(f.told))
		}
	})
}
