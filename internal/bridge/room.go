package bridge

import (
	"errors"
	"slices"
	"time"

	"agentbridge/internal/audit"
)

// The life of a conversation after its end.
const (
	warnBefore  = 15 * time.Minute // members are told before the end
	readableFor = time.Hour        // after the end, what was sent can still be read
)

// room is one conversation inside one transaction. Changes to c and entries are written by save.
type room struct {
	s   *Service
	tx  Tx
	now time.Time // tx.Now, never before the last update of this conversation unless the clock jumped
	c   Conversation
	all []Member
	// me is the caller's seat, with no more rank than the caller's token has; zero for the person and the program. The row is r.all's.
	me Member
	by grant // the caller's token

	raised []Alert // by this update; told once it is known to be committed
	grown  int64   // how long this update made the log; 0: it did not
}

// open loads a conversation for the person or the program.
func (s *Service) open(tx Tx, id ConversationID) (*room, error) {
	c, err := tx.Conversation(id)
	if err != nil {
		return nil, s.noConversation(err, id)
	}
	if !c.ErasedAt.IsZero() {
		return nil, erased(id)
	}
	all, err := tx.Members(id)
	if err != nil {
		return nil, err
	}
	r := &room{s: s, tx: tx, now: tx.Now(), c: c, all: all}
	// A clock that steps back a little stands still instead, so that times in a conversation never decrease.
	if ahead := c.SeenAt.Sub(r.now); ahead > 0 && ahead <= jump {
		r.now = c.SeenAt
	}
	return r, nil
}

// enter loads a conversation for a caller that has a seat in it.
func (s *Service) enter(tx Tx, c Caller, id ConversationID) (*room, error) {
	g, err := s.authorise(tx, c)
	if err != nil {
		return nil, err
	}
	if err := g.goodIn(id); err != nil {
		return nil, err
	}
	r, err := s.open(tx, id)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(r.all, func(m Member) bool { return m.Agent == c.cred.agent && m.Present() })
	if i < 0 {
		return nil, Errorf(Denied, "you are not a member of %s", id).WithHint("ask its creator for an invite, then call join_conversation with the code")
	}
	r.me, r.by = r.all[i], g
	r.me.Rank = g.lesser(r.me.Rank)
	return r, nil
}

// charge takes one of that kind from whoever sits in the seat, so that a seat taken anew begins with a budget of its own.
func (r *room) charge(kind ChargeKind) error { return r.s.charge(r.tx, r.toll(kind)) }

// spent refuses where the seat's budget of that kind is spent, and charges nothing. A retry of what is there already is free: again
// says whether it is one, and is asked only then.
func (r *room) spent(kind ChargeKind, again func() (bool, error)) error {
	_, no, err := r.s.weigh(r.tx, r.toll(kind))
	if err != nil || no == nil {
		return err
	}
	if free, err := again(); free || err != nil {
		return err
	}
	return no
}

func (r *room) toll(kind ChargeKind) toll { return toll{Account{r.c.ID, string(r.me.Agent), kind}, 1} }

// member finds a seat by name; revoked seats are not found.
func (r *room) member(name string) (Member, bool) {
	i := slices.IndexFunc(r.all, func(m Member) bool { return m.Name == name && m.RevokedAt.IsZero() })
	if i < 0 {
		return Member{}, false
	}
	return r.all[i], true
}

// partners are all others with a seat, joined or invited.
func (r *room) partners() []Member {
	return slices.Collect(func(yield func(Member) bool) {
		for _, m := range r.all {
			if m.Name != r.me.Name && m.RevokedAt.IsZero() && !yield(m) {
				return
			}
		}
	})
}

// live refuses once the conversation is over.
func (r *room) live() error {
	if r.now.Before(r.c.ExpiresAt) {
		return nil
	}
	what := "has expired"
	if !r.c.ClosedAt.IsZero() {
		what = "was closed"
	}
	return Errorf(Expired, "conversation %s %s", r.c.ID, what).
		WithHint("what was sent can be read for an hour after the end; create a new conversation to go on, or a person can `agentbridge extend` one that expired")
}

// may refuses whoever is of a lesser rank.
func (r *room) may(least Rank, what string) error {
	if rights[r.me.Rank] >= rights[least] {
		return nil
	}
	return Errorf(Denied, "%s may not %s", r.me.Rank, what).WithHint("ask %s to do it", r.above(least))
}

// rights orders the ranks.
var rights = map[Rank]int{Observer: 1, Worker: 2, Peer: 3, Orchestrator: 4}

// above names somebody who is of that rank.
func (r *room) above(least Rank) string {
	for _, m := range r.all {
		if m.Present() && rights[m.Rank] >= rights[least] {
			return m.Name
		}
	}
	return "the person in charge"
}

// record appends an entry to the conversation's log.
func (r *room) record(actor, action, subject string, f facts) (err error) {
	if seeded(bugNoEntry) {
		return nil
	}
	r.c.Head, r.grown, err = record(r.tx, string(r.c.ID), r.c.Head, r.now, actor, action, subject, f)
	return err
}

// hash is what an entry holds of a text: nothing of an empty one.
func (r *room) hash(what, text string) string {
	if text == "" {
		return ""
	}
	return audit.ContentHash(r.c.Key, what, text)
}

// save writes the conversation's row and wakes who follows it. Every update of a conversation ends with it.
func (r *room) save() error {
	r.c.SeenAt = r.now
	r.c.DueAt = due(r.c, r.s.conf.Retention)
	if err := r.tx.PutConversation(r.c); err != nil {
		return err
	}
	if r.grown > 0 {
		if err := r.tx.PutGrown(Grown{r.c.ID, r.grown}); err != nil {
			return err
		}
	}
	r.tx.Notify(Feed(r.c.ID))
	r.tx.Notify(Everything)
	return nil
}

// warnAt is when members are told that the end is near: 15 minutes before, or for the last quarter of a short life.
func warnAt(c Conversation) time.Time {
	return c.ExpiresAt.Add(-min(warnBefore, c.ExpiresAt.Sub(c.CreatedAt)/4))
}

// due is when the sweep must look at a conversation next; zero if never again.
func due(c Conversation, retention time.Duration) time.Time {
	switch {
	case !c.ErasedAt.IsZero():
		return time.Time{}
	case !c.BuriedAt.IsZero():
		return c.ExpiresAt.Add(retention)
	case c.WarnedAt.IsZero() && c.ClosedAt.IsZero():
		return warnAt(c)
	}
	return c.ExpiresAt.Add(readableFor)
}

// phase is where a conversation stands now.
func phase(c Conversation, now time.Time) Phase {
	switch {
	case !c.ErasedAt.IsZero():
		return Forgotten
	case !c.BuriedAt.IsZero() || !now.Before(c.ExpiresAt.Add(readableFor)):
		return Buried
	case !now.Before(c.ExpiresAt):
		return Ended
	}
	return Open
}

// noConversation answers [NotFound] for people, and shows the id if it can be shown; other errors stay.
func (s *Service) noConversation(err error, id ConversationID) error {
	if !errors.Is(err, NotFound) {
		return err
	}
	shown := "of that id"
	if s.checkName("id", string(id)) == nil {
		shown = string(id)
	}
	return Errorf(NotFound, "there is no conversation %s", shown).WithHint("`agentbridge list` shows them; an agent that is in one only need not name it")
}

func erased(id ConversationID) *Error {
	return Errorf(NotFound, "conversation %s was erased", id).WithHint("its audit log is kept: agentbridge audit show --conversation %s", id)
}
