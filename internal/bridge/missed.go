package bridge

import (
	"context"
	"encoding/binary"
	"errors"
	"time"

	"agentbridge/internal/audit"
)

// metaWitness says that something was kept of the deployment's log outside this store, so that it is missed where it is gone: nothing
// while it was always there, and otherwise when it was last gone, in microseconds.
const metaWitness = "witness"

// missed tells that nothing is kept any more of a store of which something was, and notes that something is. It stops nothing: whoever
// restores a backup may have brought the store alone. Its caller has what is kept to itself, so that it is told once.
func (s *Service) missed(ctx context.Context, gone bool, now audit.Head) error {
	known := false
	err := s.store.View(ctx, func(tx Tx) error {
		_, err := tx.Meta(metaWitness)
		if known = err == nil; errors.Is(err, NotFound) {
			err = nil
		}
		return err
	})
	if err != nil || known != gone {
		return err // the first of a store is noted by the second: who dies before it is written leaves no note of it
	}
	err = s.store.Update(ctx, Deployment, func(tx Tx) error {
		if !gone {
			return tx.PutMeta(metaWitness, nil)
		}
		f := facts{"found": rootText(now.Size, now.Root())}
		at := binary.BigEndian.AppendUint64(nil, uint64(tx.Now().UnixMicro()))
		return errors.Join(tx.PutMeta(metaWitness, at), recordDeployment(tx, ProgramName, "witness_gone", DeploymentLog, f))
	})
	if err == nil && gone {
		s.log.Warn("what was kept of the audit log is gone, and is begun anew",
			"hint", "if you did not take the file witness away, agentbridge audit verify --checkpoint holds the log against what you kept elsewhere")
	}
	return err
}

// WitnessGone gives when what was kept of the deployment's log outside the store was last found to be gone; zero: never, or a person
// accepted the log since.
func (s *Service) WitnessGone(ctx context.Context) (at time.Time, err error) {
	err = s.store.View(ctx, func(tx Tx) error {
		raw, err := tx.Meta(metaWitness)
		if err == nil && len(raw) == 8 {
			at = time.UnixMicro(int64(binary.BigEndian.Uint64(raw))).UTC()
		}
		return err
	})
	if errors.Is(err, NotFound) {
		err = nil
	}
	return at, err
}
