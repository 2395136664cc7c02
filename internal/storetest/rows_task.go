package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"agentbridge/internal/bridge"
)

// task is a task in that state, with what the state demands.
func task(conv, n int, state bridge.TaskState, change ...func(*bridge.Task)) bridge.Task {
	k := bridge.Task{
		Conversation: convID(conv), ID: taskID(n), N: int64(n), Title: "t", Lease: time.Minute, AddedBy: "alpha", AddedAt: at(n),
		State: state, ChangedAt: at(n), Files: []string{}, After: []bridge.TaskID{},
	}
	if state == bridge.TaskClaimed || state == bridge.TaskDone {
		k.Attempts, k.Holder, k.Agent, k.Instance, k.Fence, k.LeasedAt = 1, "beta", agentID(1), "proc_1", int64(n), at(n)
	}
	for _, c := range change {
		c(&k)
	}
	return k
}

func addTasks(t *testing.T, s bridge.Store, all ...bridge.Task) {
	t.Helper()
	put(t, s, bridge.InConversation(all[0].Conversation), func(tx bridge.Tx) error {
		for _, k := range all {
			if err := tx.AddTask(k); err != nil {
				return err
			}
		}
		return nil
	})
}

// number gives the numbers of tasks, which are those of their test rows.
var number = pluck(func(k bridge.Task) int64 { return k.N })

func taskRoundTrips(t *testing.T, e Engine) {
	s := e.start(t)
	get := func(tx bridge.Tx) (bridge.Task, error) { return tx.Task(convID(1), taskID(1)) }
	missing(t, s, "Task", get)

	want := bridge.Task{
		Conversation: convID(1), ID: taskID(1), N: 1 << 40, Title: words, Detail: long, Files: []string{words, "b.go", ""}, Priority: -1_000_000,
		After: []bridge.TaskID{taskID(9), taskID(2)}, Blockers: 2, AssignTo: "beta", Reassign: true, Lease: 24*time.Hour + time.Microsecond,
		AddedBy: "alpha", AddedAt: odd(1), Digest: "d1", Redacted: 3, State: bridge.TaskFailed, ChangedAt: odd(2), Attempts: 4, Result: words,
		Ended: "d2", Holder: "b_a", Agent: agentID(1), Instance: "proc_1", Fence: 1 << 41, LeasedAt: odd(3), NudgedAt: odd(4),
	}
	full(t, want)
	bare := bridge.Task{Conversation: convID(1), ID: taskID(2), N: 1, State: bridge.TaskOpen, Files: []string{}, After: []bridge.TaskID{}}
	addTasks(t, s, want, bare)
	want.AddedAt, want.ChangedAt, want.LeasedAt, want.NudgedAt = at(1), at(2), at(3), at(4)
	same(t, "Task", look(t, s, get), want)
	missing(t, s, "Task", func(tx bridge.Tx) (bridge.Task, error) { return tx.Task(convID(2), taskID(1)) })
	missing(t, s, "Task", func(tx bridge.Tx) (bridge.Task, error) { return tx.Task(convID(1), "TASK_0000000000000001") })
	all := look(t, s, func(tx bridge.Tx) ([]bridge.Task, error) { return tx.Tasks(convID(1), "", 0, 0) })
	same(t, "Tasks", all, []bridge.Task{bare, want})
	if all[0].Files == nil || all[0].After == nil {
		t.Error("a task without files, that comes after none, has nil for them, which is null in JSON; want empty slices")
	}

	other := bridge.Task{
		Conversation: convID(1), ID: taskID(1), N: want.N, Title: "another", Detail: words, Files: []string{"a.go"}, Priority: 1_000_000,
		After: want.After, Blockers: 1, AssignTo: "b_a", Lease: time.Minute, AddedBy: "gamma", AddedAt: at(5), Digest: "d3", Redacted: 4,
		State: bridge.TaskClaimed, ChangedAt: at(6), Attempts: 5, Result: long, Ended: "d4", Holder: "beta", Agent: agentID(2), Instance: "tok_1", Fence: 7,
		LeasedAt: at(7), NudgedAt: at(8),
	}
	full(t, other, "Reassign")
	bare = bridge.Task{Conversation: convID(1), ID: taskID(1), N: want.N, After: want.After, State: bridge.TaskOpen}
	for _, want := range []bridge.Task{other, bare} {
		put(t, s, bridge.InConversation(convID(1)), func(tx bridge.Tx) error { return tx.PutTask(want) })
		same(t, "Task after PutTask", look(t, s, get), want)
	}
}

