package bridge

import (
	"context"
	"errors"
	"slices"
	"time"
	"unicode/utf8"
)

// Bounds of a check.
const (
	maxWait      = 240 * time.Second
	defaultBatch = 20
	maxBatch     = 50
	maxBatchText = 60_000 // characters of text in a batch of more than one message: what clients still show whole
)

// Check acks the batches that the request names, waits until there is something to read or the time is up, and leases the next
// batch to the caller's instance.
//
// Acking is idempotent. A receipt whose batch was given to another instance meanwhile is [LeaseLost], one of another agent
// [Denied], an invented one [Invalid]; in each case nothing is leased. An implied ack is never an error.
//
// When ctx is cancelled nothing stays leased: Check gives back what it had taken.
func (s *Service) Check(ctx context.Context, c Caller, q CheckRequest) (res CheckResult, err error) {
	defer func() { err = s.refused(c, err) }()
	if err := checkBounds(&q); err != nil {
		return res, err
	}
	run := func(fn func() error) error { return fn() }
	if q.Wait > 0 {
		run = aside
	}
	err = run(func() error {
		if err := s.begin(ctx, c, Read); err != nil || q.Peek {
			return err
		}
		return errors.Join(s.redo(ctx, c), s.ackAll(ctx, c, q))
	})
	if err != nil {
		return res, err
	}
	// Watch first, then look: a message sent in between must not be missed.
	watching, stop := context.WithCancel(ctx)
	defer stop()
	var hint <-chan struct{}
	if q.Wait > 0 && !seeded(bugWakeLost) {
		hint = s.WatchInbox(watching, c)
	}
	timeout := time.NewTimer(q.Wait)
	defer timeout.Stop()
	for {
		var found look
		err := run(func() (err error) { found, err = s.look(ctx, c, q); return err })
		if err != nil || q.Peek && len(found.peeked.Messages) > 0 {
			return found.peeked, err
		}
		if len(found.waiting) > 0 && !q.Peek {
			if res, err = s.lease(ctx, c, q, found.waiting); err != nil || len(res.Messages) > 0 {
				return res, err
			}
			continue // another instance was faster: look again
		}
		select {
		case <-hint:
		case <-timeout.C:
			return found.peeked, nil
		case <-ctx.Done():
			return res, ctx.Err()
		}
	}
}

// aside runs fn on a goroutine of its own and waits for it. What reads the store takes a deep stack, and a goroutine keeps for long the
// deepest that it ever had: of a thousand that wait, 16 MB more.
func aside(fn func() error) (err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		err = fn()
	}()
	<-done
	return err
}

func checkBounds(q *CheckRequest) error {
	if q.Limit == 0 {
		q.Limit = defaultBatch
	}
	switch {
	case q.Wait < 0 || q.Wait > maxWait:
		return Errorf(Invalid, "wait_seconds is out of range").WithHint("choose 0 to %d, and call again to wait longer", int(maxWait.Seconds()))
	case q.Limit < 0 || q.Limit > maxBatch:
		return Errorf(Invalid, "limit is out of range").WithHint("choose 1 to %d; more says whether there is more", maxBatch)
	}
	return nil
}

// look is what looking found.
type look struct {
	waiting []ConversationID // where something waits for the caller, or could: the one that waits longest first
	peeked  CheckResult
}

// look finds where something waits for the caller, in the conversation that the request names or in all, and changes nothing.
func (s *Service) look(ctx context.Context, c Caller, q CheckRequest) (found look, err error) {
	err = s.store.View(ctx, func(tx Tx) error {
		found = look{}
		if _, err := s.authorise(tx, c); err != nil {
			return err
		}
		seats, err := s.seats(tx, c, q.Conversation)
		if err != nil {
			return err
		}
		b, since := batch{limit: q.Limit}, map[ConversationID]time.Time{}
		for _, m := range seats {
			first, err := tx.Waiting(m.Conversation, m.Name, 1)
			if err != nil {
				return err
			}
			lapsed, err := s.holdsLapsed(tx, m)
			if err != nil {
				return err
			}
			switch {
			case lapsed: // what comes back is older than what waits: zero time
				found.waiting = append(found.waiting, m.Conversation)
			case len(first) > 0:
				found.waiting, since[m.Conversation] = append(found.waiting, m.Conversation), first[0].At
			}
			if q.Peek {
				if err := b.peek(tx, m); err != nil {
					return err
				}
			}
		}
		// So that a conversation which always has something does not hide the others.
		slices.SortStableFunc(found.waiting, func(a, b ConversationID) int { return since[a].Compare(since[b]) })
		unread, err := unreadOf(tx, c)
		found.peeked = b.result("", unread-len(b.messages))
		return err
	})
	return found, err
}

// batch is what one answer will hold.
type batch struct {
	limit    int // how many messages it may hold
	text     int // characters in it
	messages []Message
	more     bool // more waits where it was taken from
}

// peek adds what waits for a seat.
func (b *batch) peek(tx Tx, m Member) error {
	waiting, err := tx.Waiting(m.Conversation, m.Name, b.limit-len(b.messages)+1)
	if err == nil {
		_, err = b.fill(tx, waiting)
	}
	return err
}

// fill adds the messages of waiting deliveries, framed, as far as there is room for them, and says which it took.
func (b *batch) fill(tx Tx, waiting []Delivery) (taken []Delivery, err error) {
	defer func() { b.more = b.more || len(taken) < len(waiting) }()
	for _, d := range waiting {
		if len(b.messages) == b.limit {
			break
		}
		m, err := tx.Message(d.Conversation, d.Message)
		if err != nil {
			return nil, err
		}
		size := utf8.RuneCountInString(m.Text)
		for _, f := range m.Files {
			size += utf8.RuneCountInString(f)
		}
		if len(b.messages) > 0 && b.text+size > maxBatchText {
			break
		}
		m.Redelivered = d.Attempts > 0
		m.Text = Frame(m)
		b.text, b.messages, taken = b.text+size, append(b.messages, m), append(taken, d)
	}
	if n := len(b.messages); n > 1 && seeded(bugOrderSwapped) {
		b.messages[0], b.messages[1] = b.messages[1], b.messages[0]
	}
	return taken, nil
}

// result is the answer that holds the batch.
func (b *batch) result(receipt Receipt, unread int) CheckResult {
	res := CheckResult{Messages: b.messages, Unread: max(0, unread)}
	if len(b.messages) > 0 {
		res.Receipt, res.More = receipt, b.more
	} else {
		res.Messages = []Message{}
	}
	return res
}

// seats are the caller's seats that a check covers. Those in conversations long over count too: notices of what could not be
// delivered wait there.
func (s *Service) seats(tx Tx, c Caller, id ConversationID) ([]Member, error) {
	if id == "" {
		return seatsOf(tx, c)
	}
	r, err := s.enter(tx, c, id)
	if err != nil {
		return nil, err
	}
	if phase(r.c, r.now) == Buried {
		if n, err := tx.Unacked(id, 1, r.me.Name); err != nil {
			return nil, err
		} else if n[0] == 0 {
			return nil, r.live()
		}
	}
	return []Member{r.me}, nil
}

// holdsLapsed reports whether an instance that lapsed holds something for a seat.
func (s *Service) holdsLapsed(tx Tx, m Member) (bool, error) {
	held, err := tx.Held(m.Conversation, m.Name)
	if err != nil {
		return false, err
	}
	for _, d := range held {
		if gone, err := s.lapsed(tx, Holder{m.Conversation, m.Name, d.Instance, d.At}); err != nil || gone {
			return gone, err
		}
	}
	return false, nil
}
