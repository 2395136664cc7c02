package bridge

import (
	"context"
	"errors"
	"sync"
)

// attendance is whose clients are connected to this process. A thousand agents that wait are a thousand entries here and one commit a
// sweep; see doc/decisions/0009-gathered-heartbeats.md. The zero value is ready.
type attendance struct {
	mu   sync.Mutex // guards here, and the attendees in it
	here map[attendeeKey]*attendee
}

type attendeeKey struct {
	agent    AgentID
	instance Instance
}

type attendee struct {
	caller Caller
	open   int    // connections
	left   moment // when the last of them was closed; means nothing while one is open
}

// Attend notes that the caller's client is connected until leave is called, which does no harm twice. The next sweeps of this process
// write it down as heartbeats, all agents' together: until now of those that are connected, and until they left of the others. It is
// never progress, and counts only while the caller's token is good.
func (s *Service) Attend(c Caller) (leave func()) {
	a := &s.attending
	a.mu.Lock()
	defer a.mu.Unlock()
	key := attendeeKey{c.cred.agent, c.seenAs()}
	if a.here == nil {
		a.here = map[attendeeKey]*attendee{}
	}
	if a.here[key] == nil {
		a.here[key] = &attendee{}
	}
	who := a.here[key]
	who.caller = c
	who.open++
	return sync.OnceFunc(func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		who.open--
		who.left = thisMoment()
	})
}

// list copies who attends, or did until lately.
func (a *attendance) list() []attendee {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := make([]attendee, 0, len(a.here))
	for _, who := range a.here {
		list = append(list, *who)
	}
	return list
}

// forget drops those of a list who had left by then and did not come back.
func (a *attendance) forget(list []attendee) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, was := range list {
		key := attendeeKey{was.caller.cred.agent, was.caller.seenAs()}
		if who := a.here[key]; who != nil && who.open == 0 && was.open == 0 && who.left == was.left {
			delete(a.here, key)
		}
	}
}

// writeBeats writes down who is connected to this process. What cannot be written now, the next sweep writes.
func (s *Service) writeBeats(ctx context.Context, rep *SweepReport) error {
	list := s.attending.list()
	if len(list) == 0 {
		return nil
	}
	// Looked at outside of the update, because it takes longer than the writing: a token that is revoked in between gives one heartbeat
	// more.
	var good []attendee
	err := s.store.View(ctx, func(tx Tx) error {
		good = good[:0]
		for _, who := range list {
			switch _, err := s.authorise(tx, who.caller); {
			case err == nil:
				good = append(good, who)
			case !errors.Is(err, Denied) && !errors.Is(err, Expired):
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if len(good) > 0 {
		err = s.store.Jot(ctx, Deployment, func(tx Tx) error {
			for _, who := range good {
				at := tx.Now()
				if who.open == 0 {
					at = at.Add(-who.left.ago())
				}
				if err := tx.TouchPresence(who.caller.cred.agent, who.caller.seenAs(), at); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err == nil {
		rep.Beats = len(good)
		s.attending.forget(list)
	}
	return err
}
