package bridge

import (
	"context"
	"crypto/hmac"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// A token is abt1_<key id>_<base64url of id ‖ secret>. The row keeps the id and two HMACs; the secret is kept nowhere. Who has
// the database can use no token, and who can write it can extend none.
const (
	tokenPrefix  = "abt1_"
	tokenIDSize  = 16
	secretSize   = 32
	tokenLabel   = "agentbridge token v1"
	sealLabel    = "agentbridge token seal v1"
	childLabel   = "agentbridge token seal v2" // over every column; a row that fills none of a child's is sealed as it always was
	instanceHTTP = "tok_"
)

// credential is a parsed token, before anybody looked whether it is good.
type credential struct {
	token  TokenID
	tag    []byte // what the row's Tag must be
	keyID  string
	signed bool // by a key of the ring; otherwise tag is nobody's
	agent  AgentID
	name   string
	only   ConversationID // the one that it is held to; empty: none
}

// denied is the answer to every token that is not good, whatever is wrong with it.
func denied() *Error {
	return Errorf(Denied, "the token is not accepted").
		WithHint("use the token of an agent of this bridge; `agentbridge token list` shows which are valid, `agentbridge join` gets a new one")
}

// parseToken takes a token apart. It tells nothing about whether it is good.
func (k *KeyRing) parseToken(token string) (credential, error) {
	rest, ok := strings.CutPrefix(strings.TrimSpace(token), tokenPrefix)
	keyID, encoded, found := strings.Cut(rest, "_")
	// Strict: no second spelling of the same bytes.
	raw, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if !ok || !found || err != nil || len(raw) != tokenIDSize+secretSize {
		return credential{}, denied()
	}
	cred := credential{token: TokenID(hex.EncodeToString(raw[:tokenIDSize])), keyID: keyID}
	cred.tag, cred.signed = k.tag(keyID, tokenLabel, string(raw[:tokenIDSize]), string(raw[tokenIDSize:]))
	return cred, nil
}

// mint makes a token of what the row claims: its text, shown once, and its row.
func (k *KeyRing) mint(row Token) (text string, _ Token) {
	raw := randomBytes(tokenIDSize + secretSize)
	row.ID, row.KeyID = TokenID(hex.EncodeToString(raw[:tokenIDSize])), k.current()
	row.Tag = k.sign(tokenLabel, string(raw[:tokenIDSize]), string(raw[tokenIDSize:]))
	row.Seal = k.seal(row)
	return tokenPrefix + row.KeyID + "_" + base64.RawURLEncoding.EncodeToString(raw), row
}

// seal is the HMAC over what a token row claims.
func (k *KeyRing) seal(t Token) []byte {
	seal, _ := k.sealing(t)
	return seal
}

func (k *KeyRing) sealing(t Token) (seal []byte, ok bool) {
	at := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.UTC().Format(time.RFC3339Nano)
	}
	label, claims := sealLabel, []string{string(t.ID), string(t.Agent), string(t.Tag), at(t.CreatedAt), at(t.ExpiresAt), at(t.RevokedAt)}
	if t.Parent != "" || t.Rank != "" || t.Conversation != "" {
		label, claims = childLabel, append(claims, string(t.Parent), string(t.Rank), string(t.Conversation))
	}
	return k.tag(t.KeyID, label, claims...)
}

// sealed reports whether nobody edited the row.
func (k *KeyRing) sealed(t Token) bool {
	seal, ok := k.sealing(t)
	return hmac.Equal(t.Seal, seal) && ok
}

// Authenticate says who bears this token.
//
// Every failure is [Denied] with one text, but for a genuine token past its time, which is [Expired].
func (s *Service) Authenticate(ctx context.Context, token string, from Origin) (Caller, error) {
	cred, err := s.ring().parseToken(token)
	if err != nil {
		return Caller{}, err
	}
	if !cred.signed { // by a key that came while this process ran, or by none
		s.freshen(ctx)
		if cred, err = s.ring().parseToken(token); err != nil {
			return Caller{}, err
		}
	}
	if from.Instance == "" {
		from.Instance = Instance(instanceHTTP + string(cred.token))
	}
	caller := Caller{Instance: from.Instance, Local: from.Local, Address: from.Address, cred: cred, newer: new(atomic.Pointer[credential])}
	err = s.store.View(ctx, func(tx Tx) error {
		g, err := s.authorise(tx, caller)
		if err != nil {
			return err
		}
		agent, err := tx.Agent(g.Agent)
		if err != nil {
			return err
		}
		caller.cred.agent, caller.cred.name, caller.cred.only = agent.ID, agent.Name, g.Conversation
		return nil
	})
	return caller, err
}

