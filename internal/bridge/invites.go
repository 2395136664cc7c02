package bridge

import (
	"cmp"
	"context"
	"crypto/hmac"
	"encoding/hex"
	"errors"
	"slices"
	"strconv"
	"strings"
)

// An invite's code is abi1_<base64url of id ‖ secret>, where a hub is behind it with its [HubAddress]. The row keeps the id and an HMAC.
const (
	codePrefix   = "abi1_"
	codeIDSize   = 8
	codeSize     = codeIDSize + 16
	codeLabel    = "agentbridge invite v1"
	codeFailures = 5
)

// invite makes or renews a seat, one of so many, and gives its code. Older codes for the seat are void from now on.
func (r *room) invite(p Partner, seats int) (code InviteCode, err error) {
	m, seated := r.member(p.Name)
	if !seated {
		m = Member{Conversation: r.c.ID, Name: p.Name, InvitedAt: r.now, Rank: Worker}
		if seats == 2 {
			m.Rank = Peer
		}
	}
	if p.Role != "" || !seated {
		m.Role = p.Role
	}
	if p.Rank != "" {
		m.Rank = p.Rank
	}
	if err := r.tx.PutMember(m); err != nil {
		return code, err
	}
	if err := r.voidInvites(p.Name); err != nil {
		return code, err
	}
	raw := randomBytes(codeSize)
	i := Invite{
		ID: hex.EncodeToString(raw[:codeIDSize]), Conversation: r.c.ID, Name: p.Name, KeyID: r.s.ring().current(),
		CreatedAt: r.now, ExpiresAt: r.now.Add(r.s.conf.InviteTTL),
	}
	i.Tag = r.s.ring().tagInvite(i, raw[codeIDSize:])
	if err := r.tx.PutInvite(i); err != nil {
		return code, err
	}
	r.all = append(slices.DeleteFunc(r.all, func(o Member) bool { return o.Name == m.Name }), m)
	code = InviteCode{Name: p.Name, Code: encodeCode(raw, p.Name, r.s.address()), ExpiresAt: i.ExpiresAt}
	return code, r.record(r.me.Name, "invite", p.Name, facts{"rank": string(m.Rank), "invite": i.ID, "expires": stamp(i.ExpiresAt)})
}

// voidInvites ends the open codes of a seat.
func (r *room) voidInvites(name string) error {
	invites, err := r.tx.Invites(r.c.ID)
	if err != nil {
		return err
	}
	for _, i := range invites {
		if i.Name == name && i.UsedAt.IsZero() && !i.Void {
			i.Void = true
			if err := r.tx.PutInvite(i); err != nil {
				return err
			}
		}
	}
	return nil
}

func (k *KeyRing) tagInvite(i Invite, secret []byte) []byte {
	tag, _ := k.tag(i.KeyID, codeLabel, i.ID, string(secret), string(i.Conversation), i.Name, stamp(i.ExpiresAt))
	return tag
}

func (k *KeyRing) isInvite(i Invite, secret []byte) bool {
	_, known := k.find(i.KeyID)
	return hmac.Equal(i.Tag, k.tagInvite(i, secret)) && known
}

// notAnInvite is the answer to every code that is not good, whatever is wrong with it.
func notAnInvite() *Error {
	e := Errorf(Denied, "the code is not accepted").
		WithHint("check that it was pasted whole; whoever created the conversation can invite you again, which makes a new code")
	e.cause = errNotAnInvite
	return e
}

func usedCode() *Error {
	return Errorf(Conflict, "the code was used already").WithHint("each code seats one agent once; ask for a new invite")
}

func (s *Service) lateCode() *Error {
	return Errorf(Expired, "the invite has expired").WithHint("ask for a new one; it is good for %s", plain(s.conf.InviteTTL))
}

var errNotAnInvite = errors.New("not an invite")

// Join takes the seat that an invite is for: the one whose code is given, or, for an agent of this machine, the one addressed to
// the agent's name. A code that is not good is [Denied], and [RateLimited] from an agent or an address that tried too many.
func (s *Service) Join(ctx context.Context, c Caller, q JoinRequest) (res JoinResult, err error) {
	defer func() { err = s.refused(c, err) }()
	if err := s.admit(ctx, c, c.tolls(Joining)); err != nil {
		return res, err
	}
	res, err = s.join(ctx, c, q)
	if errors.Is(err, errNotAnInvite) {
		err = cmp.Or(s.fail(ctx, c.tolls(Failure)), err)
	}
	return res, err
}

func (s *Service) join(ctx context.Context, c Caller, q JoinRequest) (res JoinResult, err error) {
	var id string
	var secret []byte
	if q.Code != "" {
		var ok bool
		if id, secret, ok = splitCode(q.Code); !ok {
			return res, notAnInvite()
		}
	}
	var conversation ConversationID
	err = s.store.View(ctx, func(tx Tx) error {
		if id == "" {
			if id, err = s.addressed(tx, c, q.Conversation); err != nil {
				return err
			}
		}
		i, err := tx.Invite(id)
		if err != nil {
			if AsError(err).Code == NotFound {
				return notAnInvite()
			}
			return err
		}
		conversation = i.Conversation
		return nil
	})
	if err != nil {
		return res, err
	}
	type outcome struct {
		res     JoinResult
		refusal error // kept apart, because a wrong try must be counted although nothing else happens
	}
	out, err := commit(ctx, s.store.Update, InConversation(conversation), func(tx Tx) (out outcome, err error) {
		out.res, out.refusal, err = s.redeem(tx, c, id, secret, q.Again)
		return out, err
	})
	if err == nil {
		err = out.refusal
	}
	return out.res, err
}

