package bridge

import (
	"sync"
	"time"
)

// jump is how far a clock may stray from even running before it counts as a jump: less is drift, which is clamped.
const jump = time.Minute

// Clock watches an engine's clock for jumps, for [Tx.Epoch]. It compares what the engine says with what this process's
// monotonic clock says should have passed. The zero value is ready; it is safe for concurrent use.
type Clock struct {
	mu    sync.Mutex // guards all below
	raw   time.Time  // what the engine said at mono
	mono  time.Time  // with its monotonic reading
	epoch time.Time
}

// Read takes what the engine's clock says now and gives the epoch. A jump either way makes now the epoch.
func (c *Clock) Read(now time.Time) (epoch time.Time) {
	mono := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.raw.IsZero() {
		if drift := now.Sub(c.raw) - mono.Sub(c.mono); drift > jump || drift < -jump {
			c.epoch = now
		}
	}
	c.raw, c.mono = now, mono
	return c.epoch
}

// recent remembers, by this process's own clock, when something was last done for a key. It is for doing things less often, never
// for deciding.
type recent struct{ at sync.Map }

func (r *recent) mark(key any) { r.at.Store(key, time.Now()) }

func (r *recent) within(key any, d time.Duration) bool {
	at, ok := r.at.Load(key)
	return ok && time.Since(at.(time.Time)) < d
}

// moment is a time on this process's own clock, which nobody sets.
type moment struct{ at time.Time }

func thisMoment() moment { return moment{time.Now()} }

func (m moment) ago() time.Duration { return time.Since(m.at) }
