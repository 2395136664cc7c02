package agent

import (
	"context"
	"errors"
	"time"

	"agentbridge/internal/bridge"
)

// renewal keeps a token good.
type renewal struct {
	Service *bridge.Service
	Caller  bridge.Caller
	Replace func(context.Context) error // see [Options]
}

// look renews the token once two thirds of its life are over, and replaces it where it ends all the same. It goes by the wall clock,
// which runs on while a laptop sleeps.
func (r renewal) look(ctx context.Context) error {
	expires, err := r.Service.Expiry(ctx, r.Caller)
	switch {
	case errors.Is(err, bridge.Expired):
		return r.revive(ctx)
	case err != nil || r.lasts(expires):
		return err
	}
	if expires, err = r.Service.RenewToken(ctx, r.Caller); err != nil || r.lasts(expires) || r.Replace == nil {
		return err
	}
	return r.Replace(ctx)
}

func (r renewal) lasts(until time.Time) bool {
	return time.Now().Round(0).Before(until.Add(-r.Service.Config().TokenTTL / 3))
}

// revive is for a token that expired while the machine slept. A local agent's is extended, because its process held it all the time;
// one whose key has ended is replaced.
func (r renewal) revive(ctx context.Context) error {
	if !r.Caller.Local {
		return bridge.Errorf(bridge.Expired, "the token has expired").WithHint("renew it with `agentbridge token renew`")
	}
	_, err := r.Service.ExtendToken(ctx, r.Caller.Token())
	if errors.Is(err, bridge.Denied) && r.Replace != nil {
		return r.Replace(ctx)
	}
	return err
}