// Adopt lets the caller, and every copy of it, bear another token of its own from now on. So a process goes on whose token ends with
// the key that signed it.
func (s *Service) Adopt(ctx context.Context, c Caller, token string) error {
	other, err := s.Authenticate(ctx, token, Origin{Instance: c.Instance, Local: c.Local, Address: c.Address})
	switch {
	case err != nil:
		return err
	case other.cred.agent != c.cred.agent || c.cred.only != other.cred.only || c.newer == nil:
		return denied()
	}
	c.newer.Store(&other.cred)
	return nil
}

// proof is the token that the caller bears now.
func (c Caller) proof() credential {
	if c.newer != nil {
		if cred := c.newer.Load(); cred != nil {
			return *cred
		}
	}
	return c.cred
}

// Agent is the caller's identity.
func (c Caller) Agent() AgentID { return c.cred.agent }

// Name is the caller's own name. In a conversation it bears the name of its seat.
func (c Caller) Name() string { return c.cred.name }

// Token is the public half of the token that the caller bears now.
func (c Caller) Token() TokenID { return c.proof().token }

// grant is a token that is good now.
type grant struct {
	Token
	until time.Time // when it ends: by itself, with a token it comes from, or with a key that signed one of them
}

// authorise looks in this transaction whether the caller's token is good now. Whatever is wrong with it takes the same work.
func (s *Service) authorise(tx Tx, c Caller) (grant, error) {
	cred := c.proof()
	row, err := tx.Token(cred.token)
	known := err == nil
	if !known && !errors.Is(err, NotFound) {
		return grant{}, err
	}
	borne := hmac.Equal(row.Tag, cred.tag)
	state, until, err := s.inspect(tx, row)
	switch {
	case err != nil:
		return grant{}, err
	case !known, !cred.signed, !borne, row.KeyID != cred.keyID, c.cred.agent != "" && row.Agent != c.cred.agent:
		return grant{}, denied()
	case state == tokenExpired:
		return grant{}, Errorf(Expired, "the token has expired").
			WithHint("renew it with `agentbridge token renew`, or join again with a new invite")
	case state != tokenValid:
		return grant{}, denied()
	}
	return grant{row, until}, nil
}

// The states of a token.
const (
	tokenValid   = "valid"
	tokenExpired = "expired"
	tokenRevoked = "revoked"
	tokenRetired = "retired" // the key that signed it was rotated out and forgotten
	tokenForged  = "forged"  // the row was edited, or one that it comes from
)

// inspect says in which state a row is, and until when it is good at the longest: no longer than the tokens that it comes from, and
// the keys that signed them.
func (s *Service) inspect(tx Tx, row Token) (state string, until time.Time, err error) {
	ring, until := s.ring(), row.ExpiresAt
	for range maxGenerations {
		ends, forever, ok := ring.lasts(row.KeyID)
		switch sealed := ring.sealed(row); {
		case !ok:
			if _, err := tx.Meta(keyCheck + row.KeyID); err == nil {
				return tokenRetired, until, nil
			} else if !errors.Is(err, NotFound) {
				return "", until, err
			}
			return tokenForged, until, nil
		case !sealed:
			return tokenForged, until, nil
		case !row.RevokedAt.IsZero():
			return tokenRevoked, until, nil
		}
		if row.ExpiresAt.Before(until) {
			until = row.ExpiresAt
		}
		if !forever && ends.Before(until) {
			until = ends
		}
		if row.Parent == "" {
			if !tx.Now().Before(until) {
				return tokenExpired, until, nil
			}
			return tokenValid, until, nil
		}
		parent, err := tx.Token(row.Parent)
		switch {
		case errors.Is(err, NotFound), err == nil && parent.Agent != row.Agent:
			return tokenForged, until, nil
		case err != nil:
			return "", until, err
		}
		row = parent
	}
	return tokenForged, until, nil // no token comes from so many
}

