package storetest

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"time"

	"agentbridge/internal/bridge"
)

func watchPromises() []promise {
	return []promise{
		{"Watch_HintsAfterCommit", hintsAfterCommit},
		{"Watch_MissesNoCommitAfterItReturned", missesNothing},
		{"Watch_RolledBackNotifySpoilsNothing", rolledBackNotify},
		{"Watch_UnreadHintsHoldNobodyUp", unreadHints},
		{"Watch_HintsEveryWatcher", everyWatcher},
		{"Watch_EndsWithItsContext", watchEnds},
		{"Watch_IsQuietWhenNothingHappens", watchIsQuiet},
	}
}

// sharedWatchPromises are about hints from one handle or process to another.
func sharedWatchPromises() []promise {
	return []promise{
		{"Watch_HintsAcrossHandles", hintsAcrossHandles},
		{"Watch_HintsAcrossProcesses", hintsAcrossProcesses},
	}
}

// notify commits an update that gives topics a hint.
func notify(t testing.TB, s bridge.Store, topics ...bridge.Topic) {
	t.Helper()
	put(t, s, bridge.Deployment, func(tx bridge.Tx) error {
		for _, topic := range topics {
			tx.Notify(topic)
		}
		return count("n")(tx)
	})
}

// swift is the longest that a hint takes on average. A slow poll, which also gives hints, is slower.
const swift = 250 * time.Millisecond

// stopwatch adds up how long hints take.
type stopwatch struct {
	hints  int
	waited time.Duration
}

// time waits for a hint, and gives up as soon as hints are slow rather than late once.
func (w *stopwatch) time(t *testing.T, wait func()) {
	t.Helper()
	start := time.Now()
	wait()
	w.hints++
	w.waited += time.Since(start)
	if mean := w.waited / time.Duration(w.hints); w.hints >= 10 && mean > swift {
		t.Fatalf("a hint took %v on average of %d, want less than %v", mean, w.hints, swift)
	}
}

// hinted waits for a hint after each of ten commits by commit, and checks that they come soon on average.
func hinted(t *testing.T, hints <-chan struct{}, commit func()) {
	t.Helper()
	var w stopwatch
	for range 10 {
		drain(hints)
		commit()
		w.time(t, func() { await(t, hints, "a hint") })
	}
}

// drain takes a hint that is there already, so that the next one can be told apart.
func drain(hints <-chan struct{}) {
	select {
	case <-hints:
	default:
	}
}

func hintsAfterCommit(t *testing.T, e Engine) {
	s := e.start(t)
	for _, topic := range []bridge.Topic{bridge.Everything, bridge.Feed(convID(1)), bridge.Inbox(agentID(1))} {
		hinted(t, s.Watch(t.Context(), topic), func() { notify(t, s, topic) })
	}
	both := s.Watch(t.Context(), bridge.Everything)
	hinted(t, both, func() {
		notify(t, s, bridge.Inbox(agentID(2)), bridge.Everything, bridge.Feed(convID(2)), bridge.Everything)
	})
}

// missesNothing commits at once after Watch returned, which is where hints get lost.
func missesNothing(t *testing.T, e Engine) {
	s := e.start(t)
	watchAndCommit(t, s, s, 200)
}

func watchAndCommit(t *testing.T, watcher, writer bridge.Store, times int) {
	t.Helper()
	var w stopwatch
	for n := range times {
		topic := bridge.Inbox(agentID(n))
		ctx, cancel := context.WithCancel(t.Context())
		hints := watcher.Watch(ctx, topic)
		notify(t, writer, topic)
		w.time(t, func() { await(t, hints, "a hint about a commit right after Watch") })
		cancel()
	}
}

// rolledBackNotify checks that a hint which need not come takes no later one with it. It may come: hints may be spurious.
func rolledBackNotify(t *testing.T, e Engine) {
	s := e.start(t)
	hints := s.Watch(t.Context(), bridge.Everything)
	hinted(t, hints, func() {
		err := s.Update(t.Context(), bridge.Deployment, func(tx bridge.Tx) error {
			tx.Notify(bridge.Everything)
			return errTest
		})
		if err != errTest {
			t.Errorf("Update = %v", err)
		}
		notify(t, s, bridge.Everything)
	})
}

