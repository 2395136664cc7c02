package bridge

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"time"
)

// The bounds of a nonce. Who redeems a code makes one, keeps it until there is an answer, and tells nobody.
const (
	leastNonce = 22 // characters of base64: 128 bits
	mostNonce  = 128
)

const redeemLabel = "agentbridge redeem v1"

// RedeemRequest is a join code in the hands of somebody who has no token yet.
type RedeemRequest struct {
	Code  string `json:"code"`
	Nonce string `json:"nonce"`
}

// RedeemResult is who they are from now on.
type RedeemResult struct {
	Token          string     `json:"token"`
	TokenExpiresAt time.Time  `json:"token_expires_at"`
	Agent          string     `json:"agent"` // its name, which is the invite's
	Join           JoinResult `json:"join"`
}

// Redeem makes a new agent of whoever has this code, seats it, and gives its token. Agent and token are derived from code and nonce
// under the bridge's key, so redeeming again with the same nonce gives the same answer, and a lost answer harms nothing; that goes
// on for [Config.InviteTTL] after the first time. With another nonce the code is used.
//
// A code that is not good is [Denied]; [RateLimited] where its address tried too many.
func (s *Service) Redeem(ctx context.Context, from Origin, q RedeemRequest) (res RedeemResult, err error) {
	if err := checkNonce(q.Nonce); err != nil {
		return res, s.refused(Caller{}, err)
	}
	s.freshen(ctx)
	res, err = s.redeemed(ctx, from, q)
	if errors.Is(err, errNotAnInvite) {
		if over := s.FailedAuthentication(ctx, from); over != nil {
			err = over
		}
		return res, err // counted there
	}
	return res, s.refused(Caller{}, err)
}

func checkNonce(nonce string) error {
	if len(nonce) < leastNonce || len(nonce) > mostNonce || strings.Trim(nonce, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") != "" {
		return Errorf(Invalid, "the nonce is none").WithHint("make %d to %d random characters of A-Z a-z 0-9 _ -, and use them again for every retry of this code", leastNonce, mostNonce)
	}
	return nil
}

// newcomer is the agent that a code and a nonce make.
type newcomer struct {
	agent  AgentID
	raw    []byte // of its token: id and secret
	invite Invite
}

func (k *KeyRing) newcomer(i Invite, secret []byte, nonce string) newcomer {
	part := func(of string) []byte {
		tag, _ := k.tag(i.KeyID, redeemLabel, of, i.ID, string(secret), nonce)
		return tag
	}
	return newcomer{
		agent: AgentID("agent_" + hex.EncodeToString(part("agent")[:8])), invite: i,
		raw: slices.Concat(part("token id")[:tokenIDSize], part("token secret")[:secretSize]),
	}
}

func (s *Service) redeemed(ctx context.Context, from Origin, q RedeemRequest) (res RedeemResult, err error) {
	id, secret, ok := splitCode(q.Code)
	if !ok {
		return res, notAnInvite()
	}
	var n newcomer
	var seated, usable bool
	err = s.store.View(ctx, func(tx Tx) error {
		i, err := tx.Invite(id)
		if err != nil {
			if errors.Is(err, NotFound) {
				return notAnInvite()
			}
			return err
		}
		n = s.ring().newcomer(i, secret, q.Nonce)
		genuine := s.ring().isInvite(i, secret)
		seated = genuine && i.UsedBy == n.agent
		if seated && !tx.Now().Before(i.UsedAt.Add(s.conf.InviteTTL)) {
			return Errorf(Conflict, "the code was used already, by you").WithHint("the token that it gave was told for %s; ask for a new invite", plain(s.conf.InviteTTL))
		}
		usable = seated || genuine && !i.Void && i.UsedAt.IsZero() && tx.Now().Before(i.ExpiresAt)
		return nil
	})
	if err != nil {
		return res, err
	}
	stranger := Caller{Address: from.Address}
	if !usable { // nothing is made, and a wrong secret is counted
		return res, s.refuseCode(ctx, stranger, n.invite, id, secret)
	}
	if res.Token, res.TokenExpiresAt, err = s.settle(ctx, stranger, n, seated); err != nil {
		return res, err
	}
	c, err := s.Authenticate(ctx, res.Token, from)
	if err != nil {
		return RedeemResult{}, err
	}
	res.Agent = c.Name()
	if seated {
		res.Join, err = s.seatOf(ctx, c, n.invite)
	} else if res.Join, err = s.join(ctx, c, JoinRequest{Code: q.Code, Again: true}); lostForGood(err) { // again: another try of ours may be under way
		_ = s.RevokeToken(ctx, c.Token()) // nobody has it
	}
	if err != nil {
		return RedeemResult{}, err
	}
	return res, nil
}

