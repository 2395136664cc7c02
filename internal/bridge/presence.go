package bridge

import (
	"context"
	"slices"
	"time"
)

// Liveness is what the bridge saw of an agent. What the agent says of itself is its [Status].
type Liveness string

// The livenesses.
const (
	Alive  Liveness = "alive"  // heartbeats and progress
	Idle   Liveness = "idle"   // heartbeats, no progress for a while
	Silent Liveness = "silent" // no heartbeat for a while, or its process is known to be dead
	Gone   Liveness = "gone"   // no heartbeat for long, or never there
)

// Sighting is all that liveness is computed from.
type Sighting struct {
	HeartbeatAt time.Time // zero: never
	ProgressAt  time.Time // zero: never
	Dead        bool      // its process is known to have ended
	Left        bool      // and it said goodbye: its client hung up
}

// liveness is the one function by which every surface says whether an agent is there, and since when that is so. Only time in which
// somebody was watching counts.
func liveness(now time.Time, w watched, s Sighting, conf Config) (Liveness, time.Time) {
	if s.HeartbeatAt.IsZero() {
		return Gone, time.Time{}
	}
	beat, progress := w.counted(s.HeartbeatAt, now), w.counted(s.ProgressAt, now)
	switch quiet := now.Sub(beat); {
	case quiet >= conf.GoneAfter:
		return Gone, beat.Add(conf.GoneAfter)
	case s.Dead:
		return Silent, beat
	case quiet >= conf.SilentAfter:
		return Silent, beat.Add(conf.SilentAfter)
	}
	if now.Sub(progress) >= conf.IdleAfter {
		return Idle, progress.Add(conf.IdleAfter)
	}
	return Alive, progress
}

// unheard reports whether an agent is away for long enough to mark its silence and give its work to others. Where its process died
// that is at once. One that said goodbye may be about to start anew, as clients do, so it has the time of any silence.
func unheard(now time.Time, w watched, s Sighting, conf Config) bool {
	live, _ := liveness(now, w, s, conf)
	left := s.Left && now.Sub(w.counted(s.HeartbeatAt, now)) < conf.SilentAfter
	return (live == Silent || live == Gone) && !left
}

// sight gathers what was seen of all instances of an agent.
func (s *Service) sight(tx Tx, agent AgentID) (Sighting, error) {
	if agent == "" {
		return Sighting{}, nil
	}
	all, err := tx.Presence(agent)
	return s.best(all), err
}

// lasting leaves out an agent's passing commands: what it keeps running or connected.
func lasting(all []Presence) []Presence {
	return slices.DeleteFunc(slices.Clone(all), func(p Presence) bool { return p.Instance == instanceShell })
}

// best gathers what was seen of several instances. An agent is as well as its best one: one that ended says nothing while another
// goes on.
func (s *Service) best(all []Presence) Sighting {
	if len(all) == 0 {
		return Sighting{}
	}
	ended := func(p Presence) bool {
		return !p.EndedAt.IsZero() || p.Instance != instanceShell && s.dead(p.Instance)
	}
	newest := slices.MaxFunc(all, func(a, b Presence) int { return a.HeartbeatAt.Compare(b.HeartbeatAt) })
	if ended(newest) && !slices.ContainsFunc(lasting(all), func(p Presence) bool { return !ended(p) }) {
		all = lasting(all) // the trace of a command from before says nothing of what died since
	}
	going := slices.DeleteFunc(slices.Clone(all), ended)
	sighting := Sighting{Dead: len(going) == 0}
	if sighting.Dead {
		going = all
		last := slices.MaxFunc(all, func(a, b Presence) int { return a.HeartbeatAt.Compare(b.HeartbeatAt) })
		sighting.Left = !last.EndedAt.IsZero()
	}
	for _, p := range going {
		if p.HeartbeatAt.After(sighting.HeartbeatAt) {
			sighting.HeartbeatAt = p.HeartbeatAt
		}
		for _, at := range []time.Time{p.ProgressAt, p.StartedAt} { // connecting counts: a model is about to begin
			if at.After(sighting.ProgressAt) {
				sighting.ProgressAt = at
			}
		}
	}
	return sighting
}

// instanceShell is the instance under which the traces of an agent's passing commands are kept, all together. It never dies.
const instanceShell Instance = "shell"

// seenAs is the instance that the caller's presence is kept under.
func (c Caller) seenAs() Instance {
	if c.Passing {
		return instanceShell
	}
	return c.Instance
}

// Pulse is what a process tells about itself and the agent it serves.
type Pulse struct {
	Progress  bool // the model did something since the last pulse
	End       bool // the process is about to end; of a [Caller.Passing] one that says nothing
	KeepAlive bool // of a process that serves no model: that it began is no sign that one will do something
}

// Heartbeat notes that the caller's instance is there. Whoever keeps a connection open for an agent calls it every
// [Config.Heartbeat]; whatever a model does is noted by the Service itself.
func (s *Service) Heartbeat(ctx context.Context, c Caller, p Pulse) error {
	return s.store.Jot(ctx, OfAgent(c.cred.agent), func(tx Tx) error {
		if _, err := s.authorise(tx, c); err != nil {
			return err
		}
		return s.pulse(tx, c, p)
	})
}

// pulse writes the presence of the caller's instance. The update must be of the agent's scope.
func (s *Service) pulse(tx Tx, c Caller, p Pulse) error {
	all, err := tx.Presence(c.cred.agent)
	if err != nil {
		return err
	}
	now := tx.Now()
	row := Presence{Agent: c.cred.agent, Instance: c.seenAs(), StartedAt: now}
	if i := slices.IndexFunc(all, func(p Presence) bool { return p.Instance == row.Instance }); i >= 0 {
		row = all[i]
	}
	row.HeartbeatAt, row.EndedAt = now, time.Time{}
	if p.KeepAlive {
		row.StartedAt = time.Time{}
	}
	if p.Progress {
		row.ProgressAt = now
		s.lastSeen.mark(c.Instance)
	}
	if p.End && !c.Passing {
		row.EndedAt = now
	}
	return tx.PutPresence(row)
}
