package sqlite

import (
	"context"
	"errors"
	"hash/fnv"
	"slices"
	"strconv"
	"sync"
	"time"

	"agentbridge/internal/bridge"
)

// pollEvery is how long a commit can stay unnoticed whose hint was lost.
const pollEvery = time.Second

// watch wakes those who wait for a topic: at once for commits of this process, by a datagram for those of others, and by a look
// at the database every second for whatever was missed. Topics are known by a hash, so a hint may be spurious.
type watch struct {
	run string // the run directory; none in memory
	out post   // to other processes

	mu     sync.Mutex // guards all below
	topics map[topic]*watched
	in     *inbox // from other processes; nil: none, only the poll serves
	all    bool   // other processes were told that this one watches everything
	stop   func() // ends the poll; nil: nothing was started
	ended  bool
	loops  sync.WaitGroup
}

// maxSigns is how many topics a process has a sign for. With more it gets every hint, and looks for itself.
const maxSigns = 16

// topic is the hash of a [bridge.Topic].
type topic uint64

func (t topic) String() string {
	s := strconv.FormatUint(uint64(t), 16)
	return "0000000000000000"[len(s):] + s
}

func hash(t bridge.Topic) topic {
	h := fnv.New64a()
	_, _ = h.Write([]byte(t)) // never fails
	return topic(h.Sum64())
}

// watched is a topic that somebody in this process waits for, or did a moment ago.
type watched struct {
	hints  map[chan struct{}]bool
	signed bool // other processes were told, by a sign of its own
	unused bool // nobody waited for it at the last poll
}

// Watch implements [bridge.Store]. The first call starts what Close waits for: a reader of other processes' hints and the poll.
func (s *Store) Watch(ctx context.Context, name bridge.Topic) <-chan struct{} {
	hint := make(chan struct{}, 1)
	w, t := &s.watch, hash(name)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended {
		return hint
	}
	if w.topics == nil {
		w.topics = map[topic]*watched{}
	}
	if w.topics[t] == nil {
		w.topics[t] = &watched{hints: map[chan struct{}]bool{}}
	}
	w.topics[t].hints[hint] = true
	if w.run != "" {
		s.start()
		w.sign(t)
	}
	context.AfterFunc(ctx, func() { w.leave(t, hint) })
	return hint
}

func (w *watch) leave(t topic, hint chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if x := w.topics[t]; x != nil {
		delete(x.hints, hint)
		// The sign stays until the poll takes it back: most who leave come again at once.
		if len(x.hints) == 0 && !x.signed {
			delete(w.topics, t)
		}
	}
}

// announce gives the hints of a group that was committed. Other processes are told beside what the caller goes on with: whom a hint wakes
// wants processors at once, and the answer that it is about should be first. [Store.Close] waits for it.
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
	if s.runDir != "" {
		s.active.Go(func() { s.watch.out.send(s.runDir, s.self.known(), topics) }) // the caller is active, so Close has not ended waiting
	}
}

func (w *watch) wake(topics []topic) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, t := range topics {
		if x := w.topics[t]; x != nil {
			x.wake()
		}
	}
}

func (w *watch) wakeAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, x := range w.topics {
		x.wake()
	}
}

func (x *watched) wake() {
	for hint := range x.hints {
		select {
		case hint <- struct{}{}:
		default: // one is waiting already
		}
	}
}

// close ends what start began and waits for it.
func (w *watch) close() error {
	w.mu.Lock()
	w.ended = true
	w.topics = nil
	var err error
	if w.stop != nil {
		w.stop()
	}
	if w.in != nil {
		err = w.in.close()
	}
	w.mu.Unlock()
	w.loops.Wait()
	return errors.Join(err, w.out.close())
}