// wrongSecret counts a try against an invite, and ends the invite at the last.
func (s *Service) wrongSecret(tx Tx, i Invite) error {
	i.Failures++
	ends := !i.Void && i.Failures >= codeFailures
	i.Void = i.Void || ends
	if err := tx.PutInvite(i); err != nil || !ends {
		return err
	}
	r, err := s.open(tx, i.Conversation)
	if err != nil {
		return err
	}
	if err := r.record(ProgramName, "void", i.ID, facts{"name": i.Name, "failures": strconv.Itoa(i.Failures)}); err != nil {
		return err
	}
	return r.save()
}

// addressed finds the one open invite for a local caller's name.
func (s *Service) addressed(tx Tx, c Caller, in ConversationID) (string, error) {
	if !c.Local {
		return "", Errorf(Invalid, "no code is given").WithHint("call join_conversation with the code from the invite")
	}
	all, err := tx.InvitesNamed(c.cred.name)
	if err != nil {
		return "", err
	}
	var ids, conversations []string
	for _, i := range all {
		if tx.Now().Before(i.ExpiresAt) && (in == "" || i.Conversation == in) {
			ids, conversations = append(ids, i.ID), append(conversations, string(i.Conversation))
		}
	}
	switch len(ids) {
	case 0:
		return "", Errorf(NotFound, "there is no open invite for %q", c.cred.name).
			WithHint("ask for one (create_conversation makes it, good for %s), or call join_conversation with a code", plain(s.conf.InviteTTL))
	case 1:
		return ids[0], nil
	}
	return "", Errorf(Invalid, "%q is invited to %d conversations: %s", c.cred.name, len(ids), strings.Join(conversations, ", ")).
		WithHint("name one with conversation_id")
}

// redeem uses an invite up and seats the caller. A nil secret means that the invite was found by name.
func (s *Service) redeem(tx Tx, c Caller, id string, secret []byte, again bool) (res JoinResult, refusal, err error) {
	g, err := s.authorise(tx, c)
	if err == nil {
		err = g.whole("join a conversation")
	}
	if err != nil {
		return res, err, nil
	}
	i, err := tx.Invite(id)
	if err != nil {
		return res, nil, err
	}
	if secret != nil && !s.ring().isInvite(i, secret) {
		return res, notAnInvite(), s.wrongSecret(tx, i)
	}
	r, err := s.open(tx, i.Conversation)
	if err != nil {
		return res, err, nil
	}
	m, seated := r.member(i.Name)
	switch mine := !i.UsedAt.IsZero() && i.UsedBy == c.cred.agent && seated && m.Agent == c.cred.agent; {
	case mine && again && secret != nil:
		r.me = m
		res, err = r.joined(c)
		return res, nil, err
	case mine:
		return res, Errorf(Conflict, "the code was used already, by you").WithHint("you are %q in %s: go on with check_messages", i.Name, i.Conversation), nil
	case !i.UsedAt.IsZero():
		return res, usedCode(), nil
	case i.Void || !seated || !s.ring().holds(i.KeyID, tx.Now()):
		return res, notAnInvite(), nil
	case !r.now.Before(i.ExpiresAt):
		return res, s.lateCode(), nil
	}
	if err := r.live(); err != nil {
		return res, err, nil
	}
	if j := slices.IndexFunc(r.all, func(o Member) bool { return o.Agent == c.cred.agent && o.Present() }); j >= 0 {
		return res, Errorf(Conflict, "you are in %s already, as %q", i.Conversation, r.all[j].Name).WithHint("give the code to the agent that is to be %q", i.Name), nil
	}
	i.UsedAt, i.UsedBy = r.now, c.cred.agent
	m.Agent, m.JoinedAt = c.cred.agent, r.now
	if err := tx.PutInvite(i); err != nil {
		return res, nil, err
	}
	if err := tx.PutMember(m); err != nil {
		return res, nil, err
	}
	r.me = m
	if err := r.record(m.Name, "join", i.ID, facts{"agent": string(m.Agent), "rank": string(m.Rank)}); err != nil {
		return res, nil, err
	}
	if err := r.save(); err != nil {
		return res, nil, err
	}
	tx.Notify(Inbox(m.Agent)) // what was sent before it joined waits for it
	tx.Notify(Work(m.Agent))
	res, err = r.joined(c)
	return res, nil, err
}

// joined tells the caller of the seat me.
func (r *room) joined(c Caller) (res JoinResult, err error) {
	res = JoinResult{Conversation: r.c.ID, You: You{r.me.Name, r.me.Role, r.me.Rank}, Partners: []You{}, ExpiresAt: r.c.ExpiresAt}
	for _, p := range r.partners() {
		res.Partners = append(res.Partners, You{p.Name, p.Role, p.Rank})
	}
	res.Unread, err = unreadOf(r.tx, c)
	return res, err
}
