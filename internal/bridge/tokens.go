package bridge

import (
	"context"
	"crypto/hmac"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
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
	instanceHTTP = "tok_"
)

// credential is a parsed token, before anybody looked whether it is good.
type credential struct {
	token TokenID
	tag   []byte // what the row's Tag must be
	keyID string
	agent AgentID
	name  string
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
	id, secret := string(raw[:tokenIDSize]), string(raw[tokenIDSize:])
	tag := k.tag(keyID, tokenLabel, id, secret)
	if tag == nil {
		return credential{}, denied()
	}
	return credential{token: TokenID(hex.EncodeToString(raw[:tokenIDSize])), tag: tag, keyID: keyID}, nil
}

// mint makes a token for an agent: its text, shown once, and its row.
func (k *KeyRing) mint(agent AgentID, now, expires time.Time) (text string, row Token) {
	raw := randomBytes(tokenIDSize + secretSize)
	id, secret := string(raw[:tokenIDSize]), string(raw[tokenIDSize:])
	row = Token{
		ID: TokenID(hex.EncodeToString(raw[:tokenIDSize])), Agent: agent, KeyID: k.current,
		Tag: k.tag(k.current, tokenLabel, id, secret), CreatedAt: now, ExpiresAt: expires,
	}
	row.Seal = k.seal(row)
	return tokenPrefix + k.current + "_" + base64.RawURLEncoding.EncodeToString(raw), row
}

// seal is the HMAC over what a token row claims.
func (k *KeyRing) seal(t Token) []byte {
	at := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.UTC().Format(time.RFC3339Nano)
	}
	return k.tag(t.KeyID, sealLabel, string(t.ID), string(t.Agent), string(t.Tag), at(t.CreatedAt), at(t.ExpiresAt), at(t.RevokedAt))
}

// sealed reports whether nobody edited the row.
func (k *KeyRing) sealed(t Token) bool {
	seal := k.seal(t)
	return seal != nil && hmac.Equal(t.Seal, seal)
}

// Authenticate says who bears this token.
//
// Every failure is [Denied] with one text, but for a genuine token past its time, which is [Expired].
func (s *Service) Authenticate(ctx context.Context, token string, from Origin) (Caller, error) {
	cred, err := s.keys.parseToken(token)
	if err != nil {
		return Caller{}, err
	}
	if from.Instance == "" {
		from.Instance = Instance(instanceHTTP + string(cred.token))
	}
	caller := Caller{Instance: from.Instance, Local: from.Local, Address: from.Address, cred: cred}
	err = s.store.View(ctx, func(tx Tx) error {
		row, err := s.authorise(tx, caller)
		if err != nil {
			return err
		}
		agent, err := tx.Agent(row.Agent)
		if err != nil {
			return err
		}
		caller.cred.agent, caller.cred.name = agent.ID, agent.Name
		return nil
	})
	return caller, err
}

// Agent is the caller's identity.
func (c Caller) Agent() AgentID { return c.cred.agent }

// Name is the caller's own name. In a conversation it bears the name of its seat.
func (c Caller) Name() string { return c.cred.name }

// Token is the public half of the caller's token.
func (c Caller) Token() TokenID { return c.cred.token }

// authorise looks in this transaction whether the caller's token is good now.
func (s *Service) authorise(tx Tx, c Caller) (Token, error) {
	row, err := tx.Token(c.cred.token)
	switch {
	case errors.Is(err, NotFound):
		return row, denied()
	case err != nil:
		return row, err
	case row.KeyID != c.cred.keyID, !hmac.Equal(row.Tag, c.cred.tag), !s.keys.sealed(row), !row.RevokedAt.IsZero():
		return row, denied()
	case c.cred.agent != "" && row.Agent != c.cred.agent:
		return row, denied()
	case !tx.Now().Before(row.ExpiresAt):
		return row, Errorf(Expired, "the token has expired").
			WithHint("renew it with `agentbridge token renew`, or join again with a new invite")
	}
	return row, nil
}

