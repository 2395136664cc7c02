package storetest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"agentbridge/internal/bridge"
)

func cancelPromises() []promise {
	return []promise{
		{"Update_CancelledBeforeItsStartDoesNothing", cancelledBefore},
		{"Update_CancelledWhileWaitingStopsWaiting", cancelledWaiting},
		{"Update_CancelledAtAnyTimeIsWholeOrNothing", cancelledAnyTime},
	}
}

func cancelledBefore(t *testing.T, e Engine) {
	s := e.start(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	for ctx, want := range map[context.Context]error{ctx: context.Canceled, late: context.DeadlineExceeded} {
		if err := s.Update(ctx, bridge.Deployment, putMeta("key", "done")); !errors.Is(err, want) {
			t.Errorf("Update with a context that is over = %v, want %v", err, want)
		}
	}
	put(t, s, bridge.Deployment, putMeta("other", "done"))
	if got := meta(t, s, "key"); got != "" {
		t.Error("an update whose context was over before it began was done")
	}
}

// cancelledWaiting cancels an update that waits behind another one which does not end.
func cancelledWaiting(t *testing.T, e Engine) {
	s := e.start(t)
	release := hold(t, s, bridge.Deployment)
	ctx, cancel := context.WithCancel(t.Context())
	answer := make(chan error, 1)
	go func() { answer <- s.Update(ctx, bridge.Deployment, putMeta("key", "done")) }()
	cancel()
	var err error
	select {
	case err = <-answer:
	case <-time.After(patience):
		t.Errorf("a cancelled update still waited after %v", patience)
	}
	release()
	put(t, s, bridge.Deployment, putMeta("other", "done"))
	whole(t, s, "key", err)
}

// whole checks the answer of a cancelled update against what is stored.
func whole(t *testing.T, s bridge.Store, key string, err error) {
	t.Helper()
	done := meta(t, s, key) != ""
	switch {
	case err == nil && !done:
		t.Errorf("%s: Update = nil, and it was not done", key)
	case err == nil, errors.Is(err, bridge.Unavailable):
	case !errors.Is(err, context.Canceled):
		t.Errorf("%s: Update = %v, want nil, unavailable or the context's error", key, err)
	case done:
		t.Errorf("%s: Update = %v, which says that it was not done, and it was", key, err)
	}
}

func cancelledAnyTime(t *testing.T, e Engine) {
	s := e.start(t)
	const rounds, size = 15, 8
	answers := map[string]error{}
	var mu sync.Mutex // guards answers
	for round := range rounds {
		crowd(t, s, bridge.Deployment, size, func(i int) {
			ctx, cancel := context.WithCancel(t.Context())
			var wg sync.WaitGroup
			defer wg.Wait()
			if i%2 == 0 {
				defer cancel()
			} else {
				wg.Go(func() {
					for range round * i { // at some point of the update: sooner in some rounds, later in others
						_ = s.View(t.Context(), func(bridge.Tx) error { return nil })
					}
					cancel()
				})
			}
			key := fmt.Sprintf("%d/%d", round, i)
			err := s.Update(ctx, bridge.Deployment, func(tx bridge.Tx) error {
				return first(func() error { return count("n")(tx) }, func() error { return tx.PutMeta(key, []byte("x")) })
			})
			if i%2 == 0 && err != nil {
				t.Errorf("Update beside cancelled ones = %v", err)
			}
			mu.Lock()
			defer mu.Unlock()
			answers[key] = err
		})
	}
	put(t, s, bridge.Deployment, putMeta("last", "x")) // whatever was still under way comes before it
	done := 0
	for key, err := range answers {
		whole(t, s, key, err)
		if meta(t, s, key) != "" {
			done++
		}
	}
	if got := meta(t, s, "n"); got != strconv.Itoa(done) {
		t.Errorf("%s updates counted, and %d are there", got, done)
	}
}
