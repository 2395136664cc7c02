package storetest

import (
	"context"
	"sync"
	"testing"
	"time"

	"agentbridge/internal/bridge"
)

// hold begins an update of the scope that goes on until release is called, at the latest when the test ends. Release waits for it.
func hold(t *testing.T, s bridge.Store, scope bridge.Scope) (release func()) {
	t.Helper()
	entered, end, over := make(chan struct{}), make(chan struct{}), make(chan struct{})
	enter := sync.OnceFunc(func() { close(entered) })
	go func() {
		defer close(over)
		if err := s.Update(context.WithoutCancel(t.Context()), scope, func(bridge.Tx) error {
			enter()
			<-end
			return nil
		}); err != nil {
			t.Errorf("Update = %v", err)
		}
	}()
	release = sync.OnceFunc(func() {
		close(end)
		<-over
	})
	t.Cleanup(release)
	await(t, entered, "an update to run")
	return release
}

// crowd calls do n times at once, all behind an update of the scope that is under way, so that an engine which gathers updates has
// something to gather.
func crowd(t *testing.T, s bridge.Store, scope bridge.Scope, n int, do func(i int)) {
	t.Helper()
	release := hold(t, s, scope)
	var calling, wg sync.WaitGroup
	calling.Add(n)
	for i := range n {
		wg.Go(func() { calling.Done(); do(i) })
	}
	calling.Wait()
	release()
	wg.Wait()
}

// await waits for a channel, but not for ever.
func await(t testing.TB, ch <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-ch:
	case <-time.After(patience):
		t.Fatalf("waited %v for %s", patience, what)
	}
}
