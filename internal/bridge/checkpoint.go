package bridge

import (
	"cmp"
	"context"
)

// AuditCheckpoint signs the head of a conversation's log, or of the deployment's where id is empty, for whoever keeps it elsewhere. It
// verifies the whole log first, as [Service.AuditVerify] does, so that nothing is signed that does not continue what was: where the
// report tells a fault there is no note.
func (s *Service) AuditCheckpoint(ctx context.Context, id ConversationID, marks ...AuditMark) (note []byte, reports []AuditReport, err error) {
	if s.signer == nil {
		return nil, nil, noAuditKey()
	}
	if reports, err = s.verifyOne(ctx, cmp.Or(id, DeploymentLog), marks); err != nil {
		return nil, nil, err
	}
	for _, r := range reports {
		if r.Fault != "" {
			return nil, reports, nil
		}
	}
	root, err := reports[0].Hash()
	if err != nil {
		return nil, nil, err
	}
	note, err = s.sign(reports[0].Log, reports[0].Entries, root)
	return note, reports, err
}
