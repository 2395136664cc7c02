package postgres

import "agentbridge/internal/bridge"

const agentColumns = `id, name, local, created_at`

func scanAgent(r *row) bridge.Agent {
	return bridge.Agent{
		ID:        bridge.AgentID(r.text()),
		Name:      r.text(),
		Local:     r.bool(),
		CreatedAt: r.time(),
	}
}

func (t *tx) Agent(id bridge.AgentID) (bridge.Agent, error) {
	return one(t, "read an agent", scanAgent, `SELECT `+agentColumns+` FROM agents WHERE id = $1`, string(id))
}

func (t *tx) Agents() ([]bridge.Agent, error) {
	return many(t, "list agents", scanAgent, `SELECT `+agentColumns+` FROM agents ORDER BY name, id`)
}

func (t *tx) AgentsNamed(name string) ([]bridge.Agent, error) {
	return many(t, "list agents of a name", scanAgent, `SELECT `+agentColumns+` FROM agents WHERE name = $1 ORDER BY id`, name)
}

func (t *tx) PutAgent(a bridge.Agent) error {
	return t.exec("put an agent", `
		INSERT INTO agents (`+agentColumns+`) VALUES ($1, $2, $3, $4)
		ON CONFLICT (id) DO UPDATE SET name = excluded.name, local = excluded.local, created_at = excluded.created_at`,
		string(a.ID), a.Name, flag(a.Local), micros(a.CreatedAt))
}
