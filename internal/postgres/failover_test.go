//go:build postgres

package postgres

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"agentbridge/internal/bridge"
)

// The primary is killed under load, and its synchronous standby takes over. Two hubs that know both hosts go on by themselves, and
// nothing that was confirmed is lost.
func TestUpdate_FailOverLosesNothingConfirmed(t *testing.T) {
	servers := ownServers(t, `"$AGENTBRIDGE_TEST_POSTGRES" "$AGENTBRIDGE_TEST_STANDBY" "$AGENTBRIDGE_TEST_PRIMARY_PID"`, "STANDBY=yes")
	primary, standby := servers[0], servers[1]
	pid, err := strconv.Atoi(servers[2])
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(t.Context(), standby, Options{})
	refused(t, err, bridge.Unavailable, "only reads")

	adminOf(t, primary, "ALTER SYSTEM SET synchronous_standby_names = 'standby'")
	adminOf(t, primary, "SELECT pg_reload_conf()")
	watcher := dialAdmin(t, primary)
	eventually(t, "the standby to be waited for", func() bool {
		n, err := watcher.number(`SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'`)
		return err == nil && n == 1
	})
	watcher.close()

	both := func() string {
		one, _ := url.Parse(primary)
		two, _ := url.Parse(standby)
		one.Host += "," + two.Host
		return with(t, one.String(), "target_session_attrs", "read-write")
	}()
	hubs := []*Store{start(t, both, Options{}), start(t, both, Options{})}
	hints := hubs[0].Watch(t.Context(), bridge.Everything)

	var mu sync.Mutex // guards confirmed
	confirmed := map[string]bool{}
	var n, back atomic.Int64
	var promoted atomic.Pointer[time.Time]
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				key := fmt.Sprintf("key %d", n.Add(1))
				err := hubs[w%2].Update(t.Context(), bridge.Scope(fmt.Sprintf("scope %d", w/2)), func(tx bridge.Tx) error { return tx.PutMeta(key, []byte("done")) })
				if err != nil {
					if !errors.Is(err, bridge.Unavailable) {
						t.Errorf("Update = %v, want unavailable", err)
					}
					continue
				}
				mu.Lock()
				confirmed[key] = true
				mu.Unlock()
				if at := promoted.Load(); at != nil {
					back.CompareAndSwap(0, int64(time.Since(*at)))
				}
			}
		})
	}
	many := func(more int) {
		t.Helper()
		mu.Lock()
		want := len(confirmed) + more
		mu.Unlock()
		eventually(t, "updates to go on", func() bool { mu.Lock(); defer mu.Unlock(); return len(confirmed) >= want })
	}
	many(200)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	c := dialAdmin(t, standby)
	if ok, err := c.number(`SELECT pg_promote()::int::bigint`); err != nil || ok != 1 {
		t.Fatalf("promote the standby: %d, %v", ok, err)
	}
	c.close()
	now := time.Now()
	promoted.Store(&now)
	many(200)
	close(stop)
	wg.Wait()

	lost := 0
	for key := range confirmed {
		if !has(t, hubs[0], key) {
			lost++
		}
	}
	if lost > 0 {
		t.Errorf("%d of %d confirmed updates are lost", lost, len(confirmed))
	}
	t.Logf("%d confirmed, %d lost; the first update after the promotion was confirmed %v later", len(confirmed), lost, time.Duration(back.Load()))
	drain := func() {
		select {
		case <-hints:
		default:
		}
	}
	drain()
	eventually(t, "hints to cross from hub to hub again", func() bool {
		if err := hubs[1].Update(t.Context(), bridge.Deployment, func(tx bridge.Tx) error { tx.Notify(bridge.Everything); return tx.PutMeta("n", nil) }); err != nil {
			t.Error(err)
		}
		select {
		case <-hints:
			return true
		case <-time.After(100 * time.Millisecond):
			return false
		}
	})
}
