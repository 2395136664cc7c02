package postgres

import "agentbridge/internal/bridge"

const entryColumns = `log, n, at, actor, action, record`

func scanEntry(r *row) bridge.LogEntry {
	return bridge.LogEntry{
		Log:    r.text(),
		N:      r.int(),
		At:     r.time(),
		Actor:  r.text(),
		Action: r.text(),
		Record: r.blob(),
	}
}

func (t *tx) AddEntry(e bridge.LogEntry) error {
	return t.add("add an entry", `INSERT INTO entries (`+entryColumns+`) VALUES ($1, $2, $3, $4, $5, $6)`,
		e.Log, e.N, micros(e.At), e.Actor, e.Action, blob(e.Record))
}

func (t *tx) Entries(log string, from int64, limit int) ([]bridge.LogEntry, error) {
	return many(t, "list entries", scanEntry, `
		SELECT `+entryColumns+` FROM entries WHERE log = $1 AND n >= $2 ORDER BY n LIMIT $3`, log, from, atMost(limit))
}

// Logs hops from one name to the next instead of reading every entry.
func (t *tx) Logs() ([]string, error) {
	return many(t, "list logs", (*row).text, `
		WITH RECURSIVE hop (log) AS (
			SELECT min(log) FROM entries
			UNION ALL
			SELECT (SELECT min(log) FROM entries WHERE log > hop.log) FROM hop WHERE hop.log IS NOT NULL)
		SELECT log FROM hop WHERE log IS NOT NULL`)
}

func scanGrown(r *row) bridge.Grown {
	return bridge.Grown{Conversation: bridge.ConversationID(r.text()), Size: r.int()}
}

func (t *tx) PutGrown(g bridge.Grown) error {
	return t.exec("note a log's growth", `
		INSERT INTO grown (conversation, size) VALUES ($1, $2) ON CONFLICT (conversation) DO UPDATE SET size = excluded.size`, string(g.Conversation), g.Size)
}

func (t *tx) Grown(limit int) ([]bridge.Grown, error) {
	return many(t, "list logs that grew", scanGrown, `SELECT conversation, size FROM grown ORDER BY conversation LIMIT $1`, atMost(limit))
}

func (t *tx) DropGrown(g bridge.Grown) error {
	return t.exec("drop a note of growth", `DELETE FROM grown WHERE conversation = $1 AND size <= $2`, string(g.Conversation), g.Size)
}
