package daemon

import (
	"context"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"agentbridge/internal/bridge"
	"agentbridge/internal/redact"
	"agentbridge/internal/sqlite"
)

// eventually waits until something is so.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !so(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
	}
}

// readPid waits for a file with a process id.
func readPid(t *testing.T, path string) (pid int) {
	t.Helper()
	eventually(t, path, func() bool {
		text, _ := os.ReadFile(path)
		pid, _ = strconv.Atoi(strings.TrimSpace(string(text)))
		return pid > 0
	})
	return pid
}

// world is a bridge on a store in memory. It works in a synctest bubble.
type world struct {
	*bridge.Service
	store *sqlite.Store
	log   *slog.Logger
	said  *strings.Builder // what was logged; read it once nothing runs any more
}

func newWorld(t *testing.T) *world { return worldWith(t, bridge.Defaults()) }

// calmWorld is one where nobody falls silent by itself.
func calmWorld(t *testing.T) *world {
	conf := bridge.Defaults()
	conf.SilentAfter, conf.GoneAfter = 24*time.Hour, 48*time.Hour
	return worldWith(t, conf)
}

func worldWith(t *testing.T, conf bridge.Config) *world {
	t.Helper()
	store, err := sqlite.Open(t.Context(), ":memory:", sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	scanner, err := redact.New(redact.Options{})
	if err != nil {
		t.Fatal(err)
	}
	svc, err := bridge.New(t.Context(), store, bridge.Options{Config: conf, Keys: bridge.NewKeyRing(), Scanner: scanner})
	if err != nil {
		t.Fatal(err)
	}
	said := &strings.Builder{}
	return &world{Service: svc, store: store, log: slog.New(slog.NewTextHandler(said, nil)), said: said}
}

// agent makes an agent of this machine, at a process of its own.
func (w *world) agent(t *testing.T, name string) bridge.Caller {
	t.Helper()
	token, _, err := w.NewAgent(t.Context(), name, true)
	if err != nil {
		t.Fatal(err)
	}
	c, err := w.Authenticate(t.Context(), token, bridge.Origin{Instance: bridge.Instance("proc_" + name), Local: true})
	if err != nil {
		t.Fatal(err)
	}
	w.beat(t, c)
	return c
}

func (w *world) beat(t *testing.T, c bridge.Caller) {
	t.Helper()
	if err := w.Heartbeat(t.Context(), c, bridge.Pulse{Progress: true}); err != nil {
		t.Fatal(err)
	}
}

// team is alpha in a conversation with beta and gamma, who joined, and delta, who did not.
func (w *world) team(t *testing.T) (id bridge.ConversationID, alpha, beta, gamma bridge.Caller) {
	t.Helper()
	alpha, beta, gamma = w.agent(t, "alpha"), w.agent(t, "beta"), w.agent(t, "gamma")
	made, err := w.Create(t.Context(), alpha, bridge.CreateRequest{Role: "lead", Partners: []bridge.Partner{{Name: "beta"}, {Name: "gamma"}, {Name: "delta"}}})
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range []bridge.Caller{beta, gamma} {
		if _, err := w.Join(t.Context(), c, bridge.JoinRequest{Code: made.Invites[i].Code}); err != nil {
			t.Fatal(err)
		}
	}
	return made.Conversation, alpha, beta, gamma
}

// raise stores an alert as if the bridge had raised it now.
func (w *world) raise(t *testing.T, id bridge.ConversationID, n int) bridge.Alert {
	t.Helper()
	var a bridge.Alert
	err := w.store.Update(context.WithoutCancel(t.Context()), bridge.InConversation(id), func(tx bridge.Tx) error {
		a = bridge.Alert{
			ID: bridge.AlertID("alert_" + strconv.FormatInt(int64(n)+1<<60, 16)), Conversation: id, Kind: bridge.AlertSilent,
			At: tx.Now(), Member: "beta", Text: "beta fell silent",
		}
		return tx.AddAlert(a)
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func (w *world) watchdog(sinks ...Sink) *Watchdog {
	return &Watchdog{Service: w.Service, Every: 5 * time.Second, Sinks: sinks, Log: w.log}
}
