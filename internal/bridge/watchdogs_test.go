package bridge_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"agentbridge/internal/bridge"
)

// meeting is a store whose users, once they are so many, wait for each other before the first update of a conversation each: all
// have looked before anybody acts.
type meeting struct {
	bridge.Store

	mu   sync.Mutex // guards left
	left int        // how many are still to come
	all  chan struct{}
}

func (m *meeting) of(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.left, m.all = n, make(chan struct{})
}

func (m *meeting) Update(ctx context.Context, scope bridge.Scope, fn func(bridge.Tx) error) error {
	if scope != bridge.Deployment {
		m.mu.Lock()
		all := m.all
		if m.left > 0 {
			if m.left--; m.left == 0 {
				close(m.all)
			}
		} else {
			all = nil
		}
		m.mu.Unlock()
		if all != nil {
			<-all
		}
	}
	return m.Store.Update(ctx, scope, fn)
}

func TestWatchdogs_ThatActAtOnceDoEachThingOnce(t *testing.T) {
	for name, story := range map[string]struct {
		before func(w *world, a, b bridge.Caller)
		did    bridge.SweepReport
		told   [2][]string // alpha and beta
	}{
		"silence": {
			before: func(w *world, a, b bridge.Caller) {
				w.claim(b, w.todo(a, "x"))
				w.assign(a, "beta", true)
				w.notices(b)
				w.watched(44*time.Second, a)
				time.Sleep(time.Second)
			},
			did:  bridge.SweepReport{Silenced: 1, Reopened: 1, Reassigned: 1},
			told: [2][]string{{"is assigned to you", "beta is silent"}, {"is lost"}},
		},
		"recovery": {
			before: func(w *world, a, b bridge.Caller) {
				w.watched(minute, a)
				w.notices(a)
				w.beat(time.Second, b)
			},
			did:  bridge.SweepReport{Recovered: 1},
			told: [2][]string{{"beta is back"}, nil},
		},
		"lapse": {
			before: func(w *world, a, b bridge.Caller) {
				one := 1
				w.claim(b, w.addTask(a, bridge.AddTaskRequest{Title: "x", LeaseMinutes: &one}).Task)
				w.watched(58*time.Second, a, b)
				w.notices(b)
				time.Sleep(2 * time.Second)
			},
			did:  bridge.SweepReport{Reopened: 1},
			told: [2][]string{nil, {"is lost"}},
		},
		"nudge": {
			before: func(w *world, a, b bridge.Caller) {
				one := 1
				w.claim(b, w.addTask(a, bridge.AddTaskRequest{Title: "x", LeaseMinutes: &one}).Task)
				w.watched(39*time.Second, a, b)
				time.Sleep(time.Second)
			},
			did:  bridge.SweepReport{Nudged: 1},
			told: [2][]string{nil, {"ends soon"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				same := func(o *bridge.Options) { o.Keys = ring }
				w := newWorld(t, same)
				a, b := w.remote("alpha"), w.remote("beta")
				w.talk(a, b)
				story.before(w, a, b)
				meet := &meeting{Store: w.store}
				one, other := worldOn(t, meet, same), worldOn(t, meet, same)
				meet.of(2)
				var wg sync.WaitGroup
				var reps [2]bridge.SweepReport
				wg.Go(func() { reps[0] = one.sweep() })
				wg.Go(func() { reps[1] = other.sweep() })
				wg.Wait()
				if reps != [2]bridge.SweepReport{story.did, {}} && reps != [2]bridge.SweepReport{{}, story.did} {
					t.Errorf("two sweeps = %+v", reps)
				}
				w.told(a, story.told[0]...)
				w.told(b, story.told[1]...)
			})
		})
	}
}
