package bridge

import (
	"cmp"
	"context"
	"time"
)

// A child token is made from another token, which is its parent, and may do less: with no more rank, in one conversation only, or for
// a shorter time. It bears its parent's agent and takes its seats. It ends with its parent, is never renewed, and may have children of
// its own.

// maxGenerations is how many tokens a line has, from an agent's own to the last child: four children deep.
const maxGenerations = 5

// ChildRequest says what a child token is held to.
type ChildRequest struct {
	Rank         Rank           // no more right than this one's; empty: the parent's
	Conversation ConversationID // good in this one only; empty: where the parent is good
	Life         time.Duration  // 0, or longer than the parent's: until the parent ends
}

// ChildToken is a child token as its maker sees it, once.
type ChildToken struct {
	Token        string         `json:"token"`
	ID           TokenID        `json:"token_id"`
	Parent       TokenID        `json:"parent"`
	Rank         Rank           `json:"rank,omitempty"`
	Conversation ConversationID `json:"conversation_id,omitempty"`
	ExpiresAt    time.Time      `json:"expires_at"`
}

// NewChildToken makes a child of the caller's token. What would be more than the parent may do is [Denied]. It is charged as a call
// that creates, to the agent, which all tokens of a line share.
func (s *Service) NewChildToken(ctx context.Context, c Caller, q ChildRequest) (child ChildToken, err error) {
	defer func() { err = s.refused(c, err) }()
	switch {
	case q.Rank != "" && rights[q.Rank] == 0:
		return child, Errorf(Invalid, "there is no such rank").WithHint("choose observer, worker, peer or orchestrator, or leave it out for the parent's")
	case q.Life < 0:
		return child, Errorf(Invalid, "a token cannot be good for %s", plain(q.Life)).WithHint("choose a time like 30m, or leave it out for as long as the parent")
	}
	if err := s.admit(ctx, c, c.tolls(Creation)); err != nil { // each is a row and an entry that stay
		return child, err
	}
	s.freshen(ctx)
	return commit(ctx, s.store.Update, Deployment, func(tx Tx) (child ChildToken, err error) {
		g, err := s.authorise(tx, c)
		if err != nil {
			return child, err
		}
		if err := s.mayBear(tx, c, g, q); err != nil {
			return child, err
		}
		row := Token{
			Agent: g.Agent, CreatedAt: tx.Now(), ExpiresAt: g.until,
			Parent: g.ID, Rank: cmp.Or(q.Rank, g.Rank), Conversation: cmp.Or(q.Conversation, g.Conversation),
		}
		if ends := tx.Now().Add(q.Life); q.Life > 0 && ends.Before(row.ExpiresAt) {
			row.ExpiresAt = ends
		}
		text, row := s.ring().mint(row)
		if err := tx.PutToken(row); err != nil {
			return child, err
		}
		child = ChildToken{text, row.ID, row.Parent, row.Rank, row.Conversation, row.ExpiresAt}
		f := facts{"agent": string(row.Agent), "parent": string(row.Parent), "expires": stamp(row.ExpiresAt)}
		if row.Rank != "" {
			f["rank"] = string(row.Rank)
		}
		if row.Conversation != "" {
			f["conversation"] = string(row.Conversation)
		}
		return child, recordDeployment(tx, c.cred.name, "token_child", string(row.ID), f)
	})
}

// mayBear refuses a child that could do more than its parent, and one too many in a line.
func (s *Service) mayBear(tx Tx, c Caller, g grant, q ChildRequest) error {
	if g.Rank != "" && rights[q.Rank] > rights[g.Rank] {
		return Errorf(Denied, "this token has the rank of %s, and its child would be %s", g.Rank, q.Rank).WithHint("choose that rank or a lesser one")
	}
	if q.Conversation != "" {
		if _, err := s.enter(tx, c, q.Conversation); err != nil {
			return err
		}
	}
	generations := 1
	for row := g.Token; row.Parent != ""; generations++ {
		var err error
		if row, err = tx.Token(row.Parent); err != nil {
			return err
		}
	}
	if generations == maxGenerations {
		return Errorf(Denied, "this token comes from %d others in a line, and no more are allowed", generations-1).WithHint("make the child of one of those")
	}
	return nil
}

// lesser is the rank that a seat of that rank has under this token.
func (g grant) lesser(seat Rank) Rank {
	if g.Rank != "" && rights[g.Rank] < rights[seat] {
		return g.Rank
	}
	return seat
}

// goodIn refuses a conversation that the token is not for.
func (g grant) goodIn(id ConversationID) error {
	if g.Conversation == "" || g.Conversation == id {
		return nil
	}
	return Errorf(Denied, "this token is good in %s only", g.Conversation).WithHint("leave conversation_id out, or use another token")
}

// whole refuses a token that is held to a rank or a conversation: it makes and takes no seats.
func (g grant) whole(what string) error {
	if g.Rank == "" && g.Conversation == "" {
		return nil
	}
	return Errorf(Denied, "this token may not %s: it is held to less than its agent may do", what).WithHint("ask whoever made it, or use the agent's own token")
}

// putSeat writes the caller's seat, with the rank that it has: the caller's may be less.
func (r *room) putSeat() error {
	m := r.me
	for _, seat := range r.all {
		if seat.Name == m.Name && seat.Agent == m.Agent && r.by.Rank != "" {
			m.Rank = seat.Rank
		}
	}
	return r.tx.PutMember(m)
}

// seatsOf are the seats that the caller may take: of its agent, in the conversation that its token is held to, if it is.
func seatsOf(tx Tx, c Caller) ([]Member, error) {
	seats, err := tx.Memberships(c.cred.agent)
	if err != nil || c.cred.only == "" {
		return seats, err
	}
	for _, m := range seats {
		if m.Conversation == c.cred.only {
			return []Member{m}, nil
		}
	}
	return nil, nil
}

// unreadOf counts what waits for the caller's seats.
func unreadOf(tx Tx, c Caller) (n int, err error) {
	if c.cred.only == "" {
		return tx.Unread(c.cred.agent)
	}
	seats, err := seatsOf(tx, c)
	for _, m := range seats {
		waiting, err := tx.Waiting(m.Conversation, m.Name, 0)
		if err != nil {
			return 0, err
		}
		n += len(waiting)
	}
	return n, err
}
