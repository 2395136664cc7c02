package bridge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// SweepReport counts what one pass did.
type SweepReport struct {
	Reclaimed int // deliveries taken back from instances that lapsed
	Dead      int // deliveries declared dead
	Warned    int // conversations whose members were told that the end is near
	Buried    int // conversations over for an hour
	Erased    int // conversations whose content was erased

	Beats      int // agents whose connection to this process was written down
	Reopened   int // tasks that are open again because their lease was lost
	Failed     int // tasks that failed because their attempts are spent
	Nudged     int // holders told that a lease of theirs ends soon, each task counted
	Silenced   int // members that fell silent
	Recovered  int // members that are back
	Reassigned int // tasks given to another member
	Commands   int // commands that expired or are lost
}

// Bounds of a sweep.
const (
	sweepBatch   = 200 // conversations a pass looks at; the next pass goes on
	presenceKept = 24 * time.Hour
)

// Sweep is one pass over everything that falls due with time: heartbeats of whoever is connected to this process, lapsed deliveries
// and dead letters, members that fell silent or are back and their tasks, leases that end, the end of conversations and the warning
// before it, retention, and the counts of refusals. Any number of processes may sweep at once; what one has done, the next finds done.
// A failure in one conversation does not keep it from the others.
//
// What it costs grows with what is under way (seats, leases, held deliveries), not with what has ended nor with tasks that wait.
func (s *Service) Sweep(ctx context.Context) (rep SweepReport, err error) {
	s.freshen(ctx)
	// Heartbeats first: who is connected must not look silent.
	if err := errors.Join(s.watch(ctx), s.writeBeats(ctx, &rep)); err != nil {
		return rep, err
	}
	// Seats before leases, so that the alert of a silence can say what became of the tasks.
	err = errors.Join(s.sweepHolders(ctx, &rep), s.sweepSeats(ctx, &rep), s.sweepLeases(ctx, &rep), s.sweepDue(ctx, &rep), s.sweepCommands(ctx, &rep), s.writeRefusals(ctx))
	// Last, so that what this pass logged is told, too.
	err = errors.Join(err, s.tellHeads(ctx), s.follow(ctx))
	return rep, err
}

// add counts what else was done.
func (rep *SweepReport) add(did SweepReport) {
	rep.Reclaimed, rep.Dead = rep.Reclaimed+did.Reclaimed, rep.Dead+did.Dead
	rep.Warned, rep.Buried, rep.Erased = rep.Warned+did.Warned, rep.Buried+did.Buried, rep.Erased+did.Erased
	rep.Reopened, rep.Failed, rep.Nudged = rep.Reopened+did.Reopened, rep.Failed+did.Failed, rep.Nudged+did.Nudged
	rep.Commands += did.Commands
	rep.Silenced, rep.Recovered, rep.Reassigned = rep.Silenced+did.Silenced, rep.Recovered+did.Recovered, rep.Reassigned+did.Reassigned
}

// sweepRoom runs one step of a sweep in one conversation, and counts what it did once that is known to be committed.
func (s *Service) sweepRoom(ctx context.Context, id ConversationID, rep *SweepReport, step func(*room) (SweepReport, error)) error {
	var did SweepReport
	err := s.inRoom(ctx, id, func(r *room) (err error) {
		did, err = step(r)
		return err
	})
	if err == nil {
		rep.add(did)
	}
	return gone(err)
}

// seat names a member's seat.
type seat struct {
	conversation ConversationID
	name         string
}

// sweepHolders takes back what instances that lapsed still hold.
func (s *Service) sweepHolders(ctx context.Context, rep *SweepReport) error {
	var seats []seat
	err := s.store.View(ctx, func(tx Tx) error {
		seats = nil
		holders, err := tx.Holders()
		if err != nil {
			return err
		}
		for _, h := range holders {
			gone, err := s.lapsed(tx, h)
			if err != nil {
				return err
			}
			if at := (seat{h.Conversation, h.Recipient}); gone && !slices.Contains(seats, at) {
				seats = append(seats, at)
			}
		}
		return nil
	})
	for _, at := range seats {
		err = errors.Join(err, s.sweepRoom(ctx, at.conversation, rep, func(r *room) (did SweepReport, err error) {
			did.Reclaimed, did.Dead, err = r.reclaim(at.name)
			return did, err
		}))
	}
	return err
}

