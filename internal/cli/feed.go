package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"agentbridge/internal/bridge"
)

// feed tells what is new since it looked last.
type feed struct {
	p    *program
	o    *opened
	only bridge.ConversationID
	seen map[bridge.ConversationID]int64 // number of the newest message told
	told map[string]bool                 // problems that stand, and dead deliveries
	work map[bridge.ConversationID]*taskFeed
}

// taskFeed is what was told of the tasks of one conversation.
type taskFeed struct {
	entries int64                    // how long the log was
	ended   int64                    // all tasks up to this number have ended and were told
	told    map[bridge.TaskID]string // of those after it, how each stood
}

// event is one line of the feed in JSON.
type event struct {
	Kind         string                 `json:"kind"` // problem, solved, dead, task or message
	Conversation bridge.ConversationID  `json:"conversation_id"`
	Problem      string                 `json:"problem,omitempty"`
	Solved       string                 `json:"solved,omitempty"`
	Dead         *bridge.DeliveryReport `json:"dead,omitempty"`
	Task         *bridge.TaskView       `json:"task,omitempty"`
	Message      *bridge.Message        `json:"message,omitempty"`
}

func (f *feed) look(ctx context.Context) error {
	var views []bridge.View
	if f.only != "" {
		v, err := f.o.svc.Show(ctx, f.only)
		if err != nil {
			return err
		}
		views = append(views, v)
	} else {
		list, err := f.o.svc.List(ctx, false)
		if err != nil {
			return err
		}
		for _, c := range list {
			v, err := f.o.svc.Show(ctx, c.Conversation)
			if err != nil {
				return err
			}
			views = append(views, v)
		}
	}
	f.problems(views)
	for _, v := range views {
		if err := f.tasks(ctx, v); err != nil {
			return err
		}
		if err := f.messages(ctx, v); err != nil {
			return err
		}
	}
	return nil
}

// problems tells those that are new, and those that are no more.
func (f *feed) problems(views []bridge.View) {
	stand := map[string]bool{}
	for _, v := range views {
		for _, problem := range v.Problems {
			key := problemKey(v.Conversation, problem)
			stand[key] = true
			if !f.told[key] {
				f.told[key] = true
				f.emit(event{Kind: "problem", Conversation: v.Conversation, Problem: problem})
			}
		}
		for _, d := range v.Deliveries {
			key := fmt.Sprintf("%s\x00dead %d %s", v.Conversation, d.Seq, d.Recipient)
			if d.State == bridge.Dead && !f.told[key] {
				f.told[key] = true
				f.emit(event{Kind: "dead", Conversation: v.Conversation, Dead: &d})
			}
			stand[key] = d.State == bridge.Dead
		}
	}
	for _, key := range slices.Sorted(maps.Keys(f.told)) {
		id, problem, _ := strings.Cut(key, "\x00")
		if !stand[key] && !strings.HasPrefix(problem, "dead ") {
			delete(f.told, key)
			f.emit(event{Kind: "solved", Conversation: bridge.ConversationID(id), Solved: problem})
		}
	}
}

// problemKey is the same for a problem that only changed its numbers.
func problemKey(id bridge.ConversationID, problem string) string {
	words := strings.Fields(problem)
	for i, w := range words {
		if strings.Trim(w, "0123456789hms.") == "" {
			words[i] = "…"
		}
	}
	return string(id) + "\x00" + strings.Join(words, " ")
}

// tasks tells those that changed hands or ended; of a conversation seen for the first time those that have not ended.
func (f *feed) tasks(ctx context.Context, v bridge.View) error {
	t, followed := f.work[v.Conversation]
	if !followed {
		t = &taskFeed{told: map[bridge.TaskID]string{}}
		f.work[v.Conversation] = t
	}
	if len(v.Tasks) == 0 || t.entries == v.Entries { // no change without an entry
		return nil
	}
	// Read after the view: what changes in between is told now, and the log will have grown for the next look.
	list, err := f.o.svc.Tasks(ctx, v.Conversation, t.ended, 0)
	if err != nil {
		return err
	}
	t.entries = v.Entries
	for _, task := range list {
		how := fmt.Sprint(task.State, task.Holder, task.AssignTo, task.Attempts)
		if t.told[task.ID] != how && (followed || !task.State.Final()) {
			f.emit(event{Kind: "task", Conversation: v.Conversation, Task: &task})
		}
		t.told[task.ID] = how
	}
	for _, task := range list { // numbers have no gaps
		if !task.State.Final() {
			break
		}
		t.ended++
		delete(t.told, task.ID)
	}
	return nil
}

// messages tells those that are new; of a conversation seen for the first time the newest.
func (f *feed) messages(ctx context.Context, v bridge.View) error {
	list := v.Recent
	after, followed := f.seen[v.Conversation]
	if followed {
		var err error
		if list, err = f.o.svc.Messages(ctx, v.Conversation, after, 0); err != nil {
			return err
		}
	}
	for _, m := range list {
		f.emit(event{Kind: "message", Conversation: v.Conversation, Message: &m})
		after = m.Seq
	}
	f.seen[v.Conversation] = after
	return nil
}

func (f *feed) emit(e event) {
	p := f.p
	if p.json {
		p.encode(e)
		return
	}
	at := clock(time.Now())
	switch e.Kind {
	case "problem":
		p.printf("%s  %s  %s\n", at, e.Conversation, p.style(red, "problem: "+e.Problem))
	case "solved":
		p.printf("%s  %s  solved: %s\n", at, e.Conversation, e.Solved)
	case "dead":
		p.printf("%s  %s  %s\n", clock(e.Dead.At), e.Conversation, p.style(red, fmt.Sprintf("message %d was not delivered to %s: %s", e.Dead.Seq, e.Dead.Recipient, e.Dead.Reason)))
	case "task":
		t := e.Task
		p.printf("%s  %s  %s  %s\n", clock(t.ChangedAt), e.Conversation, p.style(bold, taskFacts(*t)), line(t.Title, 60))
	case "message":
		m := e.Message
		p.printf("%s  %s  %s  %s\n", clock(m.SentAt), e.Conversation, p.style(bold, fmt.Sprintf("#%d %s", m.Seq, who(m.From, m.Rank, m.Role))), m.ActionType)
		p.printf("  %s\n", strings.ReplaceAll(m.Text, "\n", "\n  "))
	}
}
