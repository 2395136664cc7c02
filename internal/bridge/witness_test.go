package bridge_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"agentbridge/internal/audit"
	"agentbridge/internal/bridge"
)

// drawer keeps what is kept outside the store.
type drawer struct {
	mu   sync.Mutex // guards text
	text []byte
}

func (d *drawer) keep(_ context.Context, change func([]byte) ([]byte, error)) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	next, err := change(d.text)
	if err == nil && next != nil {
		d.text = next
	}
	return err
}

// witnessed gives a bridge a key, a place outside the store, and a log to read.
func witnessed(t *testing.T, d *drawer, said *bytes.Buffer) option {
	signer, err := audit.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	return func(o *bridge.Options) {
		o.Keys, o.Signer, o.Witness = ring, signer, d.keep
		o.Log = slog.New(slog.NewTextHandler(said, nil))
	}
}

// another is a bridge of another process over the same store.
func (w *world) another(opts ...option) *world {
	w.t.Helper()
	return worldOn(w.t, w.store, append([]option{func(o *bridge.Options) { o.Keys = ring }}, opts...)...)
}

// rewrite writes the deployment's log anew, with a head that fits, as change made it.
func (w *world) rewrite(change func([]audit.Entry) []audit.Entry) {
	w.t.Helper()
	w.tampered = true
	err := w.store.Update(w.ctx, bridge.Deployment, func(tx bridge.Tx) error {
		list, err := tx.Entries(bridge.DeploymentLog, 0, 0)
		if err != nil {
			return err
		}
		var entries []audit.Entry
		for _, e := range list {
			entry, err := audit.ParseRecord(e.Record)
			if err != nil {
				return err
			}
			entries = append(entries, entry)
		}
		var h audit.Head
		for n, e := range change(entries) {
			e.N = int64(n)
			h = h.Append(e.Record())
		}
		raw, _ := h.MarshalBinary()
		return tx.PutMeta("head", raw) // a store adds entries and never changes one; the head is enough to differ
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) forks() (alerts, entries int) {
	w.t.Helper()
	list, err := w.AlertsSince(w.ctx, time.Time{})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, a := range list {
		if a.Kind == bridge.AlertFork {
			alerts++
		}
	}
	lines, err := w.AuditEntries(w.ctx, bridge.AuditFilter{Actions: []string{"fork"}})
	if err != nil {
		w.t.Fatal(err)
	}
	return alerts, len(lines)
}

func TestWitness_KeepsTheNewestAndNeverAnOlder(t *testing.T) {
	var d drawer
	var said bytes.Buffer
	w := newWorld(t, witnessed(t, &d, &said))
	v := w.another(witnessed(t, &d, &said))
	sizes := func() string { text, _, _ := strings.Cut(string(d.text), "\n"); return text }
	w.sweep()
	first := sizes()
	w.agent("alpha")
	v.sweep() // its own key is not the store's, so it signs nothing, and keeps nothing
	if sizes() != first {
		t.Error("kept a head without the store's key")
	}
	w.sweep()
	second := sizes()
	if second == first {
		t.Fatal("the newer head was not kept")
	}
	before := d.text
	w.sweep()
	if !bytes.Equal(d.text, before) {
		t.Error("what is kept was written again though nothing grew")
	}
	if f, err := w.Forked(w.ctx); f != nil || err != nil {
		t.Errorf("Forked = %v, %v", f, err)
	}
}

func TestWitness_AForkIsToldOnceHoweverManySweep(t *testing.T) {
	for name, change := range map[string]func([]audit.Entry) []audit.Entry{
		"cut off":            func(l []audit.Entry) []audit.Entry { return l[:len(l)-1] },
		"one changed":        func(l []audit.Entry) []audit.Entry { l[0].Actor = "mallory"; return l },
		"changed and longer": func(l []audit.Entry) []audit.Entry { l[1].Actor = "mallory"; return append(l, l[0], l[0]) },
		"nothing left":       func([]audit.Entry) []audit.Entry { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			var d drawer
			var said bytes.Buffer
			opt := witnessed(t, &d, &said)
			w := newWorld(t, opt)
			v := w.another(opt)
			w.agent("alpha")
			w.sweep()
			v.sweep()
			kept := string(d.text)
			w.rewrite(change)
			for range 3 {
				// What was rewritten may leave no place for the entry that tells of it: then that is an error, and the log says it.
				w.Sweep(w.ctx)
				v.Sweep(w.ctx)
			}
			if got := strings.Count(said.String(), `msg="audit log forked"`); got < 2 {
				t.Errorf("the log says %d times that it forked, want once for each process:\n%s", got, said.String())
			}
			if string(d.text) != kept {
				t.Error("what was kept moved on to the fork")
			}
			if f, err := w.Forked(w.ctx); f == nil && err == nil {
				t.Error("Forked = nil")
			}
			if got, _, err := w.AuditCheckpoint(w.ctx, ""); got != nil {
				t.Errorf("a fork was signed: %s, %v", got, err)
			}
			reports, err := w.AuditVerify(w.ctx, "")
			if err != nil || len(reports) != 1 || reports[0].Fault == "" {
				t.Errorf("AuditVerify = %+v, %v, want a fault", reports, err)
			}
		})
	}
}

// Also where nothing is kept outside, or somebody threw it away.
func TestWitness_AProcessRemembersWhatItSawItself(t *testing.T) {
	for name, d := range map[string]*drawer{"nothing kept": nil, "thrown away": {}} {
		t.Run(name, func(t *testing.T) {
			var said bytes.Buffer
			w := newWorld(t, func(o *bridge.Options) {
				o.Log = slog.New(slog.NewTextHandler(&said, nil))
				if d != nil {
					witnessed(t, d, &said)(o)
				}
			})
			w.agent("alpha")
			w.sweep()
			if d != nil {
				d.text = nil
			}
			w.rewrite(func(l []audit.Entry) []audit.Entry { l[0].Actor = "mallory"; return l })
			for range 3 {
				w.Sweep(w.ctx)
			}
			if got := strings.Count(said.String(), `msg="audit log forked"`); got != 1 {
				t.Errorf("the log says %d times that it forked, want once:\n%s", got, said.String())
			}
		})
	}
}

// A store that went back to what it was, with room for more entries: told once, in the store too, and accepted by a person.
func TestWitness_AnOlderStoreIsToldUntilAPersonAcceptsIt(t *testing.T) {
	var d drawer
	var said bytes.Buffer
	signer, err := audit.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(&said, nil)) // one, because its lock is what keeps lines apart
	opt := func(o *bridge.Options) { o.Keys, o.Signer, o.Witness, o.Log = ring, signer, d.keep, log }
	newer := newWorld(t, opt)
	newer.tampered = true // what is kept will be of another
	newer.agent("alpha")
	newer.agent("beta")
	newer.sweep()
	// What is kept is of another store now, as if that had been put back.
	w := newWorld(t, opt)
	v := w.another(opt)
	w.agent("alpha")
	var wg sync.WaitGroup
	for range 4 {
		for _, x := range []*world{w, v} {
			wg.Go(func() {
				if _, err := x.Sweep(x.ctx); err != nil {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
	if alerts, entries := w.forks(); alerts != 1 || entries != 1 {
		t.Errorf("%d alerts and %d entries of one fork, want 1 of each", alerts, entries)
	}
	w.agent("gamma") // agents go on
	st, err := w.Standing(w.ctx)
	if err != nil || st.Fork == nil || st.Fork.Kept == st.Fork.Found {
		t.Errorf("Standing tells of %+v, %v", st.Fork, err)
	}
	f, err := w.AuditAccept(w.ctx)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := w.AuditEntries(w.ctx, bridge.AuditFilter{Actions: []string{"audit_restart"}, Agent: bridge.PersonName})
	if err != nil || len(lines) != 1 || lines[0].Facts["kept"] != f.Kept || lines[0].Facts["found"] != f.Found {
		t.Errorf("the restart is logged as %+v, %v", lines, err)
	}
	for range 2 {
		w.agent(fmt.Sprintf("delta%d", len(said.String())))
		w.sweep()
		v.sweep()
	}
	if f, err := v.Forked(w.ctx); f != nil || err != nil {
		t.Errorf("after it was accepted, another process says %v, %v", f, err)
	}
	if alerts, _ := w.forks(); alerts != 1 {
		t.Errorf("%d alerts, want none more", alerts)
	}
	if _, _, err := w.AuditCheckpoint(w.ctx, ""); err != nil {
		t.Error(err)
	}
	_, err = w.AuditAccept(w.ctx)
	want(t, err, bridge.Conflict, "audit verify")
}

// swapped is a store that somebody may put another in place of.
type swapped struct{ bridge.Store }

// A process that slept through it all finds a log that is not the one it saw, and that a person said so: it does not tell it again.
func TestWitness_WhatAPersonAcceptedIsNoForkToAnotherProcess(t *testing.T) {
	var d drawer
	var said, slept bytes.Buffer
	signer, err := audit.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	opt := func(said *bytes.Buffer) option {
		return func(o *bridge.Options) {
			o.Keys, o.Signer, o.Witness, o.Log = ring, signer, d.keep, slog.New(slog.NewTextHandler(said, nil))
		}
	}
	newer := newWorld(t, opt(&said))
	newer.tampered = true // what is kept will be of another
	newer.agent("alpha")
	place := &swapped{newer.store}
	sleeper := worldOn(t, place, opt(&slept))
	sleeper.sweep()

	older := newWorld(t, opt(&said))
	place.Store = older.store
	older.sweep()
	if _, err := older.AuditAccept(older.ctx); err != nil {
		t.Fatal(err)
	}
	sleeper.sweep()
	if f, err := sleeper.Forked(sleeper.ctx); f != nil || err != nil || strings.Contains(slept.String(), "forked") {
		t.Errorf("Forked = %v, %v; its log: %s", f, err, slept.String())
	}
	if alerts, _ := older.forks(); alerts != 1 {
		t.Errorf("%d alerts, want the one from before", alerts)
	}
}

func TestWitness_WhatIsUnreadableIsToldAndNothingStops(t *testing.T) {
	d := drawer{text: []byte("no head\n")}
	var said bytes.Buffer
	w := newWorld(t, witnessed(t, &d, &said))
	w.tampered = true // the finding is of what is kept, and holdsTogether would take it for one of the store
	for range 3 {
		w.sweep()
	}
	if got := strings.Count(said.String(), `msg="audit log forked" kept=unreadable`); got != 1 {
		t.Errorf("told %d times, want once:\n%s", got, said.String())
	}
	if alerts, entries := w.forks(); alerts != 1 || entries != 1 {
		t.Errorf("%d alerts and %d entries, want 1 of each", alerts, entries)
	}
	if f, err := w.Forked(w.ctx); f == nil || f.Kept != "unreadable" || !strings.Contains(f.String(), "cannot be read") {
		t.Errorf("Forked = %v, %v", f, err)
	}
	if string(d.text) != "no head\n" {
		t.Error("what could not be read was written over")
	}
	if _, err := w.AuditAccept(w.ctx); err != nil {
		t.Fatal(err)
	}
	reports, err := w.AuditVerify(w.ctx, "")
	if err != nil || reports[0].Fault != "" {
		t.Errorf("AuditVerify = %+v, %v", reports, err)
	}
}

func TestAuditKey_WithoutItAgentsGoOnAndNothingIsSigned(t *testing.T) {
	var d drawer
	var said bytes.Buffer
	opt := witnessed(t, &d, &said)
	w := newWorld(t, opt)
	v := w.another(func(o *bridge.Options) { o.Witness = d.keep })
	a, b := v.agent("alpha"), v.agent("beta")
	v.talk(a, b)
	v.say(a, "words")
	v.sweep()
	_, _, err := v.AuditCheckpoint(w.ctx, "")
	want(t, err, bridge.Invalid, "audit key --new")
	_, err = v.AuditAccept(w.ctx)
	want(t, err, bridge.Invalid, "audit key --new")

	signer, err := audit.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	if err := v.AuditRekey(w.ctx, signer); err != nil {
		t.Fatal(err)
	}
	keys, err := v.AuditKeys(w.ctx)
	if err != nil || len(keys) != 2 || keys[0] != signer.Verifier().String() {
		t.Errorf("AuditKeys = %q, %v, want the new one and the one before", keys, err)
	}
	note, _, err := v.AuditCheckpoint(w.ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := audit.OpenCheckpoint(note, signer.Verifier()); err != nil {
		t.Error(err)
	}
	lines, _ := v.AuditEntries(w.ctx, bridge.AuditFilter{Actions: []string{"audit_key"}})
	if len(lines) != 2 || lines[1].Actor != bridge.PersonName || lines[1].Facts["before"] != keys[1] {
		t.Errorf("the keys are logged as %+v", lines)
	}
}

// Erasing a conversation leaves its log, with every head that was told of it and every checkpoint that was signed.
func TestErase_LeavesLogHeadsAndCheckpointsTrue(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var d drawer
		var said bytes.Buffer
		w := newWorld(t, witnessed(t, &d, &said))
		a, b := w.agent("alpha"), w.agent("beta")
		id := w.talk(a, b)
		w.mayLeave(a, b)
		w.say(a, "words")
		w.sweep()
		_, reports, err := w.AuditCheckpoint(w.ctx, id)
		if err != nil || len(reports) != 1 {
			t.Fatal(reports, err)
		}
		if err := w.Close(w.ctx, id); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			time.Sleep(31 * 24 * time.Hour)
			w.sweep()
		}
		v, err := w.Show(w.ctx, id)
		if err != nil || v.Phase != bridge.Forgotten {
			t.Fatalf("Show = %+v, %v, want it erased", v.Phase, err)
		}
		now, err := w.AuditVerify(w.ctx, id, mark(t, reports[0], "kept elsewhere"))
		if err != nil || len(now) != 1 || now[0].Fault != "" || now[0].Marks < 3 {
			t.Errorf("AuditVerify = %+v, %v, want it true to what was told and signed", now, err)
		}
	})
}

// mark is what a report says that a log was.
func mark(t *testing.T, r bridge.AuditReport, from string) bridge.AuditMark {
	t.Helper()
	root, err := r.Hash()
	if err != nil {
		t.Fatal(err)
	}
	return bridge.AuditMark{Log: r.Log, Mark: audit.Mark{Size: r.Entries, Root: root, From: from}}
}

func TestAuditEntries_ChooseAndKeepTheirOrder(t *testing.T) {
	w := newWorld(t)
	grow(t, w.store, 120)
	a, b := w.agent("alpha"), w.agent("beta")
	id := w.talk(a, b)
	for range 30 {
		w.say(a, "words")
	}
	all, err := w.AuditEntries(w.ctx, bridge.AuditFilter{})
	if err != nil || len(all) < 120+30 {
		t.Fatalf("%d entries, %v", len(all), err)
	}
	for i := range all[1:] {
		if all[i+1].At.Before(all[i].At) {
			t.Fatalf("entry %d is earlier than the one before", i+1)
		}
	}
	count := func(f bridge.AuditFilter) int {
		t.Helper()
		lines, err := w.AuditEntries(w.ctx, f)
		if err != nil {
			t.Fatal(err)
		}
		return len(lines)
	}
	sends := bridge.AuditFilter{Conversation: id, Actions: []string{"send", "join"}}
	if got := count(sends); got != 31 {
		t.Errorf("%d sends and joins, want 31", got)
	}
	middle := all[len(all)/2].At
	if before, after := count(bridge.AuditFilter{Until: middle}), count(bridge.AuditFilter{Since: middle}); before+after != len(all) {
		t.Errorf("%d before and %d from then on, of %d", before, after, len(all))
	}
	if got := count(bridge.AuditFilter{Subject: string(id)}); got != 1 {
		t.Errorf("%d entries about the conversation itself, want 1", got)
	}
	for _, n := range []int{1, 7, len(all), len(all) + 5} {
		last, err := w.AuditEntries(w.ctx, bridge.AuditFilter{Last: n})
		want := all[max(0, len(all)-n):]
		if err != nil || fmt.Sprint(last) != fmt.Sprint(want) {
			t.Errorf("the last %d are %d others, %v", n, len(last), err)
		}
	}
	stop := errors.New("enough")
	if err := w.AuditEach(w.ctx, bridge.AuditFilter{}, func(bridge.AuditLine) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("AuditEach = %v, want what emit returned", err)
	}
}
