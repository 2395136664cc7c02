package bridge

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// health is what the watchdog makes of a member.
type health struct {
	// Of its processes and connections. An agent that has none, because it only uses passing commands, is here as it is well, and is
	// never silent; but who left no trace at all is.
	here   bool
	silent bool
	why    string    // it is silent
	since  time.Time // when it became so

	// Of these and its passing commands.
	alive bool // it makes progress
	well  bool // it is there, alive or idle
	gone  bool
}

// lost reports whether a member cannot do anything.
func (h health) lost() bool { return h.gone || h.silent && !h.well }

// examine judges a member by what was seen of it.
func (s *Service) examine(tx Tx, in watched, m Member) (h health, err error) {
	if !m.Present() {
		return h, nil
	}
	all, err := tx.Presence(m.Agent)
	if err != nil {
		return h, err
	}
	now := tx.Now()
	if len(all) == 0 {
		return s.untraced(now, in, m), nil
	}
	live, _ := liveness(now, in, s.best(all), s.conf)
	h.alive, h.well, h.gone = live == Alive, live == Alive || live == Idle, live == Gone
	stays := lasting(all)
	if len(stays) == 0 {
		h.here = h.well
		return h, nil
	}
	seen := s.best(stays)
	live, h.since = liveness(now, in, seen, s.conf)
	h.here = live == Alive || live == Idle
	h.silent = unheard(now, in, seen, s.conf)
	h.why = "no heartbeat for " + brief(now.Sub(in.counted(seen.HeartbeatAt, now)))
	switch {
	case seen.Left:
		h.why = "its client left"
	case seen.Dead:
		h.why = "its process ended"
	}
	return h, nil
}

// untraced judges a member of whose agent no trace is left, because the traces of a day ago are dropped. It is not well, and its time
// to come back after a gap is that of any other.
func (s *Service) untraced(now time.Time, in watched, m Member) (h health) {
	seen := Sighting{HeartbeatAt: now.Add(-presenceKept)}
	h.why = "not heard of for a day"
	if m.JoinedAt.After(seen.HeartbeatAt) {
		seen.HeartbeatAt, h.why = m.JoinedAt, "not heard of since it joined"
	}
	var live Liveness
	live, h.since = liveness(now, in, seen, s.conf)
	h.silent, h.gone = unheard(now, in, seen, s.conf), live == Gone
	return h
}

// marks reports whether a member's mark of silence is to be set or taken away. Who said that it is complete may leave without alarm.
func (h health) marks(m Member) bool {
	if m.SilentAt.IsZero() {
		return h.silent && m.Status != Complete
	}
	return h.here
}

// sweepSeats marks members that fell silent or are back, and moves tasks from those that cannot do them.
func (s *Service) sweepSeats(ctx context.Context, rep *SweepReport) error {
	var due []seat
	err := s.store.View(ctx, func(tx Tx) error {
		due = nil
		seats, err := tx.Seats()
		if err != nil {
			return err
		}
		seen := remember(tx)
		in, err := watching(seen)
		if err != nil {
			return err
		}
		for len(seats) > 0 { // by conversation
			n := slices.IndexFunc(seats, func(m Member) bool { return m.Conversation != seats[0].Conversation })
			if n < 0 {
				n = len(seats)
			}
			found, err := s.lookAround(seen, in, seats[:n])
			if err != nil {
				return err
			}
			due, seats = append(due, found...), seats[n:]
		}
		return nil
	})
	for _, at := range due {
		err = errors.Join(err, s.sweepRoom(ctx, at.conversation, rep, func(r *room) (SweepReport, error) { return r.attendTo(at.name) }))
	}
	return err
}

// lookAround finds the seats of one conversation about which something is to be done. It changes nothing, and costs nearly nothing
// where everybody is well.
func (s *Service) lookAround(tx Tx, in watched, members []Member) (due []seat, err error) {
	healths, others := make([]health, len(members)), 0
	for i, m := range members {
		if healths[i], err = s.examine(tx, in, m); err != nil {
			return nil, err
		}
		if takes(m, healths[i]) {
			others++
		}
	}
	for i, m := range members {
		h, may := healths[i], others
		if takes(m, h) {
			may--
		}
		var movable []Task
		if h.lost() && may > 0 {
			if movable, err = tx.Movable(m.Conversation, m.Name, 1); err != nil {
				return nil, err
			}
		}
		if h.marks(m) || len(movable) > 0 {
			due = append(due, seat{m.Conversation, m.Name})
		}
	}
	if len(due) == 0 {
		return nil, nil
	}
	open, err := stillOpen(tx, []ConversationID{due[0].conversation})
	if err != nil || len(open) == 0 {
		return nil, err
	}
	return due, nil
}

