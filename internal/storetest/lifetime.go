package storetest

import (
	"errors"
	"sync"
	"testing"
	"time"

	"agentbridge/internal/bridge"
)

func lifetimePromises() []promise {
	return []promise{
		{"Now_IsUTCToTheMicrosecondAndNeverDecreases", now},
		{"Close_WaitsForUpdatesUnderWay", closeWaits},
		{"Close_MakesCallsUnavailable", closed},
	}
}

func now(t *testing.T, e Engine) {
	s := e.start(t)
	var last time.Time
	for range 50 {
		var moments [3]time.Time
		var epoch time.Time
		put(t, s, bridge.InConversation(convID(1)), func(tx bridge.Tx) error {
			moments[0] = tx.Now()
			if err := count("n")(tx); err != nil {
				return err
			}
			moments[1], moments[2], epoch = tx.Now(), tx.Now(), tx.Epoch()
			return nil
		})
		got := moments[0]
		if got.Location() != time.UTC || !got.Equal(got.Truncate(time.Microsecond)) {
			t.Errorf("Now = %v, want UTC and whole microseconds", got)
		}
		if !moments[1].Equal(got) || !moments[2].Equal(got) {
			t.Errorf("Now changed within a transaction: %v", moments)
		}
		if got.Before(last) {
			t.Errorf("Now = %v after %v", got, last)
		}
		if epoch.After(got) {
			t.Errorf("Epoch = %v, after Now = %v", epoch, got)
		}
		last = got
		seen := look(t, s, func(tx bridge.Tx) (time.Time, error) { return tx.Now(), nil })
		if seen.Location() != time.UTC || seen.Before(last) {
			t.Errorf("Now of a view = %v after %v", seen, last)
		}
	}
}

func closeWaits(t *testing.T, e Engine) {
	address := e.New(t)
	s := e.open(t, address)
	entered, release := make(chan struct{}), make(chan struct{})
	answer, shut := make(chan error, 1), make(chan error, 1)
	var once sync.Once
	go func() {
		answer <- s.Update(t.Context(), bridge.Deployment, func(tx bridge.Tx) error {
			once.Do(func() { close(entered) })
			<-release
			return tx.PutMeta("key", []byte("done"))
		})
	}()
	await(t, entered, "the update to run")
	go func() { shut <- s.Close() }()
	select {
	case err := <-shut:
		t.Errorf("Close() = %v while an update was under way", err)
		shut <- err
	case <-time.After(20 * time.Millisecond): // too short to prove much, and never wrong
	}
	close(release)
	if err := <-answer; err != nil {
		t.Errorf("Update under way while closing = %v", err)
	}
	if err := <-shut; err != nil {
		t.Errorf("Close() = %v", err)
	}
	if !e.Private {
		if got := meta(t, e.open(t, address), "key"); got != "done" {
			t.Errorf("after Close and Open the store has %q", got)
		}
	}
}

func closed(t *testing.T, e Engine) {
	s := e.start(t)
	put(t, s, bridge.Deployment, putMeta("key", "done"))
	hints := s.Watch(t.Context(), bridge.Everything)
	if err := s.Close(); err != nil {
		t.Errorf("Close() = %v", err)
	}
	ran := false
	fn := func(bridge.Tx) error { ran = true; return nil }
	if err := s.Update(t.Context(), bridge.Deployment, fn); !errors.Is(err, bridge.Unavailable) {
		t.Errorf("Update after Close = %v, want unavailable", err)
	}
	if err := s.View(t.Context(), fn); !errors.Is(err, bridge.Unavailable) {
		t.Errorf("View after Close = %v, want unavailable", err)
	}
	if ran {
		t.Error("fn ran after Close")
	}
	for _, ch := range []<-chan struct{}{hints, s.Watch(t.Context(), bridge.Everything)} {
		select {
		case _, open := <-ch:
			if !open {
				t.Error("Close closed a watcher's channel")
			}
		default:
		}
	}
	_ = s.Close() // may say Unavailable, must not hang or panic
}
