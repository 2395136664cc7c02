//go:build postgres

package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"agentbridge/internal/bridge"
)

// cut ends connections of one application, which must be some.
func cut(t testing.TB, application string) {
	t.Helper()
	admin(t, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '"+application+"'")
}

// named opens a store whose connections can be told from others.
func named(t testing.TB, dsn string, opts Options) (s *Store, name string) {
	t.Helper()
	name = string(newName())
	return start(t, with(t, dsn, "application_name", name), opts), name
}

// count adds one to the number under a key.
func count(key string) func(tx bridge.Tx) error {
	return func(tx bridge.Tx) error {
		value, err := tx.Meta(key)
		if err != nil && !errors.Is(err, bridge.NotFound) {
			return err
		}
		n, _ := strconv.Atoi(string(value))
		return tx.PutMeta(key, []byte(strconv.Itoa(n+1)))
	}
}

func counted(t testing.TB, s *Store, key string) (value string) {
	t.Helper()
	if err := s.View(background, func(tx bridge.Tx) error {
		v, err := tx.Meta(key)
		value = string(v)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return value
}

func TestStore_GoesOnWhereConnectionsWereCut(t *testing.T) {
	s, name := named(t, fresh(t), Options{})
	var wg sync.WaitGroup
	for range 10 { // so that many connections are idle
		wg.Go(func() {
			_ = s.View(background, func(bridge.Tx) error { time.Sleep(10 * time.Millisecond); return nil })
		})
	}
	wg.Wait()
	for n := range 5 {
		cut(t, name)
		if err := s.View(background, func(bridge.Tx) error { return nil }); err != nil {
			t.Errorf("View after all connections were cut = %v", err)
		}
		cut(t, name)
		if err := s.Update(background, bridge.Deployment, count("n")); err != nil {
			t.Errorf("Update after all connections were cut = %v", err)
		}
		if got := counted(t, s, "n"); got != strconv.Itoa(n+1) {
			t.Errorf("%s updates counted after %d", got, n+1)
		}
	}
}

// The connection is cut while fn runs: nothing was committed, so the engine runs it again, once for all and for each of a group.
func TestUpdate_RunsAgainWhereItsConnectionWasCutInTheMiddle(t *testing.T) {
	s, name := named(t, fresh(t), Options{})
	var once sync.Once
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			err := s.Update(background, bridge.Deployment, func(tx bridge.Tx) error {
				err := count("n")(tx)
				once.Do(func() { cut(t, name) })
				return err
			})
			if err != nil {
				t.Errorf("Update = %v", err)
			}
		})
	}
	wg.Wait()
	if got := counted(t, s, "n"); got != "8" {
		t.Errorf("%s updates counted, want 8", got)
	}
}

func TestWatch_ListensAgainAfterItsConnectionWasCut(t *testing.T) {
	dsn := fresh(t)
	s, name := named(t, dsn, Options{})
	other := start(t, dsn, Options{})
	hints := s.Watch(t.Context(), bridge.Everything)
	tell := func(tx bridge.Tx) error { tx.Notify(bridge.Everything); return nil }
	for range 3 {
		if err := other.Update(background, bridge.Deployment, tell); err != nil {
			t.Fatal(err)
		}
		select {
		case <-hints:
		case <-time.After(patience):
			t.Fatal("no hint")
		}
		cut(t, name)
		// Committed while nobody listens: it is found when somebody does again.
	}
	if err := other.Update(background, bridge.Deployment, tell); err != nil {
		t.Fatal(err)
	}
	select {
	case <-hints:
	case <-time.After(patience):
		t.Fatal("no hint after the listening connection was cut")
	}
}

