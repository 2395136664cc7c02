package postgres

import (
	"time"

	"agentbridge/internal/bridge"
	"agentbridge/internal/policy"
)

const permitColumns = `conversation, mode, workspace, auto, in_client, key, from_at, until_at, ended_at, served_at, signature`

func scanPermit(r *row) bridge.Permit {
	return bridge.Permit{
		Conversation: bridge.ConversationID(r.text()),
		Mode:         policy.Mode(r.int()),
		Workspace:    r.text(),
		Auto:         r.bool(),
		InClient:     r.bool(),
		Key:          r.blob(),
		From:         r.time(),
		Until:        r.time(),
		EndedAt:      r.time(),
		ServedAt:     r.time(),
		Signature:    r.blob(),
	}
}

func (t *tx) Permit(id bridge.ConversationID) (bridge.Permit, error) {
	return one(t, "read a permit", scanPermit, `SELECT `+permitColumns+` FROM permits WHERE conversation = $1`, string(id))
}

func (t *tx) Permits(until time.Time) ([]bridge.Permit, error) {
	return many(t, "list permits", scanPermit, `
		SELECT `+permitColumns+` FROM permits WHERE ended_at IS NULL AND until_at >= $1 ORDER BY conversation`, micros(until))
}

func (t *tx) PutPermit(p bridge.Permit) error {
	return t.exec("put a permit", `
		INSERT INTO permits (`+permitColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
		ON CONFLICT (conversation) DO UPDATE SET mode = excluded.mode, workspace = excluded.workspace, auto = excluded.auto, in_client = excluded.in_client, key = excluded.key,
			from_at = excluded.from_at, until_at = excluded.until_at, ended_at = excluded.ended_at, served_at = excluded.served_at, signature = excluded.signature`,
		string(p.Conversation), int64(p.Mode), p.Workspace, flag(p.Auto), flag(p.InClient), blob(p.Key), micros(p.From), micros(p.Until), micros(p.EndedAt), micros(p.ServedAt), blob(p.Signature))
}

const commandColumns = `conversation, id, member, agent, mode, verdict, state, asked_at, expires_at, changed_at, network, approval, runner,
	exit, size, cut, outcome, workspace, why, word, reason, text, output`

func scanCommand(r *row) bridge.Command {
	return bridge.Command{
		Conversation: bridge.ConversationID(r.text()),
		ID:           bridge.CommandID(r.text()),
		Member:       r.text(),
		Agent:        bridge.AgentID(r.text()),
		Mode:         policy.Mode(r.int()),
		Verdict:      policy.Verdict(r.text()),
		State:        bridge.CommandState(r.text()),
		AskedAt:      r.time(),
		ExpiresAt:    r.time(),
		ChangedAt:    r.time(),
		Network:      r.bool(),
		Approval:     r.blob(),
		Runner:       bridge.Instance(r.text()),
		Exit:         int(r.int()),
		Size:         r.int(),
		Cut:          r.bool(),
		Outcome:      r.text(),
		Workspace:    r.text(),
		Why:          r.text(),
		Word:         r.text(),
		Reason:       r.text(),
		Text:         r.text(),
		Output:       r.text(),
	}
}

func commandValues(c bridge.Command) []any {
	return []any{
		string(c.Conversation), string(c.ID), c.Member, string(c.Agent), int64(c.Mode), string(c.Verdict), string(c.State), micros(c.AskedAt), micros(c.ExpiresAt),
		micros(c.ChangedAt), flag(c.Network), blob(c.Approval), string(c.Runner), int64(c.Exit), c.Size, flag(c.Cut), c.Outcome, c.Workspace, c.Why, c.Word,
		c.Reason, c.Text, c.Output,
	}
}

func (t *tx) AddCommand(c bridge.Command) error {
	return t.add("add a command", `
		INSERT INTO commands (`+commandColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23)`, commandValues(c)...)
}

func (t *tx) PutCommand(c bridge.Command) error {
	n, err := t.change("put a command", `
		UPDATE commands SET (`+commandColumns+`) = ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23)
		WHERE conversation = $24 AND id = $25`, append(commandValues(c), string(c.Conversation), string(c.ID))...)
	if err == nil && n == 0 {
		return bridge.Errorf(bridge.NotFound, "put a command: there is none")
	}
	return err
}

func (t *tx) Command(id bridge.ConversationID, command bridge.CommandID) (bridge.Command, error) {
	return one(t, "read a command", scanCommand, `SELECT `+commandColumns+` FROM commands WHERE conversation = $1 AND id = $2`, string(id), string(command))
}

func (t *tx) Commands(state bridge.CommandState, limit int) ([]bridge.Command, error) {
	return many(t, "list commands", scanCommand, `
		SELECT `+commandColumns+` FROM commands WHERE state = $1 ORDER BY changed_at, id, conversation LIMIT $2`, string(state), atMost(limit))
}
