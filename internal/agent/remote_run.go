package agent

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync"
	"syscall"

	"agentbridge/internal/bridge"
	"agentbridge/internal/mcpserver"
)

// RemoteRun says whose process this is, at which hub, and who its client is.
type RemoteRun struct {
	Remote *Remote
	Server *mcpserver.Server // over Remote
	Name   string            // whose token it must be; empty: anybody's
	In     io.ReadCloser     // the client's requests
	Out    io.WriteCloser    // the answers
	Say    func(line string) // told in one line when the hub is away, and when it is back; nil: nobody is told
	// Alone reports whether this process is the only one of its agent, so that what its token holds elsewhere is nobody's; nil: nobody knows.
	Alone func() bool
	Log   *slog.Logger // nil: silent
}

// RunRemote is [Run] for an agent whose bridge is a hub: it serves the client until it hangs up or ctx ends, which is no error, or until
// the hub does not accept the token any more, which is. A hub that is away ends nothing. It closes In and Out.
func RunRemote(ctx context.Context, o RemoteRun) error {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	caller := bridge.Caller{Instance: "remote"} // of the one client; the hub knows the agent by its token
	connected, end := context.WithCancelCause(ctx)
	r := o.Remote
	r.reclaim = o.Alone != nil && o.Alone()
	var wg sync.WaitGroup
	wg.Go(func() {
		arrive := sync.OnceFunc(func() { // the agent is there, and may have said goodbye before
			wg.Go(func() { ask[mcpserver.Nothing](connected, r, trial{name: "heartbeat", request: bridge.Pulse{}}) })
		})
		if err := r.attend(connected, o.Name, arrive, o.Say); err != nil {
			end(err)
		}
	})
	err := o.Server.ServeStdio(connected, caller, o.In, o.Out)
	end(nil)
	wg.Wait()
	bye, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
	defer cancel()
	failed := r.Close(bye, caller)
	if o.Alone != nil && o.Alone() {
		_, _, err := once[mcpserver.Nothing](bye, r, trial{name: "heartbeat", request: bridge.Pulse{End: true}})
		failed = errors.Join(failed, err)
	}
	if failed != nil {
		o.Log.Info("say goodbye to the hub", "error", failed)
	}
	if cause := context.Cause(connected); cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, syscall.EPIPE) {
		return nil
	}
	return err
}

// attend shows the hub until ctx ends that the agent is there, by which the hub keeps its token good, and watches over the hub. It ends
// early only where the hub does not accept the token. It calls there whenever it hears of the hub.
func (r *Remote) attend(ctx context.Context, name string, there func(), say func(string)) error {
	if say == nil {
		say = func(string) {}
	}
	told := false // that all is well is no news before something was not
	return KeepAlive(ctx, KeepAliveOptions{
		From: watched{r.hub, func(k bridge.KeepAlive) {
			there()
			if r.sized(k.Log) {
				say(rolledBack(r.hub).Text())
			}
		}},
		Name: name,
		Say: func(line string, news bool) {
			told = told || !strings.HasPrefix(line, "connected")
			if news && told {
				say(line)
			}
		},
	})
}

// watched is a hub of which somebody sees all that it says.
type watched struct {
	*Hub
	see func(bridge.KeepAlive)
}

func (w watched) follow(ctx context.Context, tell func(bridge.KeepAlive) error) error {
	return w.Hub.follow(ctx, func(k bridge.KeepAlive) error {
		w.see(k)
		return tell(k)
	})
}

// sized notes how long the hub's log is, and reports whether it was longer before.
func (r *Remote) sized(entries int64) (older bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	older = entries < r.entries
	r.entries = entries
	r.older = r.older || older
	return older
}

// news is what the agent must know before it goes on, once.
func (r *Remote) news() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.older {
		return nil
	}
	r.older = false
	return rolledBack(r.hub)
}

func rolledBack(h *Hub) *bridge.Error {
	return bridge.Errorf(bridge.Conflict, "the hub at %s came back as an older copy of itself: what was done since that copy is gone there", h.where()).
		WithHint("nothing was done now. Look with check_partners and list_tasks at what it knows, do again what is missing, and go on")
}
