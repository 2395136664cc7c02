package bridge

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strconv"
	"time"
)

// Bounds of what describes a conversation, in characters.
const (
	maxRole  = 500
	maxTitle = 200
	maxNote  = 1000
	maxTTL   = 30 * 24 * time.Hour
)

// Create makes a conversation of the caller and the partners it names, or invites more partners to one. The codes in the result
// are shown this once; whoever is invited again gets a new code, and the old one is void. So does everybody where a request with the
// same key is made again, by which there is one conversation however often it is tried.
func (s *Service) Create(ctx context.Context, c Caller, q CreateRequest) (res CreateResult, err error) {
	defer func() { err = s.refused(c, err) }()
	if err := s.checkPartners(q); err != nil {
		return res, err
	}
	invites := toll{Account{Holder: string(c.cred.agent), Kind: Invitation}, len(q.Partners)}
	if err := s.admit(ctx, c, append(c.tolls(Creation), invites)); err != nil {
		return res, err
	}
	id, key, err := s.toCreate(ctx, c, q)
	if err != nil {
		return res, err
	}
	if err := s.cleanPartners(key, &q); err != nil {
		return res, err
	}
	s.freshen(ctx) // its codes must be signed by the key of now
	return commit(ctx, s.store.Update, InConversation(id), func(tx Tx) (res CreateResult, err error) {
		_, err = tx.Conversation(id)
		there, err := found(err)
		if err != nil {
			return res, err
		}
		var r *room
		if there {
			r, err = s.enter(tx, c, id)
		} else {
			r, err = s.found(tx, c, id, key, q)
		}
		if err != nil {
			return res, err
		}
		if res, err = r.inviteAll(q.Partners); err != nil {
			return res, err
		}
		res.Conversation, res.ExpiresAt = id, r.c.ExpiresAt
		res.You = You{r.me.Name, r.me.Role, r.me.Rank}
		if res.Unread, err = unreadOf(tx, c); err != nil {
			return res, err
		}
		return res, r.save()
	})
}

// toCreate gives the id and the content key of the conversation that a request means: one that is there, or one to be made.
func (s *Service) toCreate(ctx context.Context, c Caller, q CreateRequest) (id ConversationID, key []byte, err error) {
	switch {
	case q.Conversation != "":
		key, err = s.conversationKey(ctx, q.Conversation)
		return q.Conversation, key, err
	case q.Key == "":
		return ConversationID(newID("conv_")), randomBytes(32), nil
	}
	if err := checkKey(q.Key); err != nil {
		return "", nil, err
	}
	sum := sha256.Sum256([]byte(string(c.cred.agent) + " " + q.Key)) // an id is no secret
	id = ConversationID("conv_" + hex.EncodeToString(sum[:8]))
	key, err = s.conversationKey(ctx, id)
	if errors.Is(err, NotFound) {
		return id, randomBytes(32), nil
	}
	return id, key, err
}

// checkPartners refuses what no conversation could take.
func (s *Service) checkPartners(q CreateRequest) error {
	if len(q.Partners) == 0 {
		return Errorf(Invalid, "no partner is named").WithHint(`name at least one: partners:[{"name":"beta","role":"tester"}]`)
	}
	if q.Conversation != "" && (q.Title != "" || q.TTLMinutes != 0 || q.Name != "") {
		return Errorf(Invalid, "name, title and ttl_minutes are only for a new conversation").
			WithHint("leave them out to invite more partners, or leave conversation_id out to create one")
	}
	if q.TTLMinutes < 0 || q.TTLMinutes > int(maxTTL.Minutes()) {
		return Errorf(Invalid, "ttl_minutes is %d", q.TTLMinutes).WithHint("choose 1 to %d, or leave it out for %s", int(maxTTL.Minutes()), plain(s.conf.ConversationTTL))
	}
	seen := map[string]bool{}
	if q.Name != "" {
		if err := s.checkName("your name", q.Name); err != nil {
			return err
		}
	}
	for _, p := range q.Partners {
		if err := s.checkName("a partner's name", p.Name); err != nil {
			return err
		}
		if seen[p.Name] {
			return Errorf(Invalid, "partner %q is named twice", p.Name).WithHint("give each partner a name of its own")
		}
		seen[p.Name] = true
		if p.Rank != "" && rights[p.Rank] == 0 {
			return Errorf(Invalid, "a partner cannot have that rank").WithHint("ranks are observer, worker, peer and orchestrator; leave it out for the usual one")
		}
	}
	return nil
}

