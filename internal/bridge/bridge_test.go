package bridge_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"agentbridge/internal/bridge"
	"agentbridge/internal/redact"
	"agentbridge/internal/sqlite"
	"agentbridge/internal/storetest"
)

// world is a bridge on a store in memory, with clocks that tests move by sleeping in a synctest bubble.
type world struct {
	*bridge.Service
	t     *testing.T
	ctx   context.Context
	store bridge.Store

	tampered bool // by the test itself: it does not hold together

	mu   sync.Mutex // guards dead
	dead map[bridge.Instance]bool
}

type option func(*bridge.Options)

// newWorld opens a bridge. When the test ends, everything in it must hold together.
func newWorld(t *testing.T, opts ...option) *world {
	t.Helper()
	store, err := sqlite.Open(t.Context(), ":memory:", sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	w := worldOn(t, store, opts...)
	t.Cleanup(func() {
		if !t.Failed() && !w.tampered {
			w.holdsTogether()
		}
	})
	return w
}

// worldAt is a world whose wall clock the test sets.
func worldAt(t *testing.T, clock *wall) *world {
	t.Helper()
	store, err := sqlite.Open(t.Context(), ":memory:", sqlite.Options{Now: clock.now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	w := worldOn(t, store)
	t.Cleanup(w.holdsTogether)
	return w
}

func worldOn(t *testing.T, store bridge.Store, opts ...option) *world {
	t.Helper()
	scanner, err := redact.New(redact.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, ctx: context.WithoutCancel(t.Context()), store: store, dead: map[bridge.Instance]bool{}}
	o := bridge.Options{Config: bridge.Defaults(), Keys: bridge.NewKeyRing(), Scanner: scanner, Dead: w.isDead}
	for _, opt := range opts {
		opt(&o)
	}
	if w.Service, err = bridge.New(t.Context(), store, o); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) isDead(i bridge.Instance) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dead[i]
}

func (w *world) kill(c bridge.Caller) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dead[c.Instance] = true
}

// holdsTogether checks what must be true of every store at every time.
func (w *world) holdsTogether() {
	w.t.Helper()
	storetest.Invariants(w.t, w.store)
	reports, err := w.AuditVerify(w.ctx, "")
	if err != nil {
		w.t.Fatal(err)
	}
	for _, r := range reports {
		if r.Fault != "" {
			w.t.Errorf("log %s: %s", r.Log, r.Fault)
		}
	}
}

// agent makes an agent of this machine, in a process of its own.
func (w *world) agent(name string) bridge.Caller {
	w.t.Helper()
	token, _, err := w.NewAgent(w.ctx, name, true)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.process(token, name)
}

func (w *world) process(token, name string) bridge.Caller {
	w.t.Helper()
	w.mu.Lock()
	instance := bridge.Instance("proc_" + name + strings.Repeat("x", len(w.dead)))
	w.dead[instance] = false
	w.mu.Unlock()
	c, err := w.Authenticate(w.ctx, token, bridge.Origin{Instance: instance, Local: true})
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// remote makes an agent that comes over HTTP: its instance is its token.
func (w *world) remote(name string) bridge.Caller {
	w.t.Helper()
	token, _, err := w.NewAgent(w.ctx, name, false)
	if err != nil {
		w.t.Fatal(err)
	}
	c, err := w.Authenticate(w.ctx, token, bridge.Origin{})
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// talk makes a conversation of the first caller and the others, all joined.
func (w *world) talk(creator bridge.Caller, others ...bridge.Caller) bridge.ConversationID {
	w.t.Helper()
	q := bridge.CreateRequest{Role: "lead"}
	for _, o := range others {
		q.Partners = append(q.Partners, bridge.Partner{Name: o.Name(), Role: "partner"})
	}
	res, err := w.Create(w.ctx, creator, q)
	if err != nil {
		w.t.Fatal(err)
	}
	for i, o := range others {
		if _, err := w.Join(w.ctx, o, bridge.JoinRequest{Code: res.Invites[i].Code}); err != nil {
			w.t.Fatal(err)
		}
	}
	return res.Conversation
}

func (w *world) say(c bridge.Caller, text string, to ...string) bridge.SendResult {
	w.t.Helper()
	res, err := w.Send(w.ctx, c, bridge.SendRequest{Message: text, To: to})
	if err != nil {
		w.t.Fatal(err)
	}
	return res
}

func (w *world) check(c bridge.Caller, q bridge.CheckRequest) bridge.CheckResult {
	w.t.Helper()
	res, err := w.Check(w.ctx, c, q)
	if err != nil {
		w.t.Fatal(err)
	}
	return res
}

// state tells the state of the copy of a message that one recipient has.
func (w *world) delivery(id bridge.ConversationID, seq int64, to string) bridge.Delivery {
	w.t.Helper()
	var found bridge.Delivery
	err := w.store.View(w.ctx, func(tx bridge.Tx) error {
		all, err := tx.Deliveries(id, seq, seq)
		for _, d := range all {
			if d.Recipient == to {
				found = d
			}
		}
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return found
}

// texts are the messages of a batch without their frames.
func texts(res bridge.CheckResult) []string {
	var list []string
	for _, m := range res.Messages {
		list = append(list, bare(m))
	}
	return list
}

// bare is the text between the marks of a frame.
func bare(m bridge.Message) string {
	lines := strings.Split(m.Text, "\n")
	return strings.Join(lines[1:len(lines)-1], "\n")
}

// want fails unless err is of that code and its hint mentions hint: every refusal has a way out.
func want(t *testing.T, err error, code bridge.Code, hint string) {
	t.Helper()
	if !errors.Is(err, code) {
		t.Fatalf("error = %v, want %s", err, code)
	}
	e := bridge.AsError(err)
	if e.Hint == "" || !strings.Contains(e.Hint, hint) {
		t.Errorf("hint of %q = %q, want it to mention %q", e.Message, e.Hint, hint)
	}
}

// inBubble runs a story whose clock jumps over every wait.
func inBubble(t *testing.T, story func(t *testing.T)) { synctest.Test(t, story) }

const minute = time.Minute