// sweepDue looks at the conversations whose time has come.
func (s *Service) sweepDue(ctx context.Context, rep *SweepReport) error {
	var ids []ConversationID
	err := s.store.View(ctx, func(tx Tx) (err error) {
		ids, err = tx.DueConversations(tx.Now(), sweepBatch)
		return err
	})
	for _, id := range ids {
		err = errors.Join(err, s.sweepRoom(ctx, id, rep, (*room).age))
	}
	return err
}

// gone passes over that a conversation is not there any more: another process was faster, and there is nothing left to do.
func gone(err error) error {
	if errors.Is(err, NotFound) {
		return nil
	}
	return err
}

// inRoom runs fn in an update of one conversation, for the program or the person, and saves it.
func (s *Service) inRoom(ctx context.Context, id ConversationID, fn func(*room) error) error {
	raised, err := commit(ctx, s.store.Update, InConversation(id), func(tx Tx) ([]Alert, error) {
		r, err := s.open(tx, id)
		if err != nil {
			return nil, err
		}
		if err := fn(r); err != nil {
			return nil, err
		}
		return r.raised, r.save()
	})
	if err == nil {
		s.tell(raised)
	}
	return err
}

// age does what has fallen due: the warning, the burial, the erasure, in that order, each once.
func (r *room) age() (rep SweepReport, err error) {
	c := &r.c
	if c.WarnedAt.IsZero() && c.ClosedAt.IsZero() && !r.now.Before(warnAt(*c)) && r.now.Before(c.ExpiresAt) {
		left := c.ExpiresAt.Sub(r.now).Round(time.Second)
		text := fmt.Sprintf("This conversation ends in %s, at %s. Finish or hand over; a person can extend it.", left, stamp(c.ExpiresAt))
		if err := r.announce(text, r.present()...); err != nil {
			return rep, err
		}
		rep.Warned++
	}
	if !r.now.Before(warnAt(*c)) {
		c.WarnedAt = r.now
	}
	if c.BuriedAt.IsZero() && !r.now.Before(c.ExpiresAt.Add(readableFor)) {
		rep.Buried++
		rep.Dead, err = r.end()
		return rep, err
	}
	if !c.BuriedAt.IsZero() && !r.now.Before(c.ExpiresAt.Add(r.s.conf.Retention)) {
		rep.Erased++
		return rep, r.erase(ProgramName)
	}
	return rep, nil
}

// end declares dead what nobody read in time, and tells how much that was.
func (r *room) end() (dead int, err error) {
	var lost []Delivery // gathered first: the notices of the burial are not to be buried with it
	for _, m := range r.all {
		unacked, err := r.unacked(m.Name)
		if err != nil {
			return 0, err
		}
		lost = append(lost, unacked...)
	}
	if err := r.bury(lost, DeadExpired); err != nil {
		return 0, err
	}
	if err := r.endLeases(); err != nil {
		return 0, err
	}
	r.c.BuriedAt = r.now
	return len(lost), r.record(ProgramName, "end", string(r.c.ID), facts{"expired": stamp(r.c.ExpiresAt)})
}

// present are the names of members that joined.
func (r *room) present() (names []string) {
	for _, m := range r.all {
		if m.Present() {
			names = append(names, m.Name)
		}
	}
	return names
}

// unacked are all deliveries of a recipient that are neither acked nor dead.
func (r *room) unacked(recipient string) ([]Delivery, error) {
	stored, err := r.tx.Waiting(r.c.ID, recipient, 0)
	if err != nil {
		return nil, err
	}
	held, err := r.tx.Held(r.c.ID, recipient)
	return append(held, stored...), err
}

// erase drops the content of a conversation. Its log stays, and verifies.
func (r *room) erase(actor string) error {
	if err := r.record(actor, "erase", string(r.c.ID), nil); err != nil {
		return err
	}
	if err := r.tx.EraseConversation(r.c.ID); err != nil {
		return err
	}
	r.s.contentKeys.Delete(r.c.ID)
	r.c.Title, r.c.Creator, r.c.Key, r.c.ErasedAt = "", "", nil, r.now
	r.c.PausedAt, r.c.PausedBy, r.c.Turns, r.c.SpokeBy, r.c.SpokeAt = time.Time{}, "", 0, "", time.Time{}
	return nil
}
