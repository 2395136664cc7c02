package bridge

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Say sends a message from the person in charge, with the rank that no agent has. The surface makes sure that it is a person.
func (s *Service) Say(ctx context.Context, q SendRequest) (res SendResult, err error) {
	given := q.Key != ""
	if err := checkSend(&q); err != nil {
		return res, err
	}
	if q.Conversation == "" {
		if q.Conversation, err = s.onlyOpen(ctx); err != nil {
			return res, err
		}
	}
	key, err := s.conversationKey(ctx, q.Conversation)
	if err != nil {
		return res, err
	}
	m, err := s.clean(key, q)
	if err != nil {
		return res, err
	}
	res, err = commit(ctx, s.store.Update, InConversation(q.Conversation), func(tx Tx) (SendResult, error) {
		r, err := s.open(tx, q.Conversation)
		if err != nil {
			return SendResult{}, err
		}
		r.me = Member{Name: PersonName, Rank: Person}
		return r.send(m, q.To, q.Key)
	})
	return res, unknown(err, q.Key, given)
}

// onlyOpen finds the one open conversation of the store.
func (s *Service) onlyOpen(ctx context.Context) (ConversationID, error) {
	list, err := s.List(ctx, false)
	if err != nil {
		return "", err
	}
	var ids []string
	for _, c := range list {
		if c.Phase == Open {
			ids = append(ids, string(c.Conversation))
		}
	}
	switch len(ids) {
	case 0:
		return "", Errorf(NotFound, "there is no open conversation").WithHint("agentbridge list --all shows those that are over")
	case 1:
		return ConversationID(ids[0]), nil
	}
	return "", Errorf(Invalid, "there are %d open conversations: %s", len(ids), strings.Join(ids, ", ")).WithHint("name one with --conversation-id")
}

// Extend moves the end of a conversation to d from now, also of one that expired less than an hour ago. It never shortens.
func (s *Service) Extend(ctx context.Context, id ConversationID, d time.Duration) (time.Time, error) {
	if d <= 0 || d > maxTTL {
		return time.Time{}, Errorf(Invalid, "the time to go on is out of range").WithHint("choose up to %d days, as in --for 3h", int(maxTTL.Hours()/24))
	}
	var expires time.Time // read only once it is known to be committed, as in commit
	err := s.inRoom(ctx, id, func(r *room) error {
		switch {
		case !r.c.ClosedAt.IsZero():
			return Errorf(Conflict, "conversation %s was closed", id).WithHint("create a new one")
		case phase(r.c, r.now) == Buried:
			return Errorf(Expired, "conversation %s expired more than an hour ago", id).WithHint("create a new one")
		}
		expires = r.c.ExpiresAt
		if end := r.now.Add(d); end.After(expires) {
			r.c.ExpiresAt, r.c.WarnedAt, expires = end, time.Time{}, end
		} else {
			return nil // it lasts longer already
		}
		if err := r.record(PersonName, "extend", string(id), facts{"expires": stamp(expires)}); err != nil {
			return err
		}
		return r.announce(fmt.Sprintf("The person in charge extended this conversation: it ends at %s.", stamp(expires)), r.present()...)
	})
	if err != nil {
		return time.Time{}, err
	}
	return expires, nil
}

// Close ends a conversation now. What was sent can be read for an hour. Closing twice is not an error.
func (s *Service) Close(ctx context.Context, id ConversationID) error {
	return s.inRoom(ctx, id, func(r *room) error {
		if phase(r.c, r.now) != Open {
			return nil
		}
		if err := r.announce("The person in charge closed this conversation. Nothing more can be sent; what was sent can be read for an hour.", r.present()...); err != nil {
			return err
		}
		r.c.ExpiresAt, r.c.ClosedAt = r.now, r.now
		return r.record(PersonName, "close", string(id), nil)
	})
}

