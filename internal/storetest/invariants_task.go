package storetest

import (
	"fmt"
	"slices"
	"time"

	"agentbridge/internal/bridge"
)

// What must be true of tasks, leases, pauses, silence and alerts.

// tasks checks the tasks of a conversation, one by one and against each other.
func (i *inspection) tasks(c bridge.Conversation, tasks []bridge.Task, seats map[string]bridge.Member) {
	byID, byFence := map[bridge.TaskID]bridge.Task{}, map[int64]bridge.TaskID{}
	for n, k := range tasks {
		at := fmt.Sprintf("%s: task %d (%s)", c.ID, k.N, k.ID)
		if k.N != int64(n+1) {
			i.fail("%s should have the number %d", at, n+1)
		}
		if _, twice := byID[k.ID]; twice || k.Conversation != c.ID {
			i.fail("%s has the id of another, or is of %s", at, k.Conversation)
		}
		i.blockers(at, k, byID)
		byID[k.ID] = k
		if other, twice := byFence[k.Fence]; k.Fence != 0 && twice {
			i.fail("%s has the token %d, as %s has", at, k.Fence, other)
		}
		byFence[k.Fence] = k.ID
		if k.Fence < 0 || k.Fence > c.LastFence {
			i.fail("%s has the token %d, and the last one was %d", at, k.Fence, c.LastFence)
		}
		i.task(at, c, k, seats)
	}
	if c.LastTask != int64(len(tasks)) {
		i.fail("%s: the last task is number %d, and there are %d", c.ID, c.LastTask, len(tasks))
	}
}

// blockers checks what a task comes after: tasks that were added before it. What has been cancelled waits for nothing any more, so
// nobody keeps its number of blockers.
func (i *inspection) blockers(at string, k bridge.Task, before map[bridge.TaskID]bridge.Task) {
	waits := 0
	for _, id := range k.After {
		b, ok := before[id]
		if !ok {
			i.fail("%s comes after %s, which was not there when it was added", at, id)
		}
		if b.State != bridge.TaskDone {
			waits++
		}
	}
	if sorted := slices.Sorted(slices.Values(k.After)); len(slices.Compact(sorted)) != len(k.After) {
		i.fail("%s comes after the same task twice: %v", at, k.After)
	}
	if k.Blockers != waits && k.State != bridge.TaskCancelled {
		i.fail("%s is %s and said to wait for %d tasks, and %d of %v are not done", at, k.State, k.Blockers, waits, k.After)
	}
}

// task checks one task by itself.
func (i *inspection) task(at string, c bridge.Conversation, k bridge.Task, seats map[string]bridge.Member) {
	claimed := k.Fence != 0 // at least once
	if leased := k.Holder != "" && k.Agent != "" && !k.LeasedAt.IsZero(); leased != claimed {
		i.fail("%s has the token %d, the holder %q (%s) and a lease from %v", at, k.Fence, k.Holder, k.Agent, k.LeasedAt)
	}
	legal := k.Attempts >= 0 && k.Blockers >= 0 && k.Lease > 0 && !k.AddedAt.IsZero() && !k.ChangedAt.IsZero()
	switch k.State {
	case bridge.TaskOpen:
		s, ok := seats[k.AssignTo]
		if k.AssignTo != "" && (!ok || !s.RevokedAt.IsZero()) {
			i.fail("%s is open and assigned to %q, who has no seat", at, k.AssignTo)
		}
	case bridge.TaskClaimed:
		if !c.BuriedAt.IsZero() {
			i.fail("%s is claimed, and its conversation is buried", at)
		}
		legal = legal && claimed && k.Attempts > 0 && k.Blockers == 0 && k.Ended == ""
	case bridge.TaskDone:
		legal = legal && claimed && k.Attempts > 0 && k.Blockers == 0
	case bridge.TaskFailed, bridge.TaskCancelled:
	default:
		legal = false
	}
	if !legal {
		i.fail("%s is in no legal state: %+v", at, k)
	}
	for _, name := range []string{k.AssignTo, k.Holder, k.AddedBy} {
		if _, ok := seats[name]; !ok && name != "" {
			i.fail("%s names %q, who never had a seat", at, name)
		}
	}
}