// cleanPartners lets the free texts of a request in.
func (s *Service) cleanPartners(key []byte, q *CreateRequest) (err error) {
	if q.Role, _, err = s.door.take(key, "your role", q.Role, maxRole); err != nil {
		return err
	}
	if q.Title, _, err = s.door.take(key, "the title", q.Title, maxTitle); err != nil {
		return err
	}
	q.Partners = slices.Clone(q.Partners)
	for i := range q.Partners {
		if q.Partners[i].Role, _, err = s.door.take(key, "a partner's role", q.Partners[i].Role, maxRole); err != nil {
			return err
		}
	}
	return nil
}

// found begins a conversation: its row, its log and the creator's seat.
func (s *Service) found(tx Tx, c Caller, id ConversationID, key []byte, q CreateRequest) (*room, error) {
	g, err := s.authorise(tx, c)
	if err != nil {
		return nil, err
	}
	name := q.Name
	if name == "" {
		name = c.cred.name
	}
	if slices.ContainsFunc(q.Partners, func(p Partner) bool { return p.Name == name }) {
		return nil, Errorf(Invalid, "partner %q has your own name", name).WithHint("name the others only, or call yourself something else with name")
	}
	now := tx.Now()
	ttl := s.conf.ConversationTTL
	if q.TTLMinutes > 0 {
		ttl = time.Duration(q.TTLMinutes) * time.Minute
	}
	r := &room{s: s, tx: tx, now: now, by: g, c: Conversation{
		ID: id, Title: q.Title, Creator: c.cred.agent, CreatedAt: now, ExpiresAt: now.Add(ttl), SeenAt: now, Key: key,
	}}
	r.me = Member{Conversation: id, Name: name, Role: q.Role, Rank: Orchestrator, Agent: c.cred.agent, InvitedAt: now, JoinedAt: now}
	if len(q.Partners) == 1 {
		r.me.Rank = Peer
	}
	if err := tx.PutMember(r.me); err != nil {
		return nil, err
	}
	r.all = []Member{r.me}
	return r, r.record(name, "create", string(id), facts{"rank": string(r.me.Rank), "expires": stamp(r.c.ExpiresAt)})
}

// inviteAll makes or renews a seat and a code for each partner.
func (r *room) inviteAll(partners []Partner) (res CreateResult, err error) {
	if err := r.live(); err != nil {
		return res, err
	}
	if err := r.running(); err != nil {
		return res, err
	}
	if err := r.by.whole("invite partners"); err != nil {
		return res, err
	}
	if r.me.Agent != r.c.Creator {
		if err := r.may(Orchestrator, "invite partners"); err != nil {
			return res, err
		}
	}
	seats := 1 + len(r.partners())
	for _, p := range partners {
		m, taken := r.member(p.Name)
		switch {
		case p.Name == r.me.Name:
			return res, Errorf(Invalid, "partner %q has your own name", p.Name).WithHint("name the others only")
		case taken && m.Present():
			return res, Errorf(Conflict, "%q has joined already", p.Name).
				WithHint("a person can `agentbridge revoke --conversation-id %s %s`; then invite it again", r.c.ID, p.Name)
		case !taken:
			seats++
		}
	}
	if seats > r.s.conf.MaxMembers {
		return res, Errorf(Invalid, "a conversation has at most %d members", r.s.conf.MaxMembers).WithHint("create a second conversation for the others")
	}
	for _, p := range partners {
		code, err := r.invite(p, seats)
		if err != nil {
			return res, err
		}
		res.Invites = append(res.Invites, code)
	}
	// The creator of a conversation of two is a peer; once it grows, it leads, as the creator of a larger one does.
	if seats > 2 && r.me.Agent == r.c.Creator && r.me.Rank == Peer {
		r.me.Rank = Orchestrator
		if err := r.tx.PutMember(r.me); err != nil {
			return res, err
		}
		return res, r.record(ProgramName, "rank", r.me.Name, facts{"rank": string(r.me.Rank), "members": strconv.Itoa(seats)})
	}
	return res, nil
}
