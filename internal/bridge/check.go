package bridge

import (
	"context"
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
		if err := s.ackAll(ctx, c, q); err != nil {
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
		if err != nil {
			return res, err
		}
		if q.Peek && len(found.batch) > 0 {
			return found.result("", found.batch), nil
		}
		if len(found.batch) > 0 || len(found.lapsed) > 0 {
			res, err = s.lease(ctx, c, found)
			if err != nil || len(res.Messages) > 0 {
				return res, err
			}
			continue // another instance was faster, or lapsed deliveries were taken back: look again
		}
		select {
		case <-hint:
		case <-timeout.C:
			return CheckResult{Messages: []Message{}}, nil
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
	batch  []waiting
	lapsed []ConversationID // where instances that lapsed hold something for the caller
	unread int              // in all
}

// waiting is a message that waits for the caller.
type waiting struct {
	delivery Delivery
	message  Message
}

// result is the answer that gives these messages.
func (l look) result(receipt Receipt, batch []waiting) CheckResult {
	res := CheckResult{Messages: make([]Message, 0, len(batch)), Receipt: receipt, Unread: max(0, l.unread-len(batch))}
	res.More = res.Unread > 0
	for _, w := range batch {
		m := w.message
		m.Redelivered = w.delivery.Attempts > 0
		m.Text = Frame(m)
		res.Messages = append(res.Messages, m)
	}
	return res
}

// look finds what waits for the caller, in the conversation that the request names or in all, and changes nothing.
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
		text := 0
		for _, m := range seats {
			if lapsed, err := s.holdsLapsed(tx, m); err != nil {
				return err
			} else if lapsed {
				found.lapsed = append(found.lapsed, m.Conversation)
			}
			room := q.Limit - len(found.batch)
			if room == 0 {
				continue
			}
			deliveries, err := tx.Waiting(m.Conversation, m.Name, room)
			if err != nil {
				return err
			}
			for _, d := range deliveries {
				msg, err := tx.Message(d.Conversation, d.Message)
				if err != nil {
					return err
				}
				if text += utf8.RuneCountInString(msg.Text); text > maxBatchText && len(found.batch) > 0 {
					break
				}
				found.batch = append(found.batch, waiting{d, msg})
			}
		}
		found.unread, err = tx.Unread(c.cred.agent)
		return err
	})
	return found, err
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

// lease hands what a look found to the caller's instance, as far as it still waits, one conversation after another.
func (s *Service) lease(ctx context.Context, c Caller, found look) (CheckResult, error) {
	for _, id := range found.lapsed {
		err := s.store.Update(ctx, InConversation(id), func(tx Tx) error {
			r, err := s.enter(tx, c, id)
			if err != nil {
				return err
			}
			if _, _, err := r.reclaim(r.me.Name); err != nil {
				return err
			}
			return r.save()
		})
		if err != nil {
			return CheckResult{}, err
		}
	}
	if len(found.lapsed) > 0 {
		return CheckResult{}, nil // what came back is older than what was found: look again, so that it comes first
	}
	receipt := s.keys.newReceipt(c.cred.agent)
	var batch []waiting
	for start := 0; start < len(found.batch); {
		end := start + 1
		id := found.batch[start].delivery.Conversation
		for end < len(found.batch) && found.batch[end].delivery.Conversation == id {
			end++
		}
		var leased []waiting
		err := s.store.Update(ctx, InConversation(id), func(tx Tx) (err error) {
			leased, err = s.take(tx, c, receipt, found.batch[start:end])
			return err
		})
		if err != nil {
			// What was taken before goes back at once: nobody will see its receipt.
			s.GiveBack(context.WithoutCancel(ctx), c, receipt)
			return CheckResult{}, err
		}
		batch, start = append(batch, leased...), end
	}
	if err := ctx.Err(); err != nil {
		s.GiveBack(context.WithoutCancel(ctx), c, receipt)
		return CheckResult{}, err
	}
	if len(batch) == 0 {
		return CheckResult{}, nil
	}
	return found.result(receipt, batch), nil
}

// take leases those of the found deliveries that still wait.
func (s *Service) take(tx Tx, c Caller, receipt Receipt, found []waiting) (leased []waiting, err error) {
	if _, err := s.authorise(tx, c); err != nil {
		return nil, err
	}
	first := found[0].delivery
	now, err := tx.Waiting(first.Conversation, first.Recipient, len(found))
	if err != nil {
		return nil, err
	}
	still := map[int64]Delivery{}
	for _, d := range now {
		still[d.Seq] = d
	}
	for _, w := range found {
		d, ok := still[w.delivery.Seq]
		if !ok {
			continue
		}
		leased = append(leased, waiting{d, w.message})
		d.State, d.At, d.Receipt, d.Instance = Delivered, tx.Now(), receipt, c.Instance
		d.Attempts++
		if err := tx.PutDelivery(d); err != nil {
			return nil, err
		}
	}
	if len(leased) > 0 { // no entry: a lease is none. Followers see that it was delivered.
		tx.Notify(Feed(first.Conversation))
		tx.Notify(Everything)
	}
	return leased, nil
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
