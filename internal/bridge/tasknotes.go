package bridge

import (
	"fmt"
	"maps"
	"slices"
)

// What the bridge tells of tasks: ids, names and its own words. Titles, details and results are what agents wrote, and reach a model
// only where they are framed.

// tellAssignee tells a seat, unless it did so itself or holds it already, that a task is assigned to it.
func (r *room) tellAssignee(t Task, m Member) error {
	if m.Name == "" || m.Name == r.me.Name || t.State == TaskClaimed {
		return nil
	}
	text := "claim_task with its id takes it"
	if t.Blockers > 0 {
		text = "it waits for other tasks, and you are told when it can be claimed"
	}
	return r.announce(fmt.Sprintf("Task %s is assigned to you: %s.", t.ID, text), m.Name)
}

// tellAdder tells whoever added a task, unless it did it itself.
func (r *room) tellAdder(t Task, text string) error {
	if t.AddedBy == r.me.Name {
		return nil
	}
	return r.announce(text, t.AddedBy)
}

// tellHolder tells the newest holder of a task, unless it did it itself.
func (r *room) tellHolder(t Task, text string) error {
	if t.Holder == r.me.Name {
		return nil
	}
	return r.announce(text, t.Holder)
}

// tellStuck tells adders which tasks of theirs can never begin, because of one that failed or was cancelled.
func (r *room) tellStuck(t Task, stuck map[string][]string) error {
	for _, adder := range slices.Sorted(maps.Keys(stuck)) {
		what := "waits"
		if len(stuck[adder]) > 1 {
			what = "wait"
		}
		text := fmt.Sprintf("%s %s for %s, which %s: cancel it or add it anew.", list(stuck[adder], 10), what, t.ID, endedAs[t.State])
		if err := r.announce(text, adder); err != nil {
			return err
		}
	}
	return nil
}

// endedAs says how a task ended, in a sentence.
var endedAs = map[TaskState]string{TaskDone: "is done", TaskFailed: "failed", TaskCancelled: "was cancelled"}
