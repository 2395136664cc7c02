package daemon

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// How much garbage a hub may have before it is collected. By default it is as much as there is in use. The connections of a thousand agents
// that wait hold 100 MB and make little garbage, so most of another 100 MB would be for nothing; a hub of few holds 5 MB and makes 200 KB
// with every call, and would collect all the time. Measured in doc/decisions/0015-idle-agents.md.
const (
	headroom     = 48 << 20 // bytes
	leastPercent = 25       // of what is in use, so that a very large hub does not collect all the time
	mostPercent  = 1000
)

// KeepHeadroom sets after every collection, until ctx ends, how much garbage this process may have, for the process of a hub. Where the
// environment says so itself (GOGC, GOMEMLIMIT) it does nothing. After every one, because a thousand agents may come within a second, and a
// percentage that was meant for five megabytes lets a hundred grow to a thousand.
func KeepHeadroom(ctx context.Context) {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	collected := make(chan struct{}, 1)
	var watch func()
	watch = func() {
		// Nobody holds it, so the next collection finds it.
		runtime.AddCleanup(new(sentinel), func(struct{}) {
			select {
			case collected <- struct{}{}:
			default:
			}
			if ctx.Err() == nil {
				watch()
			}
		}, struct{}{})
	}
	watch()
	now := percentFor(inUse())
	usual := debug.SetGCPercent(now)
	defer func() { debug.SetGCPercent(usual) }()
	for {
		select {
		case <-collected:
			if next := percentFor(inUse()); next != now {
				now = next
				debug.SetGCPercent(now)
			}
		case <-ctx.Done():
			return
		}
	}
}

// sentinel is what a collection finds. It is larger than what the runtime puts together with others, which would keep it.
type sentinel struct{ _ [32]byte }

// percentFor is what leaves the headroom above that many bytes in use.
func percentFor(inUse uint64) int {
	return int(min(max(100*headroom/max(inUse, 1), leastPercent), mostPercent))
}

// inUse is what a collection goes through, in bytes, as of the last one: the percentage is of that.
func inUse() (sum uint64) {
	samples := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/stack:bytes"}, {Name: "/gc/scan/globals:bytes"}}
	metrics.Read(samples)
	for _, s := range samples {
		if s.Value.Kind() == metrics.KindUint64 {
			sum += s.Value.Uint64()
		}
	}
	return sum
}
