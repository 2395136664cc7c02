package bridge

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// Bounds of a conversation's standing.
const (
	overdueAfter  = time.Minute // a copy that is not acked for so long is overdue
	overdueShown  = 100         // so many overdue copies of a member are counted
	questionsBack = 50          // how many messages back a question counts as open
	standingTasks = 100         // assigned tasks of a member, and failed tasks, that are looked into
	waitsShown    = 50          // of a conversation
)

// Standing tells where everything stands, at one moment: every open conversation, who is there, who waits for whom.
func (s *Service) Standing(ctx context.Context) (st Standing, err error) {
	err = s.store.View(ctx, func(tx Tx) error {
		st = Standing{At: tx.Now(), Limits: s.conf.Limits.Name, Conversations: []ConversationStanding{}}
		w, err := readWatch(tx)
		if err != nil {
			return err
		}
		if !w.At.IsZero() {
			st.SweptAt = &w.At
		}
		if st.Fork, err = s.fork(tx); err != nil {
			return err
		}
		rows, err := tx.Conversations()
		if err != nil {
			return err
		}
		for _, c := range rows {
			if phase(c, tx.Now()) != Open {
				continue
			}
			one, err := s.conversationStanding(tx, c)
			if err != nil {
				return err
			}
			st.Conversations = append(st.Conversations, one)
		}
		return nil
	})
	return st, err
}

func (s *Service) conversationStanding(tx Tx, c Conversation) (st ConversationStanding, err error) {
	sum, states, err := s.summary(tx, c)
	if err != nil {
		return st, err
	}
	st = ConversationStanding{Summary: sum, Roster: []MemberStanding{}, Waits: []Wait{}}
	leases, err := tx.Leases(c.ID)
	if err != nil {
		return st, err
	}
	read := map[MessageID]Message{} // one to all is overdue for many
	for _, p := range states {
		m := MemberStanding{PartnerState: p, Holds: []TaskID{}}
		for _, l := range leases {
			if l.Holder == p.Name {
				m.Holds = append(m.Holds, l.Task)
			}
		}
		late, held, err := overdue(tx, c.ID, p.Name)
		if err != nil {
			return st, err
		}
		unacked, err := tx.Unacked(c.ID, s.conf.InboxDepth+1+held, p.Name)
		if err != nil {
			return st, err
		}
		m.Unread, m.Overdue = unacked[0]-held, len(late)
		acks, err := ackWaits(tx, p, late, read)
		if err != nil {
			return st, err
		}
		st.Roster, st.Waits = append(st.Roster, m), append(st.Waits, acks...)
	}
	answers, err := answerWaits(tx, c, states)
	if err != nil {
		return st, err
	}
	tasks, err := taskWaits(tx, c, states, leases)
	if err != nil {
		return st, err
	}
	st.Waits = append(append(st.Waits, answers...), tasks...)
	slices.SortStableFunc(st.Waits, func(a, b Wait) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.Who, b.Who), cmp.Compare(a.On, b.On))
	})
	st.Waits = st.Waits[:min(len(st.Waits), waitsShown)]
	return st, nil
}

// overdue are the copies of a recipient that are not acked for longer than is usual, in order of seq, and how many copies it holds. It
// looks at the first that wait only, and gives overdueShown at most: a full inbox costs no more.
func overdue(tx Tx, id ConversationID, recipient string) (late []Delivery, holds int, err error) {
	held, err := tx.Held(id, recipient)
	if err != nil {
		return nil, 0, err
	}
	waiting, err := tx.Waiting(id, recipient, overdueShown)
	holds = len(held)
	late = slices.DeleteFunc(append(held, waiting...), func(d Delivery) bool { return tx.Now().Sub(d.At) < overdueAfter })
	slices.SortFunc(late, func(a, b Delivery) int { return cmp.Compare(a.Seq, b.Seq) })
	return late[:min(len(late), overdueShown)], holds, err
}

// ackWaits says who waits for a member to ack: each sender once, for its oldest message. The bridge itself waits for nobody. Messages
// it reads it keeps in read.
func ackWaits(tx Tx, on PartnerState, late []Delivery, read map[MessageID]Message) (waits []Wait, err error) {
	for _, d := range late[:min(len(late), waitsShown)] {
		m, known := read[d.Message]
		if !known {
			if m, err = tx.Message(d.Conversation, d.Message); err != nil {
				return nil, err
			}
			read[d.Message] = m
		}
		if m.Rank == Program || slices.ContainsFunc(waits, func(w Wait) bool { return w.Who == m.From }) {
			continue
		}
		waits = append(waits, Wait{Who: m.From, On: on.Name, For: WaitAck, Subject: string(m.ID), Since: m.SentAt})
	}
	return waits, nil
}

// answerWaits says who waits for an answer: whoever asked a question, for everybody it reached who has not sent it anything since.
func answerWaits(tx Tx, c Conversation, members []PartnerState) (waits []Wait, err error) {
	recent, err := tx.Messages(c.ID, c.LastSeq-questionsBack, 0)
	if err != nil || len(recent) == 0 {
		return nil, err
	}
	deliveries, err := tx.Deliveries(c.ID, recent[0].Seq, c.LastSeq)
	if err != nil {
		return nil, err
	}
	type path struct{ from, to string }
	said := map[path]int64{} // the newest message that went that way
	from := map[int64]string{}
	for _, m := range recent {
		from[m.Seq] = m.From
	}
	for _, d := range deliveries { // by seq
		said[path{from[d.Seq], d.Recipient}] = d.Seq
	}
	asked := map[path]bool{}
	for _, q := range recent { // the oldest open question of each to each
		if q.ActionType != Question {
			continue
		}
		for _, d := range deliveries {
			way := path{q.From, d.Recipient}
			if d.Seq != q.Seq || d.State == Dead || asked[way] || said[path{d.Recipient, q.From}] > q.Seq || !answers(members, d.Recipient) {
				continue
			}
			asked[way] = true
			waits = append(waits, Wait{Who: q.From, On: d.Recipient, For: WaitAnswer, Subject: string(q.ID), Since: q.SentAt})
		}
	}
	return waits, nil
}

// answers reports whether a member of that name has joined and may send.
func answers(members []PartnerState, name string) bool {
	return slices.ContainsFunc(members, func(p PartnerState) bool { return p.Name == name && p.Joined && rights[p.Rank] >= rights[Worker] })
}

// taskWaits says who waits for a task of another: whoever is assigned, or else added, a task that comes after it.
func taskWaits(tx Tx, c Conversation, members []PartnerState, leases []Lease) (waits []Wait, err error) {
	type pledge struct {
		on   string
		task TaskID
	}
	var pledges []pledge
	for _, l := range leases {
		pledges = append(pledges, pledge{l.Holder, l.Task})
	}
	for _, m := range members {
		assigned, err := tx.Assigned(c.ID, m.Name)
		if err != nil {
			return nil, err
		}
		for _, t := range assigned[:min(len(assigned), standingTasks)] {
			pledges = append(pledges, pledge{m.Name, t.ID})
		}
	}
	for _, p := range pledges {
		after, err := tx.Dependents(c.ID, p.task)
		if err != nil {
			return nil, err
		}
		for _, t := range after {
			who := cmp.Or(t.AssignTo, t.AddedBy)
			known := slices.ContainsFunc(waits, func(w Wait) bool { return w.Who == who && w.Subject == string(p.task) })
			if !t.State.Final() && who != p.on && !known {
				waits = append(waits, Wait{Who: who, On: p.on, For: WaitTask, Subject: string(p.task), Since: t.AddedAt})
			}
		}
	}
	return waits, nil
}
