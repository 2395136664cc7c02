package workload

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	"agentbridge/internal/bridge"
)

const (
	callPatience = time.Minute      // of any call; a wait is shorter
	readWait     = 20               // seconds that a reader waits in one call
	settleTime   = time.Second      // after the last message came, for what may come twice
	stillTime    = 30 * time.Second // with nothing coming, what is missing is lost
	sendTries    = 5                // of a message whose outcome nobody knows
	window       = 500              // messages that may be under way to one agent where nothing paces the load; its inbox holds 1000
)

// play has everybody read, and send until the plan is done or ctx ends; then it waits until all has come. Calls are made under calm.
func (s *stress) play(ctx, calm context.Context) {
	reading, stop := context.WithCancel(calm)
	var readers, senders, watch sync.WaitGroup
	for i := range s.seats {
		readers.Go(func() { s.read(calm, reading, i) })
	}
	watching, over := context.WithCancel(calm)
	watch.Go(func() { s.watch(watching) })

	loading, end := ctx, func() {}
	if s.plan.Duration > 0 {
		loading, end = context.WithTimeout(ctx, s.plan.Duration)
	}
	s.record.start()
	s.began.Store(true)
	if s.plan.Rate > 0 {
		queues := make([]queue, len(s.seats))
		for i := range queues {
			queues[i].more = make(chan struct{}, 1)
			senders.Go(func() { s.sendDue(ctx, calm, &queues[i]) })
		}
		s.schedule(loading, queues)
	} else {
		for i := range s.seats {
			senders.Go(func() { s.sendOn(loading, calm, i) })
		}
	}
	senders.Wait()
	s.span = s.record.span()
	s.settling.Store(true)
	end()
	s.settle()
	over()
	watch.Wait()
	stop()
	readers.Wait()
}

// draft is a message that is to be sent.
type draft struct {
	n, from, room int
	to            []int // seats
	all           bool  // it names nobody
	size          int
	due           time.Time
}

// draw makes the nth message, for this worker where one is named. What it is depends on n and what is given alone.
func (s *stress) draw(n int, mix []Share, worker int) draft {
	odds := rand.New(rand.NewPCG(uint64(n), 9))
	d := draft{n: n, size: pick(s.plan.Sizes, odds.Uint64())}
	way := pick(mix, odds.Uint64())
	if worker == 0 {
		worker = 1 + odds.IntN(len(s.seats)-1)
	}
	d.room = s.seats[worker].rooms[odds.IntN(len(s.seats[worker].rooms))]
	switch way {
	case Up:
		d.from, d.to = worker, []int{coordinator}
	case All:
		d.from, d.to, d.all = coordinator, s.rooms[d.room].workers, true
	default:
		d.from, d.to = coordinator, []int{worker}
	}
	return d
}

// waysOf is the part of the mix that one agent sends.
func (s *stress) waysOf(from int) (mix []Share) {
	for _, m := range s.plan.Mix {
		if (m.What == Up) == (from != coordinator) && m.Weight > 0 {
			mix = append(mix, m)
		}
	}
	return mix
}

// queue holds what one agent is to send, in order of when it is due.
type queue struct {
	more chan struct{} // holds something where there may be more, or no more

	mu     sync.Mutex // guards below
	drafts []draft
	ended  bool
}

func (q *queue) put(d draft, end bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ended = end; !end {
		q.drafts = append(q.drafts, d)
	}
	select {
	case q.more <- struct{}{}:
	default:
	}
}

// take gives what is due next, none where there is nothing now; ended, where there will be nothing more either.
func (q *queue) take() (d draft, some, ended bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.drafts) == 0 {
		return d, false, q.ended
	}
	d = q.drafts[0]
	q.drafts = q.drafts[1:]
	return d, true, false
}

// schedule gives out messages when they are due, however slow those before are answered.
func (s *stress) schedule(loading context.Context, queues []queue) {
	began := time.Now()
	for n := 0; s.plan.Count == 0 || n < s.plan.Count; n++ {
		due := began.Add(s.plan.due(n))
		waitUntil(loading, due)
		if loading.Err() != nil {
			break
		}
		d := s.draw(n, s.plan.Mix, 0)
		d.due = due
		queues[d.from].put(d, false)
	}
	for i := range queues {
		queues[i].put(draft{}, true)
	}
}

// waitUntil waits for a moment, and hardly longer, or until ctx ends.
func waitUntil(ctx context.Context, due time.Time) {
	const late = 2 * time.Millisecond // at most, by the runtime's timers
	if left := time.Until(due) - late; left > 0 {
		pause(ctx, left)
	}
	for left := time.Until(due); left > 0 && ctx.Err() == nil; left = time.Until(due) {
		sleep(left)
	}
}

// sendDue sends what one agent's queue holds, one after another, as an agent does. What an interruption finds in it is left.
func (s *stress) sendDue(ctx, calm context.Context, q *queue) {
	for {
		d, some, ended := q.take()
		switch {
		case ended:
			return
		case !some:
			<-q.more
		case ctx.Err() != nil:
			s.backlog.Add(1)
		default:
			s.send(calm, d)
		}
	}
}

