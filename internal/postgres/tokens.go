package postgres

import "agentbridge/internal/bridge"

const tokenColumns = `id, agent, key_id, tag, seal, created_at, expires_at, revoked_at, parent, rank, conversation`

func scanToken(r *row) bridge.Token {
	return bridge.Token{
		ID:        bridge.TokenID(r.text()),
		Agent:     bridge.AgentID(r.text()),
		KeyID:     r.text(),
		Tag:       r.blob(),
		Seal:      r.blob(),
		CreatedAt: r.time(),
		ExpiresAt: r.time(),
		RevokedAt: r.time(),

		Parent:       bridge.TokenID(r.text()),
		Rank:         bridge.Rank(r.text()),
		Conversation: bridge.ConversationID(r.text()),
	}
}

func (t *tx) Token(id bridge.TokenID) (bridge.Token, error) {
	return one(t, "read a token", scanToken, `SELECT `+tokenColumns+` FROM tokens WHERE id = $1`, string(id))
}

func (t *tx) Tokens(agent bridge.AgentID) ([]bridge.Token, error) {
	if agent == "" {
		return many(t, "list tokens", scanToken, `SELECT `+tokenColumns+` FROM tokens ORDER BY created_at NULLS FIRST, id`)
	}
	return many(t, "list tokens", scanToken, `SELECT `+tokenColumns+` FROM tokens WHERE agent = $1 ORDER BY created_at NULLS FIRST, id`, string(agent))
}

func (t *tx) PutToken(k bridge.Token) error {
	return t.exec("put a token", `
		INSERT INTO tokens (`+tokenColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
		ON CONFLICT (id) DO UPDATE SET agent = excluded.agent, key_id = excluded.key_id, tag = excluded.tag, seal = excluded.seal,
			created_at = excluded.created_at, expires_at = excluded.expires_at, revoked_at = excluded.revoked_at,
			parent = excluded.parent, rank = excluded.rank, conversation = excluded.conversation`,
		string(k.ID), string(k.Agent), k.KeyID, blob(k.Tag), blob(k.Seal), micros(k.CreatedAt), micros(k.ExpiresAt), micros(k.RevokedAt),
		string(k.Parent), string(k.Rank), string(k.Conversation))
}
