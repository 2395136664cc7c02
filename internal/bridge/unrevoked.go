package bridge

import (
	"bytes"
	"fmt"
	"time"

	"agentbridge/internal/audit"
)

const actionTokenRevoke = "token_revoke"

// everyToken is the subject of a revocation of all tokens that there were.
const everyToken = "all"

// revocations are what the deployment's log tells of tokens that were revoked. A row from before its revocation still has a good
// seal, so whoever can write the store can put it back; but not without the log saying otherwise.
type revocations struct {
	of    map[TokenID]int64 // by token: the entry
	every time.Time         // the last time that all were; zero: never
	entry int64             // the entry of that
}

var revokes = []byte(`"action":"` + actionTokenRevoke + `"`)

// hear notes a revocation, if that is what a record tells.
func (r *revocations) hear(record []byte) {
	if !bytes.Contains(record, revokes) {
		return
	}
	e, err := audit.ParseRecord(record)
	switch {
	case err != nil || e.Action != actionTokenRevoke:
	case e.Subject == everyToken:
		r.every, r.entry = e.At, e.N
	default:
		if r.of == nil {
			r.of = map[TokenID]int64{}
		}
		r.of[TokenID(e.Subject)] = e.N
	}
}

// undone gives a finding for each token that was revoked and whose row says that it was not.
func (r *revocations) undone(tx Tx) (findings []string, err error) {
	if len(r.of) == 0 && r.every.IsZero() {
		return nil, nil
	}
	rows, err := tx.Tokens("")
	for _, row := range rows {
		if !row.RevokedAt.IsZero() {
			continue
		}
		n, revoked := r.of[row.ID]
		if !revoked && row.CreatedAt.Before(r.every) {
			n, revoked = r.entry, true
		}
		if revoked {
			findings = append(findings, fmt.Sprintf("entry %d revoked token %s, and its row was changed back: revoke it again, or rotate the key with --now", n, row.ID))
		}
	}
	return findings, err
}
