package bridge

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// stuckShown is how many tasks that can never begin are named.
const stuckShown = 5

// problems says what is wrong in an open conversation: with it, with its members, with its tasks.
func (s *Service) problems(tx Tx, c Conversation, members []Member, states []PartnerState, waiting []int) (found []string, err error) {
	found = []string{}
	switch c.PausedBy {
	case PersonName:
		found = append(found, "paused by the person in charge")
	case ProgramName:
		found = append(found, "paused by the loop guard")
	}
	leases, err := tx.Leases(c.ID)
	if err != nil {
		return nil, err
	}
	for i, m := range members {
		holds := 0
		for _, l := range leases {
			if l.Holder == m.Name {
				holds++
			}
		}
		found = append(found, s.memberProblems(m, states[i], waiting[i], holds)...)
		if !m.Present() || lost(states[i]) || waiting[i] == 0 { // of others it is said how many wait for them
			continue
		}
		late, _, err := overdue(tx, c.ID, m.Name)
		if err != nil {
			return nil, err
		}
		if len(late) > 0 {
			howMany := count(len(late), "message")
			if len(late) == overdueShown {
				howMany = fmt.Sprintf("%d messages or more", overdueShown)
			}
			oldest := slices.MinFunc(late, func(a, b Delivery) int { return a.At.Compare(b.At) })
			found = append(found, fmt.Sprintf("%s has not acked %s, the oldest for %s", m.Name, howMany, brief(tx.Now().Sub(oldest.At))))
		}
	}
	stuck, err := stuckTasks(tx, c.ID)
	if err != nil {
		return nil, err
	}
	if n := len(stuck) - stuckShown; n > 0 {
		stuck = append(stuck[:stuckShown], fmt.Sprintf("and %s more that can never begin", count(n, "task")))
	}
	found = append(found, stuck...)
	if left := c.ExpiresAt.Sub(tx.Now()); !tx.Now().Before(warnAt(c)) {
		found = append(found, "ends in "+plain(left.Round(time.Minute)))
	}
	return found, nil
}

// lost reports whether nothing was heard of a member for a while.
func lost(p PartnerState) bool { return p.Liveness == Silent || p.Liveness == Gone }

// memberProblems says what is wrong with a member, for which so many copies wait and which holds so many tasks.
func (s *Service) memberProblems(m Member, p PartnerState, waiting, holds int) (found []string) {
	switch {
	case !m.Present():
		found = append(found, m.Name+" was invited and has not joined")
	case lost(p) && holds > 0:
		found = append(found, fmt.Sprintf("%s is %s and holds %s", m.Name, p.Liveness, count(holds, "task")))
	case lost(p) && m.Status != Complete: // who is done may go
		found = append(found, fmt.Sprintf("%s is %s", m.Name, p.Liveness))
	}
	if m.Status == Blocked {
		found = append(found, m.Name+" says it is blocked")
	}
	if waiting >= s.conf.InboxDepth {
		found = append(found, m.Name+"'s inbox is full")
	} else if waiting > 0 && lost(p) {
		found = append(found, fmt.Sprintf("waiting for %s: %d not acked", m.Name, waiting))
	}
	return found
}

// stuckTasks says which tasks can never begin, because what they come after has failed or was cancelled.
func stuckTasks(tx Tx, id ConversationID) (found []string, err error) {
	for _, state := range []TaskState{TaskFailed, TaskCancelled} {
		ended, err := tx.Tasks(id, state, 0, standingTasks)
		if err != nil {
			return nil, err
		}
		for _, t := range ended {
			after, err := tx.Dependents(id, t.ID)
			if err != nil {
				return nil, err
			}
			for _, d := range after {
				if !d.State.Final() {
					found = append(found, fmt.Sprintf("%s waits for %s, which %s", d.ID, t.ID, endedAs[t.State]))
				}
			}
		}
	}
	return found, nil
}

// count says how many there are of what.
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// brief is a time that has passed: 45s, 1m30s, 12m, 2h45m.
func brief(d time.Duration) string {
	if d < 2*time.Minute {
		return d.Round(time.Second).String()
	}
	return plain(d.Round(time.Minute))
}

// plain writes a duration as people do: 45s, 10m, 1h30m, 3h.
func plain(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
