package postgres

import "agentbridge/internal/bridge"

const inviteColumns = `id, conversation, name, key_id, tag, created_at, expires_at, used_at, used_by, failures, void`

func scanInvite(r *row) bridge.Invite {
	return bridge.Invite{
		ID:           r.text(),
		Conversation: bridge.ConversationID(r.text()),
		Name:         r.text(),
		KeyID:        r.text(),
		Tag:          r.blob(),
		CreatedAt:    r.time(),
		ExpiresAt:    r.time(),
		UsedAt:       r.time(),
		UsedBy:       bridge.AgentID(r.text()),
		Failures:     int(r.int()),
		Void:         r.bool(),
	}
}

func (t *tx) Invite(id string) (bridge.Invite, error) {
	return one(t, "read an invite", scanInvite, `SELECT `+inviteColumns+` FROM invites WHERE id = $1`, id)
}

func (t *tx) Invites(id bridge.ConversationID) ([]bridge.Invite, error) {
	return many(t, "list invites", scanInvite, `SELECT `+inviteColumns+` FROM invites WHERE conversation = $1 ORDER BY created_at NULLS FIRST, id`, string(id))
}

func (t *tx) InvitesNamed(name string) ([]bridge.Invite, error) {
	return many(t, "list open invites of a name", scanInvite, `
		SELECT `+inviteColumns+` FROM invites WHERE name = $1 AND used_at IS NULL AND void = 0 ORDER BY created_at NULLS FIRST, id`, name)
}

// PutInvite knows an invite by its id, although the row's key begins with the conversation.
func (t *tx) PutInvite(i bridge.Invite) error {
	return t.exec("put an invite", `
		WITH moved AS (DELETE FROM invites WHERE id = $1 AND conversation <> $2)
		INSERT INTO invites (`+inviteColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
		ON CONFLICT (conversation, id) DO UPDATE SET name = excluded.name, key_id = excluded.key_id,
			tag = excluded.tag, created_at = excluded.created_at, expires_at = excluded.expires_at, used_at = excluded.used_at,
			used_by = excluded.used_by, failures = excluded.failures, void = excluded.void`,
		i.ID, string(i.Conversation), i.Name, i.KeyID, blob(i.Tag), micros(i.CreatedAt), micros(i.ExpiresAt), micros(i.UsedAt),
		string(i.UsedBy), int64(i.Failures), flag(i.Void))
}
