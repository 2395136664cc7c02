package bridge_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"agentbridge/internal/bridge"
)

// standing is that of the only open conversation.
func (w *world) standing() bridge.ConversationStanding {
	w.t.Helper()
	st, err := w.Standing(w.ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	if len(st.Conversations) != 1 {
		w.t.Fatalf("%d conversations stand", len(st.Conversations))
	}
	return st.Conversations[0]
}

func waits(c bridge.ConversationStanding) (list []string) {
	for _, w := range c.Waits {
		list = append(list, fmt.Sprintf("%s waits for %s: %s %s", w.Who, w.On, w.For, w.Subject))
	}
	return list
}

func TestStanding_SaysWhoWaitsForWhom(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		a, b, c := w.agent("alpha"), w.agent("beta"), w.agent("gamma")
		w.talk(a, b, c)
		held := w.claim(b, w.todo(a, "held")).Task.ID
		pinned := w.assign(a, "gamma", true)
		time.Sleep(time.Second)
		w.addTask(a, bridge.AddTaskRequest{Title: "later", After: []bridge.TaskID{held, pinned}, AssignTo: "beta"})
		time.Sleep(time.Second)
		asked, err := w.Send(w.ctx, a, bridge.SendRequest{Message: "which one?", ActionType: bridge.Question, To: []string{"beta", "gamma"}})
		if err != nil {
			t.Fatal(err)
		}
		w.say(b, "the first", "alpha")
		time.Sleep(time.Second)
		said := w.say(b, "look at this", "gamma")
		for _, agent := range []bridge.Caller{a, b} {
			w.notices(agent)
		}
		time.Sleep(minute - time.Second - time.Millisecond)
		if got, want := waits(w.standing()), []string{
			"beta waits for gamma: task " + string(pinned),
			"alpha waits for gamma: answer " + string(asked.Message),
		}; !slices.Equal(got, want) {
			t.Errorf("before a minute is over, waits = %q, want %q", got, want)
		}
		time.Sleep(2 * time.Second) // gamma has not checked at all
		st := w.standing()
		got := waits(st)
		slices.Sort(got)
		if want := []string{
			"alpha waits for gamma: ack " + string(asked.Message),
			"alpha waits for gamma: answer " + string(asked.Message),
			"beta waits for gamma: ack " + string(said.Message),
			"beta waits for gamma: task " + string(pinned),
		}; !slices.Equal(got, want) {
			t.Errorf("waits = %q, want %q", got, want)
		}
		for _, m := range st.Roster {
			holds, late, unread := 0, 0, 0
			switch m.Name {
			case "beta":
				holds = 1
			case "gamma":
				late, unread = 3, 3 // with the notice of its task
			}
			if len(m.Holds) != holds || m.Overdue != late || m.Unread != unread {
				t.Errorf("%s = %+v", m.Name, m)
			}
		}
	})
}

func TestStanding_SaysWhatIsWrong(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		if st, err := w.Standing(w.ctx); err != nil || st.SweptAt != nil || st.Conversations == nil {
			t.Errorf("of nothing: %+v, %v", st, err)
		}
		a, b := w.agent("alpha"), w.remote("beta")
		id := w.talk(a, b)
		if p := w.standing().Problems; len(p) != 0 {
			t.Errorf("all is well, and %q", p)
		}
		failed := w.todo(a, "x")
		stuck := w.todo(a, "y", failed)
		w.end(a, w.claim(a, failed), bridge.FailTask, "")
		w.claim(b, w.todo(a, "z"))
		w.say(b, "read this")
		if err := w.Pause(w.ctx, id); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * minute)
		if err := w.Heartbeat(w.ctx, a, bridge.Pulse{}); err != nil {
			t.Fatal(err)
		}
		problems := strings.Join(w.standing().Problems, "\n")
		for _, want := range []string{
			"paused by the person", "beta is silent and holds 1 task", "waiting for beta: 1 not acked",
			"alpha has not acked 3 messages, the oldest for 2m", fmt.Sprintf("%s waits for %s, which failed", stuck, failed),
		} {
			if !strings.Contains(problems, want) {
				t.Errorf("problems are\n%s\nwant also %q", problems, want)
			}
		}
		w.sweep()
		if st, err := w.Standing(w.ctx); err != nil || st.SweptAt == nil || !st.SweptAt.Equal(st.At) {
			t.Errorf("swept: %+v, %v", st.SweptAt, err)
		}
		if err := w.Close(w.ctx, id); err != nil {
			t.Fatal(err)
		}
		if st, err := w.Standing(w.ctx); err != nil || len(st.Conversations) != 0 {
			t.Errorf("closed: %+v, %v", st, err)
		}
	})
}

