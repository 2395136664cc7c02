package agent

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"agentbridge/internal/bridge"
)

// Local is the store of this machine, as the source of a keep-alive. The agent is seen to be there at the caller's instance.
type Local struct {
	Service *bridge.Service
	Caller  bridge.Caller
	Replace func(context.Context) error // see [Options]
	Log     *slog.Logger
}

func (l Local) what() string  { return "store" }
func (l Local) where() string { return "the store of this machine" }

func (l Local) waiting(ctx context.Context) (bridge.KeepAlive, error) {
	return l.Service.Waiting(ctx, l.Caller)
}

func (l Local) follow(ctx context.Context, tell func(bridge.KeepAlive) error) error {
	l.pulse(ctx) // first, so that whoever is told of something can rely on it that the agent is seen to be there
	beating, stop := context.WithCancel(ctx)
	stopped := make(chan struct{})
	go func() { defer close(stopped); l.beat(beating) }()
	defer func() { stop(); <-stopped; l.leave(ctx) }()
	for {
		err := l.Service.KeepAlive(ctx, l.Caller, tell)
		if !errors.Is(err, bridge.Expired) || !l.Caller.Local {
			return err
		}
		if err := (renewal{l.Service, l.Caller, l.Replace}).revive(ctx); err != nil {
			return err
		}
	}
}

// beat shows until ctx ends that the agent's process is there.
func (l Local) beat(ctx context.Context) {
	every := time.NewTicker(l.Service.Config().Heartbeat)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
			l.pulse(ctx)
		}
	}
}

func (l Local) pulse(ctx context.Context) {
	err := l.Service.Heartbeat(ctx, l.Caller, bridge.Pulse{KeepAlive: true})
	if err != nil && ctx.Err() == nil {
		l.Log.Info("heartbeat", "error", err) // whatever it is, who looks for messages meets it, too
	}
}

// leave says that the process ends, if it does. Where it cannot, its free lock tells the others.
func (l Local) leave(ctx context.Context) {
	if ctx.Err() == nil {
		return
	}
	bye, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
	defer cancel()
	if err := l.Service.Heartbeat(bye, l.Caller, bridge.Pulse{End: true, KeepAlive: true}); err != nil {
		l.Log.Info("say goodbye", "error", err)
	}
}
