package bridge

import (
	"cmp"
	"context"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"agentbridge/internal/audit"
)

// What outsiders check with a public key and nothing of ours: exports and proofs.

// AuditTiles writes a log as C2SP tlog-tiles, with its checkpoint signed, by calling write as [audit.WriteTiles] does: of a
// conversation, or the deployment's where id is empty. Verify it before: this only refuses a log that is not its head's.
func (s *Service) AuditTiles(ctx context.Context, id ConversationID, write func(path string, data []byte) error) error {
	log := string(cmp.Or(id, DeploymentLog))
	if err := s.CanSign(); err != nil {
		return err
	}
	return s.store.View(ctx, func(tx Tx) error {
		if err := s.unforked(tx); err != nil {
			return err
		}
		head, err := head(tx, log)
		if err != nil {
			return err
		}
		return audit.WriteTiles(write, entries(tx, log, 0), func(size int64, root tlog.Hash) ([]byte, error) {
			if size != head.Size || root != head.Root() {
				return nil, notWhole(log)
			}
			return s.sign(log, size, root)
		})
	})
}

// AuditProve proves to outsiders that an entry is in the log of a conversation, or in the deployment's where id is empty. It verifies
// the log first: where the reports tell a fault, there is no proof.
func (s *Service) AuditProve(ctx context.Context, id ConversationID, n int64) (proof []byte, reports []AuditReport, err error) {
	log := cmp.Or(id, DeploymentLog)
	if err := s.CanSign(); err != nil {
		return nil, nil, err
	}
	if reports, err = s.verifyOne(ctx, log, nil); err != nil {
		return nil, nil, err
	}
	for _, r := range reports {
		if r.Fault != "" {
			return nil, reports, nil
		}
	}
	if size := reports[0].Entries; n < 0 || n >= size {
		return nil, nil, Errorf(NotFound, "log %s has no entry %d", log, n).WithHint("it has entries 0 to %d; agentbridge audit show shows them", size-1)
	}
	err = s.store.View(ctx, func(tx Tx) error {
		head, err := head(tx, string(log))
		if err != nil {
			return err
		}
		p, root, err := audit.ProveInclusion(n, head.Size, entries(tx, string(log), 0))
		if err != nil {
			return err
		}
		if root != head.Root() {
			return notWhole(string(log))
		}
		if p.Checkpoint, err = s.sign(string(log), head.Size, root); err != nil {
			return err
		}
		proof = p.Text()
		return nil
	})
	return proof, reports, err
}

func notWhole(log string) *Error {
	return Errorf(Conflict, "log %s is not the one that its head was made from", log).WithHint("agentbridge audit verify shows more")
}

// Record is the entry as it was logged: the canonical JSON that is hashed, on one line without its newline.
func (l AuditLine) Record() []byte {
	return audit.Entry{Log: l.Log, N: l.N, At: l.At, Actor: l.Actor, Action: l.Action, Subject: l.Subject, Facts: l.Facts}.Record()
}

// ToldHeads gives what the records of the deployment's log tell of conversations' logs, by log, to hold against them. The records are
// those of a log that was verified.
func ToldHeads(records func(yield func([]byte, error) bool)) (map[string][]audit.Mark, error) {
	v := verification{told: map[string][]toldHead{}}
	var bad []int64
	for _, err := range v.listen(records, &bad, revocations{}) {
		if err != nil {
			return nil, err
		}
	}
	if len(bad) > 0 {
		return nil, fmt.Errorf("entry %d tells a head that cannot be read", bad[0])
	}
	told := map[string][]audit.Mark{}
	for log := range v.told {
		told[log] = v.marks(log)
	}
	return told, nil
}
