package daemon

import (
	"context"
	"runtime"
	"runtime/metrics"
	"testing"
)

func TestKeepHeadroom_LeavesTheSameRoomToManyAgentsAsToFew(t *testing.T) {
	const mb = 1 << 20
	for inUse, want := range map[uint64]int{0: 1000, mb: 1000, 6 * mb: 800, 48 * mb: 100, 96 * mb: 50, 120 * mb: 40, 1000 * mb: 25} {
		if got := percentFor(inUse); got != want {
			t.Errorf("with %d MB in use: %d %%, want %d %%", inUse/mb, got, want)
		}
	}
	if inUse() < mb/16 {
		t.Errorf("%d bytes in use: the runtime calls its measures otherwise now", inUse())
	}
}

func TestKeepHeadroom_FollowsWhatIsInUseFromOneCollectionToTheNext(t *testing.T) {
	t.Setenv("GOGC", "")
	t.Setenv("GOMEMLIMIT", "")
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); KeepHeadroom(ctx) }()
	percent := func() int {
		now := []metrics.Sample{{Name: "/gc/gogc:percent"}}
		metrics.Read(now)
		return int(now[0].Value.Uint64())
	}
	until := func(what string, fits func(int) bool) {
		t.Helper()
		for range 1000 {
			runtime.GC()
			if fits(percent()) {
				return
			}
			runtime.Gosched()
		}
		t.Errorf("%s: %d %%", what, percent())
	}
	until("with little in use", func(p int) bool { return p > 100 })
	held := make([]byte, 200<<20)
	until("with 200 MB in use", func(p int) bool { return p == leastPercent })
	runtime.KeepAlive(held)
	held = nil
	until("with little in use again", func(p int) bool { return p > 100 })
	stop()
	<-ended
	if p := percent(); p != 100 {
		t.Errorf("afterwards it is %d %%, want the usual 100", p)
	}
}
