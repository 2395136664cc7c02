package bridge

import (
	"context"
	"errors"
	"strings"

	"agentbridge/internal/audit"
)

// metaAuditKeys holds the public keys that sign the checkpoints of this store's logs, a line each: the one in use first, then those
// before it.
const metaAuditKeys = "audit_keys"

// AuditKeys gives the public keys that a store says its checkpoints are signed with, the one in use first; none of a store from
// before there were any. Who can write the store can write these too: for a proof take the key from where it was kept.
func AuditKeys(ctx context.Context, store Store) (keys []string, err error) {
	err = store.View(ctx, func(tx Tx) error {
		keys, err = auditKeys(tx)
		return err
	})
	return keys, err
}

func auditKeys(tx Tx) ([]string, error) {
	raw, err := tx.Meta(metaAuditKeys)
	if errors.Is(err, NotFound) {
		return nil, nil
	}
	return strings.Fields(string(raw)), err
}

// AuditKeys gives the public keys of this store; see [AuditKeys].
func (s *Service) AuditKeys(ctx context.Context) ([]string, error) { return AuditKeys(ctx, s.store) }

// matchSigner takes the key into use that is the store's, and writes down that of a store which has none. Without it, or with
// another, nothing is signed, and everything else goes on: what the logs hold is not less true.
func (s *Service) matchSigner(ctx context.Context, signer *audit.Signer) error {
	keys, err := AuditKeys(ctx, s.store)
	switch {
	case err != nil:
		return err
	case signer == nil:
		return nil
	case len(keys) == 0:
		return s.useSigner(ctx, signer, ProgramName)
	case keys[0] == signer.Verifier().String():
		s.signer = signer
	default:
		s.log.Warn("the audit key is not this store's; no checkpoint is signed", "hint", "agentbridge audit key says how to go on")
	}
	return nil
}

// useSigner makes a key the one that signs, which is an entry.
func (s *Service) useSigner(ctx context.Context, signer *audit.Signer, actor string) error {
	public := signer.Verifier().String()
	err := s.store.Update(ctx, Deployment, func(tx Tx) error {
		keys, err := auditKeys(tx)
		if err != nil {
			return err
		}
		if len(keys) > 0 && (keys[0] == public || actor == ProgramName) {
			return nil // another process was first; it had the same file
		}
		f := facts{"key": public}
		if len(keys) > 0 {
			f["before"] = keys[0]
		}
		if err := tx.PutMeta(metaAuditKeys, []byte(strings.Join(append([]string{public}, keys...), "\n"))); err != nil {
			return err
		}
		return recordDeployment(tx, actor, "audit_key", DeploymentLog, f)
	})
	if err == nil {
		s.signer = signer
	}
	return err
}

// AuditRekey makes a key the one that signs checkpoints from now on, which is an entry. What others signed before still verifies
// with theirs. The surface makes sure that it is a person.
func (s *Service) AuditRekey(ctx context.Context, signer *audit.Signer) error {
	if err := s.useSigner(ctx, signer, PersonName); err != nil {
		return err
	}
	return s.follow(ctx)
}

// CanSign is nil where this process can sign checkpoints, and otherwise says why not.
func (s *Service) CanSign() error {
	if s.signer == nil {
		return noAuditKey()
	}
	return nil
}

// sign signs a checkpoint of a log. Its caller has seen that the log continues what was signed before.
func (s *Service) sign(log string, size int64, root [32]byte) ([]byte, error) {
	if err := s.CanSign(); err != nil {
		return nil, err
	}
	return audit.Checkpoint{Origin: audit.Origin(s.signer.Name(), log), Size: size, Root: root}.Sign(s.signer)
}

func noAuditKey() *Error {
	return Errorf(Invalid, "the key that signs checkpoints is missing, or not this store's").
		WithHint("put back audit.key from your backup, or go on with a new one: agentbridge audit key --new; what was signed before still verifies with the public key you kept")
}
