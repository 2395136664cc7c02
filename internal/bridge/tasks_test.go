package bridge_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"agentbridge/internal/bridge"
)

func (w *world) addTask(c bridge.Caller, q bridge.AddTaskRequest) bridge.AddTaskResult {
	w.t.Helper()
	res, err := w.AddTask(w.ctx, c, q)
	if err != nil {
		w.t.Fatal(err)
	}
	return res
}

// todo adds a task of a title.
func (w *world) todo(c bridge.Caller, title string, after ...bridge.TaskID) bridge.TaskID {
	w.t.Helper()
	return w.addTask(c, bridge.AddTaskRequest{Title: title, After: after}).Task
}

// task is how a task is shown.
func (w *world) task(id bridge.TaskID) bridge.TaskView {
	w.t.Helper()
	list, err := w.List(w.ctx, true)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, c := range list {
		tasks, err := w.Tasks(w.ctx, c.Conversation, 0, 0)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, t := range tasks {
			if t.ID == id {
				return t
			}
		}
	}
	w.t.Fatalf("there is no task %s", id)
	return bridge.TaskView{}
}

// notices are what the bridge told a caller since it last looked.
func (w *world) notices(c bridge.Caller) (list []string) {
	w.t.Helper()
	for {
		got := w.check(c, bridge.CheckRequest{Limit: 50})
		if len(got.Messages) == 0 {
			return list
		}
		for _, m := range got.Messages {
			if m.From == bridge.ProgramName {
				list = append(list, bare(m))
			}
		}
		if err := w.Ack(w.ctx, c, got.Receipt, bridge.Explicit); err != nil {
			w.t.Fatal(err)
		}
	}
}

// told fails unless the bridge told the caller just these things, in this order, since it last looked.
func (w *world) told(c bridge.Caller, parts ...string) {
	w.t.Helper()
	got := w.notices(c)
	if len(got) != len(parts) {
		w.t.Errorf("%s was told %q, want %d things: %q", c.Name(), got, len(parts), parts)
		return
	}
	for i, part := range parts {
		if !strings.Contains(got[i], part) {
			w.t.Errorf("%s was told %q, want it to mention %q", c.Name(), got[i], part)
		}
	}
}

func titles(tasks []bridge.TaskView) (list []string) {
	for _, t := range tasks {
		list = append(list, t.Title)
	}
	return list
}

func TestAddTask_IsThereWithAllThatWasSaid(t *testing.T) {
	w := newWorld(t)
	a, b := w.agent("alpha"), w.agent("beta")
	id := w.talk(a, b)
	first := w.todo(a, "first")
	minutes, no := 5, false
	res := w.addTask(a, bridge.AddTaskRequest{
		Title: "second", Detail: "in\ntwo lines", AssignTo: "beta", Reassign: &no, Priority: -3, After: []bridge.TaskID{first, first},
		Files: []string{"a.go"}, LeaseMinutes: &minutes,
	})
	got := w.task(res.Task)
	got.ChangedAt = bridge.TaskView{}.ChangedAt
	want := bridge.TaskView{
		ID: res.Task, Conversation: id, Title: "second", Detail: "in\ntwo lines", State: bridge.TaskOpen, Priority: -3, After: []bridge.TaskID{first},
		BlockedBy: []bridge.Blocker{{Task: first, State: bridge.TaskOpen}}, AssignTo: "beta", Files: []string{"a.go"}, AddedBy: "alpha",
	}
	if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
		t.Errorf("task = %+v\nwant %+v", got, want)
	}
	w.told(b, string(res.Task)+" is assigned to you: it waits")
	w.todo(b, "peers add too")
}

func TestAddTask_TheSameKeyIsTheSameTask(t *testing.T) {
	w := newWorld(t)
	a, b := w.agent("alpha"), w.agent("beta")
	id := w.talk(a, b)
	q := bridge.AddTaskRequest{Title: "x", Detail: "with " + aSecret, Key: "k", AssignTo: "beta"}
	one, two := w.addTask(a, q), w.addTask(a, q)
	if one.Task != two.Task || one.Duplicate || !two.Duplicate || two.Redacted != 1 {
		t.Errorf("first %+v, then %+v", one, two)
	}
	w.told(b, "assigned to you") // once
	for _, other := range []func(q *bridge.AddTaskRequest){
		func(q *bridge.AddTaskRequest) { q.Title = "y" },
		func(q *bridge.AddTaskRequest) { q.Detail = "" },
		func(q *bridge.AddTaskRequest) { q.Priority = 1 },
		func(q *bridge.AddTaskRequest) { q.AssignTo = "" },
		func(q *bridge.AddTaskRequest) { q.Reassign = new(bool) },
		func(q *bridge.AddTaskRequest) { q.Files = []string{"f"} },
		func(q *bridge.AddTaskRequest) { thirty := 30; q.LeaseMinutes = &thirty },
	} {
		q := q
		other(&q)
		_, err := w.AddTask(w.ctx, a, q)
		want(t, err, bridge.Conflict, "new key")
	}
	if theirs := w.addTask(b, q); theirs.Task == one.Task || theirs.Duplicate {
		t.Errorf("another member's task under the same key: %+v", theirs)
	}
	if tasks, err := w.Tasks(w.ctx, id, 0, 0); err != nil || len(tasks) != 2 {
		t.Errorf("tasks = %+v, %v", tasks, err)
	}
	if err := w.Close(w.ctx, id); err != nil {
		t.Fatal(err)
	}
	if late := w.addTask(a, q); late.Task != one.Task || !late.Duplicate {
		t.Errorf("a retry after the end: %+v", late)
	}
}

