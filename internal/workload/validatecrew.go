package workload

import (
	"context"
	"fmt"
	"sync"
	"time"

	"agentbridge/internal/bridge"
)

const (
	messagesDown        = 120 // of row send, to all workers together
	messagesUp          = 5   // from each
	messagesWithSecrets = 350
	addedTasks          = 40
	readsEach           = 50
	pushed              = 50
	polled              = 5
	patienceForMessages = 30 * time.Second // until one counts as lost
)

// crew is an orchestrator and eight workers, who carry out what needs nothing but agents. A row that cannot go on fails those after it, too.
func (v *validation) crew(ctx context.Context) {
	var c theCrew
	defer func() { leave(c.all()) }()
	for _, s := range []step{
		{"create", func(ctx context.Context) error { return v.create(ctx, &c) }},
		{"join", func(ctx context.Context) error { return v.join(ctx, &c) }},
	} {
		// The others need them, even where they were not asked for.
		v.tell(s.row, "begins")
		err := s.do(ctx)
		v.tell(s.row, "over")
		if err != nil {
			for _, row := range crewRows {
				v.fail(row, fmt.Errorf("%s: %w", s.row, err))
			}
			return
		}
	}
	v.do(ctx, step{"send", func(ctx context.Context) error { return v.exchange(ctx, &c) }})
	v.do(ctx, step{"13", func(ctx context.Context) error { return v.push(ctx, &c) }})
	v.do(ctx, step{"redact", func(ctx context.Context) error { return v.redact(ctx, &c) }})
	v.do(ctx, step{"reads", func(ctx context.Context) error { return v.reads(ctx, &c) }})
	v.do(ctx, step{"status", func(ctx context.Context) error { return v.status(ctx, &c) }})
}

type theCrew struct {
	lead    *Player
	workers []*Player
	codes   []string
}

func (c *theCrew) all() (players []*Player) {
	if c.lead != nil {
		players = append(players, c.lead)
	}
	for _, w := range c.workers {
		if w != nil {
			players = append(players, w)
		}
	}
	return players
}

func (v *validation) create(ctx context.Context, c *theCrew) (err error) {
	name := v.name("orchestrator")
	if v.p.Server != "" {
		if err := v.p.Settle(name, v.plan.Token); err != nil {
			return err
		}
	}
	if c.lead, err = v.start(ctx, v.p, name); err != nil {
		return err
	}
	var partners []map[string]any
	for i := range crewSize {
		partners = append(partners, map[string]any{"name": v.name(fmt.Sprintf("worker-%d", i+1)), "role": "worker"})
	}
	var made bridge.CreateResult
	began := time.Now()
	err = c.lead.Call(ctx, "create_conversation", map[string]any{"role": "orchestrator", "title": "validate", "partners": partners}, &made)
	if err != nil {
		return err
	}
	v.took("create", "create_ms", time.Since(began))
	c.lead.Name = made.You.Name // a token that somebody gave has one of its own
	v.note("create", "invites", float64(len(made.Invites)))
	for _, invite := range made.Invites {
		c.codes = append(c.codes, invite.Code)
	}
	return nil
}

func (v *validation) join(ctx context.Context, c *theCrew) error {
	for i, code := range c.codes {
		name := v.name(fmt.Sprintf("worker-%d", i+1))
		began := time.Now()
		if v.p.Server != "" { // who has no token yet gets it for the code
			if err := v.p.Command("join", code, "--as", name).Run(); err != nil {
				return fmt.Errorf("join: %w", err)
			}
		}
		w, err := v.start(ctx, v.p, name)
		if err != nil {
			return err
		}
		c.workers = append(c.workers, w)
		if v.p.Server == "" {
			began = time.Now()
			if err := w.Call(ctx, "join_conversation", map[string]any{"code": code}, &bridge.JoinResult{}); err != nil {
				return err
			}
		}
		v.took("join", "join_ms", time.Since(began))
	}
	var who bridge.PartnersResult
	if err := c.lead.Call(ctx, "check_partners", map[string]any{}, &who); err != nil {
		return err
	}
	joined := 1.0
	for _, p := range who.Partners {
		if p.Joined {
			joined++
		}
	}
	v.note("join", "joined", joined)
	stranger := c.lead // its own seat is another, so a code that was good still would be a second seat
	if v.p.Server == "" {
		s, err := v.start(ctx, v.p, v.name("stranger"))
		if err != nil {
			return err
		}
		defer s.Leave()
		stranger = s
	}
	for _, code := range c.codes {
		err := stranger.Call(ctx, "join_conversation", map[string]any{"code": code}, &bridge.JoinResult{})
		v.is("join", "used_again", err == nil)
	}
	return nil
}

