package daemon

import (
	"context"
	"strings"
	"time"

	"agentbridge/internal/bridge"
	"agentbridge/internal/policy"
	"agentbridge/internal/sandbox"
)

// walls are what the sandbox's own test found on this machine.
type walls struct {
	tried  time.Time // zero: not yet, or too long ago
	weak   string    // why nothing is run; empty: they hold
	reader string    // why only what reads is run; empty: everything is
}

// wallsHold is how long a test of the sandbox counts. One that failed is done again with the next beat.
const wallsHold = 10 * time.Minute

// grow has the sandbox tried again where the last time was too long ago.
func (r *Runner) grow() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if w := &r.walls; w.weak+w.reader != "" || time.Since(w.tried) > wallsHold {
		w.tried = time.Time{}
	}
}

// fit reports whether commands of a permit can run here, and logs why not, once.
func (r *Runner) fit(ctx context.Context, p bridge.Permit) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	why := r.try(ctx, p.Mode)
	if why == "" {
		_, why = r.box(p.Workspace)
	}
	if ctx.Err() != nil {
		return false
	}
	key := p.Mode.String() + " " + p.Workspace
	if why != r.refused[key] {
		r.refused[key] = why
		if why != "" {
			r.Log.Warn("commands are not run", "conversation", string(p.Conversation), "workspace", p.Workspace, "mode", p.Mode.String(), "why", why)
		} else {
			r.Log.Info("commands are run again", "workspace", p.Workspace, "mode", p.Mode.String())
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

// try says why the sandbox of this machine is none for a mode, after it really was tried; empty: it is one. mu must be held.
func (r *Runner) try(ctx context.Context, mode policy.Mode) (why string) {
	w := &r.walls
	if w.tried.IsZero() {
		report, err := sandbox.Probe(ctx, r.Sandbox)
		*w = walls{tried: time.Now()}
		var broken []string
		for _, c := range report.Checks {
			if !c.Held {
				broken = append(broken, c.Name)
			}
		}
		switch {
		case err != nil:
			w.weak = "the sandbox could not be tried: " + err.Error()
		case len(broken) > 0:
			w.weak = "the sandbox does not hold: " + strings.Join(broken, ", ")
		case !report.OK():
			w.reader = "the sandbox of this machine is too weak for it: " + sandbox.Install
		}
		clear(r.boxes) // the next may be of another tier
		if ctx.Err() == nil {
			r.Log.Info("the sandbox was tried", "tier", string(report.Tier), "version", report.Version, "walls", len(report.Checks), "broken", len(broken))
		}
	}
	if w.weak != "" || mode == policy.Safe {
		return w.weak
	}
	return w.reader
}
