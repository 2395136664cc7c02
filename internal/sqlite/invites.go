package sqlite

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
	return one(t, "read an invite", scanInvite, `SELECT `+inviteColumns+` FROM invites WHERE id = ?`, id)
}

func (t *tx) Invites(id bridge.ConversationID) ([]bridge.Invite, error) {
	return many(t, "list invites", scanInvite, `SELECT `+inviteColumns+` FROM invites WHERE conversation = ? ORDER BY created_at, id`, string(id))
}

func (t *tx) InvitesNamed(name string) ([]bridge.Invite, error) {
	return many(t, "list open invites of a name", scanInvite, `
		SELECT `+inviteColumns+` FROM invites WHERE name = ? AND used_at IS NULL AND void = 0 ORDER BY created_at, id`, name)
}

func (t *tx) PutInvite(i bridge.Invite) error {
	return t.exec("put an invite", `
		INSERT INTO invites (`+inviteColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET conversation = excluded.conversation, name = excluded.name, key_id = excluded.key_id,
			tag = excluded.tag, created_at = excluded.created_at, expires_at = excluded.expires_at, used_at = excluded.used_at,
			used_by = excluded.used_by, failures = excluded.failures, void = excluded.void`,
		i.ID, string(i.Conversation), i.Name, i.KeyID, blob(i.Tag), micros(i.CreatedAt), micros(i.ExpiresAt), micros(i.UsedAt),
		string(i.UsedBy), int64(i.Failures), flag(i.Void))
}
