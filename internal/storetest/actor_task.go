package storetest

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"

	"agentbridge/internal/bridge"
)

// addJob adds a task, once for a member and key. With a limit it comes after the newest one there is.
func addJob(tx bridge.Tx, c call, a *answer) error {
	conversation, err := room(tx, c.Conversation)
	if err != nil {
		return err
	}
	h := fnv.New64a()
	fmt.Fprint(h, c.Member, "/", c.Key)
	id := bridge.TaskID(fmt.Sprintf("task_%016x", h.Sum64()))
	old, err := tx.Task(c.Conversation, id)
	switch verdict(err) {
	case "nil":
		a.Seqs = []int64{old.N}
		return nil
	case "other":
		return err
	}
	k := bridge.Task{
		Conversation: c.Conversation, ID: id, N: conversation.LastTask + 1, Title: c.Key, Lease: time.Minute, AddedBy: c.Member, AddedAt: tx.Now(),
		State: bridge.TaskOpen, ChangedAt: tx.Now(),
	}
	if c.Limit > 0 && conversation.LastTask > 0 {
		newest, err := tx.Tasks(c.Conversation, "", conversation.LastTask-1, 1)
		if err != nil {
			return err
		}
		if len(newest) == 0 {
			return fmt.Errorf("there is no task %d", conversation.LastTask)
		}
		k.After = []bridge.TaskID{newest[0].ID}
		if newest[0].State != bridge.TaskDone {
			k.Blockers = 1
		}
	}
	if err := tx.AddTask(k); err != nil {
		return err
	}
	conversation.LastTask = k.N
	a.Seqs = []int64{k.N}
	return record(tx, &conversation, c.Member, "task_add", string(id))
}

// claim gives a member the best task there is, with a token; asked again by the same receipt, it tells that lease again.
func claim(tx bridge.Tx, c call, a *answer) error {
	conversation, err := room(tx, c.Conversation)
	if err != nil {
		return err
	}
	k, err := leased(tx, c)
	if err != nil {
		return err
	}
	if len(k) == 0 {
		if k, err = tx.Ready(c.Conversation, c.Member, 1); err != nil || len(k) == 0 {
			return err
		}
		conversation.LastFence++
		k[0].State, k[0].ChangedAt, k[0].LeasedAt, k[0].Fence = bridge.TaskClaimed, tx.Now(), tx.Now(), conversation.LastFence
		k[0].Holder, k[0].Agent, k[0].Instance = c.Member, agentID(slices.Index(crew[:], c.Member)), bridge.Instance(c.Receipt)
		k[0].Attempts++
		err = first(func() error { return tx.PutTask(k[0]) }, func() error { return record(tx, &conversation, c.Member, "task_claim", string(k[0].ID)) })
	}
	a.Seqs = []int64{k[0].N, k[0].Fence}
	return err
}

// leased gives the task that the lease by that receipt is on, if it is still one.
func leased(tx bridge.Tx, c call) ([]bridge.Task, error) {
	leases, err := tx.Leases(c.Conversation)
	if err != nil {
		return nil, err
	}
	for _, l := range leases {
		if l.Instance == bridge.Instance(c.Receipt) && l.Holder == c.Member {
			k, err := tx.Task(c.Conversation, l.Task)
			return []bridge.Task{k}, err
		}
	}
	return nil, nil
}

// end ends a lease: its task is done, or open again, as the key says.
func end(tx bridge.Tx, c call, a *answer) error {
	k, err := leased(tx, c)
	if err != nil || len(k) == 0 {
		return err
	}
	a.Seqs = []int64{k[0].N, k[0].Fence}
	return settle(tx, c, k[0], bridge.TaskState(c.Key))
}

// lapse opens the first task that anybody holds again.
func lapse(tx bridge.Tx, c call, a *answer) error {
	claimed, err := tx.Tasks(c.Conversation, bridge.TaskClaimed, 0, 1)
	if err != nil || len(claimed) == 0 {
		return err
	}
	a.Seqs = []int64{claimed[0].N, claimed[0].Fence}
	return settle(tx, c, claimed[0], bridge.TaskOpen)
}

// settle brings a claimed task into another state, and lets go on what waited for it.
func settle(tx bridge.Tx, c call, k bridge.Task, state bridge.TaskState) error {
	k.State, k.ChangedAt = state, tx.Now()
	if err := tx.PutTask(k); err != nil {
		return err
	}
	if state == bridge.TaskDone {
		waiting, err := tx.Dependents(c.Conversation, k.ID)
		if err != nil {
			return err
		}
		for _, w := range waiting {
			w.Blockers--
			if err := tx.PutTask(w); err != nil {
				return err
			}
		}
	}
	conversation, err := tx.Conversation(c.Conversation)
	if err != nil {
		return err
	}
	return record(tx, &conversation, c.Member, "task_"+string(state), string(k.ID))
}

// tellJobs gives all tasks of a conversation in a line.
func tellJobs(tx bridge.Tx, id bridge.ConversationID) (string, error) {
	tasks, err := tx.Tasks(id, "", 0, 0)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, k := range tasks {
		b.WriteString(job{k.Title, k.AddedBy, k.State, k.Holder, string(k.Instance), k.Fence, len(k.After) > 0}.String())
	}
	return b.String(), nil
}
