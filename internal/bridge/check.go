package bridge

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
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
	if err := s.begin(ctx, c, Read); err != nil {
		return res, err
	}
	if !q.Peek {
		if err := errors.Join(s.redo(ctx, c), s.ackAll(ctx, c, q)); err != nil {
			return res, err
		}
	}
	// Watch first, then look: a message sent in between must not be missed.
	watching, stop := context.WithCancel(ctx)
	defer stop()
	var hint <-chan struct{}
	if q.Wait > 0 {
		hint = s.WatchInbox(watching, c)
	}
	timeout := time.NewTimer(q.Wait)
	defer timeout.Stop()
	for {
		found, err := s.look(ctx, c, q)
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
		unread, err := tx.Unread(c.cred.agent)
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
		return tx.Memberships(c.cred.agent)
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

// lease hands what waits in these conversations to the caller's instance, one conversation after another. A lease is a Jot: nobody
// was promised more than that it is known while anybody lives.
func (s *Service) lease(ctx context.Context, c Caller, q CheckRequest, ids []ConversationID) (CheckResult, error) {
	receipt, unread := s.keys.newReceipt(c.cred.agent), 0
	b := batch{limit: q.Limit}
	for _, id := range ids {
		if len(b.messages) == b.limit || b.text >= maxBatchText {
			b.more = true
			break
		}
		take := func(tx Tx) (taking, error) { return s.take(tx, c, id, receipt, b) }
		// Whoever waits for it may go; whether it was leased must be known all the same, to give it back.
		lasting := context.WithoutCancel(ctx)
		taken, err := commit(lasting, s.store.Jot, InConversation(id), take)
		if errors.Is(err, errLapsed) { // what comes back has entries, so it is an update of its own
			if err = s.reclaimOwn(ctx, c, id); err == nil {
				taken, err = commit(lasting, s.store.Jot, InConversation(id), take)
			}
		}
		if err == nil {
			b, unread = taken.batch, taken.unread
			err = ctx.Err()
		}
		if err != nil {
			s.undo(ctx, c, receipt, err)
			return CheckResult{}, err
		}
	}
	return b.result(receipt, unread), nil
}

// errLapsed says that an instance that lapsed holds something, which must come back first.
var errLapsed = errors.New("an instance that lapsed holds deliveries")

// reclaimOwn takes back what instances of the caller that lapsed hold.
func (s *Service) reclaimOwn(ctx context.Context, c Caller, id ConversationID) error {
	return s.store.Update(ctx, InConversation(id), func(tx Tx) error {
		r, err := s.enter(tx, c, id)
		if err != nil {
			return err
		}
		if _, _, err := r.reclaim(r.me.Name); err != nil {
			return err
		}
		return r.save()
	})
}

// undo gives back at once what a check took, or may have taken, before it failed: nobody will see its receipt. Because a commit of
// unknown outcome may still happen, and giving back may fail, the instance's next check gives it back again.
func (s *Service) undo(ctx context.Context, c Caller, receipt Receipt, failed error) {
	if err := s.GiveBack(context.WithoutCancel(ctx), c, receipt); err != nil || errors.Is(failed, Unavailable) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.unseen[c.Instance] = append(s.unseen[c.Instance], receipt)
	}
}

// redo gives back what an earlier check of the instance could not.
func (s *Service) redo(ctx context.Context, c Caller) error {
	s.mu.Lock()
	receipts := s.unseen[c.Instance]
	delete(s.unseen, c.Instance)
	s.mu.Unlock()
	for i, receipt := range receipts {
		if err := s.GiveBack(ctx, c, receipt); err != nil {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.unseen[c.Instance] = append(s.unseen[c.Instance], receipts[i:]...)
			return err
		}
	}
	return nil
}

// taking is what a batch became, and how much waits for the caller in all its conversations then.
type taking struct {
	batch  batch
	unread int
}

// take leases what waits in one conversation to the caller's instance, as far as the batch has room.
func (s *Service) take(tx Tx, c Caller, id ConversationID, receipt Receipt, b batch) (t taking, err error) {
	b.messages = slices.Clone(b.messages)
	r, err := s.enter(tx, c, id)
	if err != nil {
		return t, err
	}
	if lapsed, err := s.holdsLapsed(tx, r.me); err != nil {
		return t, err
	} else if lapsed {
		return t, errLapsed
	}
	waiting, err := tx.Waiting(id, r.me.Name, b.limit-len(b.messages)+1)
	if err != nil {
		return t, err
	}
	taken, err := b.fill(tx, waiting)
	if err != nil {
		return t, err
	}
	unread, err := tx.Unread(c.cred.agent)
	if err != nil {
		return t, err
	}
	for _, d := range taken {
		d.State, d.At, d.Receipt, d.Instance = Delivered, r.now, receipt, c.Instance
		d.Attempts++
		if err := tx.PutDelivery(d); err != nil {
			return t, err
		}
	}
	if len(taken) > 0 { // no entry: a lease is none. Followers see that it was delivered.
		tx.Notify(Feed(id))
		tx.Notify(Everything)
	}
	return taking{b, unread - len(taken)}, nil
}

// seqs lists sequence numbers for an entry.
func seqs(ds []Delivery) string {
	var b strings.Builder
	for i, d := range ds {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(strconv.FormatInt(d.Seq, 10))
	}
	return b.String()
}