func unreadHints(t *testing.T, e Engine) {
	s := e.start(t)
	hints := s.Watch(t.Context(), bridge.Everything)
	if cap(hints) != 1 {
		t.Errorf("the channel has room for %d hints, want 1", cap(hints))
	}
	for range 20 {
		notify(t, s, bridge.Everything)
	}
	await(t, hints, "a hint after many commits")
}

func everyWatcher(t *testing.T, e Engine) {
	s := e.start(t)
	var hints []<-chan struct{}
	for n := range 20 {
		hints = append(hints, s.Watch(t.Context(), bridge.Feed(convID(n%2))))
	}
	notify(t, s, bridge.Feed(convID(0)), bridge.Feed(convID(1)))
	var wg sync.WaitGroup
	for _, ch := range hints {
		wg.Go(func() {
			select {
			case <-ch:
			case <-time.After(patience):
				t.Errorf("a watcher of many was not hinted")
			}
		})
	}
	wg.Wait()
}

// watchEnds checks that watching stops with the context, that its channel stays open, and that nothing of it is left running.
func watchEnds(t *testing.T, e Engine) {
	s := e.start(t)
	ctx, cancel := context.WithCancel(t.Context())
	hints := s.Watch(ctx, bridge.Everything)
	hinted(t, hints, func() { notify(t, s, bridge.Everything) })
	cancel()
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for range 1000 {
		s.Watch(over, bridge.Everything) // has ended before it began
	}
	// Ending may take the engine a moment, and the tests beside this one come and go: wait for most of a thousand to be gone.
	eventually(t, "a thousand ended watches to be gone", func() bool { return runtime.NumGoroutine() < 900 })
	notify(t, s, bridge.Everything)
	for range 2 { // there can be one late hint, and no end of a closed channel
		select {
		case _, open := <-hints:
			if !open {
				t.Fatal("the channel was closed when its context ended")
			}
		default:
		}
	}
}

// eventually waits for a condition, looking often.
func eventually(t testing.TB, what string, met func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !met(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v for %s", patience, what)
		}
	}
}

// watchIsQuiet counts hints for a while without commits: a spurious one now and then is fine, a stream of them is not.
func watchIsQuiet(t *testing.T, e Engine) {
	s := e.start(t)
	hints := s.Watch(t.Context(), bridge.Everything)
	notify(t, s, bridge.Everything)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	for n := 0; ; n++ {
		select {
		case <-hints:
			if n == 10 {
				t.Fatal("ten hints in a second in which nothing happened")
			}
		case <-ctx.Done():
			if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
				t.Fatal(ctx.Err())
			}
			return
		}
	}
}

func hintsAcrossHandles(t *testing.T, e Engine) {
	address := e.New(t)
	a, b := e.open(t, address), e.open(t, address)
	for _, topic := range []bridge.Topic{bridge.Everything, bridge.Feed(convID(1)), bridge.Inbox(agentID(1))} {
		hinted(t, a.Watch(t.Context(), topic), func() { notify(t, b, topic) })
	}
	watchAndCommit(t, a, b, 50)

	// A handle that went away takes no hints with it.
	if err := a.Close(); err != nil {
		t.Errorf("Close() = %v", err)
	}
	c := e.open(t, address)
	hinted(t, c.Watch(t.Context(), bridge.Everything), func() { notify(t, b, bridge.Everything) })
}

func hintsAcrossProcesses(t *testing.T, e Engine) {
	address := e.New(t)
	s, p := e.open(t, address), e.spawn(t, address)
	say := func(c call) {
		if got := p.do(c); got.Err != "" {
			t.Errorf("%s in %v = %s", c.Op, p, got.Err)
		}
	}
	topic := bridge.Inbox(agentID(1))
	hinted(t, s.Watch(t.Context(), topic), func() { say(call{Op: "notify", Topic: topic}) })

	var w stopwatch
	for range 50 { // the process begins to watch, a commit follows at once
		say(call{Op: "watch", Topic: bridge.Feed(convID(1))})
		notify(t, s, bridge.Feed(convID(1)))
		w.time(t, func() { say(call{Op: "await"}) })
	}

	// Neither does a process that was killed.
	killed := e.spawn(t, address)
	if got := killed.do(call{Op: "watch", Topic: bridge.Everything}); got.Err != "" {
		t.Errorf("watch in %v = %s", killed, got.Err)
	}
	killed.kill()
	hinted(t, s.Watch(t.Context(), bridge.Everything), func() { notify(t, s, bridge.Everything) })
}
