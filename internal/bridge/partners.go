package bridge

import (
	"context"
	"slices"
)

// ownMessages is how many of the caller's newest messages a conversation Partners reports the deliveries of; lookBack is how many
// messages it looks through for them.
const (
	ownMessages = 10
	lookBack    = 200
)

// SetStatus says how the caller is doing, to the partners of one conversation.
func (s *Service) SetStatus(ctx context.Context, c Caller, q StatusRequest) (res StatusResult, err error) {
	defer func() { err = s.refused(c, err) }()
	if !slices.Contains([]Status{Working, Waiting, Blocked, Complete}, q.Status) {
		return res, Errorf(Invalid, "there is no such status").WithHint("choose working, waiting, blocked or complete")
	}
	look := early{len(q.Note), func(r *room) error { return r.spent(Change, func() (bool, error) { return false, nil }) }}
	clean := func(key []byte) (string, error) {
		note, _, err := s.door.take(key, "the note", q.Note, maxNote)
		return note, err
	}
	res, err = inRoomOf(ctx, s, c, q.Conversation, look, clean, func(r *room, note string) (res StatusResult, err error) {
		if err := r.live(); err != nil {
			return res, err
		}
		if err := r.charge(Change); err != nil {
			return res, err
		}
		res = StatusResult{Conversation: r.c.ID, Status: q.Status}
		if res.Unread, err = unreadOf(r.tx, c); err != nil {
			return res, err
		}
		r.me.Status, r.me.Note, r.me.StatusAt = q.Status, note, r.now
		if err := r.putSeat(); err != nil {
			return res, err
		}
		if err := r.record(r.me.Name, "status", r.me.Name, facts{"status": string(q.Status), "note": r.hash("note", note)}); err != nil {
			return res, err
		}
		return res, r.save()
	})
	if err == nil {
		s.seen(ctx, c)
	}
	return res, err
}

// Partners tells who is there and what became of the caller's newest messages, in one conversation or in all of the caller's.
func (s *Service) Partners(ctx context.Context, c Caller, q PartnersRequest) (res PartnersResult, err error) {
	defer func() { err = s.refused(c, err) }()
	if err := s.begin(ctx, c, Read); err != nil {
		return res, err
	}
	err = s.store.View(ctx, func(tx Tx) error {
		res = PartnersResult{Partners: []PartnerState{}, Deliveries: []DeliveryReport{}}
		ids, err := s.mine(tx, c, q.Conversation)
		if err != nil {
			return err
		}
		for _, id := range ids {
			r, err := s.enter(tx, c, id)
			if err != nil {
				return err
			}
			states, err := r.states(r.partners())
			if err != nil {
				return err
			}
			own, err := r.own()
			if err != nil {
				return err
			}
			res.Partners, res.Deliveries = append(res.Partners, states...), append(res.Deliveries, own...)
		}
		res.Unread, err = unreadOf(tx, c)
		return err
	})
	return res, err
}

// mine lists the conversations a read covers: the one named, or all of the caller's that can still be read.
func (s *Service) mine(tx Tx, c Caller, id ConversationID) ([]ConversationID, error) {
	if id != "" {
		return []ConversationID{id}, nil
	}
	if _, err := s.authorise(tx, c); err != nil {
		return nil, err
	}
	seats, err := seatsOf(tx, c)
	if err != nil {
		return nil, err
	}
	var ids []ConversationID
	for _, m := range seats {
		row, err := tx.Conversation(m.Conversation)
		if err != nil {
			return nil, err
		}
		if p := phase(row, tx.Now()); p == Open || p == Ended {
			ids = append(ids, m.Conversation)
		}
	}
	return ids, nil
}

// states tells what is known of members.
func (r *room) states(members []Member) ([]PartnerState, error) {
	watching, err := watching(r.tx)
	if err != nil {
		return nil, err
	}
	list := []PartnerState{}
	for _, m := range members {
		seen, err := r.s.sight(r.tx, m.Agent)
		if err != nil {
			return nil, err
		}
		p := PartnerState{
			Conversation: r.c.ID, Name: m.Name, Role: m.Role, Rank: m.Rank, Joined: m.Present(), Status: m.Status, Note: m.Note,
		}
		if p.Liveness, p.Since = liveness(r.now, watching, seen, r.s.conf); p.Since.IsZero() {
			p.Since = m.InvitedAt
		}
		if !seen.HeartbeatAt.IsZero() {
			ago := max(0, int64(r.now.Sub(seen.HeartbeatAt).Seconds()))
			p.LastSeen = &ago
		}
		list = append(list, p)
	}
	return list, nil
}

// own reports the deliveries of the caller's newest messages, newest first.
func (r *room) own() ([]DeliveryReport, error) {
	recent, err := r.tx.Messages(r.c.ID, r.c.LastSeq-lookBack, 0)
	if err != nil {
		return nil, err
	}
	list, n := []DeliveryReport{}, 0
	for _, m := range slices.Backward(recent) {
		if m.From != r.me.Name {
			continue
		}
		if n++; n > ownMessages {
			break
		}
		deliveries, err := r.tx.Deliveries(r.c.ID, m.Seq, m.Seq)
		if err != nil {
			return nil, err
		}
		for _, d := range deliveries {
			list = append(list, DeliveryReport{r.c.ID, d})
		}
	}
	return list, nil
}
