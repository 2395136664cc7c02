package postgres

import (
	"slices"

	"agentbridge/internal/bridge"
)

const memberColumns = `conversation, name, role, rank, agent, invited_at, joined_at, revoked_at, status, note, status_at, silent_at`

func scanMember(r *row) bridge.Member {
	return bridge.Member{
		Conversation: bridge.ConversationID(r.text()),
		Name:         r.text(),
		Role:         r.text(),
		Rank:         bridge.Rank(r.text()),
		Agent:        bridge.AgentID(r.text()),
		InvitedAt:    r.time(),
		JoinedAt:     r.time(),
		RevokedAt:    r.time(),
		Status:       bridge.Status(r.text()),
		Note:         r.text(),
		StatusAt:     r.time(),
		SilentAt:     r.time(),
	}
}

func (t *tx) Member(id bridge.ConversationID, name string) (bridge.Member, error) {
	if all, known := t.ahead.seats(id); known && t.lost == nil {
		i := slices.IndexFunc(all, func(m bridge.Member) bool { return m.Name == name })
		if i < 0 {
			return bridge.Member{}, bridge.Errorf(bridge.NotFound, "read a member: there is none")
		}
		return all[i], nil
	}
	return one(t, "read a member", scanMember, `SELECT `+memberColumns+` FROM members WHERE conversation = $1 AND name = $2`, string(id), name)
}

func (t *tx) Members(id bridge.ConversationID) ([]bridge.Member, error) {
	if all, known := t.ahead.seats(id); known && t.lost == nil {
		return append([]bridge.Member{}, all...), nil
	}
	return many(t, "list members", scanMember, readMembers, string(id))
}

const readMembers = `SELECT ` + memberColumns + ` FROM members WHERE conversation = $1 ORDER BY invited_at NULLS FIRST, name`

func (t *tx) Memberships(agent bridge.AgentID) ([]bridge.Member, error) {
	return many(t, "list memberships", scanMember, `
		SELECT `+memberColumns+` FROM members WHERE agent = $1 AND agent <> '' AND revoked_at IS NULL ORDER BY conversation, name`, string(agent))
}

func (t *tx) PutMember(m bridge.Member) error {
	t.ahead.wrote(m.Conversation, false, true)
	return t.exec("put a member", `
		INSERT INTO members (`+memberColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
		ON CONFLICT (conversation, name) DO UPDATE SET role = excluded.role, rank = excluded.rank, agent = excluded.agent, invited_at = excluded.invited_at,
			joined_at = excluded.joined_at, revoked_at = excluded.revoked_at, status = excluded.status, note = excluded.note,
			status_at = excluded.status_at, silent_at = excluded.silent_at`,
		string(m.Conversation), m.Name, m.Role, string(m.Rank), string(m.Agent), micros(m.InvitedAt), micros(m.JoinedAt),
		micros(m.RevokedAt), string(m.Status), m.Note, micros(m.StatusAt), micros(m.SilentAt))
}

func (t *tx) Seats() ([]bridge.Member, error) {
	return many(t, "list seats", scanMember, `
		SELECT `+qualified("m", memberColumns)+` FROM conversations c JOIN members m ON m.conversation = c.id
		WHERE c.buried_at IS NULL AND c.erased_at IS NULL AND m.joined_at IS NOT NULL AND m.revoked_at IS NULL
		ORDER BY c.id, m.name`)
}