func addTaskConflicts(t *testing.T, e Engine) {
	s := e.start(t)
	for _, c := range []struct {
		conv, id, n int
		want        error
	}{
		{1, 1, 1, nil},
		{1, 1, 1, bridge.Conflict},
		{1, 1, 2, bridge.Conflict},
		{1, 2, 1, bridge.Conflict},
		{1, 2, 2, nil},
		{2, 1, 1, nil}, // another conversation has its own ids and numbers
	} {
		k := task(c.conv, c.id, bridge.TaskOpen, func(k *bridge.Task) { k.N, k.After = int64(c.n), []bridge.TaskID{taskID(7)} })
		err := s.Update(t.Context(), bridge.InConversation(k.Conversation), func(tx bridge.Tx) error { return tx.AddTask(k) })
		if !errors.Is(err, c.want) {
			t.Errorf("AddTask(conversation %d, id %d, number %d) = %v, want %v", c.conv, c.id, c.n, err, c.want)
		}
	}
	got := look(t, s, func(tx bridge.Tx) ([]int64, error) { return number(tx.Dependents(convID(1), taskID(7))) })
	same(t, "Dependents after conflicts", got, []int64{1, 2})

	// A caller may take the conflict for an answer and go on: nothing of the task is there, not what it would have come after either.
	put(t, s, bridge.InConversation(convID(1)), func(tx bridge.Tx) error {
		if err := tx.AddTask(task(1, 1, bridge.TaskOpen, func(k *bridge.Task) { k.N, k.After = 3, []bridge.TaskID{taskID(8)} })); !errors.Is(err, bridge.Conflict) {
			return fmt.Errorf("AddTask of a taken id = %v, want conflict", err)
		}
		return tx.AddTask(task(1, 3, bridge.TaskOpen))
	})
	got = look(t, s, func(tx bridge.Tx) ([]int64, error) { return number(tx.Dependents(convID(1), taskID(8))) })
	same(t, "Dependents after a conflict that was passed over", got, []int64{})
}

func putTaskPlace(t *testing.T, e Engine) {
	s := e.start(t)
	addTasks(t, s, task(1, 1, bridge.TaskOpen), task(1, 2, bridge.TaskOpen, func(k *bridge.Task) { k.After = []bridge.TaskID{taskID(1)} }))
	for _, k := range []bridge.Task{task(1, 3, bridge.TaskOpen), task(2, 1, bridge.TaskOpen)} {
		err := s.Update(t.Context(), bridge.InConversation(k.Conversation), func(tx bridge.Tx) error { return tx.PutTask(k) })
		if !errors.Is(err, bridge.NotFound) {
			t.Errorf("PutTask(%s, %s) of no task = %v, want not_found", k.Conversation, k.ID, err)
		}
	}
	put(t, s, bridge.InConversation(convID(1)), func(tx bridge.Tx) error {
		if err := tx.PutTask(task(1, 9, bridge.TaskOpen)); !errors.Is(err, bridge.NotFound) {
			return fmt.Errorf("PutTask of no task = %v, want not_found", err)
		}
		return tx.PutTask(task(1, 2, bridge.TaskDone, func(k *bridge.Task) { k.N, k.After = 5, []bridge.TaskID{taskID(3)} }))
	})
	want := task(1, 2, bridge.TaskDone, func(k *bridge.Task) { k.Fence, k.After = 2, []bridge.TaskID{taskID(1)} })
	all := look(t, s, func(tx bridge.Tx) ([]bridge.Task, error) { return tx.Tasks(convID(1), "", 0, 0) })
	same(t, "Tasks after PutTask with another number and other tasks before it", all, []bridge.Task{task(1, 1, bridge.TaskOpen), want})
	for before, want := range map[int][]int64{1: {2}, 3: {}} {
		got := look(t, s, func(tx bridge.Tx) ([]int64, error) { return number(tx.Dependents(convID(1), taskID(before))) })
		same(t, fmt.Sprintf("Dependents of task %d", before), got, want)
	}
	same(t, "Tasks elsewhere", look(t, s, func(tx bridge.Tx) ([]bridge.Task, error) { return tx.Tasks(convID(2), "", 0, 0) }), []bridge.Task{})
}

