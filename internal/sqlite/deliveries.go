package sqlite

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
		INSERT INTO deliveries (`+deliveryColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		string(d.Conversation), d.Seq, d.Recipient, string(d.Message), string(d.State), micros(d.At), string(d.Reason), string(d.How),
		int64(d.Attempts), string(d.Receipt), string(d.Instance))
}

func (t *tx) PutDelivery(d bridge.Delivery) error {
	n, err := t.change("put a delivery", `
		UPDATE deliveries SET message = ?, state = ?, at = ?, reason = ?, how = ?, attempts = ?, receipt = ?, instance = ?
		WHERE conversation = ? AND seq = ? AND recipient = ?`,
		string(d.Message), string(d.State), micros(d.At), string(d.Reason), string(d.How), int64(d.Attempts), string(d.Receipt),
		string(d.Instance), string(d.Conversation), d.Seq, d.Recipient)
	if err == nil && n == 0 {
		return bridge.Errorf(bridge.NotFound, "put a delivery: there is none")
	}
	return err
}

func (t *tx) Deliveries(id bridge.ConversationID, from, to int64) ([]bridge.Delivery, error) {
	return many(t, "list deliveries", scanDelivery, `
		SELECT `+deliveryColumns+` FROM deliveries WHERE conversation = ? AND seq BETWEEN ? AND ? ORDER BY seq, recipient`,
		string(id), from, to)
}

func (t *tx) Waiting(id bridge.ConversationID, recipient string, limit int) ([]bridge.Delivery, error) {
	return many(t, "list waiting deliveries", scanDelivery, `
		SELECT `+deliveryColumns+` FROM deliveries INDEXED BY deliveries_waiting
		WHERE conversation = ? AND recipient = ? AND state = 'stored' ORDER BY seq LIMIT +?`, string(id), recipient, atMost(limit))
}

func (t *tx) Held(id bridge.ConversationID, recipient string) ([]bridge.Delivery, error) {
	return many(t, "list held deliveries", scanDelivery, `
		SELECT `+deliveryColumns+` FROM deliveries INDEXED BY deliveries_held
		WHERE conversation = ? AND recipient = ? AND state = 'delivered' ORDER BY seq`, string(id), recipient)
}

func (t *tx) Batch(id bridge.ConversationID, recipient string, receipt bridge.Receipt) ([]bridge.Delivery, error) {
	return many(t, "list a batch", scanDelivery, `
		SELECT `+deliveryColumns+` FROM deliveries INDEXED BY deliveries_batch
		WHERE conversation = ? AND recipient = ? AND receipt = ? AND receipt <> '' ORDER BY seq`, string(id), recipient, string(receipt))
}

func (t *tx) Unacked(id bridge.ConversationID, limit int, recipients ...string) ([]int, error) {
	counts := make([]int, len(recipients))
	for i, recipient := range recipients {
		n, err := t.unacked(id, recipient, limit)
		if err != nil {
			return nil, err
		}
		counts[i] = n
	}
	return counts, nil
}

// unacked stops counting at the limit in each state, so a full inbox costs no more.
func (t *tx) unacked(id bridge.ConversationID, recipient string, limit int) (int, error) {
	n, err := one(t, "count unacked deliveries", scanInt, `
		SELECT (SELECT count(*) FROM (SELECT 1 FROM deliveries INDEXED BY deliveries_waiting
				WHERE conversation = ? AND recipient = ? AND state = 'stored' LIMIT +?))
			+ (SELECT count(*) FROM (SELECT 1 FROM deliveries INDEXED BY deliveries_held
				WHERE conversation = ? AND recipient = ? AND state = 'delivered' LIMIT +?))`,
		string(id), recipient, atMost(limit), string(id), recipient, atMost(limit))
	if limit > 0 {
		n = min(n, limit)
	}
	return n, err
}

func (t *tx) Unread(agent bridge.AgentID) (int, error) {
	return one(t, "count unread deliveries", scanInt, `
		SELECT count(*) FROM members m CROSS JOIN deliveries d INDEXED BY deliveries_waiting
			ON d.conversation = m.conversation AND d.recipient = m.name AND d.state = 'stored'
		WHERE m.agent = ? AND m.agent <> '' AND m.revoked_at IS NULL`, string(agent))
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
		SELECT conversation, recipient, instance, min(at) FROM deliveries INDEXED BY deliveries_held
		WHERE state = 'delivered' GROUP BY conversation, recipient, instance ORDER BY conversation, recipient, instance`)
}