// NewAgent makes an agent with its first token, which nobody will see again. A local agent is one of this machine, known by its
// name: if there is one of that name already, it gets a further token.
func (s *Service) NewAgent(ctx context.Context, name string, local bool) (token string, agent Agent, err error) {
	if err := s.checkName("the agent's name", name); err != nil {
		return "", Agent{}, err
	}
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
	return commit(ctx, s.store.Update, Deployment, func(tx Tx) (string, error) {
		agent, err := tx.Agent(id)
		if err != nil {
			return "", noAgent(err)
		}
		return s.issue(tx, agent)
	})
}

func (s *Service) issue(tx Tx, agent Agent) (string, error) {
	text, row := s.keys.mint(agent.ID, tx.Now(), tx.Now().Add(s.conf.TokenTTL))
	if err := tx.PutToken(row); err != nil {
		return "", err
	}
	return text, recordDeployment(tx, agent.Name, "token_new", string(row.ID), facts{"agent": string(agent.ID), "expires": stamp(row.ExpiresAt)})
}

// RenewToken moves the expiry of the caller's token to a full life from now. The token stays as it is.
func (s *Service) RenewToken(ctx context.Context, c Caller) (expires time.Time, err error) {
	expires, err = commit(ctx, s.store.Update, Deployment, func(tx Tx) (none time.Time, err error) {
		row, err := s.authorise(tx, c)
		if err != nil {
			return none, err
		}
		return s.extendToken(tx, row, c.cred.name)
	})
	return expires, s.refused(c, err)
}

// ExtendToken is the person's renewal: also of a token that has expired, never of one that was revoked.
func (s *Service) ExtendToken(ctx context.Context, id TokenID) (expires time.Time, err error) {
	return commit(ctx, s.store.Update, Deployment, func(tx Tx) (none time.Time, err error) {
		row, err := s.token(tx, id)
		if err != nil {
			return none, err
		}
		if !row.RevokedAt.IsZero() {
			return none, Errorf(Denied, "token %s is revoked", id).WithHint("make a new one with `agentbridge token new`")
		}
		return s.extendToken(tx, row, PersonName)
	})
}

func (s *Service) extendToken(tx Tx, row Token, actor string) (time.Time, error) {
	row.ExpiresAt = tx.Now().Add(s.conf.TokenTTL)
	row.Seal = s.keys.seal(row)
	if err := tx.PutToken(row); err != nil {
		return time.Time{}, err
	}
	return row.ExpiresAt, recordDeployment(tx, actor, "token_renew", string(row.ID), facts{"expires": stamp(row.ExpiresAt)})
}

// RevokeToken ends a token at once, in every process. What was handed out to its agent and not acked comes to the agent again, because
// who bears a revoked token can neither ack nor give back. Revoking twice is not an error.
func (s *Service) RevokeToken(ctx context.Context, id TokenID) error {
	agent, err := commit(ctx, s.store.Update, Deployment, func(tx Tx) (agent AgentID, err error) {
		row, err := s.token(tx, id)
		if err != nil || !row.RevokedAt.IsZero() {
			return row.Agent, err
		}
		row.RevokedAt = tx.Now()
		row.Seal = s.keys.seal(row)
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
	if !s.keys.sealed(row) {
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
			agent, err := tx.Agent(row.Agent)
			if err != nil {
				return err
			}
			t := TokenState{ID: row.ID, Agent: agent.Name, AgentID: agent.ID, CreatedAt: row.CreatedAt, ExpiresAt: row.ExpiresAt, State: "valid"}
			switch {
			case !s.keys.sealed(row):
				t.State = "forged"
			case !row.RevokedAt.IsZero():
				t.State, t.RevokedAt = "revoked", &row.RevokedAt
			case !tx.Now().Before(row.ExpiresAt):
				t.State = "expired"
			}
			list = append(list, t)
		}
		return nil
	})
	return list, err
}