func tasksOrder(t *testing.T, e Engine) {
	s := e.start(t)
	addTasks(t, s, task(1, 11, bridge.TaskOpen), task(1, 3, bridge.TaskDone), task(1, 1, bridge.TaskClaimed), task(1, 10, bridge.TaskDone),
		task(1, 2, bridge.TaskOpen), task(1, 4, bridge.TaskFailed), task(1, 5, bridge.TaskCancelled)) // by number, not by text and not as they came
	addTasks(t, s, task(2, 6, bridge.TaskOpen))
	for _, c := range []struct {
		state bridge.TaskState
		after int64
		limit int
		want  []int64
	}{
		{"", 0, 0, []int64{1, 2, 3, 4, 5, 10, 11}},
		{"", 3, 0, []int64{4, 5, 10, 11}},
		{"", 1, 2, []int64{2, 3}},
		{"", 11, 5, nil},
		{bridge.TaskDone, 0, 0, []int64{3, 10}},
		{bridge.TaskDone, 3, 1, []int64{10}},
		{bridge.TaskOpen, 0, 1, []int64{2}},
		{bridge.TaskOpen, 2, 9, []int64{11}},
		{bridge.TaskClaimed, 0, 0, []int64{1}},
		{bridge.TaskFailed, 0, 0, []int64{4}},
		{bridge.TaskCancelled, 0, 0, []int64{5}},
		{bridge.TaskCancelled, 5, 0, nil},
	} {
		got := look(t, s, func(tx bridge.Tx) ([]int64, error) { return number(tx.Tasks(convID(1), c.state, c.after, c.limit)) })
		same(t, fmt.Sprintf("Tasks(%q, %d, %d)", c.state, c.after, c.limit), got, c.want)
	}
}

// choice is an open task with that priority, for that member.
func choice(n, priority int, to string) bridge.Task {
	return task(1, n, bridge.TaskOpen, func(k *bridge.Task) { k.Priority, k.AssignTo = priority, to })
}

