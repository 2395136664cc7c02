package postgres

import (
	"time"

	"agentbridge/internal/bridge"
)

const presenceColumns = `agent, instance, started_at, heartbeat_at, progress_at, ended_at`

func scanPresence(r *row) bridge.Presence {
	return bridge.Presence{
		Agent:       bridge.AgentID(r.text()),
		Instance:    bridge.Instance(r.text()),
		StartedAt:   r.time(),
		HeartbeatAt: r.time(),
		ProgressAt:  r.time(),
		EndedAt:     r.time(),
	}
}

func (t *tx) Presence(agent bridge.AgentID) ([]bridge.Presence, error) {
	return many(t, "list presence", scanPresence, `SELECT `+presenceColumns+` FROM presence WHERE agent = $1 ORDER BY instance`, string(agent))
}

func (t *tx) PutPresence(p bridge.Presence) error {
	return t.exec("put presence", `
		INSERT INTO presence (`+presenceColumns+`) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (agent, instance) DO UPDATE SET started_at = excluded.started_at, heartbeat_at = excluded.heartbeat_at,
			progress_at = excluded.progress_at, ended_at = excluded.ended_at`,
		string(p.Agent), string(p.Instance), micros(p.StartedAt), micros(p.HeartbeatAt), micros(p.ProgressAt), micros(p.EndedAt))
}

func (t *tx) TouchPresence(agent bridge.AgentID, instance bridge.Instance, at time.Time) error {
	return t.exec("touch presence", `
		INSERT INTO presence (agent, instance, started_at, heartbeat_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (agent, instance) DO UPDATE SET
			ended_at = CASE WHEN excluded.heartbeat_at > presence.ended_at THEN NULL ELSE presence.ended_at END,
			heartbeat_at = greatest(presence.heartbeat_at, excluded.heartbeat_at)`,
		string(agent), string(instance), micros(at), micros(at))
}

func (t *tx) DropPresence(before time.Time) error {
	return t.exec("drop presence", `
		DELETE FROM presence WHERE heartbeat_at < $1 OR heartbeat_at IS NULL AND $1 IS NOT NULL`, micros(before))
}