// taskLists checks what the engine lists of tasks against all tasks.
func (i *inspection) taskLists(c bridge.Conversation, tasks []bridge.Task, members []bridge.Member) error {
	// The model's lists are the plain way to say what belongs in them.
	m := newModel()
	for _, k := range tasks {
		m.tasks[taskKey{k.Conversation, k.ID}] = k
	}
	agree := func(what string, read func(tx bridge.Tx) (any, error)) error {
		want, _ := read(m)
		got, err := read(i.tx)
		if err != nil {
			return err
		}
		if diff := diff(got, want); diff != "" {
			i.fail("%s: %s disagrees with the tasks (-tasks +list):\n%s", c.ID, what, diff)
		}
		return nil
	}
	checks := []func() error{
		func() error {
			return agree("Leases", func(tx bridge.Tx) (any, error) { return tx.Leases(c.ID) })
		},
		func() error {
			return agree("CountTasks", func(tx bridge.Tx) (any, error) { return tx.CountTasks(c.ID) })
		},
	}
	for _, state := range []bridge.TaskState{bridge.TaskOpen, bridge.TaskClaimed, bridge.TaskDone, bridge.TaskFailed, bridge.TaskCancelled} {
		checks = append(checks, func() error {
			return agree("Tasks", func(tx bridge.Tx) (any, error) { return tx.Tasks(c.ID, state, 0, 0) })
		})
	}
	for _, k := range tasks {
		checks = append(checks, func() error {
			return agree("Dependents of "+string(k.ID), func(tx bridge.Tx) (any, error) { return tx.Dependents(c.ID, k.ID) })
		})
	}
	for _, s := range members {
		checks = append(checks, func() error {
			return agree("Ready for "+s.Name, func(tx bridge.Tx) (any, error) { return tx.Ready(c.ID, s.Name, 0) })
		}, func() error {
			return agree("Assigned to "+s.Name, func(tx bridge.Tx) (any, error) { return tx.Assigned(c.ID, s.Name) })
		})
	}
	return first(checks...)
}

// pause checks what a conversation says of talk and of being paused.
func (i *inspection) pause(c bridge.Conversation, seats map[string]bridge.Member) {
	paused := !c.PausedAt.IsZero()
	if paused != (c.PausedBy != "") || paused && c.PausedBy != bridge.PersonName && c.PausedBy != bridge.ProgramName {
		i.fail("%s is paused at %v by %q", c.ID, c.PausedAt, c.PausedBy)
	}
	if _, ok := seats[c.SpokeBy]; c.SpokeBy != "" && !ok || (c.SpokeBy != "") == c.SpokeAt.IsZero() || c.Turns < 0 {
		i.fail("%s: %q spoke at %v, after %d turns", c.ID, c.SpokeBy, c.SpokeAt, c.Turns)
	}
}

// watched checks what the watchdog reads over all conversations against what was found in them.
func (i *inspection) watched() error {
	leases, err := i.tx.Leases("")
	if err != nil {
		return err
	}
	if diff := diff(leases, i.leases); diff != "" {
		i.fail("the leases of all conversations differ from those of each (-each +all):\n%s", diff)
	}
	seats, err := i.tx.Seats()
	if err != nil {
		return err
	}
	slices.SortFunc(i.seats, func(a, b bridge.Member) int {
		return slices.Compare([]string{string(a.Conversation), a.Name}, []string{string(b.Conversation), b.Name})
	})
	if diff := diff(seats, i.seats); diff != "" {
		i.fail("the seats of all conversations differ from those of each (-each +all):\n%s", diff)
	}
	alerts, err := i.tx.Alerts(time.Time{}, 0)
	if err != nil {
		return err
	}
	for _, a := range alerts {
		if everywhere := a.Conversation == "" && a.Kind == bridge.AlertFork; !everywhere && (!i.known[string(a.Conversation)] || i.erased[a.Conversation]) {
			i.fail("alert %s is of %q, which is not there", a.ID, a.Conversation)
			continue
		}
		if err := i.alert(a); err != nil {
			return err
		}
	}
	return nil
}

func (i *inspection) alert(a bridge.Alert) error {
	legal := a.ID != "" && a.Text != "" && !a.At.IsZero()
	switch a.Kind {
	case bridge.AlertSilent, bridge.AlertRecovered, bridge.AlertTaskFailed, bridge.AlertPaused, bridge.AlertCommand, bridge.AlertFork:
	default:
		legal = false
	}
	if !legal {
		i.fail("alert %s says nothing: %+v", a.ID, a)
	}
	if a.Member != "" {
		if _, err := i.tx.Member(a.Conversation, a.Member); verdict(err) == "other" {
			return err
		} else if err != nil {
			i.fail("alert %s is about %q, who has no seat in %s", a.ID, a.Member, a.Conversation)
		}
	}
	if a.Task != "" {
		if _, err := i.tx.Task(a.Conversation, a.Task); verdict(err) == "other" {
			return err
		} else if err != nil {
			i.fail("alert %s is about task %s, which is not in %s", a.ID, a.Task, a.Conversation)
		}
	}
	return nil
}
