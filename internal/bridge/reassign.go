package bridge

import (
	"cmp"
	"maps"
	"slices"
)

// moveBatch is how many tasks are moved from a member at once; the next sweep goes on.
const moveBatch = 100

// takes reports whether a member may be given the tasks of another.
func takes(m Member, h health) bool { return h.well && m.Present() && rights[m.Rank] >= rights[Worker] }

// candidate is a member that may get a task of another.
type candidate struct {
	Member
	busy  int // what speaks against it: it makes no progress, or says that it cannot or need not
	leads int // it has others to look after
	load  int // tasks it holds or is assigned
}

// before reports whether a candidate is better off than another.
func (c candidate) before(other candidate) bool {
	return cmp.Or(cmp.Compare(c.busy, other.busy), cmp.Compare(c.load, other.load), cmp.Compare(c.leads, other.leads), cmp.Compare(c.Name, other.Name)) < 0
}

// moveLost gives what is assigned to a member that is lost to others, as far as they may get it.
func (r *room) moveLost(from Member, tasks *fates) error {
	moving, err := r.tx.Movable(r.c.ID, from.Name, moveBatch)
	if err != nil {
		return err
	}
	return r.move(from, moving, tasks)
}

// passOn gives tasks whose leases have just lapsed, and which are assigned to who held them, to others: a holder that makes no progress
// would not begin them again. That is decided here and once, because later nothing tells a task that lapsed from one that was given
// back. One that stays is moved if its holder is lost one day.
func (r *room) passOn(lapsed []Task, tasks *fates) error {
	own := map[string][]Task{} // by holder
	for _, t := range lapsed {
		m, ok := r.member(t.Holder)
		if ok && m.Present() && m.Agent == t.Agent && t.State == TaskOpen && t.AssignTo == t.Holder && t.Reassign {
			own[t.Holder] = append(own[t.Holder], t)
		}
	}
	if len(own) == 0 {
		return nil
	}
	in, err := watching(r.tx)
	if err != nil {
		return err
	}
	for _, holder := range slices.Sorted(maps.Keys(own)) {
		m, _ := r.member(holder)
		h, err := r.s.examine(r.tx, in, m)
		if err != nil {
			return err
		}
		if h.alive {
			continue
		}
		if err := r.move(m, own[holder], tasks); err != nil {
			return err
		}
	}
	return nil
}

// move gives tasks of a member to others, each to the one that is best off: alive rather than idle, with the least to do, a worker
// rather than an orchestrator, by name. Where nobody is there they stay.
func (r *room) move(from Member, moving []Task, tasks *fates) error {
	if len(moving) == 0 {
		return nil
	}
	to, err := r.candidates(from)
	if err != nil || len(to) == 0 {
		return err
	}
	if tasks.to == nil {
		tasks.to = map[string][]string{}
	}
	for _, t := range moving {
		best := &to[0]
		for i := range to {
			if to[i].before(*best) {
				best = &to[i]
			}
		}
		if _, err := r.assignTo(t, best.Member, ProgramName); err != nil {
			return err
		}
		best.load++
		tasks.to[best.Name] = append(tasks.to[best.Name], string(t.ID))
	}
	return nil
}

// keeps lists the tasks that are still assigned to a member.
func (r *room) keeps(m Member) (ids []string, err error) {
	assigned, err := r.tx.Assigned(r.c.ID, m.Name)
	for _, t := range assigned {
		ids = append(ids, string(t.ID))
	}
	return ids, err
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
