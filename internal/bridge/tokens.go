package bridge

import (
	"context"
	"errors"
	"slices"
	"time"
)

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

// SucceedToken gives the caller's agent another token, for one that goes on no longer because its key ends. While it does, it needs none:
// [Conflict]. The older token stays good until its end.
func (s *Service) SucceedToken(ctx context.Context, c Caller) (token string, err error) {
	defer func() { err = s.refused(c, err) }()
	if err := s.admit(ctx, c, c.tolls(Joining)); err != nil {
		return "", err
	}
	s.freshen(ctx) // what is made now must be signed by the key of now
	return commit(ctx, s.store.Update, Deployment, func(tx Tx) (string, error) {
		g, err := s.authorise(tx, c)
		if err == nil && g.Parent != "" {
			err = Errorf(Denied, "a child token ends with the one that it comes from").WithHint("ask whoever made it for another")
		}
		if err != nil {
			return "", err
		}
		if _, forever, _ := s.ring().lasts(g.KeyID); forever {
			return "", Errorf(Conflict, "the token needs no other: it is renewed as it is").WithHint("go on with it")
		}
		agent, err := tx.Agent(g.Agent)
		if err != nil {
			return "", noAgent(err)
		}
		return s.issue(tx, agent)
	})
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

// ExtendToken is the person's renewal: also of a token that has expired, never of one that was revoked, or ends with its key or its
// parent.
func (s *Service) ExtendToken(ctx context.Context, id TokenID) (expires time.Time, err error) {
	return commit(ctx, s.store.Update, Deployment, func(tx Tx) (none time.Time, err error) {
		row, err := s.token(tx, id)
		switch {
		case err != nil:
			return none, err
		case !row.RevokedAt.IsZero():
			return none, Errorf(Denied, "that token is revoked").WithHint("make a new one with `agentbridge token new`")
		case row.Parent != "":
			return none, Errorf(Denied, "that is a child token, which is not renewed").WithHint("make another with `agentbridge token new --for D`")
		case !s.ring().holds(row.KeyID, tx.Now()):
			return none, Errorf(Denied, "that token ended with the key that signed it").WithHint("make a new one with `agentbridge token new`")
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

// RevokeToken ends a token and all that come from it, at once and in every process. What was handed out to them and not acked comes
// again, because who bears a revoked token can neither ack nor give back: to the agent's own token all that its agent holds, to a
// child what went to it and to its children over HTTP. Revoking twice is not an error.
func (s *Service) RevokeToken(ctx context.Context, id TokenID) error {
	row, err := commit(ctx, s.store.Update, Deployment, func(tx Tx) (row Token, err error) {
		row, err = s.token(tx, id)
		if err != nil || !row.RevokedAt.IsZero() {
			return row, err
		}
		row.RevokedAt = tx.Now()
		row.Seal = s.ring().seal(row)
		if err := tx.PutToken(row); err != nil {
			return row, err
		}
		tx.Notify(Inbox(row.Agent)) // its waits end now, not at their time-out
		tx.Notify(Work(row.Agent))
		return row, recordDeployment(tx, PersonName, actionTokenRevoke, string(row.ID), nil)
	})
	if err != nil {
		return err
	}
	return s.takeBack(ctx, row)
}

// takeBack makes wait again what a token's bearers hold.
func (s *Service) takeBack(ctx context.Context, row Token) (err error) {
	var seats []Member
	var bearers map[Instance]bool // nil: all that the agent has
	err = s.store.View(ctx, func(tx Tx) (err error) {
		if seats, err = tx.Memberships(row.Agent); err == nil && row.Parent != "" {
			bearers, err = bearersOf(tx, row)
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, m := range seats {
		if row.Conversation != "" && row.Conversation != m.Conversation {
			continue
		}
		err = errors.Join(err, gone(s.inRoom(ctx, m.Conversation, func(r *room) error {
			held, err := r.tx.Held(r.c.ID, m.Name)
			if err != nil {
				return err
			}
			if bearers != nil {
				held = slices.DeleteFunc(held, func(d Delivery) bool { return !bearers[d.Instance.bearer()] })
			}
			return r.putBack(m.Name, held, "return")
		})))
	}
	return err
}

// bearersOf are the instances that bear a token, or one that comes from it, over HTTP. Which process of this machine bears which token
// is written nowhere: what such a process holds, its end gives back.
func bearersOf(tx Tx, row Token) (map[Instance]bool, error) {
	all, err := tx.Tokens(row.Agent)
	if err != nil {
		return nil, err
	}
	children := map[TokenID][]TokenID{}
	for _, t := range all {
		children[t.Parent] = append(children[t.Parent], t.ID)
	}
	bearers, line := map[Instance]bool{}, []TokenID{row.ID}
	for range maxGenerations { // a forged row could come from itself
		var next []TokenID
		for _, id := range line {
			bearers[Instance(instanceHTTP+string(id))] = true
			next = append(next, children[id]...)
		}
		line = next
	}
	return bearers, nil
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
	if _, _, ok := s.ring().lasts(row.KeyID); !ok {
		if _, err := tx.Meta(keyCheck + row.KeyID); err == nil {
			return row, Errorf(Denied, "that token ended with the key that signed it").WithHint("make a new one with `agentbridge token new`")
		}
	}
	if !s.ring().sealed(row) {
		return row, Errorf(Denied, "that token was edited in the database").WithHint("make a new one with `agentbridge token new`")
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
