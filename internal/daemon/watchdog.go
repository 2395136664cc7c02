package daemon

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"agentbridge/internal/bridge"
)

// A Watchdog sweeps a bridge again and again, and gives its alerts to the sinks. Any number may watch one bridge, in any number of
// processes: what one has swept, the next finds swept, and the outbox gives an alert to one of them at a time.
type Watchdog struct {
	Service *bridge.Service
	Every   time.Duration // no pause between two sweeps is longer, and none shorter than three quarters of it
	Sinks   []Sink
	Log     *slog.Logger

	Metrics *Metrics           // may be nil
	Health  *Health            // may be nil
	Alert   func(bridge.Alert) // told each alert that is raised while it runs, by whomever; nil: nobody is

	followed *Follower
}

// Begin sweeps once, before anybody is served: where nobody watched for a while, that is noted before the first call could take the gap
// for silence. Whoever serves agents calls it first, and then Run.
func (w *Watchdog) Begin(ctx context.Context) { w.sweep(ctx) }

// Run watches until ctx ends, and returns soon after. A failed sweep is logged and is no end: the store may be back for the next one.
// Each sink is served apart, so one that does not answer holds up neither the sweeps nor the others.
func (w *Watchdog) Run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	for _, sink := range w.Sinks {
		wg.Go(func() {
			w.deliver(ctx, sink) // something may have waited for this process
			w.often(ctx, func(ctx context.Context) { w.deliver(ctx, sink) })
		})
	}
	w.follow(ctx) // from here on
	w.often(ctx, w.sweep)
}

func (w *Watchdog) often(ctx context.Context, pass func(context.Context)) {
	Every(ctx, w.Every-w.Every/4, w.Every/4, func(ctx context.Context) error {
		pass(ctx)
		return nil
	})
}

// sweep is one pass.
func (w *Watchdog) sweep(ctx context.Context) {
	start := time.Now()
	rep, err := w.Service.Sweep(ctx)
	if err != nil && ctx.Err() != nil {
		return // interrupted, which is no failure
	}
	w.Metrics.swept(rep, time.Since(start), err)
	if err != nil {
		w.warn(ctx, "sweep", "error", err)
	} else {
		w.Health.sweptNow()
	}
	w.follow(ctx)
}

// follow tells the alerts that are new.
func (w *Watchdog) follow(ctx context.Context) {
	if w.Metrics == nil && w.Alert == nil {
		return
	}
	var news []bridge.Alert
	var err error
	if w.followed == nil { // so far, or since the start where the store did not answer then
		w.followed, err = Follow(ctx, w.Service)
	} else {
		news, err = w.followed.News(ctx)
	}
	if err != nil {
		w.warn(ctx, "follow alerts", "error", err)
		return
	}
	for _, a := range news {
		w.Metrics.raised(a)
		if w.Alert != nil {
			w.Alert(a)
		}
	}
}

// warn logs a failure, unless it is only that the process is ending.
func (w *Watchdog) warn(ctx context.Context, msg string, args ...any) {
	if ctx.Err() == nil {
		w.Log.Warn(msg, args...)
	}
}
