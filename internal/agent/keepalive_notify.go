package agent

import (
	"context"
	"fmt"
	"sync"
	"time"

	"agentbridge/internal/bridge"
)

const (
	leastRetry  = 5 * time.Second
	mostRetry   = 5 * time.Minute
	remindEvery = 10 * time.Minute
)

// notifier tells that something new waits, one call at a time.
//
// New is what began to wait after the newest that was told, and also what makes more wait than was told. The first alone would do,
// were clocks never set back; the second alone would miss what comes just after others were read, before anybody saw that they were.
type notifier struct {
	run      func(ctx context.Context, now bridge.KeepAlive) error
	say      func(line string, news bool)
	patience time.Duration // before it looks at what woke it
	wake     chan struct{} // one slot: look at latest

	mu     sync.Mutex // guards all below
	latest bridge.KeepAlive
	told   told
}

// told is what was told last.
type told struct {
	unread int // or how few there were since
	newest time.Time
}

func newNotifier(o KeepAliveOptions, say func(string, bool)) *notifier {
	return &notifier{run: o.OnMessage, say: say, patience: o.Patience, wake: make(chan struct{}, 1)}
}

// note takes what waits now.
func (n *notifier) note(now bridge.KeepAlive) {
	n.mu.Lock()
	n.latest = now
	n.told.unread = min(n.told.unread, now.Unread)
	n.mu.Unlock()
	select {
	case n.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// loop tells until ctx ends.
func (n *notifier) loop(ctx context.Context) {
	again := time.NewTimer(remindEvery) // for a try again, or to remind
	defer again.Stop()
	pause := backoff{least: leastRetry, most: mostRetry}
	failing := false
	for {
		whatever := false
		select {
		case <-ctx.Done():
			return
		case <-n.wake:
			if failing {
				continue // its time will come
			}
			select {
			case <-time.After(n.patience):
			case <-ctx.Done():
				return
			}
		case <-again.C:
			whatever, failing = true, false
		}
		now, ok := n.due(whatever)
		if !ok {
			continue
		}
		err := n.run(ctx, now)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			failing = true
			wait := pause.next()
			again.Reset(wait)
			n.say(fmt.Sprintf("%d unread: %v, trying again in %s", now.Unread, err, roughly(wait)), true)
		default:
			pause.reset()
			n.tell(now)
			again.Reset(remindEvery)
			n.say(fmt.Sprintf("%d unread: ran the command", now.Unread), true)
		}
	}
}

// due reports whether something waits that was not told, or anything whatever.
func (n *notifier) due(whatever bool) (bridge.KeepAlive, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := n.latest
	return now, now.Unread > 0 && (whatever || now.Unread > n.told.unread || newestOf(now).After(n.told.newest))
}

// tell notes what was told. Less may wait by now.
func (n *notifier) tell(now bridge.KeepAlive) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.told = told{min(now.Unread, n.latest.Unread), newestOf(now)}
}

func newestOf(k bridge.KeepAlive) time.Time {
	if k.NewestAt == nil {
		return time.Time{}
	}
	return *k.NewestAt
}
