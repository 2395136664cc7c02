package postgres

import (
	"context"
	"hash/fnv"
	"slices"
	"strconv"
	"sync"

	"agentbridge/internal/bridge"
)

// watch wakes those who wait for a topic: at once for commits of this process, by a notification for those of others, and all of them
// when one may have been missed. Topics are known by a hash, so a hint may be spurious.
type watch struct {
	mu     sync.Mutex // guards all below
	topics map[topic]map[chan struct{}]bool
	stop   func() // ends listening; nil: nothing was started
	ended  bool
	loops  sync.WaitGroup
}

// topic is the hash of a [bridge.Topic].
type topic uint64

func (t topic) String() string { return strconv.FormatUint(uint64(t), 36) }

func hash(t bridge.Topic) topic {
	h := fnv.New64a()
	_, _ = h.Write([]byte(t)) // never fails
	return topic(h.Sum64())
}

// Watch implements [bridge.Store]. The first call, of this or of [Store.Instance], starts what Close waits for: the connection that
// listens, which also polls.
func (s *Store) Watch(ctx context.Context, name bridge.Topic) <-chan struct{} {
	hint := make(chan struct{}, 1)
	w, t := &s.watch, hash(name)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended {
		return hint
	}
	if w.topics == nil {
		w.topics = map[topic]map[chan struct{}]bool{}
	}
	if w.topics[t] == nil {
		w.topics[t] = map[chan struct{}]bool{}
	}
	w.topics[t][hint] = true
	s.start() // once it listens, it wakes everybody: what was committed until then is not missed
	context.AfterFunc(ctx, func() { w.leave(t, hint) })
	return hint
}

func (w *watch) leave(t topic, hint chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if hints := w.topics[t]; hints != nil {
		delete(hints, hint)
		if len(hints) == 0 {
			delete(w.topics, t)
		}
	}
}

// announce gives the hints of a group that was committed.
func (s *Store) announce(g []*request) {
	var topics []topic
	for _, r := range g {
		for _, t := range r.topics {
			topics = append(topics, hash(t))
		}
	}
	if len(topics) == 0 {
		return
	}
	slices.Sort(topics)
	topics = slices.Compact(topics)
	s.watch.wake(topics)
	s.send(topics)
}

func (w *watch) wake(topics []topic) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, t := range topics {
		wake(w.topics[t])
	}
}

func (w *watch) wakeAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, hints := range w.topics {
		wake(hints)
	}
}

func wake(hints map[chan struct{}]bool) {
	for hint := range hints {
		select {
		case hint <- struct{}{}:
		default: // one is waiting already
		}
	}
}

// close ends what start began and waits for it.
func (w *watch) close() {
	w.mu.Lock()
	w.ended = true
	w.topics = nil
	if w.stop != nil {
		w.stop()
	}
	w.mu.Unlock()
	w.loops.Wait()
}
