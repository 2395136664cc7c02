package agent

import (
	"context"

	"agentbridge/internal/bridge"
)

// Looking is the store of this machine to who only looks. Unlike [Local] it does not show that the agent is there.
type Looking struct {
	Service *bridge.Service // [bridge.Reading] is enough
	Caller  bridge.Caller
}

func (l Looking) what() string  { return "store" }
func (l Looking) where() string { return "the store of this machine" }

func (l Looking) waiting(ctx context.Context) (bridge.KeepAlive, error) {
	return l.Service.Waiting(ctx, l.Caller)
}

func (l Looking) follow(ctx context.Context, tell func(bridge.KeepAlive) error) error {
	return l.Service.KeepAlive(ctx, l.Caller, tell)
}
