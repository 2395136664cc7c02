package postgres

import (
	"time"

	"agentbridge/internal/bridge"
)

const conversationColumns = `id, title, creator, created_at, expires_at, closed_at, warned_at, buried_at, erased_at, due_at, last_seq,
	paused_at, paused_by, turns, spoke_by, spoke_at, last_task, last_fence, seen_at, key, head`

func scanConversation(r *row) bridge.Conversation {
	return bridge.Conversation{
		ID:        bridge.ConversationID(r.text()),
		Title:     r.text(),
		Creator:   bridge.AgentID(r.text()),
		CreatedAt: r.time(),
		ExpiresAt: r.time(),
		ClosedAt:  r.time(),
		WarnedAt:  r.time(),
		BuriedAt:  r.time(),
		ErasedAt:  r.time(),
		DueAt:     r.time(),
		LastSeq:   r.int(),
		PausedAt:  r.time(),
		PausedBy:  r.text(),
		Turns:     int(r.int()),
		SpokeBy:   r.text(),
		SpokeAt:   r.time(),
		LastTask:  r.int(),
		LastFence: r.int(),
		SeenAt:    r.time(),
		Key:       r.blob(),
		Head:      r.blob(),
	}
}

func (t *tx) Conversation(id bridge.ConversationID) (bridge.Conversation, error) {
	if found, known := t.ahead.conversation(id); known && t.lost == nil {
		if len(found) == 0 {
			return bridge.Conversation{}, bridge.Errorf(bridge.NotFound, "read a conversation: there is none")
		}
		return found[0], nil
	}
	return one(t, "read a conversation", scanConversation, readConversation, string(id))
}

const readConversation = `SELECT ` + conversationColumns + ` FROM conversations WHERE id = $1`

func (t *tx) Conversations() ([]bridge.Conversation, error) {
	return many(t, "list conversations", scanConversation, `SELECT `+conversationColumns+` FROM conversations ORDER BY created_at DESC NULLS LAST, id DESC`)
}

func (t *tx) DueConversations(until time.Time, limit int) ([]bridge.ConversationID, error) {
	return many(t, "list due conversations", func(r *row) bridge.ConversationID { return bridge.ConversationID(r.text()) },
		`SELECT id FROM conversations WHERE due_at <= $1 AND due_at IS NOT NULL ORDER BY due_at, id LIMIT $2`, micros(until), atMost(limit))
}

// PutConversation is on the way of every send, where what the indexes hold stays as it is: then the server leaves them alone.
func (t *tx) PutConversation(c bridge.Conversation) error {
	t.ahead.wrote(c.ID, true, false)
	return t.exec("put a conversation", `
		INSERT INTO conversations (`+conversationColumns+`) VALUES
			($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)
		ON CONFLICT (id) DO UPDATE SET title = excluded.title, creator = excluded.creator, created_at = excluded.created_at,
			expires_at = excluded.expires_at, closed_at = excluded.closed_at, warned_at = excluded.warned_at, buried_at = excluded.buried_at,
			erased_at = excluded.erased_at, due_at = excluded.due_at, last_seq = excluded.last_seq, paused_at = excluded.paused_at,
			paused_by = excluded.paused_by, turns = excluded.turns, spoke_by = excluded.spoke_by, spoke_at = excluded.spoke_at,
			last_task = excluded.last_task, last_fence = excluded.last_fence, seen_at = excluded.seen_at, key = excluded.key, head = excluded.head`,
		string(c.ID), c.Title, string(c.Creator), micros(c.CreatedAt), micros(c.ExpiresAt), micros(c.ClosedAt), micros(c.WarnedAt),
		micros(c.BuriedAt), micros(c.ErasedAt), micros(c.DueAt), c.LastSeq, micros(c.PausedAt), c.PausedBy, int64(c.Turns), c.SpokeBy,
		micros(c.SpokeAt), c.LastTask, c.LastFence, micros(c.SeenAt), blob(c.Key), blob(c.Head))
}

func (t *tx) EraseConversation(id bridge.ConversationID) error {
	t.ahead.wrote(id, true, true)
	for _, sql := range []string{
		`DELETE FROM members WHERE conversation = $1`,
		`DELETE FROM invites WHERE conversation = $1`,
		`DELETE FROM messages WHERE conversation = $1`,
		`DELETE FROM deliveries WHERE conversation = $1`,
		`DELETE FROM charges WHERE conversation = $1`,
		`DELETE FROM tasks WHERE conversation = $1`,
		`DELETE FROM task_after WHERE conversation = $1`,
		`DELETE FROM alerts WHERE conversation = $1`,
		`DELETE FROM permits WHERE conversation = $1`,
		`DELETE FROM commands WHERE conversation = $1`,
	} {
		if err := t.exec("erase a conversation", sql, string(id)); err != nil {
			return err
		}
	}
	return nil
}