// sendOn has an agent send as soon as it has its answer.
func (s *stress) sendOn(loading, calm context.Context, from int) {
	mix := s.waysOf(from)
	for len(mix) > 0 && loading.Err() == nil {
		n, ok := s.record.next(s.plan.Count)
		if !ok {
			return
		}
		d := s.draw(n, mix, from) // the coordinator is no worker
		for _, to := range d.to {
			for s.inFlight[to].Load() >= window && loading.Err() == nil {
				pause(loading, time.Millisecond)
			}
		}
		if loading.Err() != nil && s.plan.Count == 0 {
			return // it has a number, and nobody sent it
		}
		d.due = time.Now()
		if wait := s.send(calm, d); wait > 0 {
			pause(loading, min(wait, time.Second))
		}
	}
}

// send sends a message until its outcome is known, and notes it. It gives how long the refusal says to wait, if it does.
func (s *stress) send(calm context.Context, d draft) (wait time.Duration) {
	from := s.seats[d.from]
	arguments := map[string]any{"conversation_id": s.rooms[d.room].id, "message": stressText(d.n, d.size), "key": fmt.Sprintf("stress-%d", d.n)}
	if !d.all {
		arguments["to"] = []string{s.seats[d.to[0]].name}
	}
	for _, to := range d.to {
		s.inFlight[to].Add(1)
	}
	began := time.Now()
	var res bridge.SendResult
	var err error
	for try := range sendTries {
		res = bridge.SendResult{}
		once, cancel := context.WithTimeout(calm, callPatience)
		err = from.call(once, "send", arguments, &res)
		cancel()
		if outcomeOf(err) != unknown {
			break
		}
		pause(calm, time.Duration(try)*100*time.Millisecond)
	}
	how := outcomeOf(err)
	if how == unknown {
		s.fault("%v", err)
	}
	if how != done {
		for _, to := range d.to {
			s.inFlight[to].Add(-1)
		}
	}
	s.record.said(d, began, how, res, s.seats)
	if refusal, ok := errors.AsType[*bridge.Error](err); ok {
		wait = time.Duration(refusal.RetryAfter) * time.Second
	}
	return wait
}

// read has an agent take what comes to it until reading ends; then it looks once more, so that what it has is acked and what came again is
// seen.
func (s *stress) read(calm, reading context.Context, at int) {
	var receipt bridge.Receipt
	for failures := 0; ; {
		last := reading.Err() != nil
		arguments := map[string]any{"limit": 50}
		if receipt != "" {
			arguments["ack"] = receipt
		}
		within, cancel := context.WithTimeout(reading, callPatience)
		if last {
			within, cancel = context.WithTimeout(calm, callPatience)
		} else {
			arguments["wait_seconds"] = readWait
		}
		var res bridge.CheckResult
		err := s.seats[at].call(within, "check_messages", arguments, &res)
		cancel()
		switch {
		case err == nil:
			failures = 0
			s.reads.Add(1)
			receipt = res.Receipt
			for _, to := range s.record.heard(at, res.Messages, s.rooms) {
				s.inFlight[to].Add(-1)
			}
		case last || reading.Err() == nil:
			if failures++; failures > sendTries || last {
				s.fault("%v", err)
				return
			}
			pause(reading, 200*time.Millisecond)
		}
		if last && len(res.Messages) == 0 {
			return
		}
	}
}

// settle waits until everything that was answered has come, and then a little longer, or until nothing comes any more.
func (s *stress) settle() {
	came, since := -1, time.Now()
	for time.Since(since) < stillTime {
		missing, arrived := s.record.missing()
		if missing == 0 && time.Since(since) >= settleTime {
			return
		}
		if arrived != came {
			came, since = arrived, time.Now()
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// watch tells how far the run is, and looks at the hub's memory, until ctx ends.
func (s *stress) watch(ctx context.Context) {
	every := min(max(s.plan.Duration/20, time.Second), 30*time.Second)
	next := time.Now()
	for ctx.Err() == nil {
		if s.hub != nil && !time.Now().Before(next) {
			if rss, _, err := memoryOf(s.hub.PID()); err == nil && rss > 0 {
				s.memory = append(s.memory, MemoryAt{s.record.ran(), rss})
			}
			next = next.Add(every)
		}
		s.progress()
		pause(ctx, 200*time.Millisecond)
	}
}

// progress tells how far the run is. One goroutine at a time calls it: who seats, and then who watches.
func (s *stress) progress() {
	if s.plan.Progress == nil {
		return
	}
	p := StressProgress{Seated: int(s.record.seated.Load()) + 1, Settling: s.settling.Load()}
	if s.began.Load() {
		p.Ran = s.record.ran()
	}
	p.Sent, p.Arrived = s.record.counts()
	s.plan.Progress(p)
}

// lastEvent is the data of the last event of an answer, which may be as large as answers get.
func lastEvent(body io.Reader) (last []byte, err error) {
	lines := bufio.NewReaderSize(body, 4<<10)
	for {
		line, err := lines.ReadBytes('\n')
		if data, ok := bytes.CutPrefix(bytes.TrimRight(line, "\r\n"), []byte("data: ")); ok {
			last = data
		}
		if err == io.EOF {
			return last, nil
		}
		if err != nil {
			return nil, err
		}
	}
}
