package bridge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Fork says that the deployment's log is not the one that was seen before. It stands until a person accepts it; see
// [Service.AuditAccept].
type Fork struct {
	At    time.Time `json:"at"`    // when it was found
	Kept  string    `json:"kept"`  // size and root of the log that was seen before
	Found string    `json:"found"` // size and root of what is there instead
}

// String says it in a line.
func (f Fork) String() string {
	size := func(text string) string {
		number, _, _ := strings.Cut(text, " ")
		return number
	}
	return fmt.Sprintf("the audit log is not the one that was seen before: of that %s entries are known, and what is there now, with %s, does not continue them; "+
		"somebody put back an older store, or changed it", size(f.Kept), size(f.Found))
}

// metaFork holds the fork that was found and not accepted, as JSON; empty: none.
const metaFork = "fork"

// fork gives the fork that stands, from the store or from what this process saw itself; nil: none.
func (s *Service) fork(tx Tx) (*Fork, error) {
	raw, err := tx.Meta(metaFork)
	switch {
	case errors.Is(err, NotFound) || err == nil && len(raw) == 0:
		return s.witness.fork.Load(), nil
	case err != nil:
		return nil, err
	}
	var f Fork
	if err := json.Unmarshal(raw, &f); err != nil {
		return nil, fmt.Errorf("read meta %s: %w", metaFork, err)
	}
	return &f, nil
}

// Forked gives the fork that stands, as far as the last sweeps saw; nil: none.
func (s *Service) Forked(ctx context.Context) (f *Fork, err error) {
	err = s.store.View(ctx, func(tx Tx) error {
		f, err = s.fork(tx)
		return err
	})
	return f, err
}

// report tells of a fork: this process's log once, and an alert and an entry once for all processes. Its caller has witness.mu.
func (s *Service) report(ctx context.Context, f Fork) error {
	w := &s.witness
	if was := w.fork.Load(); was == nil || was.Kept != f.Kept {
		w.fork.Store(&f)
		w.raised = false
		s.log.Error("audit log forked", "kept", f.Kept, "found", f.Found)
	}
	if w.raised {
		return nil
	}
	raised, err := commit(ctx, s.store.Update, Deployment, func(tx Tx) ([]Alert, error) {
		raw, err := tx.Meta(metaFork)
		if err != nil && !errors.Is(err, NotFound) {
			return nil, err
		}
		var known Fork
		if len(raw) > 0 && json.Unmarshal(raw, &known) == nil && known.Kept == f.Kept {
			return nil, nil // another process was first
		}
		f.At = tx.Now()
		if raw, err = json.Marshal(f); err != nil {
			return nil, err
		}
		a := Alert{ID: AlertID(newID("alert_")), Kind: AlertFork, At: tx.Now(), Text: f.String() + ". `agentbridge audit verify` shows more."}
		if err := errors.Join(tx.PutMeta(metaFork, raw), tx.AddAlert(a)); err != nil {
			return nil, err
		}
		return []Alert{a}, recordDeployment(tx, ProgramName, "fork", string(a.ID), facts{"kept": f.Kept, "found": f.Found})
	})
	if err != nil {
		return err // tried again by the next sweep
	}
	w.raised = true
	s.tell(raised)
	return nil
}

// actionRestart is the action of the entry by which a person accepts a log that does not continue the one before.
const actionRestart = "audit_restart"

// AuditAccept takes the deployment's log as it is now for the one to go on with, though it does not continue the one that was seen
// before: after a backup was restored on purpose. It is itself an entry, with both sizes and roots. [Conflict] if there is nothing
// to accept. The surface makes sure that it is a person.
func (s *Service) AuditAccept(ctx context.Context) (Fork, error) {
	if s.witness.keep != nil && s.signer == nil {
		return Fork{}, noAuditKey()
	}
	s.witness.mu.Lock()
	defer s.witness.mu.Unlock()
	kept, there, err := s.keptHead(ctx)
	if err != nil && !errors.Is(err, errKept) {
		return Fork{}, err
	}
	unreadable := err != nil
	f, err := commit(ctx, s.store.Update, Deployment, func(tx Tx) (Fork, error) {
		head, err := deploymentHead(tx)
		if err != nil {
			return Fork{}, err
		}
		raw, err := tx.Meta(metaFork)
		if err != nil && !errors.Is(err, NotFound) {
			return Fork{}, err
		}
		same := !unreadable
		if there && same {
			if same, err = continues(tx, kept, head); err != nil {
				return Fork{}, err
			}
		}
		if same && len(raw) == 0 {
			return Fork{}, Errorf(Conflict, "the audit log continues what was seen before: there is nothing to accept").
				WithHint("agentbridge audit verify checks all of it")
		}
		f := Fork{At: tx.Now(), Kept: rootText(kept.Size, kept.Root()), Found: rootText(head.Size, head.Root())}
		if unreadable {
			f.Kept = "unreadable"
		}
		if err := tx.PutMeta(metaFork, nil); err != nil {
			return Fork{}, err
		}
		return f, recordDeployment(tx, PersonName, actionRestart, DeploymentLog, facts{"kept": f.Kept, "found": f.Found})
	})
	if err != nil {
		return Fork{}, err
	}
	s.witness.fork.Store(nil)
	return f, s.restart(ctx)
}
