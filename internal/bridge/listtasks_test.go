package bridge_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"agentbridge/internal/bridge"
)

// pages reads a list to its end, and gives the titles of each page.
func (w *world) pages(c bridge.Caller, q bridge.ListTasksRequest) (pages [][]string) {
	w.t.Helper()
	for range 1000 {
		res, err := w.ListTasks(w.ctx, c, q)
		if err != nil {
			w.t.Fatal(err)
		}
		pages = append(pages, titles(res.Tasks))
		if res.Cursor == "" {
			return pages
		}
		q.Cursor = res.Cursor
	}
	w.t.Fatal("the list never ends")
	return nil
}

func TestListTasks_EachTaskIsOnOnePage(t *testing.T) {
	w := newWorld(t, noLimits)
	a, b := w.agent("alpha"), w.agent("beta")
	ids := []bridge.ConversationID{w.talk(a, b), w.talk(a, b)}
	slices.Sort(ids)
	var all []string
	for _, id := range ids {
		for n := range 250 {
			title := fmt.Sprintf("%s %d", id, n)
			w.addTask(a, bridge.AddTaskRequest{Conversation: id, Title: title})
			all = append(all, title)
		}
	}
	for limit, pages := range map[int]int{0: 25, 1: 500, 7: 72, 50: 10, 100: 5} {
		got := w.pages(b, bridge.ListTasksRequest{Limit: limit})
		if len(got) != pages || !slices.Equal(slices.Concat(got...), all) {
			t.Errorf("limit %d: %d pages, want %d, with %d tasks", limit, len(got), pages, len(slices.Concat(got...)))
		}
	}
	if got := w.pages(b, bridge.ListTasksRequest{Conversation: ids[1], Limit: 100}); !slices.Equal(slices.Concat(got...), all[250:]) {
		t.Errorf("of one conversation: %d tasks", len(slices.Concat(got...)))
	}
}

func TestListTasks_APageEndsWhereItsTextIsLong(t *testing.T) {
	w := newWorld(t)
	a, b := w.agent("alpha"), w.agent("beta")
	w.talk(a, b)
	for n := range 5 {
		w.addTask(a, bridge.AddTaskRequest{Title: fmt.Sprint(n), Detail: strings.Repeat("x", 25_000)})
	}
	got := w.pages(b, bridge.ListTasksRequest{})
	if fmt.Sprint(got) != "[[0 1] [2 3] [4]]" {
		t.Errorf("pages = %v", got)
	}
}

func TestListTasks_ChoosesByState(t *testing.T) {
	w := newWorld(t)
	a, b := w.agent("alpha"), w.agent("beta")
	w.talk(a, b)
	for _, action := range []bridge.TaskAction{bridge.CompleteTask, bridge.FailTask, bridge.CancelTask, bridge.RenewTask} {
		task := w.todo(a, string(action))
		if action == bridge.CancelTask {
			w.update(a, bridge.UpdateTaskRequest{Task: task, Action: action})
			continue
		}
		w.end(b, w.claim(b, task), action, "")
	}
	w.todo(a, "nothing")
	for state, title := range map[bridge.TaskState]string{"": "complete fail cancel renew nothing", "done": "complete", "failed": "fail", "cancelled": "cancel", "claimed": "renew", "open": "nothing"} {
		if got := w.pages(b, bridge.ListTasksRequest{State: state, Limit: 1}); strings.Join(slices.Concat(got...), " ") != title {
			t.Errorf("%q: %v", state, got)
		}
	}
}

func TestListTasks_BadArgumentsHaveAWayOut(t *testing.T) {
	w := newWorld(t)
	a, b := w.agent("alpha"), w.agent("beta")
	id := w.talk(a, b)
	w.todo(a, "1")
	for _, bad := range []struct {
		q    bridge.ListTasksRequest
		code bridge.Code
		hint string
	}{
		{bridge.ListTasksRequest{Limit: -1}, bridge.Invalid, "100"},
		{bridge.ListTasksRequest{Limit: 101}, bridge.Invalid, "100"},
		{bridge.ListTasksRequest{State: "finished"}, bridge.Invalid, "done"},
		{bridge.ListTasksRequest{Cursor: "x"}, bridge.Invalid, "page before"},
		{bridge.ListTasksRequest{Cursor: string(id) + ":"}, bridge.Invalid, "page before"},
		{bridge.ListTasksRequest{Cursor: string(id) + ":+1"}, bridge.Invalid, "page before"},
		{bridge.ListTasksRequest{Cursor: ":1"}, bridge.Invalid, "page before"},
		{bridge.ListTasksRequest{Conversation: id, Cursor: "conv_other:1"}, bridge.Invalid, "same conversation_id"},
		{bridge.ListTasksRequest{Conversation: "conv_other"}, bridge.NotFound, ""},
	} {
		_, err := w.ListTasks(w.ctx, b, bad.q)
		want(t, err, bad.code, bad.hint)
	}
	_, err := w.ListTasks(w.ctx, w.agent("eve"), bridge.ListTasksRequest{Conversation: id})
	want(t, err, bridge.Denied, "invite")
	if res, err := w.ListTasks(w.ctx, b, bridge.ListTasksRequest{State: bridge.TaskDone}); err != nil || res.Tasks == nil || len(res.Tasks) != 0 {
		t.Errorf("none = %+v, %v, want an empty list", res, err)
	}
}

func TestListTasks_IsChargedAsARead(t *testing.T) {
	w := newWorld(t)
	a, b := w.agent("alpha"), w.agent("beta")
	w.talk(a, b)
	for range 600 {
		if _, err := w.ListTasks(w.ctx, a, bridge.ListTasksRequest{}); err != nil {
			t.Fatal(err)
		}
	}
	_, err := w.ListTasks(w.ctx, a, bridge.ListTasksRequest{})
	want(t, err, bridge.RateLimited, "")
}

func TestListTasks_SaysWhatATaskWaitsForAndThatItFailed(t *testing.T) {
	w := newWorld(t)
	a, b := w.agent("alpha"), w.agent("beta")
	w.talk(a, b)
	one, two, three := w.todo(a, "1"), w.todo(a, "2"), w.todo(a, "3")
	last := w.todo(a, "last", one, two, three)
	w.end(b, w.claim(b, one), bridge.CompleteTask, "")
	w.end(b, w.claim(b, three), bridge.FailTask, "")
	want := []bridge.Blocker{{Task: three, State: bridge.TaskFailed}, {Task: two, State: bridge.TaskOpen}}
	if got := w.task(last).BlockedBy; !slices.Equal(got, want) {
		t.Errorf("blocked by %v, want %v", got, want)
	}
}