func ready(t *testing.T, e Engine) {
	s := e.start(t)
	blocked := choice(7, 99, "beta")
	blocked.Blockers = 1
	addTasks(t, s, choice(1, 0, ""), choice(2, 5, "beta"), choice(3, 5, ""), choice(4, -7, "beta"), choice(5, 100, "gamma"), choice(6, 5, "beta"), blocked,
		choice(8, 99, "Beta"), choice(9, 0, "beta"), choice(10, 0, ""), choice(11, 10, "gamma"),
		task(1, 12, bridge.TaskClaimed), task(1, 13, bridge.TaskDone), task(1, 14, bridge.TaskFailed), task(1, 15, bridge.TaskCancelled))
	addTasks(t, s, task(2, 1, bridge.TaskOpen))
	for _, c := range []struct {
		member string
		limit  int
		want   []int64
	}{
		{"beta", 0, []int64{2, 3, 6, 1, 9, 10, 4}},
		{"beta", 1, []int64{2}},
		{"beta", 2, []int64{2, 3}},
		{"beta", 4, []int64{2, 3, 6, 1}},
		{"gamma", 0, []int64{5, 11, 3, 1, 10}},
		{"delta", 0, []int64{3, 1, 10}},
		{"delta", 1, []int64{3}},
		{"", 0, []int64{3, 1, 10}}, // once each, though nobody's are its own
		{"", 2, []int64{3, 1}},
	} {
		got := look(t, s, func(tx bridge.Tx) ([]int64, error) { return number(tx.Ready(convID(1), c.member, c.limit)) })
		same(t, fmt.Sprintf("Ready(%q, %d)", c.member, c.limit), got, c.want)
	}
	same(t, "Ready of nothing", look(t, s, func(tx bridge.Tx) ([]bridge.Task, error) { return tx.Ready(convID(3), "beta", 1) }), []bridge.Task{})

	// What changes in a task moves it in and out of the list, and within it.
	blocked.Blockers = 0
	for _, c := range []struct {
		change bridge.Task
		want   []int64
	}{
		{blocked, []int64{7, 2, 3, 6, 1, 9, 10, 4}},
		{choice(7, 1, "beta"), []int64{2, 3, 6, 7, 1, 9, 10, 4}},
		{choice(7, 1, "gamma"), []int64{2, 3, 6, 1, 9, 10, 4}},
		{choice(5, 0, ""), []int64{2, 3, 6, 1, 5, 9, 10, 4}},
		{task(1, 2, bridge.TaskClaimed), []int64{3, 6, 1, 5, 9, 10, 4}},
		{task(1, 2, bridge.TaskOpen), []int64{3, 6, 1, 2, 5, 9, 10, 4}},
	} {
		put(t, s, bridge.InConversation(convID(1)), func(tx bridge.Tx) error { return tx.PutTask(c.change) })
		got := look(t, s, func(tx bridge.Tx) ([]int64, error) { return number(tx.Ready(convID(1), "beta", 0)) })
		same(t, fmt.Sprintf("Ready after a change of task %d", c.change.N), got, c.want)
	}
}

func assigned(t *testing.T, e Engine) {
	s := e.start(t)
	blocked := choice(3, 9, "beta")
	blocked.Blockers = 2
	mine := func(k *bridge.Task) { k.AssignTo = "beta" }
	addTasks(t, s, choice(12, 5, "beta"), choice(1, 0, "beta"), choice(2, 0, ""), blocked, choice(4, 0, "Beta"),
		task(1, 5, bridge.TaskClaimed, mine), task(1, 6, bridge.TaskDone, mine), task(1, 7, bridge.TaskFailed, mine), task(1, 8, bridge.TaskCancelled, mine))
	addTasks(t, s, task(2, 1, bridge.TaskOpen, mine))
	for member, want := range map[string][]int64{"beta": {1, 3, 12}, "Beta": {4}, "gamma": {}} {
		got := look(t, s, func(tx bridge.Tx) ([]int64, error) { return number(tx.Assigned(convID(1), member)) })
		same(t, fmt.Sprintf("Assigned(%q)", member), got, want)
	}
}