// Of a full inbox, all that wait are counted, the overdue up to a hundred, and the oldest is found.
func TestStanding_CountsAFullInboxAndAHundredOverdue(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, plenty)
		a, b := w.agent("alpha"), w.agent("beta")
		w.talk(a, b)
		first := w.say(a, "the first", "beta")
		time.Sleep(time.Second)
		for range 299 {
			w.say(a, "another", "beta")
		}
		w.check(b, bridge.CheckRequest{Limit: 10}) // holds 10, and 290 wait
		time.Sleep(2 * minute)
		for _, agent := range []bridge.Caller{a, b} {
			if err := w.Heartbeat(w.ctx, agent, bridge.Pulse{Progress: true}); err != nil {
				t.Fatal(err)
			}
		}
		st := w.standing()
		for _, m := range st.Roster {
			if m.Name == "beta" && (m.Unread != 290 || m.Overdue != 100) {
				t.Errorf("beta has %d unread, %d overdue; want 290, and 100 at most", m.Unread, m.Overdue)
			}
		}
		if got, want := waits(st), "alpha waits for beta: ack "+string(first.Message); !slices.Contains(got, want) {
			t.Errorf("waits = %q, want also %q", got, want)
		}
		if got, want := strings.Join(st.Problems, "\n"), "beta has not acked 100 messages or more, the oldest for 2m"; !strings.Contains(got, want) {
			t.Errorf("problems are %q, want also %q", got, want)
		}
	})
}

func TestViews_TellOfTasksAndPauses(t *testing.T) {
	w := newWorld(t)
	a, b := w.agent("alpha"), w.agent("beta")
	id := w.talk(a, b)
	var tasks []bridge.TaskID
	for i := range 60 {
		tasks = append(tasks, w.todo(a, fmt.Sprint(i)))
	}
	w.end(b, w.claim(b, tasks[0]), bridge.CompleteTask, "done")
	w.claim(b, tasks[2])
	if err := w.Pause(w.ctx, id); err != nil {
		t.Fatal(err)
	}
	v, err := w.Conversation(w.ctx, b, id)
	if err != nil {
		t.Fatal(err)
	}
	counts := map[bridge.TaskState]int{bridge.TaskOpen: 58, bridge.TaskClaimed: 1, bridge.TaskDone: 1}
	if len(v.LiveTasks) != 50 || v.LiveTasks[0].ID != tasks[1] || v.LiveTasks[1].State != bridge.TaskClaimed || fmt.Sprint(v.Tasks) != fmt.Sprint(counts) || v.PausedAt == nil {
		t.Errorf("view = %d live tasks, counts %v, paused at %v", len(v.LiveTasks), v.Tasks, v.PausedAt)
	}
	var exported []bridge.TaskID
	err = w.Export(w.ctx, id, func(kind string, value any) error {
		switch v := value.(type) {
		case bridge.TaskView:
			if kind != "task" {
				t.Errorf("a task is exported as %s", kind)
			}
			exported = append(exported, v.ID)
		case bridge.Summary:
			if v.PausedBy != bridge.PersonName {
				t.Errorf("exported as %+v", v)
			}
		}
		return nil
	})
	if err != nil || !slices.Equal(exported, tasks) {
		t.Errorf("%d tasks were exported, %v", len(exported), err)
	}
	raw, err := json.Marshal(v.Summary)
	if err != nil || !strings.Contains(string(raw), `"tasks":{"claimed":1,"done":1,"open":58}`) {
		t.Errorf("summary = %s, %v", raw, err)
	}
}
