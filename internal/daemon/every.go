// Package daemon holds the loops that run beside a bridge.
package daemon

import (
	"context"
	"math/rand/v2"
	"time"
)

// Every calls pass again and again, one at a time, each call after a pause of interval and a random part of jitter, so that
// processes started together do not stay in step. The pause comes first: whatever starts the loop may have better things to do.
//
// It returns nil soon after ctx ended, or the first error of a pass. A pass that may fail without ending the loop deals with its
// own errors.
func Every(ctx context.Context, interval, jitter time.Duration, pass func(context.Context) error) error {
	timer := time.NewTimer(pause(interval, jitter))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		// Both may have been ready.
		if ctx.Err() != nil {
			return nil
		}
		if err := pass(ctx); err != nil {
			return err
		}
		timer.Reset(pause(interval, jitter))
	}
}

func pause(interval, jitter time.Duration) time.Duration {
	if jitter <= 0 {
		return interval
	}
	return interval + rand.N(jitter)
}