func movable(t *testing.T, e Engine) {
	s := e.start(t)
	mine := func(k *bridge.Task) { k.AssignTo, k.Reassign = "beta", true }
	stays, free, theirs, blocked := choice(1, 0, "beta"), choice(2, 0, ""), choice(4, 0, "Beta"), choice(3, 0, "beta")
	free.Reassign, theirs.Reassign, blocked.Reassign, blocked.Blockers = true, true, true, 2
	addTasks(t, s, task(1, 12, bridge.TaskOpen, mine), stays, free, blocked, theirs, task(1, 9, bridge.TaskOpen, mine),
		task(1, 5, bridge.TaskClaimed, mine), task(1, 6, bridge.TaskDone, mine), task(1, 7, bridge.TaskFailed, mine), task(1, 8, bridge.TaskCancelled, mine))
	addTasks(t, s, task(2, 1, bridge.TaskOpen, mine))
	for _, c := range []struct {
		member string
		limit  int
		want   []int64
	}{
		{"beta", 0, []int64{3, 9, 12}},
		{"beta", 1, []int64{3}}, // what stays and is ahead takes no place
		{"beta", 2, []int64{3, 9}},
		{"beta", 9, []int64{3, 9, 12}},
		{"Beta", 0, []int64{4}},
		{"gamma", 0, []int64{}},
		{"", 0, []int64{}},
	} {
		got := look(t, s, func(tx bridge.Tx) ([]int64, error) { return number(tx.Movable(convID(1), c.member, c.limit)) })
		same(t, fmt.Sprintf("Movable(%q, %d)", c.member, c.limit), got, c.want)
	}
}

func dependents(t *testing.T, e Engine) {
	s := e.start(t)
	after := func(of ...int) func(*bridge.Task) {
		return func(k *bridge.Task) {
			for _, n := range of {
				k.After = append(k.After, taskID(n))
			}
		}
	}
	addTasks(t, s, task(1, 1, bridge.TaskOpen), task(1, 2, bridge.TaskOpen), task(1, 11, bridge.TaskOpen, after(1)), task(1, 3, bridge.TaskDone, after(2, 1)),
		task(1, 4, bridge.TaskCancelled, after(1)), task(1, 5, bridge.TaskOpen, after(2)))
	addTasks(t, s, task(2, 6, bridge.TaskOpen, after(1)))
	for n, want := range map[int][]int64{1: {3, 4, 11}, 2: {3, 5}, 3: {}} { // in whatever state
		got := look(t, s, func(tx bridge.Tx) ([]int64, error) { return number(tx.Dependents(convID(1), taskID(n))) })
		same(t, fmt.Sprintf("Dependents(%d)", n), got, want)
	}
	got := look(t, s, func(tx bridge.Tx) ([]bridge.Task, error) { return tx.Dependents(convID(2), taskID(1)) })
	same(t, "Dependents elsewhere", got, []bridge.Task{task(2, 6, bridge.TaskOpen, after(1))})
}

func leases(t *testing.T, e Engine) {
	s := e.start(t)
	all := func(id bridge.ConversationID) []bridge.Lease {
		return look(t, s, func(tx bridge.Tx) ([]bridge.Lease, error) { return tx.Leases(id) })
	}
	same(t, "Leases of nothing", all(""), []bridge.Lease{})
	held := task(1, 10, bridge.TaskClaimed, func(k *bridge.Task) {
		k.Holder, k.Agent, k.Instance, k.LeasedAt, k.Lease, k.NudgedAt = "b_a", agentID(2), "tok_1", odd(7), 90*time.Second, odd(8)
	})
	freed := task(1, 4, bridge.TaskClaimed, func(k *bridge.Task) { k.State = bridge.TaskOpen }) // open again, with its last lease in its row
	addTasks(t, s, held, task(1, 9, bridge.TaskClaimed), task(1, 1, bridge.TaskOpen), freed, task(1, 2, bridge.TaskDone), task(1, 3, bridge.TaskFailed))
	addTasks(t, s, task(2, 1, bridge.TaskClaimed))

	lease := func(conv, n int) bridge.Lease {
		return bridge.Lease{Conversation: convID(conv), Task: taskID(n), Holder: "beta", Agent: agentID(1), Instance: "proc_1", LeasedAt: at(n), For: time.Minute}
	}
	own := bridge.Lease{
		Conversation: convID(1), Task: taskID(10), Holder: "b_a", Agent: agentID(2), Instance: "tok_1", LeasedAt: at(7), For: 90 * time.Second, NudgedAt: at(8),
	}
	full(t, own)
	same(t, "Leases of one", all(convID(1)), []bridge.Lease{lease(1, 9), own})
	same(t, "Leases of all", all(""), []bridge.Lease{lease(1, 9), own, lease(2, 1)})
	same(t, "Leases of none", all(convID(3)), []bridge.Lease{})
	put(t, s, bridge.InConversation(convID(1)), func(tx bridge.Tx) error { return tx.PutTask(task(1, 9, bridge.TaskDone)) })
	same(t, "Leases after one ended", all(""), []bridge.Lease{own, lease(2, 1)})
}

