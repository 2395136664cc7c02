package bridge_test

import (
	"strings"
	"testing"

	"agentbridge/internal/bridge"
)

// A row from before its revocation is sealed well. Whoever writes the store can put it back; the log says that it was revoked.
func TestAuditVerify_FindsATokenWhoseRevocationWasUndone(t *testing.T) {
	for name, revoke := range map[string]func(*world, bridge.TokenID) error{
		"that token": func(w *world, id bridge.TokenID) error { return w.RevokeToken(w.ctx, id) },
		"every token": func(w *world, _ bridge.TokenID) error {
			_, err := w.RotateKeys(w.ctx, 0, func(*bridge.KeyRing) error { return nil })
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.tampered = true
			a := w.agent("alpha")
			var row bridge.Token
			if err := w.store.View(w.ctx, func(tx bridge.Tx) (err error) {
				row, err = tx.Token(a.Token())
				return err
			}); err != nil {
				t.Fatal(err)
			}
			if err := revoke(w, a.Token()); err != nil {
				t.Fatal(err)
			}
			w.agent("beta") // whose token came later
			if faults := w.faults(); faults != "" {
				t.Fatalf("fault before anybody changed a row: %s", faults)
			}
			if err := w.store.Update(w.ctx, bridge.Deployment, func(tx bridge.Tx) error { return tx.PutToken(row) }); err != nil {
				t.Fatal(err)
			}
			if faults := w.faults(); !strings.Contains(faults, "revoked token "+string(row.ID)) || strings.Count(faults, "revoked token") != 1 {
				t.Errorf("faults = %q, want that the revocation of %s was undone, and nothing else", faults, row.ID)
			}
		})
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