// exchange has all send and read.
func (v *validation) exchange(ctx context.Context, c *theCrew) error {
	down := &mail{v: v, row: "send", expect: map[string]int{}}
	var wg sync.WaitGroup
	reading, stop := context.WithTimeout(ctx, patienceForMessages+time.Minute)
	defer stop()
	for _, w := range c.all() {
		wg.Go(func() { down.read(reading, w) })
	}
	faults := make(chan error, 1+len(c.workers))
	var senders sync.WaitGroup
	senders.Go(func() {
		for i := range messagesDown {
			to := c.workers[i%len(c.workers)].Name
			if err := down.send(ctx, c.lead, to, fmt.Sprintf("down %d", i)); err != nil {
				faults <- err
				return
			}
		}
	})
	for _, w := range c.workers {
		senders.Go(func() {
			for i := range messagesUp {
				if err := down.send(ctx, w, c.lead.Name, fmt.Sprintf("up %d of %s", i, w.Name)); err != nil {
					faults <- err
					return
				}
			}
		})
	}
	senders.Wait()
	down.await(ctx, patienceForMessages)
	stop()
	wg.Wait()
	down.judge()
	select {
	case err := <-faults:
		return err
	default:
		return ctx.Err()
	}
}

// mail is what was sent, by text, and how often it came to the one whom it was for.
type mail struct {
	v      *validation
	row    string
	mu     sync.Mutex // guards what follows
	expect map[string]int
	bad    int // came out of order
	here   int
	each   func(text string, at time.Time) // told of each message that comes; nil: nobody is
}

func (m *mail) send(ctx context.Context, from *Player, to, text string) error {
	m.mu.Lock()
	m.expect[text] = 0 // it may come before the answer
	m.mu.Unlock()
	_, took, err := m.v.send(ctx, from, to, text, text)
	if err != nil {
		return err
	}
	m.v.took(m.row, "send_ms", took)
	return nil
}

// read takes an agent's messages until ctx ends.
func (m *mail) read(ctx context.Context, who *Player) {
	last := int64(0)
	for ctx.Err() == nil {
		res, err := who.Check(ctx, 1)
		at := time.Now()
		if err != nil {
			pause(ctx, 100*time.Millisecond) // a limit; whatever else it is leaves messages that do not come
			continue
		}
		m.mu.Lock()
		for _, got := range res.Messages {
			text := Unframed(got.Text)
			n, known := m.expect[text]
			if !known {
				continue
			}
			m.expect[text] = n + 1
			if n == 0 {
				m.here++
				if got.Seq < last {
					m.bad++
				}
				last = got.Seq
			}
			if m.each != nil {
				m.each(text, at)
			}
		}
		m.mu.Unlock()
	}
}

// await waits until all have come.
func (m *mail) await(ctx context.Context, longest time.Duration) {
	for end := time.Now().Add(longest); time.Now().Before(end) && ctx.Err() == nil; pause(ctx, 10*time.Millisecond) {
		m.mu.Lock()
		over := m.here == len(m.expect)
		m.mu.Unlock()
		if over {
			return
		}
	}
}

func (m *mail) judge() {
	m.mu.Lock()
	defer m.mu.Unlock()
	left := m.bad
	for _, n := range sorted(m.expect) {
		m.v.is(m.row, "arrived", n > 0)
		m.v.note(m.row, "doubled", float64(max(0, n-1)))
		m.v.is(m.row, "disordered", left > 0)
		left--
	}
}

// push sends to one that waits, and beside it to one that polls.
func (v *validation) push(ctx context.Context, c *theCrew) error {
	every := v.plan.Poll
	var mu sync.Mutex // guards sent
	sent := map[string]time.Time{}
	came := make(chan string, pushed+polled)
	arrived := func(series string) func(string, time.Time) {
		return func(text string, at time.Time) {
			mu.Lock()
			began := sent[text]
			mu.Unlock()
			v.took("13", series, at.Sub(began))
			came <- text
		}
	}
	send := func(to *Player, text string, m *mail) error {
		mu.Lock()
		sent[text] = time.Now()
		mu.Unlock()
		m.mu.Lock()
		m.expect[text] = 0
		m.mu.Unlock()
		_, _, err := v.send(ctx, c.lead, to.Name, text, text)
		return err
	}
	waits, polls := c.workers[0], c.workers[1]
	fast := &mail{v: v, row: "13", expect: map[string]int{}, each: arrived("push_ms")}
	slow := &mail{v: v, row: "13", expect: map[string]int{}, each: arrived("poll_ms")}
	reading, stop := context.WithCancel(ctx)
	defer stop()
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { fast.read(reading, waits) })
	wg.Go(func() {
		for reading.Err() == nil {
			pause(reading, every)
			res, err := polls.Check(reading, 0)
			if err != nil {
				continue
			}
			for _, got := range res.Messages {
				text, at := Unframed(got.Text), time.Now()
				mu.Lock()
				_, ours := sent[text]
				mu.Unlock()
				if ours {
					slow.each(text, at)
				}
			}
		}
	})
	defer stop()
	began, gap := time.Now(), polled*every/pushed
	for i := range pushed {
		if err := send(waits, fmt.Sprintf("pushed %d", i), fast); err != nil {
			return err
		}
		if i%(pushed/polled) == 0 {
			if err := send(polls, fmt.Sprintf("polled %d", i), slow); err != nil {
				return err
			}
		}
		pause(ctx, time.Until(began.Add(time.Duration(i+1)*gap)))
	}
	late := time.After(patienceForMessages + every)
	for range pushed + polled {
		select {
		case <-came:
		case <-late:
			return fmt.Errorf("a message did not come within %s", patienceForMessages+every)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
