package daemon

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"agentbridge/internal/bridge"
	"agentbridge/internal/policy"
)

// yard is a world in which alpha and beta may ask for commands, in a directory of this machine, and the person's key.
type yard struct {
	*world
	t           *testing.T
	alpha, beta bridge.Caller
	id          bridge.ConversationID
	key         ed25519.PrivateKey
	work        string
	log         *logText
	turns       sync.Map // workspaces in which a command runs
}

// logText is a log that can be read while it is written.
type logText struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
}

func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func newYard(t *testing.T) *yard { return yardIn(t, calmWorld(t)) }

func yardIn(t *testing.T, w *world) *yard {
	t.Helper()
	if _, err := exec.LookPath("bwrap"); err != nil {
		t.Fatal("these tests need bubblewrap: apt install bubblewrap")
	}
	g := &yard{world: w, t: t, log: &logText{}}
	g.id, g.alpha, g.beta, _ = w.team(t)
	var err error
	if _, g.key, err = ed25519.GenerateKey(nil); err != nil {
		t.Fatal(err)
	}
	g.work = filepath.Join(t.TempDir(), "work")
	if err := os.Mkdir(g.work, 0o700); err != nil {
		t.Fatal(err)
	}
	return g
}

func (g *yard) sign(what []byte) ([]byte, error) { return ed25519.Sign(g.key, what), nil }

func (g *yard) public() ed25519.PublicKey { return g.key.Public().(ed25519.PublicKey) }

func (g *yard) enable(mode policy.Mode) {
	g.t.Helper()
	_, err := g.EnableCommands(g.t.Context(), bridge.EnableRequest{Conversation: g.id, Mode: mode, Workspace: g.work, For: time.Hour, Key: g.public(), Sign: g.sign})
	if err != nil {
		g.t.Fatal(err)
	}
}

func (g *yard) runner() *Runner {
	public, snapshots := g.public(), g.t.TempDir()
	return &Runner{
		Service: g.Service, Instance: g.store.Instance(), Key: func() (ed25519.PublicKey, error) { return public, nil },
		Turn: func(workspace string) (func(), bool) {
			_, held := g.turns.LoadOrStore(workspace, true)
			return func() { g.turns.Delete(workspace) }, !held
		},
		Snapshots: func(string) string { return filepath.Join(snapshots, "snapshots.git") },
		Log:       slog.New(slog.NewTextHandler(g.log, nil)),
	}
}

// begin has a runner serve, until the test ends or stop is called.
func (g *yard) begin(r *Runner) (stop func()) {
	g.t.Helper()
	ctx, cancel := context.WithCancel(g.t.Context())
	var running sync.WaitGroup
	running.Go(func() { r.Run(ctx) })
	stop = func() { cancel(); running.Wait() }
	g.t.Cleanup(stop)
	return stop
}

// serve has a runner serve, and waits until it does.
func (g *yard) serve(r *Runner) (stop func()) {
	g.t.Helper()
	stop = g.begin(r)
	eventually(g.t, "the runner serves", func() bool {
		permits, err := g.Permits(g.t.Context())
		return err == nil && len(permits) == 1 && permits[0].Served(time.Now())
	})
	return stop
}

// ask is alpha's; nobody said yes yet.
func (g *yard) ask(command string) bridge.CommandID {
	g.t.Helper()
	v, err := g.RunCommand(g.t.Context(), g.alpha, bridge.RunCommandRequest{Command: command, Reason: "to see"})
	if err != nil {
		g.t.Fatalf("%s: %v", command, err)
	}
	return v.ID
}

func (g *yard) approve(id bridge.CommandID) {
	g.t.Helper()
	c, err := g.FindCommand(g.t.Context(), id)
	if err == nil {
		err = g.ApproveCommand(g.t.Context(), c, g.sign)
	}
	if err != nil {
		g.t.Fatal(err)
	}
}

func (g *yard) await(id bridge.CommandID) bridge.CommandView {
	g.t.Helper()
	v, err := g.RunCommand(g.t.Context(), g.alpha, bridge.RunCommandRequest{ID: id, Wait: time.Minute})
	if err != nil || !v.State.Final() {
		g.t.Fatalf("%s: %+v, %v", id, v, err)
	}
	return v
}

func (g *yard) do(command string) bridge.CommandView {
	g.t.Helper()
	id := g.ask(command)
	g.approve(id)
	return g.await(id)
}

func (g *yard) write(name, text string) {
	g.t.Helper()
	if err := os.WriteFile(filepath.Join(g.work, name), []byte(text), 0o700); err != nil {
		g.t.Fatal(err)
	}
}

func (g *yard) read(name string) string {
	text, _ := os.ReadFile(filepath.Join(g.work, name))
	return string(text)
}
