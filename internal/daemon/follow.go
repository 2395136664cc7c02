package daemon

import (
	"context"
	"time"

	"agentbridge/internal/bridge"
)

// overlap is how far back a follower looks again. An alert has the time at which its transaction looked at the clock, so one that is
// seen later may be a little older, and the clock of a store may be set back.
const overlap = 10 * time.Minute

// A Follower tells each alert once, whoever raised it.
type Follower struct {
	svc  *bridge.Service
	from time.Time                    // all newer ones, and those of that moment, are in told or not told yet
	told map[bridge.AlertID]time.Time // when they were raised
}

// Follow begins to follow the alerts: those that there are already are not told.
func Follow(ctx context.Context, svc *bridge.Service) (*Follower, error) {
	f := &Follower{svc: svc, from: time.Now().Add(-overlap), told: map[bridge.AlertID]time.Time{}}
	if _, err := f.News(ctx); err != nil {
		return nil, err
	}
	return f, nil
}

// News gives the alerts that were raised since it was last called, oldest first. Where it fails, the next call tells them.
func (f *Follower) News(ctx context.Context) (news []bridge.Alert, err error) {
	list, err := f.svc.AlertsSince(ctx, f.from)
	if err != nil {
		return nil, err
	}
	for _, a := range list {
		if _, ok := f.told[a.ID]; !ok {
			f.told[a.ID] = a.At
			news = append(news, a)
		}
		if from := a.At.Add(-overlap); from.After(f.from) {
			f.from = from
		}
	}
	for id, at := range f.told {
		if at.Before(f.from) {
			delete(f.told, id)
		}
	}
	return news, nil
}
