package sqlite

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
	return one(t, "read a conversation", scanConversation, `SELECT `+conversationColumns+` FROM conversations WHERE id = ?`, string(id))
}

func (t *tx) Conversations() ([]bridge.Conversation, error) {
	return many(t, "list conversations", scanConversation, `SELECT `+conversationColumns+` FROM conversations ORDER BY created_at DESC, id DESC`)
}

func (t *tx) DueConversations(until time.Time, limit int) ([]bridge.ConversationID, error) {
	return many(t, "list due conversations", func(r *row) bridge.ConversationID { return bridge.ConversationID(r.text()) },
		`SELECT id FROM conversations WHERE due_at <= ? AND due_at IS NOT NULL ORDER BY due_at, id LIMIT +?`, micros(until), atMost(limit))
}

// PutConversation is on the way of every send, where what the indexes hold stays as it is: then they are left alone.
func (t *tx) PutConversation(c bridge.Conversation) error {
	n, err := t.change("put a conversation", `
		UPDATE conversations SET title = ?, creator = ?, created_at = ?, expires_at = ?, closed_at = ?, warned_at = ?, last_seq = ?,
			paused_at = ?, paused_by = ?, turns = ?, spoke_by = ?, spoke_at = ?, last_task = ?, last_fence = ?, seen_at = ?, key = ?, head = ?
		WHERE id = ? AND due_at IS ? AND buried_at IS ? AND erased_at IS ?`,
		c.Title, string(c.Creator), micros(c.CreatedAt), micros(c.ExpiresAt), micros(c.ClosedAt), micros(c.WarnedAt), c.LastSeq,
		micros(c.PausedAt), c.PausedBy, int64(c.Turns), c.SpokeBy, micros(c.SpokeAt), c.LastTask, c.LastFence, micros(c.SeenAt), blob(c.Key),
		blob(c.Head), string(c.ID), micros(c.DueAt), micros(c.BuriedAt), micros(c.ErasedAt))
	if err != nil || n > 0 {
		return err
	}
	return t.exec("put a conversation", `
		INSERT OR REPLACE INTO conversations (`+conversationColumns+`) VALUES
			(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		string(c.ID), c.Title, string(c.Creator), micros(c.CreatedAt), micros(c.ExpiresAt), micros(c.ClosedAt), micros(c.WarnedAt),
		micros(c.BuriedAt), micros(c.ErasedAt), micros(c.DueAt), c.LastSeq, micros(c.PausedAt), c.PausedBy, int64(c.Turns), c.SpokeBy,
		micros(c.SpokeAt), c.LastTask, c.LastFence, micros(c.SeenAt), blob(c.Key), blob(c.Head))
}

func (t *tx) EraseConversation(id bridge.ConversationID) error {
	for _, sql := range []string{
		`DELETE FROM members WHERE conversation = ?`,
		`DELETE FROM invites WHERE conversation = ?`,
		`DELETE FROM messages WHERE conversation = ?`,
		`DELETE FROM deliveries WHERE conversation = ?`,
		`DELETE FROM charges WHERE conversation = ?`,
		`DELETE FROM tasks WHERE conversation = ?`,
		`DELETE FROM task_after WHERE conversation = ?`,
		`DELETE FROM alerts WHERE conversation = ?`,
		`DELETE FROM permits WHERE conversation = ?`,
		`DELETE FROM commands WHERE conversation = ?`,
	} {
		if err := t.exec("erase a conversation", sql, string(id)); err != nil {
			return err
		}
	}
	return nil
}
