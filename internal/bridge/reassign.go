package bridge

import (
	"cmp"
	"slices"
)

// moveBatch is how many tasks are moved from a member at once; the next sweep goes on.
const moveBatch = 100

// stranded are the open tasks assigned to a member that cannot do them, as far as others may get them: all of one that is lost, and of
// one that is there and makes no progress those whose lease it let lapse.
func stranded(tx Tx, m Member, h health) ([]Task, error) {
	assigned, err := tx.Assigned(m.Conversation, m.Name)
	return slices.DeleteFunc(assigned, func(t Task) bool {
		lapsed := t.Holder == m.Name && t.Agent == m.Agent && t.Ended == ""
		return !t.Reassign || h.alive || !h.lost() && !lapsed
	}), err
}

// takes reports whether a member may be given the tasks of another.
func takes(m Member, h health) bool { return h.well && m.Present() && rights[m.Rank] >= rights[Worker] }

// candidate is a member that may get a task of another.
type candidate struct {
	Member
	busy  int // what speaks against it: it makes no progress, or says that it cannot or need not
	leads int // it has others to look after
	load  int // tasks it holds or is assigned
}

// move gives the tasks stranded with a member to others, each to the one that is best off: alive rather than idle, with the least to do,
// a worker rather than an orchestrator, by name. Where nobody is there they stay, and the next sweep tries again.
func (r *room) move(from Member, h health, tasks *fates) error {
	assigned, err := r.tx.Assigned(r.c.ID, from.Name)
	if err != nil || len(assigned) == 0 {
		return err
	}
	tasks.to = map[string][]string{}
	moving, err := stranded(r.tx, from, h)
	if err != nil {
		return err
	}
	var to []candidate
	if len(moving) > 0 {
		if to, err = r.candidates(from); err != nil {
			return err
		}
	}
	moves := map[TaskID]bool{}
	for _, t := range moving[:min(len(moving), moveBatch)] {
		moves[t.ID] = len(to) > 0
	}
	for _, t := range assigned {
		if !moves[t.ID] {
			tasks.kept = append(tasks.kept, string(t.ID))
			continue
		}
		slices.SortFunc(to, func(a, b candidate) int {
			return cmp.Or(cmp.Compare(a.busy, b.busy), cmp.Compare(a.load, b.load), cmp.Compare(a.leads, b.leads), cmp.Compare(a.Name, b.Name))
		})
		best := &to[0]
		if _, err := r.assignTo(t, best.Member, ProgramName); err != nil {
			return err
		}
		best.load++
		tasks.to[best.Name] = append(tasks.to[best.Name], string(t.ID))
	}
	return nil
}

// releaseAll takes back what a member that was revoked holds or is assigned.
func (r *room) releaseAll(name string) error {
	leases, err := r.tx.Leases(r.c.ID)
	if err != nil {
		return err
	}
	for _, l := range leases {
		if l.Holder != name {
			continue
		}
		t, err := r.tx.Task(l.Conversation, l.Task)
		if err != nil {
			return err
		}
		if _, err := r.lapse(t, "its holder was revoked"); err != nil {
			return err
		}
	}
	assigned, err := r.tx.Assigned(r.c.ID, name)
	if err != nil {
		return err
	}
	for _, t := range assigned {
		if _, err := r.assignTo(t, Member{}, PersonName); err != nil {
			return err
		}
	}
	return nil
}

// candidates are the members that may get a task of this one.
func (r *room) candidates(from Member) (list []candidate, err error) {
	in, err := watching(r.tx)
	if err != nil {
		return nil, err
	}
	leases, err := r.tx.Leases(r.c.ID)
	if err != nil {
		return nil, err
	}
	for _, m := range r.all {
		h, err := r.s.examine(r.tx, in, m)
		if err != nil {
			return nil, err
		}
		if m.Name == from.Name || !takes(m, h) {
			continue
		}
		c := candidate{Member: m}
		if !h.alive {
			c.busy++
		}
		if m.Status == Blocked || m.Status == Complete {
			c.busy += 2
		}
		if m.Rank == Orchestrator {
			c.leads++
		}
		assigned, err := r.tx.Assigned(r.c.ID, m.Name)
		if err != nil {
			return nil, err
		}
		c.load = len(assigned)
		for _, l := range leases {
			if l.Holder == m.Name {
				c.load++
			}
		}
		list = append(list, c)
	}
	return list, nil
}
