package daemon

import (
	"bytes"
	"context"
	"crypto/ed25519"
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
	// Snapshots is where the snapshots of a workspace are kept.
	Snapshots func(workspace string) string
	Log       *slog.Logger

	mu      sync.Mutex // guards all below
	boxes   map[string]*sandbox.Sandbox
	busy    map[string]bool   // workspaces in which a command runs
	refused map[string]string // why a workspace is not served, as it was logged last
	running sync.WaitGroup
}

// slowLook is how often a runner looks for commands where no hint came.
const slowLook = 2 * time.Second

// Run serves until ctx ends. What runs then is ended, and told as such.
func (r *Runner) Run(ctx context.Context) {
	r.boxes, r.busy, r.refused = map[string]*sandbox.Sandbox{}, map[string]bool{}, map[string]string{}
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
	key, err := r.Key()
	if err == nil && key != nil {
		_, err = r.Service.ServePermits(ctx, func(p bridge.Permit) bool { return bytes.Equal(p.Key, key) && r.fit(p) })
	}
	if err != nil && ctx.Err() == nil {
		r.Log.Warn("serve commands", "error", err)
	}
}

// fit reports whether commands of a permit can run here, and logs why not, once.
func (r *Runner) fit(p bridge.Permit) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	box, why := r.box(p.Workspace)
	if why == "" && p.Mode != policy.Safe && box.Tier() == sandbox.Landlock {
		why = "the sandbox of this machine is too weak for it: " + sandbox.Install
	}
	if why != r.refused[p.Workspace] {
		r.refused[p.Workspace] = why
		if why != "" {
			r.Log.Warn("commands are not run", "conversation", string(p.Conversation), "workspace", p.Workspace, "mode", p.Mode.String(), "why", why)
		} else {
			r.Log.Info("commands are run again", "workspace", p.Workspace)
		}
	}
	return why == ""
}

// box finds the sandbox of a workspace, or says what is in the way. A workspace that became a link or went away has none. mu must be held.
func (r *Runner) box(workspace string) (box *sandbox.Sandbox, why string) {
	o := r.Sandbox
	o.Workspace = workspace
	if box = r.boxes[workspace]; box != nil && o.Check() == nil {
		return box, ""
	}
	delete(r.boxes, workspace)
	var err error
	if r.Caches != nil && o.Check() == nil {
		o.Cache, err = r.Caches(workspace)
	}
	if err == nil {
		box, err = sandbox.New(o)
	}
	switch {
	case err != nil:
		return nil, err.Error()
	case box.Tier() == sandbox.None:
		return nil, "this machine has no sandbox: " + sandbox.Install
	}
	r.Log.Info("commands are run", "workspace", workspace, "sandbox", string(box.Tier()))
	r.boxes[workspace] = box
	return box, ""
}

// begin begins a command, if there is one whose workspace is free.
func (r *Runner) begin(ctx context.Context) bool {
	key, err := r.Key()
	if err != nil || key == nil || ctx.Err() != nil {
		return false
	}
	c, ok, err := r.Service.StartCommand(ctx, r.Instance, func(p bridge.Permit) bool {
		if !bytes.Equal(p.Key, key) || !r.fit(p) {
			return false
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		return !r.busy[p.Workspace]
	})
	if err != nil && ctx.Err() == nil {
		r.Log.Warn("look for commands", "error", err)
	}
	if err != nil || !ok {
		return false
	}
	r.mu.Lock()
	r.busy[c.Workspace] = true
	box := r.boxes[c.Workspace]
	r.mu.Unlock()
	r.running.Go(func() {
		res := r.run(ctx, box, c)
		r.mu.Lock()
		delete(r.busy, c.Workspace)
		r.mu.Unlock()
		r.end(ctx, c, res)
	})
	return true
}

// endWithin is how long a runner that closes tries to say how a command went. Whoever sweeps says that it is lost where that fails.
const endWithin = 5 * time.Second

// end says how a command went, however often that takes.
func (r *Runner) end(ctx context.Context, c bridge.Command, res bridge.CommandResult) {
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		saying, cancel := context.WithTimeout(context.WithoutCancel(ctx), endWithin)
		err := r.Service.EndCommand(saying, c, res)
		cancel()
		if err == nil {
			return
		}
		if code := bridge.AsError(err).Code; ctx.Err() != nil || code != bridge.Unavailable && code != bridge.Internal {
			r.Log.Error("how a command went could not be told", "command", string(c.ID), "error", err)
			return
		}
		r.Log.Warn("tell how a command went", "command", string(c.ID), "error", err)
		select {
		case <-ctx.Done(): // once more
		case <-time.After(pause):
		}
	}
}
