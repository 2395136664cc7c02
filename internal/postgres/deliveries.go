package postgres

import "agentbridge/internal/bridge"

const deliveryColumns = `conversation, seq, recipient, message, state, at, reason, how, attempts, receipt, instance`

func scanDelivery(r *row) bridge.Delivery {
	return bridge.Delivery{
		Conversation: bridge.ConversationID(r.text()),
		Seq:          r.int(),
		Recipient:    r.text(),
		Message:      bridge.MessageID(r.text()),
		State:        bridge.DeliveryState(r.text()),
		At:           r.time(),
		Reason:       bridge.DeadReason(r.text()),
		How:          bridge.How(r.text()),
		Attempts:     int(r.int()),
		Receipt:      bridge.Receipt(r.text()),
		Instance:     bridge.Instance(r.text()),
	}
}

func (t *tx) AddDelivery(d bridge.Delivery) error {
	return t.add("add a delivery", `
		INSERT INTO deliveries (`+deliveryColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
		string(d.Conversation), d.Seq, d.Recipient, string(d.Message), string(d.State), micros(d.At), string(d.Reason), string(d.How),
		int64(d.Attempts), string(d.Receipt), string(d.Instance))
}

func (t *tx) PutDelivery(d bridge.Delivery) error {
	return t.put("put a delivery", `
		UPDATE deliveries SET message = $1, state = $2, at = $3, reason = $4, how = $5, attempts = $6, receipt = $7, instance = $8
		WHERE conversation = $9 AND seq = $10 AND recipient = $11`,
		string(d.Message), string(d.State), micros(d.At), string(d.Reason), string(d.How), int64(d.Attempts), string(d.Receipt),
		string(d.Instance), string(d.Conversation), d.Seq, d.Recipient)
}

func (t *tx) Deliveries(id bridge.ConversationID, from, to int64) ([]bridge.Delivery, error) {
	return many(t, "list deliveries", scanDelivery, `
		SELECT `+deliveryColumns+` FROM deliveries WHERE conversation = $1 AND seq BETWEEN $2 AND $3 ORDER BY seq, recipient`,
		string(id), from, to)
}

func (t *tx) Waiting(id bridge.ConversationID, recipient string, limit int) ([]bridge.Delivery, error) {
	return many(t, "list waiting deliveries", scanDelivery, `
		SELECT `+deliveryColumns+` FROM deliveries
		WHERE conversation = $1 AND recipient = $2 AND state = 'stored' ORDER BY seq LIMIT $3`, string(id), recipient, atMost(limit))
}

func (t *tx) Held(id bridge.ConversationID, recipient string) ([]bridge.Delivery, error) {
	return many(t, "list held deliveries", scanDelivery, `
		SELECT `+deliveryColumns+` FROM deliveries
		WHERE conversation = $1 AND recipient = $2 AND state = 'delivered' ORDER BY seq`, string(id), recipient)
}

func (t *tx) Batch(id bridge.ConversationID, recipient string, receipt bridge.Receipt) ([]bridge.Delivery, error) {
	return many(t, "list a batch", scanDelivery, `
		SELECT `+deliveryColumns+` FROM deliveries
		WHERE conversation = $1 AND recipient = $2 AND receipt = $3 AND receipt <> '' ORDER BY seq`, string(id), recipient, string(receipt))
}

// Unacked asks for all recipients at once, and stops counting at the limit in each state, so a full inbox costs no more.
func (t *tx) Unacked(id bridge.ConversationID, limit int, recipients ...string) ([]int, error) {
	counts := make([]int, 0, len(recipients))
	err := t.query("count unacked deliveries", func(r *row) {
		n := scanInt(r)
		if limit > 0 {
			n = min(n, limit)
		}
		counts = append(counts, n)
	}, `
		SELECT (SELECT count(*) FROM (SELECT 1 FROM deliveries
				WHERE conversation = $1 AND recipient = r.name AND state = 'stored' LIMIT $2) s)
			+ (SELECT count(*) FROM (SELECT 1 FROM deliveries
				WHERE conversation = $1 AND recipient = r.name AND state = 'delivered' LIMIT $2) d)
		FROM json_array_elements_text($3::text::json) WITH ORDINALITY AS r (name, n) ORDER BY r.n`,
		string(id), atMost(limit), array(recipients))
	return counts, err
}

func (t *tx) Unread(agent bridge.AgentID) (int, error) {
	return one(t, "count unread deliveries", scanInt, `
		SELECT count(*) FROM members m JOIN deliveries d
			ON d.conversation = m.conversation AND d.recipient = m.name AND d.state = 'stored'
		WHERE m.agent = $1 AND m.agent <> '' AND m.revoked_at IS NULL`, string(agent))
}

func (t *tx) Holders() ([]bridge.Holder, error) {
	return many(t, "list holders", func(r *row) bridge.Holder {
		return bridge.Holder{
			Conversation: bridge.ConversationID(r.text()),
			Recipient:    r.text(),
			Instance:     bridge.Instance(r.text()),
			Since:        r.time(),
		}
	}, `
		SELECT conversation, recipient, instance, min(at) FROM deliveries
		WHERE state = 'delivered' GROUP BY conversation, recipient, instance ORDER BY conversation, recipient, instance`)
}