// lostForGood reports whether a code can seat its holder no more: somebody else was faster, or it ended meanwhile. What may pass, and
// what nobody knows the end of, leaves the token to the next try with the same nonce.
func lostForGood(err error) bool {
	return errors.Is(err, Conflict) || errors.Is(err, Denied) || errors.Is(err, Expired) || errors.Is(err, NotFound)
}

// refuseCode says what is wrong with a code, and counts it where its secret is.
func (s *Service) refuseCode(ctx context.Context, c Caller, i Invite, id string, secret []byte) error {
	refusal, err := commit(ctx, s.store.Update, InConversation(i.Conversation), func(tx Tx) (refusal error, err error) {
		i, err := tx.Invite(id)
		switch {
		case err != nil:
			return nil, err
		case !s.ring().isInvite(i, secret):
			return notAnInvite(), s.wrongSecret(tx, i)
		case !i.UsedAt.IsZero():
			return usedCode(), nil
		case i.Void:
			return notAnInvite(), nil
		}
		return s.lateCode(), nil
	})
	if err == nil {
		err = refusal
	}
	return err
}

// settle makes the agent and its token, or finds them.
func (s *Service) settle(ctx context.Context, c Caller, n newcomer, seated bool) (token string, expires time.Time, err error) {
	type made struct {
		token   string
		expires time.Time
	}
	m, err := commit(ctx, s.store.Update, Deployment, func(tx Tx) (m made, err error) {
		row, err := tx.Token(TokenID(hex.EncodeToString(n.raw[:tokenIDSize])))
		switch {
		case err == nil:
			return made{tokenText(row.KeyID, n.raw), row.ExpiresAt}, nil
		case !errors.Is(err, NotFound):
			return m, err
		case seated:
			return m, Errorf(Conflict, "the code was used already, by you").WithHint("its token is gone; ask for a new invite")
		}
		if tolls := c.tolls(Joining)[1:]; s.conf.Limits.Name != NoLimits.Name && len(tolls) > 0 { // the address's: there is no agent yet
			if err := s.charge(tx, tolls...); err != nil {
				return m, err
			}
		}
		agent := Agent{ID: n.agent, Name: n.invite.Name, CreatedAt: tx.Now()}
		if err := tx.PutAgent(agent); err != nil {
			return m, err
		}
		m.token, row = s.ring().mintOf(n.raw, Token{Agent: agent.ID, CreatedAt: tx.Now(), ExpiresAt: tx.Now().Add(s.conf.TokenTTL)})
		if err := tx.PutToken(row); err != nil {
			return m, err
		}
		m.expires = row.ExpiresAt
		f := facts{"agent": string(agent.ID), "expires": stamp(row.ExpiresAt), "invite": n.invite.ID}
		return m, recordDeployment(tx, agent.Name, "token_new", string(row.ID), f)
	})
	return m.token, m.expires, err
}

// seatOf tells a caller of the seat that an invite gave it.
func (s *Service) seatOf(ctx context.Context, c Caller, i Invite) (res JoinResult, err error) {
	err = s.store.View(ctx, func(tx Tx) error {
		r, err := s.enter(tx, c, i.Conversation)
		if err != nil {
			return err
		}
		res, err = r.joined(c)
		return err
	})
	return res, err
}

func tokenText(keyID string, raw []byte) string {
	return tokenPrefix + keyID + "_" + base64.RawURLEncoding.EncodeToString(raw)
}
