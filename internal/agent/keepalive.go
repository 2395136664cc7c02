package agent

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"agentbridge/internal/bridge"
)

// KeepAliveOptions say whose keep-alive it is and whom it tells.
type KeepAliveOptions struct {
	From Source
	Name string // whose token it must be; empty: anybody's
	// OnMessage is called when something new waits, with how much waits in all and from whom; nil: nobody is told. See [KeepAlive].
	OnMessage func(ctx context.Context, now bridge.KeepAlive) error
	// Patience is how long what is new must have waited before OnMessage is called: who waits for it in a call has it by then.
	Patience time.Duration
	// Say is told in one line what it does now. Lines that are no news only differ in a detail from the one before, for who updates a
	// line in place. nil: nobody is told.
	Say func(line string, news bool)
}

// Source is where a keep-alive learns what waits for its agent: a [Hub], or the [Local] store.
type Source interface {
	// follow connects, shows that the agent is there and tells what waits until the connection ends, and gives why it did. What tell
	// gives ends it.
	follow(ctx context.Context, tell func(bridge.KeepAlive) error) error
	waiting(ctx context.Context) (bridge.KeepAlive, error)
	what() string  // hub
	where() string // http://127.0.0.1:7483
}

// Waiting asks once what waits for an agent. It is no heartbeat, and takes and acks nothing.
func Waiting(ctx context.Context, from Source) (bridge.KeepAlive, error) { return from.waiting(ctx) }

// Await follows what waits for an agent until tell gives an error or ctx ends, and gives that error; a source that is away is one,
// too. It is what wakes a client: tell is called at once, and with all that changes.
func Await(ctx context.Context, from Source, tell func(bridge.KeepAlive) error) error {
	return from.follow(ctx, tell)
}

// How long a keep-alive waits before it connects anew, with some chance in it. The pauses begin anew after a connection that held for
// longer than the pause before it: a hub that falls over at once is left alone, one that is restarted now and then is not. None is so
// long that an agent counts as silent when its hub is back and it is not.
const (
	leastPause = 500 * time.Millisecond
	mostPause  = 10 * time.Second
)

// KeepAlive shows that an agent is there and keeps its token good, for agents whose client cannot, until ctx ends, which is no error.
// A source that is away is tried again for ever; a token that is not good is an error, and so is a source that never was one.
//
// OnMessage is called for every message: once where several come at once or while it runs, never twice at the same time, and for what
// waits already when the keep-alive begins. What came while the source was away is told when it is back. A call that fails is made
// again after 5 seconds and then ever later up to 5 minutes, and one that was in vain, because something waits still, every 10
// minutes.
func KeepAlive(ctx context.Context, o KeepAliveOptions) error {
	k := keeper{KeepAliveOptions: o}
	ctx, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	if o.OnMessage != nil {
		k.notifier = newNotifier(o, k.say)
		wg.Go(func() { k.notifier.loop(ctx) })
	}
	pause := backoff{least: leastPause, most: mostPause}
	for {
		err := k.connect(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if k.final(err) {
			return err
		}
		if !k.connected.IsZero() && time.Since(k.connected) > max(pause.last, leastPause) {
			pause.reset()
		}
		wait := pause.next()
		why := reason(err)
		k.say(fmt.Sprintf("%s away (%s), trying again in %s", o.From.what(), why, roughly(wait)), why != k.away)
		k.away = why
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil
		}
	}
}

// keeper is a keep-alive under way.
type keeper struct {
	KeepAliveOptions
	notifier *notifier
	saying   sync.Mutex // for one line at a time

	connected time.Time // when this connection began to tell something; zero: not yet
	known     bool      // the source told something once, so it is one
	wrong     error     // what it told was not for us
	away      string    // why it is away, as was said last; empty: it is not
}

// connect is one connection from its beginning to its end.
func (k *keeper) connect(ctx context.Context) error {
	k.connected = time.Time{}
	unread := 0
	return k.From.follow(ctx, func(now bridge.KeepAlive) error {
		if k.Name != "" && now.Name != k.Name {
			k.wrong = bridge.Errorf(bridge.Invalid, "the token is that of %s, and not of %s", now.Name, k.Name).
				WithHint("name %s, or nobody, or use another token", now.Name)
			return k.wrong
		}
		first := k.connected.IsZero()
		if first {
			k.connected, k.known, k.away = time.Now(), true, ""
		}
		if first || now.Unread != unread {
			unread = now.Unread
			// Where a command is run, that is said, and says the count.
			k.say(fmt.Sprintf("connected to %s as %s, %d unread", k.From.where(), now.Name, unread), first || k.notifier == nil)
		}
		if k.notifier != nil {
			k.notifier.note(now)
		}
		return nil
	})
}

// final reports whether it is no use to try again.
func (k *keeper) final(err error) bool {
	switch {
	case errors.Is(err, bridge.Denied), errors.Is(err, bridge.Expired), k.wrong != nil:
		return true
	case errors.Is(err, bridge.Invalid), errors.Is(err, bridge.NotFound):
		return !k.known // what was a hub once, and is being replaced now, will be one again
	}
	return false
}

func (k *keeper) say(line string, news bool) {
	if k.Say == nil {
		return
	}
	k.saying.Lock()
	defer k.saying.Unlock()
	k.Say(line, news)
}

// backoff gives ever longer pauses from least to most, half as long again by chance, so that those who were cut off together do not
// come back together.
type backoff struct {
	least, most time.Duration
	last        time.Duration // without the chance in it; zero: none yet
}

func (b *backoff) next() time.Duration {
	b.last = min(max(b.least, 2*b.last), b.most*2/3)
	return b.last + rand.N(b.last/2)
}

func (b *backoff) reset() { b.last = 0 }

// roughly is a duration as people say it.
func roughly(d time.Duration) string {
	if d < 10*time.Second {
		return fmt.Sprintf("%.1fs", d.Seconds())
	}
	return d.Round(time.Second).String()
}
