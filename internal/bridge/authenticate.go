package bridge

import (
	"context"
	"crypto/hmac"
	"encoding/base64"
	"encoding/hex"
	"errors"
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
	return k.mintOf(randomBytes(tokenIDSize+secretSize), row)
}

// mintOf makes a token of these bytes, which are its id and its secret.
func (k *KeyRing) mintOf(raw []byte, row Token) (text string, _ Token) {
	row.ID, row.KeyID = TokenID(hex.EncodeToString(raw[:tokenIDSize])), k.current()
	row.Tag = k.sign(tokenLabel, string(raw[:tokenIDSize]), string(raw[tokenIDSize:]))
	row.Seal = k.seal(row)
	return tokenText(row.KeyID, raw), row
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
		agent, err := s.agent(tx, g.Agent)
		if err != nil {
			return err
		}
		caller.cred.agent, caller.cred.name, caller.cred.only = agent.ID, agent.Name, g.Conversation
		return nil
	})
	return caller, err
}

// agent reads an agent, once: what is known of one never changes.
func (s *Service) agent(tx Tx, id AgentID) (Agent, error) {
	if known, ok := s.agents.Load(id); ok {
		return known.(Agent), nil
	}
	agent, err := tx.Agent(id)
	if err == nil {
		s.agents.Store(id, agent)
	}
	return agent, err
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

// left is how long the caller's token is good from now, if nobody renews it.
func (s *Service) left(ctx context.Context, c Caller) (d time.Duration, err error) {
	err = s.store.View(ctx, func(tx Tx) error {
		g, err := s.authorise(tx, c)
		d = g.until.Sub(tx.Now())
		return err
	})
	return d, err
}

// WhileGood gives a context that ends with ctx, and as soon as the caller's token is not good any more. What a connection tells for
// as long as it is open hangs on it. Stop must be called.
func (s *Service) WhileGood(ctx context.Context, c Caller) (good context.Context, stop context.CancelFunc) {
	good, end := context.WithCancel(ctx)
	hint := s.WatchInbox(good, c) // a revocation wakes it, too
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer end()
		for {
			var left time.Duration
			err := aside(func() (err error) { left, err = s.left(good, c); return err }) // thousands may be open
			if errors.Is(err, Denied) || errors.Is(err, Expired) {
				return
			}
			wait := s.conf.Heartbeat // a fault of ours: look again
			if err == nil {
				wait = max(left, time.Millisecond)
			}
			look := time.NewTimer(min(wait, time.Hour))
			select {
			case <-hint:
			case <-look.C:
			case <-good.Done():
			}
			if look.Stop(); good.Err() != nil {
				return
			}
		}
	}()
	return good, func() { end(); <-done }
}
