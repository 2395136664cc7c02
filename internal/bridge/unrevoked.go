package bridge

import (
	"bytes"
	"fmt"
	"time"

	"agentbridge/internal/audit"
)

const actionTokenRevoke = "token_revoke"

// revocations are the tokens that the deployment's log says were revoked one by one, with the entry of each. A row from before its
// revocation still has a good seal, so whoever can write the store can put it back; but not without the log saying otherwise.
//
// Where a rotation revoked every token there is nothing to look for: the keys of all of them are gone as well, from a file that is
// not in the store.
type revocations map[TokenID]int64

var revokes = []byte(`"action":"` + actionTokenRevoke + `"`)

// hear notes a revocation, if that is what a record tells.
func (r revocations) hear(record []byte) {
	if !bytes.Contains(record, revokes) {
		return
	}
	if e, err := audit.ParseRecord(record); err == nil && e.Action == actionTokenRevoke {
		r[TokenID(e.Subject)] = e.N
	}
}

// undone gives a finding for each token that was revoked, whose row says that it was not, and that somebody could get in with.
func (r revocations) undone(tx Tx, ring *KeyRing, now time.Time) (findings []string, err error) {
	if len(r) == 0 {
		return nil, nil
	}
	rows, err := tx.Tokens("")
	for _, row := range rows {
		if n, revoked := r[row.ID]; revoked && row.RevokedAt.IsZero() && ring.holds(row.KeyID, now) && ring.sealed(row) {
			findings = append(findings, fmt.Sprintf("entry %d revoked token %s, and its row was changed back: revoke it again", n, row.ID))
		}
	}
	return findings, err
}
