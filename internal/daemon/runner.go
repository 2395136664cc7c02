package daemon

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"log/slog"
	"sync"
	"time"

	"agentbridge/internal/bridge"
	"agentbridge/internal/policy"
	"agentbridge/internal/sandbox"
)

// A Runner runs the commands that a person of this machine approved: each at most once, in the sandbox, in the workspace of its permit, one
// after the other in a workspace. Any number may serve one bridge; which of them begins a command is settled by the bridge.
type Runner struct {
	Service  *bridge.Service
	Instance bridge.Instance
	// Key gives the public half of this machine's approval key. Permits of another key are none of this runner's business, whatever the
	// store says. nil: there is none yet.
	Key     func() (ed25519.PublicKey, error)
	Policy  policy.Options  // its workspace is the permit's
	Sandbox sandbox.Options // its workspace is the permit's
	// Caches gives a directory in which the commands of a workspace keep what their tools cache; nil: nothing is kept.
	Caches func(workspace string) (dir string, err error)
	// Turn takes the turn to run a command in a workspace, of which there is one on this machine; ok is false while another process has it, or
	// this one.
	Turn func(workspace string) (release func(), ok bool)
	// Snapshots is where the snapshots of a workspace are kept.
	Snapshots func(workspace string) string
	Log       *slog.Logger

	mu      sync.Mutex // guards all below
	boxes   map[string]*sandbox.Sandbox
	refused map[string]string // why a workspace is not served in a mode, as it was logged last
	walls   walls
	running sync.WaitGroup
}

// slowLook is how often a runner looks for commands where no hint came.
const slowLook = 2 * time.Second

// Run serves until ctx ends. What runs then is ended, and told as such.
func (r *Runner) Run(ctx context.Context) {
	r.boxes, r.refused = map[string]*sandbox.Sandbox{}, map[string]string{}
	defer r.running.Wait()
	permits, commands := r.Service.WatchPermits(ctx), r.Service.WatchCommands(ctx)
	var served time.Time
	for {
		if time.Since(served) >= bridge.RunnerBeat {
			r.serve(ctx)
			served = time.Now()
		}
		for r.begin(ctx) {
		}
		select {
		case <-ctx.Done():
			return
		case <-permits:
			served = time.Time{}
		case <-commands:
		case <-time.After(slowLook):
		}
	}
}

// serve tells the bridge which permits this runner serves.
func (r *Runner) serve(ctx context.Context) {
	r.grow()
	key, err := r.Key()
	if err == nil && key != nil {
		_, err = r.Service.ServePermits(ctx, func(p bridge.Permit) bool { return bytes.Equal(p.Key, key) && r.fit(ctx, p) })
	}
	if err != nil && ctx.Err() == nil {
		r.Log.Warn("serve commands", "error", err)
	}
}

// begin begins a command, if there is one whose workspace is free.
func (r *Runner) begin(ctx context.Context) bool {
	key, err := r.Key()
	if err != nil || key == nil || ctx.Err() != nil {
		return false
	}
	turns := map[string]func(){} // taken, by workspace; nil when it is too late for more
	c, ok, err := r.Service.StartCommand(ctx, r.Instance, func(p bridge.Permit) bool {
		if !bytes.Equal(p.Key, key) || !r.fit(ctx, p) {
			return false
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		if turns != nil && turns[p.Workspace] == nil {
			if release, ok := r.Turn(p.Workspace); ok {
				turns[p.Workspace] = release
			}
		}
		return turns[p.Workspace] != nil
	})
	r.mu.Lock()
	for workspace, release := range turns {
		if !ok || workspace != c.Workspace {
			release()
		}
	}
	box, release := r.boxes[c.Workspace], turns[c.Workspace]
	turns = nil
	r.mu.Unlock()
	if err != nil && ctx.Err() == nil {
		r.Log.Warn("look for commands", "error", err)
	}
	if err != nil || !ok {
		return false
	}
	r.running.Go(func() {
		res := r.run(ctx, box, c)
		release() // before it is told, which wakes who waits for the turn
		r.end(ctx, c, res)
	})
	return true
}

// endWithin is how long a runner that closes tries to say how a command went. Whoever sweeps says that it is lost where that fails.
const endWithin = 5 * time.Second

// end says how a command went, however often that takes.
func (r *Runner) end(ctx context.Context, c bridge.Command, res bridge.CommandResult) {
	again := false
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		saying, cancel := context.WithTimeout(context.WithoutCancel(ctx), endWithin)
		err := r.Service.EndCommand(saying, c, res)
		cancel()
		if err == nil || again && errors.Is(err, bridge.Conflict) { // it was told, and only the answer was lost
			return
		}
		if code := bridge.AsError(err).Code; ctx.Err() != nil || code != bridge.Unavailable && code != bridge.Internal {
			r.Log.Error("how a command went could not be told", "command", string(c.ID), "error", err)
			return
		}
		r.Log.Warn("tell how a command went", "command", string(c.ID), "error", err)
		again = true
		select {
		case <-ctx.Done(): // once more
		case <-time.After(pause):
		}
	}
}
