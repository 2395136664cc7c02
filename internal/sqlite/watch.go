package sqlite

import (
	"context"
	"sync"

	"agentbridge/internal/bridge"
)

// watch wakes those who wait for a topic.
type watch struct {
	mu   sync.Mutex // guards subs
	subs map[bridge.Topic]map[chan struct{}]bool
}

func (w *watch) init(s *Store) { w.subs = map[bridge.Topic]map[chan struct{}]bool{} }

// Watch implements [bridge.Store].
func (s *Store) Watch(ctx context.Context, topic bridge.Topic) <-chan struct{} {
	w := &s.watch
	hint := make(chan struct{}, 1)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.subs[topic] == nil {
		w.subs[topic] = map[chan struct{}]bool{}
	}
	w.subs[topic][hint] = true
	context.AfterFunc(ctx, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if delete(w.subs[topic], hint); len(w.subs[topic]) == 0 {
			delete(w.subs, topic)
		}
	})
	return hint
}

// announce gives the hints of a group that was committed.
func (s *Store) announce(g []*request) {
	w := &s.watch
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range g {
		for _, topic := range r.topics {
			for hint := range w.subs[topic] {
				select {
				case hint <- struct{}{}:
				default: // one is waiting already
				}
			}
		}
	}
}

func (w *watch) close() {}