// attendTo does for one member what is to be done now, if it still is: it looks again.
func (r *room) attendTo(name string) (did SweepReport, err error) {
	m, ok := r.member(name)
	if !ok || r.live() != nil {
		return did, nil
	}
	in, err := watching(r.tx)
	if err != nil {
		return did, err
	}
	h, err := r.s.examine(r.tx, in, m)
	if err != nil {
		return did, err
	}
	fell, back := h.marks(m) && m.SilentAt.IsZero(), h.marks(m) && !m.SilentAt.IsZero()
	switch {
	case fell:
		did.Silenced++
		if err := r.mark(m, r.now, "silent", facts{"since": stamp(h.since), "why": h.why}); err != nil {
			return did, err
		}
	case back:
		did.Recovered++
		quiet := r.now.Sub(in.counted(m.SilentAt, r.now))
		if err := r.mark(m, time.Time{}, "recover", facts{"silent_at": stamp(m.SilentAt)}); err != nil {
			return did, err
		}
		if err := r.alert(AlertRecovered, m.Name, "", fmt.Sprintf("%s is back, %s after it was found silent.", m.Name, brief(quiet))); err != nil {
			return did, err
		}
	}
	var tasks fates
	if fell {
		if tasks, err = r.lapseOf(m, &did); err != nil {
			return did, err
		}
	}
	if h.lost() {
		if err := r.moveLost(m, &tasks); err != nil {
			return did, err
		}
	}
	did.Reassigned = tasks.moved()
	if fell {
		if tasks.kept, err = r.keeps(m); err != nil {
			return did, err
		}
		err = r.alert(AlertSilent, m.Name, "", fmt.Sprintf("%s is silent: %s.%s", m.Name, h.why, tasks))
	}
	return did, err
}

// mark sets or takes away a member's mark of silence.
func (r *room) mark(m Member, at time.Time, action string, f facts) error {
	m.SilentAt = at
	if err := r.tx.PutMember(m); err != nil {
		return err
	}
	for i := range r.all {
		if r.all[i].Name == m.Name {
			r.all[i] = m
		}
	}
	return r.record(ProgramName, action, m.Name, f)
}

// lapseOf takes back the tasks whose leases a member has lost.
func (r *room) lapseOf(m Member, did *SweepReport) (tasks fates, err error) {
	leases, err := r.tx.Leases(r.c.ID)
	if err != nil {
		return tasks, err
	}
	var lapsed []Task
	for _, l := range leases {
		if l.Holder != m.Name {
			continue
		}
		why, err := r.s.leaseLost(r.tx, l)
		if err != nil {
			return tasks, err
		}
		if why == "" {
			tasks.held = append(tasks.held, string(l.Task))
			continue
		}
		t, err := r.tx.Task(l.Conversation, l.Task)
		if err != nil {
			return tasks, err
		}
		if t, err = r.lapse(t, why); err != nil {
			return tasks, err
		}
		if t.State == TaskFailed {
			did.Failed++
			continue // it has an alert of its own
		}
		did.Reopened++
		if t.AssignTo == "" {
			tasks.free = append(tasks.free, string(t.ID))
		}
		lapsed = append(lapsed, t)
	}
	return tasks, r.passOn(lapsed, &tasks)
}

// fates is what became of the tasks of a member that fell silent.
type fates struct {
	held []string            // by a lease that only time ends
	free []string            // open, for whoever is free
	to   map[string][]string // by whom they are assigned to now
	kept []string            // still assigned to it
}

func (f fates) moved() (n int) {
	for _, ids := range f.to {
		n += len(ids)
	}
	return n
}

// String tells it in sentences, each after a space.
func (f fates) String() string {
	var b strings.Builder
	say := func(what string, ids []string) {
		if len(ids) > 0 {
			fmt.Fprintf(&b, " %s: %s.", what, list(ids, 10))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(f.to)) {
		say("Assigned to "+name+" now", f.to[name])
	}
	say("Free to claim again", f.free)
	say("Still assigned to it", f.kept)
	say("Held by it until the lease is over", f.held)
	return b.String()
}
