package bridge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"agentbridge/internal/audit"
)

// Fork says that the deployment's log is not the one that was seen before. It stands until a person accepts it; see
// [Service.AuditAccept].
type Fork struct {
	At    time.Time `json:"at"`    // when it was found
	Kept  string    `json:"kept"`  // size and root of the log that was seen before; "unreadable" where what was kept of it is
	Found string    `json:"found"` // size and root of what is there instead
}

// String says it in a line.
func (f Fork) String() string {
	if f.Kept == unreadableHead {
		return errKept.Error() + ", so nobody can say whether it is the one that was seen before; somebody changed the file witness, or the disk did"
	}
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

// unforked refuses while a fork stands.
func (s *Service) unforked(tx Tx) error {
	f, err := s.fork(tx)
	if err != nil || f == nil {
		return err
	}
	return Errorf(Conflict, "%s", f).WithHint("agentbridge audit verify shows more; if you put an older store back on purpose, agentbridge audit accept")
}

// report tells of a fork: this process's log once, and an alert and an entry once for all processes. It was found in a log of that
// size. Its caller has witness.mu.
func (s *Service) report(ctx context.Context, f Fork, size int64) error {
	w := &s.witness
	if was := w.fork.Load(); was == nil || was.Kept != f.Kept {
		w.fork.Store(&f)
		w.raised = false
		s.log.Error("audit log forked", "kept", f.Kept, "found", f.Found)
	}
	if w.raised {
		return nil
	}
	accepted := false
	raised, err := commit(ctx, s.store.Update, Deployment, func(tx Tx) ([]Alert, error) {
		restart, err := restarted(tx, size)
		if accepted = !restart.IsZero(); accepted || err != nil {
			return nil, err
		}
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
	if accepted { // since it was found: the next pass looks again
		w.fork.Store(nil)
		return nil
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
	if s.witness.keep == nil {
		f, _, err := s.accept(ctx, nil)
		return f, err
	}
	// Nobody reads what is kept between the entry and the new head, and takes it for a fork once more.
	var f Fork
	err := s.witness.keep(ctx, func(kept []byte) (next []byte, err error) {
		var now audit.Head
		if f, now, err = s.accept(ctx, kept); err != nil {
			return nil, err
		}
		return s.keptText(now)
	})
	return f, err
}

// accept is what AuditAccept does in the store. It gives the head to go on from.
func (s *Service) accept(ctx context.Context, text []byte) (f Fork, now audit.Head, err error) {
	var kept audit.Head
	var broken error
	if text != nil {
		kept, broken = parseKept(text)
	}
	at := s.witness.at
	err = s.store.Update(ctx, Deployment, func(tx Tx) error {
		head, err := deploymentHead(tx)
		if err != nil {
			return err
		}
		raw, err := tx.Meta(metaFork)
		if err != nil && !errors.Is(err, NotFound) {
			return err
		}
		same := broken == nil
		if same {
			if same, err = continues(tx, kept, head); err != nil {
				return err
			}
		}
		if same && len(raw) == 0 {
			return Errorf(Conflict, "the audit log continues what was seen before: there is nothing to accept").
				WithHint("agentbridge audit verify checks all of it")
		}
		at = tx.Now()
		f = Fork{At: at, Kept: rootText(kept.Size, kept.Root()), Found: rootText(head.Size, head.Root())}
		if broken != nil {
			f.Kept = unreadableHead
		}
		if err := errors.Join(tx.PutMeta(metaFork, nil), tx.PutMeta(metaWitness, nil)); err != nil {
			return err
		}
		if err := recordDeployment(tx, PersonName, actionRestart, DeploymentLog, facts{"kept": f.Kept, "found": f.Found}); err != nil {
			return err
		}
		now, err = deploymentHead(tx)
		return err
	})
	if err != nil {
		return Fork{}, now, err
	}
	w := &s.witness
	w.fork.Store(nil)
	w.at = at
	w.raw, err = now.MarshalBinary()
	return f, now, err
}
