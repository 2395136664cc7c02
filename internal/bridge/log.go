package bridge

import (
	"errors"
	"fmt"
	"time"

	"agentbridge/internal/audit"
)

// metaHead is where the head of the deployment's log is kept; a conversation's is in its row.
const metaHead = "head"

// facts are what an audit entry says beside who did what to what. They hold ids, names, numbers and hashes, never content.
type facts map[string]string

// record appends an entry to a log, in the transaction of what it tells, and gives the log's new head and size.
func record(tx Tx, log string, head []byte, at time.Time, actor, action, subject string, f facts) ([]byte, int64, error) {
	var h audit.Head
	if len(head) > 0 {
		if err := h.UnmarshalBinary(head); err != nil {
			return nil, 0, fmt.Errorf("log %s: %w", log, err)
		}
	}
	rec := audit.Entry{Log: log, N: h.Size, At: at, Actor: actor, Action: action, Subject: subject, Facts: f}.Record()
	kept := rec
	if seeded(bugLeafAltered) {
		kept = audit.Entry{Log: log, N: h.Size, At: at, Actor: actor + "-", Action: action, Subject: subject, Facts: f}.Record()
	}
	if err := tx.AddEntry(LogEntry{Log: log, N: h.Size, At: at, Actor: actor, Action: action, Record: kept}); err != nil {
		return nil, 0, fmt.Errorf("append to log %s: %w", log, err)
	}
	h = h.Append(rec)
	raw, err := h.MarshalBinary()
	return raw, h.Size, err
}

// recordDeployment appends to the deployment's log. The update must be of the scope [Deployment].
func recordDeployment(tx Tx, actor, action, subject string, f facts) error {
	head, err := tx.Meta(metaHead)
	if err != nil && !errors.Is(err, NotFound) {
		return err
	}
	head, _, err = record(tx, DeploymentLog, head, tx.Now(), actor, action, subject, f)
	if err != nil {
		return err
	}
	return tx.PutMeta(metaHead, head)
}
