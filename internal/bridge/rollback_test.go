package bridge_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"agentbridge/internal/audit"
	"agentbridge/internal/bridge"
	"agentbridge/internal/sqlite"
)

// keeping gives bridges the same key and the same place outside the store.
func keeping(t *testing.T, keep bridge.Keep, said *bytes.Buffer) option {
	t.Helper()
	signer, err := audit.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	return func(o *bridge.Options) {
		o.Keys, o.Signer, o.Witness, o.Log = ring, signer, keep, slog.New(slog.NewTextHandler(said, nil))
	}
}

// replay makes a second store whose deployment's log is as the first one's, up to a size: what somebody puts back.
func (w *world) replay(upTo int64) bridge.Store {
	w.t.Helper()
	store, err := sqlite.Open(w.ctx, ":memory:", sqlite.Options{})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { store.Close() })
	var list []bridge.LogEntry
	metas := map[string][]byte{}
	err = w.store.View(w.ctx, func(tx bridge.Tx) (err error) {
		for _, key := range []string{"audit_keys", "fork", "witness", "key", "heads_all"} {
			if raw, err := tx.Meta(key); err == nil {
				metas[key] = raw
			}
		}
		list, err = tx.Entries(bridge.DeploymentLog, 0, int(upTo))
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	err = store.Update(w.ctx, bridge.Deployment, func(tx bridge.Tx) error {
		var h audit.Head
		for _, e := range list {
			h = h.Append(e.Record)
			if err := tx.AddEntry(e); err != nil {
				return err
			}
		}
		for key, raw := range metas {
			if err := tx.PutMeta(key, raw); err != nil {
				return err
			}
		}
		raw, _ := h.MarshalBinary()
		return tx.PutMeta("head", raw)
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return store
}

func (w *world) logged() int64 {
	w.t.Helper()
	reports, err := w.AuditVerify(w.ctx, bridge.DeploymentLog)
	if err != nil {
		w.t.Fatal(err)
	}
	return reports[0].Entries
}

// forkOf gives the world a fork, which stands: what is kept is of another log.
func forkOf(t *testing.T, d *drawer, said *bytes.Buffer) *world {
	opt := keeping(t, d.keep, said)
	newer := newWorld(t, opt)
	newer.tampered = true
	newer.agent("alpha")
	newer.agent("beta")
	newer.sweep()
	w := newWorld(t, opt)
	w.agent("alpha")
	w.sweep()
	if f, err := w.Forked(w.ctx); f == nil || err != nil {
		t.Fatalf("Forked = %v, %v", f, err)
	}
	return w
}

// That a person once accepted a log says nothing of one that was put back later, together with what is kept beside it.
func TestWitness_ARestartLongAgoForgivesNoRollbackNow(t *testing.T) {
	var d drawer
	var said bytes.Buffer
	w := forkOf(t, &d, &said)
	if _, err := w.AuditAccept(w.ctx); err != nil {
		t.Fatal(err)
	}
	w.sweep()
	size, kept := w.logged(), bytes.Clone(d.text)

	var heard bytes.Buffer
	place := &swapped{w.store}
	sleeper := worldOn(t, place, keeping(t, d.keep, &heard))
	sleeper.sweep()
	w.agent("gamma")
	w.sweep()
	sleeper.sweep()
	w.tampered = true
	place.Store, d.text = w.replay(size), kept
	sleeper.Sweep(sleeper.ctx)
	if got := strings.Count(heard.String(), `msg="audit log forked"`); got != 1 {
		t.Errorf("a rollback of both was told %d times, want once:\n%s", got, heard.String())
	}
}

// Taking away what is kept does not heal a fork: only a person does.
func TestWitness_AForkOutlivesWhatItWasFoundBy(t *testing.T) {
	var d drawer
	var said bytes.Buffer
	w := forkOf(t, &d, &said)
	d.text = nil
	later := w.another(keeping(t, d.keep, &said))
	for _, x := range []*world{w, later} {
		reports, err := x.AuditVerify(x.ctx, "")
		if err != nil || reports[0].Fault == "" {
			t.Errorf("AuditVerify = %+v, %v, want a fault", reports, err)
		}
	}
	for range 2 {
		w.agent("gamma" + strings.Repeat("a", int(w.logged())))
		w.sweep()
	}
	if d.text != nil {
		t.Errorf("a head was kept while a fork stands: %s", d.text)
	}
	if note, _, err := w.AuditCheckpoint(w.ctx, ""); note != nil {
		t.Errorf("a fork was signed: %s, %v", note, err)
	}
	err := w.AuditTiles(w.ctx, "", func(string, []byte) error { return nil })
	want(t, err, bridge.Conflict, "audit accept")
	if _, err := w.AuditAccept(w.ctx); err != nil {
		t.Fatal(err)
	}
	if note, _, err := w.AuditCheckpoint(w.ctx, ""); note == nil || err != nil {
		t.Errorf("AuditCheckpoint = %s, %v", note, err)
	}
}

// What was always there and is gone is told, once, and stops nothing.
func TestWitness_OneThatIsGoneIsMissed(t *testing.T) {
	var d drawer
	var said bytes.Buffer
	w := newWorld(t, keeping(t, d.keep, &said))
	for _, name := range []string{"alpha", "beta"} {
		w.agent(name)
		w.sweep()
	}
	if at, err := w.WitnessGone(w.ctx); err != nil || !at.IsZero() {
		t.Errorf("WitnessGone = %v, %v", at, err)
	}
	d.text = nil
	w.agent("gamma")
	for range 3 {
		w.sweep()
	}
	if at, err := w.WitnessGone(w.ctx); err != nil || at.IsZero() || time.Since(at) > time.Minute {
		t.Errorf("WitnessGone = %v, %v, want now", at, err)
	}
	if got := strings.Count(said.String(), "begun anew"); got != 1 {
		t.Errorf("told %d times, want once:\n%s", got, said.String())
	}
	lines, err := w.AuditEntries(w.ctx, bridge.AuditFilter{Actions: []string{"witness_gone"}})
	if err != nil || len(lines) != 1 {
		t.Errorf("logged as %+v, %v", lines, err)
	}
	if note, _, err := w.AuditCheckpoint(w.ctx, ""); note == nil || err != nil || d.text == nil {
		t.Errorf("AuditCheckpoint = %s, %v", note, err)
	}
}

// A process that looked before a person accepted, and wants to tell of it afterwards, tells nothing.
func TestWitness_AForkThatIsAcceptedMeanwhileIsNotToldAgain(t *testing.T) {
	var d drawer
	var said bytes.Buffer
	w := forkOf(t, &d, &said)
	var once bool
	var heard bytes.Buffer
	late := w.another(keeping(t, func(ctx context.Context, change func([]byte) ([]byte, error)) error {
		if once {
			return d.keep(ctx, change)
		}
		once = true
		old := bytes.Clone(d.text)
		if _, err := w.AuditAccept(ctx); err != nil {
			t.Error(err)
		}
		_, err := change(old) // what it read before
		return err
	}, &heard))
	for range 3 {
		late.sweep()
	}
	if !once || strings.Contains(heard.String(), "forked") {
		t.Errorf("it said:\n%s", heard.String())
	}
	if f, err := w.Forked(w.ctx); f != nil || err != nil {
		t.Errorf("Forked = %v, %v, though a person accepted it", f, err)
	}
}

// acceptsFirst is a store in which a person accepts just before an update that tells of a fork.
type acceptsFirst struct {
	bridge.Store
	accept func()
}

func (s *acceptsFirst) Update(ctx context.Context, scope bridge.Scope, fn func(bridge.Tx) error) error {
	if accept := s.accept; accept != nil {
		s.accept = nil
		accept()
	}
	return s.Store.Update(ctx, scope, fn)
}

func TestWitness_AForkThatIsAcceptedBeforeItIsToldIsNotTold(t *testing.T) {
	var d drawer
	var said bytes.Buffer
	w := forkOf(t, &d, &said)
	store := &acceptsFirst{Store: w.store}
	armed := false
	late := worldOn(t, store, keeping(t, func(ctx context.Context, change func([]byte) ([]byte, error)) error {
		err := d.keep(ctx, change)
		if !armed { // it has read what is kept: the next update is the one that tells
			armed = true
			store.accept = func() {
				if _, err := w.AuditAccept(w.ctx); err != nil {
					t.Error(err)
				}
			}
		}
		return err
	}, &said))
	for range 3 {
		late.sweep()
	}
	if f, err := late.Forked(late.ctx); f != nil || err != nil || !armed || store.accept != nil {
		t.Errorf("Forked = %v, %v, though a person accepted it", f, err)
	}
}
