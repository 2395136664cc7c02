package daemon

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestEvery_PausesThenPassesUntilCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var at []time.Duration
		start := time.Now()
		done := make(chan error)
		go func() {
			done <- Every(ctx, 5*time.Second, 0, func(context.Context) error {
				at = append(at, time.Since(start))
				return nil
			})
		}()
		time.Sleep(16 * time.Second)
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Every after cancel = %v, want nil", err)
		}
		want := []time.Duration{5 * time.Second, 10 * time.Second, 15 * time.Second}
		if len(at) != len(want) || at[0] != want[0] || at[1] != want[1] || at[2] != want[2] {
			t.Errorf("passes at %v, want %v", at, want)
		}
		if took := time.Since(start); took != 16*time.Second {
			t.Errorf("Every returned after %v, want at once after the cancel at 16s", took)
		}
	})
}

func TestEvery_NeverRunsTwoPassesAtOnceAndRestsAfterASlowOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		start := time.Now()
		var began []time.Duration
		go Every(ctx, time.Second, 0, func(context.Context) error {
			began = append(began, time.Since(start))
			time.Sleep(10 * time.Second)
			return nil
		})
		time.Sleep(23500 * time.Millisecond)
		synctest.Wait()
		cancel()
		time.Sleep(time.Minute)
		if len(began) != 3 || began[1] != 12*time.Second || began[2] != 23*time.Second {
			t.Errorf("passes began at %v, want [1s 12s 23s]", began)
		}
	})
}

func TestEvery_JitterSpreadsPasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		last, seen := time.Now(), map[time.Duration]bool{}
		go Every(ctx, time.Second, time.Second, func(context.Context) error {
			gap := time.Since(last)
			if gap < time.Second || gap >= 2*time.Second {
				t.Errorf("pause of %v, want at least 1s and less than 2s", gap)
			}
			seen[gap], last = true, time.Now()
			return nil
		})
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if len(seen) < 5 {
			t.Errorf("%d different pauses in 20 s, want them spread", len(seen))
		}
	})
}

func TestEvery_EndsWithTheFirstError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken, passes := errors.New("broken"), 0
		err := Every(t.Context(), time.Second, 0, func(context.Context) error {
			if passes++; passes == 2 {
				return broken
			}
			return nil
		})
		if !errors.Is(err, broken) || passes != 2 {
			t.Errorf("Every = %v after %d passes, want the second pass's error", err, passes)
		}
	})
}
