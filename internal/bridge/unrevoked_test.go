package bridge_test

import (
	"strings"
	"testing"
	"time"

	"agentbridge/internal/bridge"
)

// A row from before its revocation is sealed well. Whoever writes the store can put it back; the log says that it was revoked.
func TestAuditVerify_FindsATokenWhoseRevocationWasUndone(t *testing.T) {
	w := newWorld(t)
	w.tampered = true
	a, b := w.agent("alpha"), w.agent("beta")
	alphas, betas := w.row(a), w.row(b)
	if err := w.RevokeToken(w.ctx, a.Token()); err != nil {
		t.Fatal(err)
	}
	w.putRows(betas)
	if faults := w.faults(); faults != "" {
		t.Fatalf("fault before anybody changed a row: %s", faults)
	}
	w.putRows(alphas)
	if faults := w.faults(); !strings.Contains(faults, "revoked token "+string(a.Token())) || strings.Count(faults, "revoked token") != 1 {
		t.Errorf("faults = %q, want that the revocation of %s was undone, and nothing else", faults, a.Token())
	}
	if err := w.RevokeToken(w.ctx, a.Token()); err != nil {
		t.Fatal(err)
	}
	if faults := w.faults(); faults != "" {
		t.Errorf("fault after it was revoked again, as the finding says: %s", faults)
	}
}

// A rotation that ends every token at once passes over those that have expired: their rows say nothing of a revocation, and need not.
func TestAuditVerify_FindsNothingInTokensThatARotationEnded(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.tampered = true
		a := w.agent("alpha")
		time.Sleep(bridge.Defaults().TokenTTL + time.Second)
		w.agent("beta")
		if _, err := w.RotateKeys(w.ctx, 0, func(*bridge.KeyRing) error { return nil }); err != nil {
			t.Fatal(err)
		}
		if faults := w.faults(); faults != "" {
			t.Errorf("faults = %q, want none", faults)
		}
		w.putRows(w.row(a))
		w.agent("gamma")
		if faults := w.faults(); faults != "" {
			t.Errorf("faults of an expired token = %q, want none", faults)
		}
	})
}

// row is what the store keeps of a caller's token.
func (w *world) row(c bridge.Caller) (row bridge.Token) {
	w.t.Helper()
	err := w.store.View(w.ctx, func(tx bridge.Tx) (err error) {
		row, err = tx.Token(c.Token())
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return row
}

// putRows writes rows of tokens past the bridge.
func (w *world) putRows(rows ...bridge.Token) {
	w.t.Helper()
	err := w.store.Update(w.ctx, bridge.Deployment, func(tx bridge.Tx) error {
		for _, row := range rows {
			if err := tx.PutToken(row); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// faults is what verifying all logs finds.
func (w *world) faults() string {
	w.t.Helper()
	reports, err := w.AuditVerify(w.ctx, "")
	if err != nil {
		w.t.Fatal(err)
	}
	var all []string
	for _, r := range reports {
		if r.Fault != "" {
			all = append(all, r.Fault)
		}
	}
	return strings.Join(all, "; ")
}