// NewAgent makes an agent with its first token, which nobody will see again. A local agent is one of this machine, known by its
// name: if there is one of that name already, it gets a further token.
func (s *Service) NewAgent(ctx context.Context, name string, local bool) (token string, agent Agent, err error) {
	if err := s.checkName("the agent's name", name); err != nil {
		return "", Agent{}, err
	}
	s.freshen(ctx) // what is made now must be signed by the key of now
	type made struct {
		token string
		agent Agent
	}
	m, err := commit(ctx, s.store.Update, Deployment, func(tx Tx) (m made, err error) {
		same, err := tx.AgentsNamed(name)
		if err != nil {
			return m, err
		}
		known := slices.IndexFunc(same, func(a Agent) bool { return a.Local })
		if local && known >= 0 {
			m.agent = same[known]
		} else {
			m.agent = Agent{ID: AgentID(newID("agent_")), Name: name, Local: local, CreatedAt: tx.Now()}
			if err := tx.PutAgent(m.agent); err != nil {
				return m, err
			}
		}
		m.token, err = s.issue(tx, m.agent)
		return m, err
	})
	return m.token, m.agent, err
}

// NewToken gives an agent a further token.
func (s *Service) NewToken(ctx context.Context, id AgentID) (token string, err error) {
	s.freshen(ctx)
	return commit(ctx, s.store.Update, Deployment, func(tx Tx) (string, error) {
		agent, err := tx.Agent(id)
		if err != nil {
			return "", noAgent(err)
		}
		return s.issue(tx, agent)
	})
}

// NewOwnToken gives the caller's agent a further token. A child token gets none: it has children of its own only.
func (s *Service) NewOwnToken(ctx context.Context, c Caller) (token string, err error) {
	err = s.store.View(ctx, func(tx Tx) error {
		g, err := s.authorise(tx, c)
		if err == nil && g.Parent != "" {
			err = Errorf(Denied, "a child token makes no token that may do more").WithHint("make a child of it with --rank, --conversation-id or --for, or use the agent's own token")
		}
		return err
	})
	if err != nil {
		return "", s.refused(c, err)
	}
	return s.NewToken(ctx, c.Agent())
}

func (s *Service) issue(tx Tx, agent Agent) (string, error) {
	text, row := s.ring().mint(Token{Agent: agent.ID, CreatedAt: tx.Now(), ExpiresAt: tx.Now().Add(s.conf.TokenTTL)})
	if err := tx.PutToken(row); err != nil {
		return "", err
	}
	return text, recordDeployment(tx, agent.Name, "token_new", string(row.ID), facts{"agent": string(agent.ID), "expires": stamp(row.ExpiresAt)})
}

// RenewToken moves the expiry of the caller's token to a full life from now. The token stays as it is. It tells when the token ends:
// a token goes on no longer than the key that signed it, and a child token not at all.
func (s *Service) RenewToken(ctx context.Context, c Caller) (expires time.Time, err error) {
	expires, err = commit(ctx, s.store.Update, Deployment, func(tx Tx) (none time.Time, err error) {
		g, err := s.authorise(tx, c)
		if err != nil || g.Parent != "" {
			return g.until, err
		}
		return s.extendToken(tx, g.Token, c.cred.name)
	})
	return expires, s.refused(c, err)
}

// Expiry tells when the caller's token ends, if nobody renews it.
func (s *Service) Expiry(ctx context.Context, c Caller) (at time.Time, err error) {
	s.freshen(ctx) // a key may have got an end
	err = s.store.View(ctx, func(tx Tx) error {
		g, err := s.authorise(tx, c)
		at = g.until
		return err
	})
	return at, err
}

// ExtendToken is the person's renewal: also of a token that has expired, never of one that was revoked, or ends with its key or its
// parent.
func (s *Service) ExtendToken(ctx context.Context, id TokenID) (expires time.Time, err error) {
	return commit(ctx, s.store.Update, Deployment, func(tx Tx) (none time.Time, err error) {
		row, err := s.token(tx, id)
		switch {
		case err != nil:
			return none, err
		case !row.RevokedAt.IsZero():
			return none, Errorf(Denied, "token %s is revoked", id).WithHint("make a new one with `agentbridge token new`")
		case row.Parent != "":
			return none, Errorf(Denied, "token %s is a child token, which is not renewed", id).WithHint("make another with `agentbridge token new --for D`")
		case !s.ring().holds(row.KeyID, tx.Now()):
			return none, Errorf(Denied, "token %s ended with the key that signed it", id).WithHint("make a new one with `agentbridge token new`")
		}
		return s.extendToken(tx, row, PersonName)
	})
}

