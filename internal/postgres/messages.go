package postgres

import "agentbridge/internal/bridge"

const messageColumns = `conversation, seq, id, "from", role, rank, text, action_type, files, reply_to, sent_at, digest, redacted`

func scanMessage(r *row) bridge.Message {
	return bridge.Message{
		Conversation: bridge.ConversationID(r.text()),
		Seq:          r.int(),
		ID:           bridge.MessageID(r.text()),
		From:         r.text(),
		Role:         r.text(),
		Rank:         bridge.Rank(r.text()),
		Text:         r.text(),
		ActionType:   bridge.ActionType(r.text()),
		Files:        scanList[string](r),
		ReplyTo:      bridge.MessageID(r.text()),
		SentAt:       r.time(),
		Digest:       r.text(),
		Redacted:     int(r.int()),
	}
}

func (t *tx) AddMessage(m bridge.Message) error {
	return t.add("add a message", `
		INSERT INTO messages (`+messageColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
		string(m.Conversation), m.Seq, string(m.ID), m.From, m.Role, string(m.Rank), m.Text, string(m.ActionType), list(m.Files),
		string(m.ReplyTo), micros(m.SentAt), m.Digest, int64(m.Redacted))
}

func (t *tx) Message(id bridge.ConversationID, message bridge.MessageID) (bridge.Message, error) {
	return one(t, "read a message", scanMessage, `SELECT `+messageColumns+` FROM messages WHERE conversation = $1 AND id = $2`,
		string(id), string(message))
}

func (t *tx) Messages(id bridge.ConversationID, after int64, limit int) ([]bridge.Message, error) {
	return many(t, "list messages", scanMessage, `
		SELECT `+messageColumns+` FROM messages WHERE conversation = $1 AND seq > $2 ORDER BY seq LIMIT $3`, string(id), after, atMost(limit))
}