func countTasks(t *testing.T, e Engine) {
	s := e.start(t)
	addTasks(t, s, task(1, 1, bridge.TaskOpen), task(1, 2, bridge.TaskDone), task(1, 3, bridge.TaskOpen), task(1, 4, bridge.TaskCancelled))
	addTasks(t, s, task(2, 1, bridge.TaskFailed), task(2, 2, bridge.TaskClaimed))
	for conv, want := range map[int]map[bridge.TaskState]int{
		1: {bridge.TaskOpen: 2, bridge.TaskDone: 1, bridge.TaskCancelled: 1},
		2: {bridge.TaskFailed: 1, bridge.TaskClaimed: 1},
		3: {}, // and no state that has none
	} {
		got := look(t, s, func(tx bridge.Tx) (map[bridge.TaskState]int, error) { return tx.CountTasks(convID(conv)) })
		same(t, fmt.Sprintf("CountTasks of %d", conv), got, want)
	}
}

func seats(t *testing.T, e Engine) {
	s := e.start(t)
	same(t, "Seats of an empty store", look(t, s, bridge.Tx.Seats), []bridge.Member{})
	putConversations(t, s,
		bridge.Conversation{ID: convID(1), CreatedAt: at(9)}, bridge.Conversation{ID: convID(2), ClosedAt: at(1)}, bridge.Conversation{ID: convID(3), BuriedAt: at(1)},
		bridge.Conversation{ID: convID(4), ErasedAt: at(1)}, bridge.Conversation{ID: convID(5)})
	putMembers(t, s,
		bridge.Member{Conversation: convID(2), Name: "a", Agent: agentID(1), JoinedAt: at(1)},
		bridge.Member{Conversation: convID(1), Name: "b", Agent: agentID(1), JoinedAt: at(1), SilentAt: at(5), Role: "r"},
		bridge.Member{Conversation: convID(1), Name: "B", Agent: agentID(2), JoinedAt: at(2)},
		bridge.Member{Conversation: convID(1), Name: "c", InvitedAt: at(2)},
		bridge.Member{Conversation: convID(1), Name: "d", Agent: agentID(3), JoinedAt: at(1), RevokedAt: at(2)},
		bridge.Member{Conversation: convID(3), Name: "e", Agent: agentID(1), JoinedAt: at(1)},
		bridge.Member{Conversation: convID(4), Name: "f", Agent: agentID(1), JoinedAt: at(1)},
		bridge.Member{Conversation: convID(5), Name: "g", JoinedAt: at(1)}, // joined is joined
	)
	want := []bridge.Member{
		{Conversation: convID(1), Name: "B", Agent: agentID(2), JoinedAt: at(2), Rank: bridge.Peer},
		{Conversation: convID(1), Name: "b", Agent: agentID(1), JoinedAt: at(1), SilentAt: at(5), Role: "r", Rank: bridge.Peer},
		{Conversation: convID(2), Name: "a", Agent: agentID(1), JoinedAt: at(1), Rank: bridge.Peer},
		{Conversation: convID(5), Name: "g", JoinedAt: at(1), Rank: bridge.Peer},
	}
	same(t, "Seats", look(t, s, bridge.Tx.Seats), want)
	putConversations(t, s, bridge.Conversation{ID: convID(1), BuriedAt: at(20)})
	same(t, "Seats after a burial", look(t, s, bridge.Tx.Seats), want[2:])
}