func (s *Service) extendToken(tx Tx, row Token, actor string) (time.Time, error) {
	expires := tx.Now().Add(s.conf.TokenTTL)
	if until, forever, _ := s.ring().lasts(row.KeyID); !forever && until.Before(expires) {
		if expires = until; !expires.After(row.ExpiresAt) {
			return expires, nil // nothing is gained, and whoever renews in time asks often
		}
	}
	row.ExpiresAt = expires
	row.Seal = s.ring().seal(row)
	if err := tx.PutToken(row); err != nil {
		return time.Time{}, err
	}
	return row.ExpiresAt, recordDeployment(tx, actor, "token_renew", string(row.ID), facts{"expires": stamp(row.ExpiresAt)})
}

// RevokeToken ends a token and all that come from it, at once and in every process. What was handed out to its agent and not acked comes to the agent again, because
// who bears a revoked token can neither ack nor give back. Revoking twice is not an error.
func (s *Service) RevokeToken(ctx context.Context, id TokenID) error {
	agent, err := commit(ctx, s.store.Update, Deployment, func(tx Tx) (agent AgentID, err error) {
		row, err := s.token(tx, id)
		if err != nil || !row.RevokedAt.IsZero() {
			return row.Agent, err
		}
		row.RevokedAt = tx.Now()
		row.Seal = s.ring().seal(row)
		if err := tx.PutToken(row); err != nil {
			return "", err
		}
		tx.Notify(Inbox(row.Agent)) // its waits end now, not at their time-out
		tx.Notify(Work(row.Agent))
		return row.Agent, recordDeployment(tx, PersonName, "token_revoke", string(row.ID), nil)
	})
	if err != nil {
		return err
	}
	return s.takeBack(ctx, agent)
}

// takeBack makes wait again what all instances of an agent hold.
func (s *Service) takeBack(ctx context.Context, agent AgentID) (err error) {
	var seats []Member
	err = s.store.View(ctx, func(tx Tx) (err error) {
		seats, err = tx.Memberships(agent)
		return err
	})
	for _, m := range seats {
		err = errors.Join(err, gone(s.inRoom(ctx, m.Conversation, func(r *room) error {
			held, err := r.tx.Held(r.c.ID, m.Name)
			if err != nil {
				return err
			}
			return r.putBack(m.Name, held, "return")
		})))
	}
	return err
}

// noToken and noAgent do not show what was asked for: it could be a whole token, pasted where its id belongs.
func noToken(err error) error {
	if !errors.Is(err, NotFound) {
		return err
	}
	return Errorf(NotFound, "there is no such token").WithHint("agentbridge token list shows the id of each")
}

func noAgent(err error) error {
	if !errors.Is(err, NotFound) {
		return err
	}
	return Errorf(NotFound, "there is no such agent").WithHint("agentbridge token list shows the agents")
}

// token reads a row that nobody edited.
func (s *Service) token(tx Tx, id TokenID) (Token, error) {
	row, err := tx.Token(id)
	if err != nil {
		return row, noToken(err)
	}
	if !s.ring().sealed(row) {
		return row, Errorf(Denied, "token %s was edited in the database", id).WithHint("make a new one with `agentbridge token new`")
	}
	return row, nil
}

// Tokens lists all tokens, oldest first.
func (s *Service) Tokens(ctx context.Context) (list []TokenState, err error) {
	err = s.store.View(ctx, func(tx Tx) error {
		list = []TokenState{}
		rows, err := tx.Tokens("")
		if err != nil {
			return err
		}
		for _, row := range rows {
			t, err := s.tokenState(tx, row)
			if err != nil {
				return err
			}
			list = append(list, t)
		}
		return nil
	})
	return list, err
}

// tokenState is a row as it is listed.
func (s *Service) tokenState(tx Tx, row Token) (t TokenState, err error) {
	t = TokenState{
		ID: row.ID, AgentID: row.Agent, KeyID: row.KeyID, CreatedAt: row.CreatedAt,
		Parent: row.Parent, Rank: row.Rank, Conversation: row.Conversation,
	}
	if t.State, t.ExpiresAt, err = s.inspect(tx, row); err != nil {
		return t, err
	}
	if t.State == tokenRevoked && !row.RevokedAt.IsZero() { // or one that it comes from was
		t.RevokedAt = &row.RevokedAt
	}
	agent, err := tx.Agent(row.Agent)
	if errors.Is(err, NotFound) { // a forged row's
		return t, nil
	}
	t.Agent = agent.Name
	return t, err
}
