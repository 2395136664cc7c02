package bridge_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"agentbridge/internal/audit"
	"agentbridge/internal/bridge"
)

// headLeaves are the facts of all entries of the deployment's log that tell heads, in order.
func (w *world) headLeaves() (leaves []map[string]string) {
	w.t.Helper()
	err := w.store.View(w.ctx, func(tx bridge.Tx) error {
		leaves = nil
		list, err := tx.Entries(bridge.DeploymentLog, 0, 0)
		for _, e := range list {
			if e.Action != "heads" {
				continue
			}
			entry, err := audit.ParseRecord(e.Record)
			if err != nil {
				return err
			}
			leaves = append(leaves, entry.Facts)
		}
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return leaves
}

// headText is the head of a conversation's log as it is told.
func (w *world) headText(id bridge.ConversationID) (text string) {
	w.t.Helper()
	err := w.store.View(w.ctx, func(tx bridge.Tx) error {
		c, err := tx.Conversation(id)
		if err != nil {
			return err
		}
		var h audit.Head
		if err := h.UnmarshalBinary(c.Head); err != nil {
			return err
		}
		root := h.Root()
		text = fmt.Sprintf("%d %s", h.Size, base64.StdEncoding.EncodeToString(root[:]))
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return text
}

func TestSweep_TellsTheHeadsOfLogsThatGrew(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.agent("alpha"), w.agent("beta")
		one, two := w.talk(a, b), w.talk(a, b)
		w.sweep()
		if got := w.headLeaves(); len(got) != 1 || len(got[0]) != 2 || got[0][string(one)] != w.headText(one) || got[0][string(two)] != w.headText(two) {
			t.Fatalf("told %v, want the heads of %s and %s", got, one, two)
		}
		time.Sleep(10 * time.Second)
		w.sweep()
		if got := w.headLeaves(); len(got) != 1 {
			t.Errorf("told %v, and nothing grew", got[1:])
		}
		if _, err := w.Send(w.ctx, a, bridge.SendRequest{Conversation: two, Message: "more"}); err != nil {
			t.Fatal(err)
		}
		w.sweep()
		if got := w.headLeaves(); len(got) != 2 || len(got[1]) != 1 || got[1][string(two)] != w.headText(two) {
			t.Errorf("told %v, want the head of %s", got[1:], two)
		}
	})
}

// However often somebody sweeps, the deployment's log does not grow faster than every few seconds by it.
func TestSweep_TellsHeadsAtIntervals(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.agent("alpha"), w.agent("beta")
		id := w.talk(a, b)
		for range 100 {
			w.say(a, "words")
			w.sweep()
			time.Sleep(100 * time.Millisecond)
		}
		if got := len(w.headLeaves()); got < 3 || got > 5 {
			t.Errorf("heads were told %d times in 10 s, want every 3 s", got)
		}
		time.Sleep(3 * time.Second)
		w.sweep()
		if got := w.headLeaves(); got[len(got)-1][string(id)] != w.headText(id) {
			t.Error("the last head was not told")
		}
	})
}

func TestSweep_ManyAtOnceTellEachHeadOnce(t *testing.T) {
	w := newWorld(t)
	grow(t, w.store, 130)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := w.Sweep(w.ctx); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	seen := map[string]bool{}
	leaves := w.headLeaves()
	for _, leaf := range leaves {
		for id := range leaf {
			if seen[id] {
				t.Errorf("%s was told twice", id)
			}
			seen[id] = true
		}
	}
	if len(seen) != 130 || len(leaves) != 4 {
		t.Errorf("%d heads in %d entries, want 130 in 4", len(seen), len(leaves))
	}
}

