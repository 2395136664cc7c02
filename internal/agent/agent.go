// Package agent runs what runs beside an agent: its MCP server on stdio, and the signs that its process is there.
package agent

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"syscall"
	"time"

	"agentbridge/internal/bridge"
	"agentbridge/internal/mcpserver"
)

// Options say whose process this is and who its client is.
type Options struct {
	Service *bridge.Service
	Server  *mcpserver.Server
	Caller  bridge.Caller
	// Replace lets the caller bear another token, where its own cannot be renewed because the key that signed it ends; nil: then it ends.
	Replace func(context.Context) error
	In      io.ReadCloser  // the client's requests
	Out     io.WriteCloser // the answers
	Log     *slog.Logger   // nil: silent
}

// farewell is how long a process that ends takes to say so. Where it cannot, its free lock tells the others.
const farewell = 2 * time.Second

// Run serves the client until it hangs up or ctx ends; both are no error. Meanwhile the agent is seen to be there, and its token
// is renewed before it expires. It closes In and Out.
func Run(ctx context.Context, o Options) error {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	connected, hangUp := context.WithCancel(ctx)
	defer hangUp()
	var wg sync.WaitGroup
	wg.Go(func() { attend(connected, o) })
	err := o.Server.ServeStdio(connected, o.Caller, o.In, o.Out)
	hangUp()
	wg.Wait()
	bye, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
	defer cancel()
	if err := o.Service.Heartbeat(bye, o.Caller, bridge.Pulse{End: true}); err != nil {
		o.Log.Warn("say goodbye", "error", err)
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, syscall.EPIPE) {
		return nil
	}
	return err
}

// attend shows until ctx ends that the agent's process is there, and keeps its token good.
func attend(ctx context.Context, o Options) {
	r := renewal{Service: o.Service, Caller: o.Caller, Replace: o.Replace}
	beat := time.NewTicker(o.Service.Config().Heartbeat)
	defer beat.Stop()
	for {
		// The token first: a beat with an expired one is refused.
		if err := r.look(ctx); err != nil && ctx.Err() == nil {
			o.Log.Warn("renew token", "error", err)
		}
		if err := o.Service.Heartbeat(ctx, o.Caller, bridge.Pulse{}); err != nil && ctx.Err() == nil {
			o.Log.Warn("heartbeat", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-beat.C:
		}
	}
}