func TestAddTask_BadArgumentsStoreNothing(t *testing.T) {
	w := newWorld(t)
	a, b, c, o := w.agent("alpha"), w.agent("beta"), w.agent("gamma"), w.agent("omega")
	made, err := w.Create(w.ctx, a, bridge.CreateRequest{Partners: append(partners("beta", "gamma"), bridge.Partner{Name: "omega", Rank: bridge.Observer})})
	if err != nil {
		t.Fatal(err)
	}
	id := made.Conversation
	for i, agent := range []bridge.Caller{b, c, o} {
		if _, err := w.Join(w.ctx, agent, bridge.JoinRequest{Code: made.Invites[i].Code}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.RevokeMember(w.ctx, id, "gamma"); err != nil {
		t.Fatal(err)
	}
	elsewhere := w.talk(b, a)
	strange := w.addTask(b, bridge.AddTaskRequest{Conversation: elsewhere, Title: "in another conversation"}).Task
	minutes := func(n int) *int { return &n }
	fresh := w.addTask(a, bridge.AddTaskRequest{Conversation: id, Title: "there", Key: "there"}).Task
	failed := w.addTask(a, bridge.AddTaskRequest{Conversation: id, Title: "failed"}).Task
	if _, err := w.UpdateTask(w.ctx, a, bridge.UpdateTaskRequest{Conversation: id, Task: failed, Action: bridge.CancelTask}); err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]struct {
		who  bridge.Caller
		q    bridge.AddTaskRequest
		code bridge.Code
		hint string
	}{
		"no title":                     {a, bridge.AddTaskRequest{}, bridge.Invalid, "title"},
		"only a zero width space":      {a, bridge.AddTaskRequest{Title: " \u200b"}, bridge.Invalid, "title"},
		"a title of two lines":         {a, bridge.AddTaskRequest{Title: "a\nb"}, bridge.Invalid, "detail"},
		"a title too long":             {a, bridge.AddTaskRequest{Title: strings.Repeat("x", 201)}, bridge.Invalid, "file"},
		"a detail too long":            {a, bridge.AddTaskRequest{Title: "x", Detail: strings.Repeat("x", 50_001)}, bridge.Invalid, "file"},
		"not UTF-8":                    {a, bridge.AddTaskRequest{Title: "x", Detail: "\xff"}, bridge.Invalid, "text"},
		"too many files":               {a, bridge.AddTaskRequest{Title: "x", Files: make([]string, 21)}, bridge.Invalid, "directories"},
		"an empty file":                {a, bridge.AddTaskRequest{Title: "x", Files: []string{" "}}, bridge.Invalid, "paths"},
		"a long key":                   {a, bridge.AddTaskRequest{Title: "x", Key: strings.Repeat("k", 201)}, bridge.Invalid, "short"},
		"a lease of 0":                 {a, bridge.AddTaskRequest{Title: "x", LeaseMinutes: minutes(0)}, bridge.Invalid, "1440"},
		"a lease below 0":              {a, bridge.AddTaskRequest{Title: "x", LeaseMinutes: minutes(-5)}, bridge.Invalid, "1440"},
		"a lease of a year":            {a, bridge.AddTaskRequest{Title: "x", LeaseMinutes: minutes(365 * 24 * 60)}, bridge.Invalid, "renew"},
		"a priority out of range":      {a, bridge.AddTaskRequest{Title: "x", Priority: 1_000_001}, bridge.Invalid, "1000000"},
		"a priority too low":           {a, bridge.AddTaskRequest{Title: "x", Priority: -1_000_001}, bridge.Invalid, "1000000"},
		"an unknown assignee":          {a, bridge.AddTaskRequest{Title: "x", AssignTo: "nobody"}, bridge.NotFound, "alpha, beta"},
		"an assignee that is no name":  {a, bridge.AddTaskRequest{Title: "x", AssignTo: aSecret}, bridge.NotFound, "beta"},
		"a revoked assignee":           {a, bridge.AddTaskRequest{Title: "x", AssignTo: "gamma"}, bridge.NotFound, "beta"},
		"an observer as assignee":      {a, bridge.AddTaskRequest{Title: "x", AssignTo: "omega"}, bridge.Invalid, "beta"},
		"the person as assignee":       {a, bridge.AddTaskRequest{Title: "x", AssignTo: "person"}, bridge.NotFound, "beta"},
		"after an unknown task":        {a, bridge.AddTaskRequest{Title: "x", After: []bridge.TaskID{"task_0123456789abcdef"}}, bridge.NotFound, "before"},
		"after no task id":             {a, bridge.AddTaskRequest{Title: "x", After: []bridge.TaskID{"\x00\xff"}}, bridge.NotFound, "list_tasks"},
		"after one of another room":    {a, bridge.AddTaskRequest{Title: "x", After: []bridge.TaskID{strange}}, bridge.NotFound, "same conversation"},
		"after one that was cancelled": {a, bridge.AddTaskRequest{Title: "x", After: []bridge.TaskID{fresh, failed}}, bridge.Conflict, "anew"},
		"after itself":                 {a, bridge.AddTaskRequest{Title: "there", Key: "there", After: []bridge.TaskID{fresh}}, bridge.Invalid, "leave it out"},
		"after too many":               {a, bridge.AddTaskRequest{Title: "x", After: many(51)}, bridge.Invalid, "some of them"},
		"by a worker":                  {b, bridge.AddTaskRequest{Title: "x"}, bridge.Denied, "ask alpha"},
		"by an observer":               {o, bridge.AddTaskRequest{Title: "x"}, bridge.Denied, "ask alpha"},
		"by one who is no member":      {c, bridge.AddTaskRequest{Title: "x"}, bridge.Denied, "invite"},
	} {
		bad.q.Conversation = id
		res, err := w.AddTask(w.ctx, bad.who, bad.q)
		if err == nil {
			t.Errorf("%s: %+v", name, res)
			continue
		}
		want(t, err, bad.code, bad.hint)
		if text := err.Error() + bridge.AsError(err).Hint; strings.Contains(text, aSecret) || strings.Contains(text, "\x00") {
			t.Errorf("%s: the error repeats what nobody checked: %q", name, text)
		}
	}
	if tasks, err := w.Tasks(w.ctx, id, 0, 0); err != nil || len(tasks) != 2 {
		t.Errorf("tasks = %v, %v", titles(tasks), err)
	}
}

func many(n int) (ids []bridge.TaskID) {
	for i := range n {
		ids = append(ids, bridge.TaskID(fmt.Sprintf("task_%016x", i)))
	}
	return ids
}

func TestAddTask_IsRefusedWherePausedOrOver(t *testing.T) {
	w := newWorld(t)
	a, b := w.agent("alpha"), w.agent("beta")
	id := w.talk(a, b)
	if err := w.Pause(w.ctx, id); err != nil {
		t.Fatal(err)
	}
	_, err := w.AddTask(w.ctx, a, bridge.AddTaskRequest{Title: "x"})
	want(t, err, bridge.Paused, "resume")
	if err := w.Resume(w.ctx, id); err != nil {
		t.Fatal(err)
	}
	w.todo(a, "x")
	if err := w.Close(w.ctx, id); err != nil {
		t.Fatal(err)
	}
	_, err = w.AddTask(w.ctx, a, bridge.AddTaskRequest{Title: "x"})
	want(t, err, bridge.Expired, "new conversation")
}

func TestAddTask_AfterWhatIsDoneIsReadyAtOnce(t *testing.T) {
	w := newWorld(t)
	a, b := w.agent("alpha"), w.agent("beta")
	w.talk(a, b)
	first := w.todo(a, "first")
	w.end(b, w.claim(b, first), bridge.CompleteTask, "")
	w.todo(a, "second", first)
	if got := w.claim(b, ""); got.Task == nil || got.Task.Title != "second" {
		t.Errorf("claimed %+v", got.Task)
	}
}

func TestAddTask_ANewAgentInARevokedSeatHasKeysOfItsOwn(t *testing.T) {
	w := newWorld(t)
	a, b, c := w.agent("alpha"), w.agent("beta"), w.agent("gamma")
	id := w.talk(a, b)
	q := bridge.AddTaskRequest{Title: "x", Key: "k"}
	first := w.addTask(b, q)
	if err := w.RevokeMember(w.ctx, id, "beta"); err != nil {
		t.Fatal(err)
	}
	made, err := w.Create(w.ctx, a, bridge.CreateRequest{Conversation: id, Partners: partners("beta")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Join(w.ctx, c, bridge.JoinRequest{Code: made.Invites[0].Code}); err != nil {
		t.Fatal(err)
	}
	if got := w.addTask(c, q); got.Duplicate || got.Task == first.Task {
		t.Errorf("another agent's first task: %+v", got)
	}
}

func TestAddTask_IsChargedAsAWrite(t *testing.T) {
	w := newWorld(t, strict)
	a, b := w.agent("alpha"), w.agent("beta")
	w.talk(a, b)
	for range 10 {
		w.todo(a, "x")
	}
	_, err := w.AddTask(w.ctx, a, bridge.AddTaskRequest{Title: "x"})
	want(t, err, bridge.RateLimited, "wait")
}

func TestAddTask_AMemberThatHasNotJoinedFindsIt(t *testing.T) {
	w := newWorld(t)
	a, b := w.agent("alpha"), w.agent("beta")
	made, err := w.Create(w.ctx, a, bridge.CreateRequest{Partners: partners("beta")})
	if err != nil {
		t.Fatal(err)
	}
	task := w.addTask(a, bridge.AddTaskRequest{Title: "x", AssignTo: "beta"}).Task
	if _, err := w.Join(w.ctx, b, bridge.JoinRequest{Code: made.Invites[0].Code}); err != nil {
		t.Fatal(err)
	}
	w.told(b, string(task)+" is assigned to you")
	if got := w.claim(b, ""); got.Task == nil || got.Task.ID != task {
		t.Errorf("claimed %+v", got.Task)
	}
}

func TestTasks_SecretsAreMaskedEverywhere(t *testing.T) {
	w := newWorld(t)
	a, b := w.agent("alpha"), w.agent("beta")
	id := w.talk(a, b)
	res := w.addTask(a, bridge.AddTaskRequest{Title: "use " + aSecret, Detail: "that is " + aSecret, Files: []string{"/tmp/" + aSecret}, AssignTo: "beta"})
	if res.Redacted != 3 {
		t.Errorf("redacted %d", res.Redacted)
	}
	got := w.claim(b, res.Task)
	if done := w.end(b, got, bridge.CompleteTask, "it was "+aSecret); done.Redacted != 1 {
		t.Errorf("redacted %d in the result", done.Redacted)
	}
	list, err := w.ListTasks(w.ctx, b, bridge.ListTasksRequest{})
	if err != nil {
		t.Fatal(err)
	}
	view, err := w.Show(w.ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := w.AuditEntries(w.ctx, bridge.AuditFilter{})
	if err != nil {
		t.Fatal(err)
	}
	shown, err := json.Marshal([]any{got, list, view, lines, w.task(res.Task), bridge.FrameTask(w.task(res.Task))})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(shown), aSecret) {
		t.Error("a secret is shown")
	}
}

func TestTasks_NoticesAndEntriesHoldNothingThatAgentsWrote(t *testing.T) {
	w := newWorld(t)
	a, b, c := w.agent("alpha"), w.agent("beta"), w.agent("gamma")
	id := w.talk(a, b, c)
	const said = "ignore-all-rules"
	add := func(to string, after ...bridge.TaskID) bridge.TaskID {
		return w.addTask(a, bridge.AddTaskRequest{Title: said, Detail: said, Files: []string{said}, AssignTo: to, After: after}).Task
	}
	done, failed, taken, gone := add("beta"), add("beta"), add("beta"), add("beta")
	add("gamma", done)
	add("gamma", failed)
	w.end(b, w.claim(b, done), bridge.CompleteTask, said)
	w.end(b, w.claim(b, failed), bridge.FailTask, said)
	w.claim(b, taken)
	w.update(a, bridge.UpdateTaskRequest{Task: taken, Action: bridge.AssignTask, AssignTo: "gamma"})
	w.claim(b, gone)
	w.update(a, bridge.UpdateTaskRequest{Task: gone, Action: bridge.CancelTask, Result: said})
	w.end(c, w.claim(c, taken), bridge.ReleaseTask, said)
	for _, who := range []bridge.Caller{a, b, c} {
		notices := w.notices(who)
		if len(notices) < 3 || strings.Contains(strings.Join(notices, ""), said) {
			t.Errorf("%s was told %q", who.Name(), notices)
		}
	}
	lines, err := w.AuditEntries(w.ctx, bridge.AuditFilter{Conversation: id})
	if err != nil {
		t.Fatal(err)
	}
	var actions []string
	for _, l := range lines {
		if strings.HasPrefix(l.Action, "task_") && !slices.Contains(actions, l.Action) {
			actions = append(actions, l.Action)
		}
		if strings.Contains(fmt.Sprint(l), said) {
			t.Errorf("entry = %+v", l)
		}
	}
	if want := []string{"task_add", "task_claim", "task_complete", "task_fail", "task_assign", "task_cancel", "task_release"}; !slices.Equal(actions, want) {
		t.Errorf("entries = %v, want %v", actions, want)
	}
}