// RevokeMember takes a member's seat away at once. What was not delivered to it is dead, and its senders are told. The tasks it held are
// open again, or failed where their attempts are spent, and what was assigned to it is for whoever is free. The name can be invited again.
func (s *Service) RevokeMember(ctx context.Context, id ConversationID, name string) error {
	return s.inRoom(ctx, id, func(r *room) error {
		m, ok := r.member(name)
		if !ok {
			return Errorf(NotFound, "there is no member %s in %s", s.quote(name), id).WithHint("members: %s", r.names())
		}
		lost, err := r.unacked(name)
		if err != nil {
			return err
		}
		m.RevokedAt = r.now
		if err := r.tx.PutMember(m); err != nil {
			return err
		}
		for i := range r.all {
			if r.all[i].Name == name {
				r.all[i] = m
			}
		}
		if err := r.voidInvites(name); err != nil {
			return err
		}
		if err := r.record(PersonName, "revoke", name, facts{"agent": string(m.Agent)}); err != nil {
			return err
		}
		if m.Agent != "" {
			r.tx.Notify(Inbox(m.Agent)) // its waits end now
			r.tx.Notify(Work(m.Agent))
		}
		if err := r.bury(lost, DeadRevoked); err != nil {
			return err
		}
		if err := r.releaseAll(name); err != nil {
			return err
		}
		return r.announce(fmt.Sprintf("The person in charge revoked %s: it is no longer a member.", name), r.present()...)
	})
}

// Pause stops a conversation for its agents until a person resumes it: they cannot send, add or claim tasks, or invite. Pausing what
// is paused is not an error, and leaves it as it is.
func (s *Service) Pause(ctx context.Context, id ConversationID) error {
	return s.inRoom(ctx, id, func(r *room) error {
		if err := r.live(); err != nil || !r.c.PausedAt.IsZero() {
			return err
		}
		r.c.PausedAt, r.c.PausedBy = r.now, PersonName
		if err := r.record(PersonName, "pause", string(id), nil); err != nil {
			return err
		}
		return r.announce("The person in charge paused this conversation. Until they resume it you can read, say how you are, and finish what you hold; "+
			"you cannot send, add or claim tasks, or invite.", r.present()...)
	})
}

// Resume lets a paused conversation go on, whoever paused it. Resuming what is not paused is not an error.
func (s *Service) Resume(ctx context.Context, id ConversationID) error {
	return s.inRoom(ctx, id, func(r *room) error {
		if err := r.live(); err != nil || r.c.PausedAt.IsZero() {
			return err
		}
		by, since := r.c.PausedBy, r.c.PausedAt
		r.c.PausedAt, r.c.PausedBy = time.Time{}, ""
		r.progress()
		for _, m := range r.all {
			if m.Present() {
				r.tx.Notify(Work(m.Agent)) // there may be tasks that nobody could claim until now
			}
		}
		if err := r.record(PersonName, "resume", string(id), facts{"paused_by": by, "since": stamp(since)}); err != nil {
			return err
		}
		return r.announce("The person in charge resumed this conversation: go on.", r.present()...)
	})
}

// Cleanup erases the content of conversations that have been over for longer than age, and tells how many. Their logs stay.
func (s *Service) Cleanup(ctx context.Context, age time.Duration) (n int, err error) {
	if age < readableFor {
		return 0, Errorf(Invalid, "conversations can be read for an hour after their end").WithHint("choose an age of 1h or more")
	}
	var ids []ConversationID
	err = s.store.View(ctx, func(tx Tx) error {
		ids = nil
		all, err := tx.Conversations()
		for _, c := range all {
			if c.ErasedAt.IsZero() && !tx.Now().Before(c.ExpiresAt.Add(age)) {
				ids = append(ids, c.ID)
			}
		}
		return err
	})
	for _, id := range ids {
		if err != nil {
			break
		}
		err = s.inRoom(ctx, id, func(r *room) error {
			if r.c.BuriedAt.IsZero() {
				if _, err := r.end(); err != nil {
					return err
				}
			}
			return r.erase(PersonName)
		})
		if err == nil {
			n++
		}
		err = gone(err)
	}
	return n, err
}
