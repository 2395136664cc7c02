package daemon

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// How much garbage a hub may have before it is collected. By default it is as much as there is in use. The connections of a thousand agents
// that wait hold 100 MB and make little garbage, so most of another 100 MB would be for nothing; a hub of few holds 5 MB and makes 200 KB
// with every call, and would collect all the time. Measured in doc/decisions/0015-idle-agents.md.
const (
	headroom     = 32 << 20 // bytes
	leastPercent = 25       // of what is in use, so that a very large hub does not collect all the time
	mostPercent  = 1000
	headroomTime = 10 * time.Second
)

// KeepHeadroom sets now and then, until ctx ends, how much garbage this process may have, for the process of a hub. Where the environment
// says so itself (GOGC, GOMEMLIMIT) it does nothing.
func KeepHeadroom(ctx context.Context) {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	usual := debug.SetGCPercent(percentFor(inUse()))
	defer debug.SetGCPercent(usual)
	Every(ctx, headroomTime, 0, func(context.Context) error {
		debug.SetGCPercent(percentFor(inUse()))
		return nil
	})
}

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