// grow makes conversations whose logs have an entry that was not told.
func grow(t testing.TB, store bridge.Store, conversations int) {
	t.Helper()
	for from := 0; from < conversations; from += 500 {
		err := store.Update(context.WithoutCancel(t.Context()), bridge.Deployment, func(tx bridge.Tx) error {
			for n := from; n < min(conversations, from+500); n++ {
				id := bridge.ConversationID(fmt.Sprintf("conv_%016x", n))
				c, err := tx.Conversation(id)
				if errors.Is(err, bridge.NotFound) {
					c, err = bridge.Conversation{ID: id, CreatedAt: tx.Now(), ExpiresAt: tx.Now().Add(24 * time.Hour), DueAt: tx.Now().Add(23 * time.Hour), Key: make([]byte, 32)}, nil
				}
				if err != nil {
					return err
				}
				var h audit.Head
				if len(c.Head) > 0 {
					if err := h.UnmarshalBinary(c.Head); err != nil {
						return err
					}
				}
				record := audit.Entry{Log: string(id), N: h.Size, At: tx.Now(), Actor: "alpha", Action: "send"}.Record()
				if err := tx.AddEntry(bridge.LogEntry{Log: string(id), N: h.Size, At: tx.Now(), Actor: "alpha", Action: "send", Record: record}); err != nil {
					return err
				}
				h = h.Append(record)
				c.Head, _ = h.MarshalBinary()
				if err := errors.Join(tx.PutConversation(c), tx.PutGrown(bridge.Grown{Conversation: id, Size: h.Size})); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// A log that another hand deleted must not keep the others from being told.
func TestSweep_AnUnreadableHeadKeepsNoOtherFromBeingTold(t *testing.T) {
	w := newWorld(t)
	w.tampered = true
	grow(t, w.store, 3)
	err := w.store.Update(w.ctx, bridge.Deployment, func(tx bridge.Tx) error {
		c, err := tx.Conversation("conv_0000000000000001")
		if err != nil {
			return err
		}
		c.Head = []byte("no head")
		return errors.Join(tx.PutConversation(c), tx.PutGrown(bridge.Grown{Conversation: "conv_00000000000000ff", Size: 3}))
	})
	if err != nil {
		t.Fatal(err)
	}
	w.sweep()
	got := w.headLeaves()
	if len(got) != 1 || len(got[0]) != 3 || got[0]["conv_0000000000000001"] != "unreadable" || !strings.HasPrefix(got[0]["conv_0000000000000002"], "1 ") {
		t.Errorf("told %v, want the three logs that are there, one of them unreadable", got)
	}
}

// BenchmarkSweep_Heads is one pass over logs that all grew since the last.
func BenchmarkSweep_Heads(b *testing.B) {
	for _, conversations := range []int{1, 1000} {
		b.Run(fmt.Sprint(conversations), func(b *testing.B) {
			svc, store := fleet(b, 0, 0, nil)
			var took []time.Duration
			for range 12 {
				grow(b, store, conversations)
				if err := store.Update(b.Context(), bridge.Deployment, func(tx bridge.Tx) error { return tx.PutMeta("heads", make([]byte, 8)) }); err != nil {
					b.Fatal(err)
				}
				start := time.Now()
				if _, err := svc.Sweep(b.Context()); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(start))
			}
			for b.Loop() { // nothing grew any more: what an idle sweep costs
				if _, err := svc.Sweep(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
			var sum time.Duration
			for _, d := range took {
				sum += d
			}
			b.ReportMetric(float64(sum.Microseconds())/1000/float64(len(took)), "ms-telling")
		})
	}
}

// deaf takes away every note of growth, as a trigger in the database would.
func (w *world) deaf() {
	w.t.Helper()
	err := w.store.Update(w.ctx, bridge.Deployment, func(tx bridge.Tx) error {
		grown, err := tx.Grown(0)
		for _, g := range grown {
			g.Size = 1 << 40
			err = errors.Join(err, tx.DropGrown(g))
		}
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func TestVerify_FindsALogWhoseGrowthNobodyIsToTell(t *testing.T) {
	w := newWorld(t)
	w.tampered = true
	a, b := w.agent("alpha"), w.agent("beta")
	id := w.talk(a, b)
	w.sweep()
	w.say(a, "words")
	reports, err := w.AuditVerify(w.ctx, id)
	if err != nil || reports[0].Fault != "" {
		t.Fatalf("AuditVerify = %+v, %v: the next sweep will tell it", reports, err)
	}
	w.deaf()
	for _, one := range []bridge.ConversationID{id, ""} {
		reports, err = w.AuditVerify(w.ctx, one)
		if err != nil || !strings.Contains(reports[0].Fault, "not told") {
			t.Errorf("AuditVerify = %+v, %v, want it found", reports, err)
		}
	}
}

// A checkpoint of the deployment's log covers all that was logged before it, whatever was done to the notes of growth.
func TestAuditCheckpoint_TellsEveryHeadFirst(t *testing.T) {
	var d drawer
	var said bytes.Buffer
	w := newWorld(t, witnessed(t, &d, &said))
	a, b := w.agent("alpha"), w.agent("beta")
	one, two := w.talk(a, b), w.talk(a, b)
	w.sweep()
	if _, err := w.Send(w.ctx, a, bridge.SendRequest{Conversation: two, Message: "more"}); err != nil {
		t.Fatal(err)
	}
	w.deaf()
	for range 2 { // the second finds all told
		note, reports, err := w.AuditCheckpoint(w.ctx, "")
		if err != nil || note == nil || reports[0].Fault != "" {
			t.Fatalf("AuditCheckpoint = %s, %+v, %v", note, reports, err)
		}
	}
	leaves := w.headLeaves()
	if last := leaves[len(leaves)-1]; len(leaves) != 2 || len(last) != 1 || last[string(two)] != w.headText(two) {
		t.Errorf("told %v, want the head of %s and not again that of %s", leaves, two, one)
	}
}

// A store from before growth was noted has logs that nobody told, and they may never grow again.
func TestSweep_TellsTheLogsOfAnOlderStoreOnce(t *testing.T) {
	w := newWorld(t)
	grow(t, w.store, 3)
	w.deaf()
	if reports, err := w.AuditVerify(w.ctx, ""); err != nil || reports[0].Fault != "" {
		t.Errorf("AuditVerify = %+v, %v: nobody swept it yet", reports, err)
	}
	w.sweep()
	w.sweep()
	if got := w.headLeaves(); len(got) != 1 || len(got[0]) != 3 {
		t.Errorf("told %v, want all three, once", got)
	}
}
