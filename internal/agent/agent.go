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
	r := renewal{Options: o, life: o.Service.Config().TokenTTL}
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

// renewal keeps a token good.
type renewal struct {
	Options
	life    time.Duration
	expires time.Time // zero: not known yet
}

// look renews the token once two thirds of its life are over. It goes by the wall clock, which runs on while a laptop sleeps: a
// local agent's token that expired meanwhile is extended, because its process held it all the time.
func (r *renewal) look(ctx context.Context) (err error) {
	if r.expires.IsZero() {
		if r.expires, err = r.read(ctx); err != nil {
			return err
		}
	}
	if time.Now().Round(0).Before(r.expires.Add(-r.life / 3)) {
		return nil
	}
	expires, err := r.Service.RenewToken(ctx, r.Caller)
	if errors.Is(err, bridge.Expired) && r.Caller.Local {
		expires, err = r.Service.ExtendToken(ctx, r.Caller.Token())
	}
	if err == nil {
		r.expires = expires
	}
	return err
}

// read finds out when the token expires.
func (r *renewal) read(ctx context.Context) (time.Time, error) {
	tokens, err := r.Service.Tokens(ctx)
	for _, t := range tokens {
		if t.ID == r.Caller.Token() {
			return t.ExpiresAt, nil
		}
	}
	return time.Time{}, err
}
