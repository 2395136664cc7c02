package mcpserver

import (
	"context"
	"regexp"
	"sync"

	"agentbridge/internal/bridge"
)

// maxVoid is how many calls that were undone are remembered: their requests may still be on their way.
const maxVoid = 16384

// callName is what names of calls look like.
var callName = regexp.MustCompile(`^[A-Za-z0-9]{8,64}$`)

func badCallName() error {
	return bridge.Errorf(bridge.Invalid, "the call has no name").WithHint("a call that takes something has a random name of 8 to 64 letters and digits")
}

// try is one try of a call that takes something.
type try struct {
	agent bridge.AgentID // not the token, which may get a successor between a try and its undoing
	call  string
}

func tryOf(c bridge.Caller, call string) try { return try{c.Agent(), call} }

// tries keeps a call that was undone from taking anything later: one that is under way is ended first, and one that arrives late, because
// it was held up on the network, is refused. The zero value is ready.
type tries struct {
	mu      sync.Mutex // guards all below
	running map[try]*running
	voided  map[try]bool
	order   []try // of voided, the oldest first
}

type running struct {
	end  context.CancelFunc
	over chan struct{}
}

// begin notes that a call is under way until over is called. One that was undone, or is under way already, is refused.
func (t *tries) begin(ctx context.Context, call try) (_ context.Context, over func(), err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.voided[call] || t.running[call] != nil {
		return nil, nil, bridge.Errorf(bridge.Conflict, "that call was made before").WithHint("give each try a name of its own")
	}
	if t.running == nil {
		t.running = map[try]*running{}
	}
	ctx, end := context.WithCancel(ctx)
	r := &running{end, make(chan struct{})}
	t.running[call] = r
	return ctx, func() {
		end()
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.running, call)
		close(r.over)
	}, nil
}

// void ends a call that is under way, waits for its end and refuses it from then on.
func (t *tries) void(ctx context.Context, call try) error {
	t.mu.Lock()
	r := t.running[call]
	if !t.voided[call] {
		if t.voided == nil {
			t.voided = map[try]bool{}
		}
		if len(t.order) == maxVoid {
			delete(t.voided, t.order[0])
			t.order = t.order[1:]
		}
		t.voided[call] = true
		t.order = append(t.order, call)
	}
	t.mu.Unlock()
	if r == nil {
		return nil
	}
	r.end()
	select {
	case <-r.over:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