func TestDead_WhoSaidGoodbyeAtOnce(t *testing.T) {
	dsn := fresh(t)
	a, b, c := start(t, dsn, Options{}), start(t, dsn, Options{}), start(t, dsn, Options{})
	ended, going := b.Instance(), c.Instance()
	if a.Dead(ended) || a.Dead(going) || a.Dead(a.Instance()) {
		t.Error("a process that is there counts as dead")
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a process that said goodbye to count as dead", func() bool { return a.Dead(ended) })
	if a.Dead(going) || c.Dead(a.Instance()) {
		t.Error("with one, others died")
	}
	fresh := start(t, dsn, Options{}) // has watched nobody yet
	if !fresh.Dead(ended) || fresh.Dead(going) {
		t.Error("a process that has just begun cannot tell who is gone")
	}
}

// eventually asks until the answer is yes.
func eventually(t testing.TB, what string, met func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !met(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v for %s", time.Duration(patience), what)
		}
	}
}

// A server of its own waits for a standby that never comes, so commits stop half done: on this disk, and on no other.
func TestUpdate_StandbyThatIsNotWaitedForIsUnavailable(t *testing.T) {
	dsn := ownServer(t)
	s, name := named(t, dsn, Options{})
	if err := put(s, "before"); err != nil {
		t.Fatal(err)
	}
	setting := func(value string) {
		adminOf(t, dsn, "ALTER SYSTEM SET synchronous_standby_names = '"+value+"'")
		adminOf(t, dsn, "SELECT pg_reload_conf()")
	}
	waiting := func() bool {
		c := dialAdmin(t, dsn)
		defer c.close()
		n, err := c.number(`SELECT count(*) FROM pg_stat_activity WHERE application_name = $1 AND wait_event = 'SyncRep'`, name)
		if err != nil {
			t.Fatal(err)
		}
		return n > 0
	}
	setting("nobody")
	// The server takes a moment to heed it.
	heed := make(chan error)
	for heeded := false; !heeded; {
		ctx, cancel := context.WithTimeout(background, 200*time.Millisecond)
		go func() {
			heed <- s.Update(ctx, bridge.Deployment, func(tx bridge.Tx) error { return tx.PutMeta("first", nil) })
		}()
		heeded = <-heed != nil
		cancel()
	}
	adminOf(t, dsn, "SET synchronous_commit = local; SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
	for _, act := range []string{"pg_cancel_backend", "pg_terminate_backend"} {
		answer := make(chan error, 1)
		go func() { answer <- put(s, act) }()
		eventually(t, "a commit to wait for its standby", waiting)
		adminOf(t, dsn, fmt.Sprintf("SET synchronous_commit = local; SELECT %s(pid) FROM pg_stat_activity WHERE application_name = '%s' AND wait_event = 'SyncRep'", act, name))
		refused(t, <-answer, bridge.Unavailable, "commit")
		if !has(t, s, act) {
			t.Errorf("%s: the server did not commit; this test shows nothing", act)
		}
	}

	// A caller who stops waiting does not stop the commit.
	ctx, cancel := context.WithCancel(background)
	answer := make(chan error, 1)
	go func() {
		answer <- s.Update(ctx, bridge.Deployment, func(tx bridge.Tx) error { return tx.PutMeta("left", nil) })
	}()
	eventually(t, "a commit to wait for its standby", waiting)
	cancel()
	if err := <-answer; !errors.Is(err, bridge.Unavailable) {
		t.Errorf("Update of a caller who left during its commit = %v, want unavailable", err)
	}
	if !waiting() {
		t.Error("the commit went away with its caller")
	}
	// Presence and the like wait for no standby.
	if err := s.Jot(background, bridge.OfAgent("agent_1"), func(tx bridge.Tx) error { return tx.PutMeta("jotted", nil) }); err != nil {
		t.Errorf("Jot without a standby = %v", err)
	}
	setting("")
	if err := put(s, "after"); err != nil {
		t.Errorf("Update after the standby is not asked for any more = %v", err)
	}
	if !has(t, s, "left") || !has(t, s, "jotted") {
		t.Error("a commit was lost whose caller had left")
	}
}
