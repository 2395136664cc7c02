package bridge

import (
	"cmp"
	"context"
)

// AuditCheckpoint signs the head of a conversation's log, or of the deployment's where id is empty, for whoever keeps it elsewhere. It
// verifies the whole log first, as [Service.AuditVerify] does, so that nothing is signed that does not continue what was: where the
// report tells a fault there is no note. Before it signs the deployment's log it tells there the head of every other, so that the note
// covers all that was logged before.
func (s *Service) AuditCheckpoint(ctx context.Context, id ConversationID, marks ...AuditMark) (note []byte, reports []AuditReport, err error) {
	if s.signer == nil {
		return nil, nil, noAuditKey()
	}
	id = cmp.Or(id, DeploymentLog)
	reports, told, err := s.verifyTold(ctx, id, marks)
	if err != nil {
		return nil, nil, err
	}
	if id == DeploymentLog && reports[0].Fault == "" {
		grew, err := s.tellAll(ctx, told)
		if err != nil {
			return nil, nil, err
		}
		if grew { // read again, since nothing is signed that was not
			if reports, err = s.verifyOne(ctx, id, marks); err != nil {
				return nil, nil, err
			}
		}
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
