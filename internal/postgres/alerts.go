package postgres

import (
	"time"

	"agentbridge/internal/bridge"
)

func (t *tx) AddAlert(a bridge.Alert) error {
	return t.add("add an alert", `
		INSERT INTO alerts (conversation, id, kind, at, member, task, text) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		string(a.Conversation), string(a.ID), string(a.Kind), micros(a.At), a.Member, string(a.Task), a.Text)
}

func (t *tx) Alerts(since time.Time, limit int) ([]bridge.Alert, error) {
	return many(t, "list alerts", func(r *row) bridge.Alert {
		return bridge.Alert{
			Conversation: bridge.ConversationID(r.text()),
			ID:           bridge.AlertID(r.text()),
			Kind:         bridge.AlertKind(r.text()),
			At:           r.time(),
			Member:       r.text(),
			Task:         bridge.TaskID(r.text()),
			Text:         r.text(),
		}
	}, `SELECT conversation, id, kind, at, member, task, text FROM alerts WHERE at >= $1 ORDER BY at, id LIMIT $2`,
		since.UnixMicro(), atMost(limit))
}

func (t *tx) PutSending(s bridge.Sending) error {
	return t.exec("put a sending", `
		INSERT INTO sendings (sink, alert, attempts, next_at, done_at) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (sink, alert) DO UPDATE SET attempts = excluded.attempts, next_at = excluded.next_at, done_at = excluded.done_at`,
		s.Sink, string(s.Alert), int64(s.Attempts), micros(s.NextAt), micros(s.DoneAt))
}

func (t *tx) Sendings(sink string) ([]bridge.Sending, error) {
	return many(t, "list sendings", func(r *row) bridge.Sending {
		return bridge.Sending{Sink: r.text(), Alert: bridge.AlertID(r.text()), Attempts: int(r.int()), NextAt: r.time(), DoneAt: r.time()}
	}, `SELECT sink, alert, attempts, next_at, done_at FROM sendings WHERE sink = $1 ORDER BY alert`, sink)
}

func (t *tx) DropSendings(before time.Time) error {
	return t.exec("drop sendings", `
		DELETE FROM sendings WHERE NOT EXISTS (SELECT 1 FROM alerts WHERE alerts.id = sendings.alert AND alerts.at >= $1)`, before.UnixMicro())
}
