package bridge

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Bounds of a page of tasks.
const (
	defaultTasks = 20
	maxTasks     = 100
)

// ListTasks gives a page of tasks in the order of adding, one conversation after another: of one conversation, or of all of the
// caller's. A page also ends where its texts are as long as clients still show whole. Tasks that come or change between two pages are no
// trouble: each task is on one page.
func (s *Service) ListTasks(ctx context.Context, c Caller, q ListTasksRequest) (res ListTasksResult, err error) {
	defer func() { err = s.refused(c, err) }()
	from, err := checkList(&q)
	if err != nil {
		return res, err
	}
	if err := s.begin(ctx, c, Read); err != nil {
		return res, err
	}
	err = s.store.View(ctx, func(tx Tx) error {
		ids, err := s.mine(tx, c, q.Conversation)
		if err != nil {
			return err
		}
		p := taskPage{limit: q.Limit}
		for _, id := range ids {
			if id < from.conversation {
				continue
			}
			r, err := s.enter(tx, c, id)
			if err != nil {
				return err
			}
			after := int64(0)
			if id == from.conversation {
				after = from.n
			}
			if err := p.fill(r, q.State, after); err != nil {
				return err
			}
		}
		res = ListTasksResult{Tasks: append([]TaskView{}, p.tasks...)}
		if p.more {
			res.Cursor = p.last.String()
		}
		res.Unread, err = unreadOf(tx, c)
		return err
	})
	return res, err
}

// checkList refuses what cannot be listed, and completes the request.
func checkList(q *ListTasksRequest) (from taskCursor, err error) {
	if q.Limit == 0 {
		q.Limit = defaultTasks
	}
	switch {
	case q.Limit < 0 || q.Limit > maxTasks:
		return from, Errorf(Invalid, "limit is out of range").WithHint("choose 1 to %d; cursor goes on from there", maxTasks)
	case q.State != "" && !slices.Contains([]TaskState{TaskOpen, TaskClaimed, TaskDone, TaskFailed, TaskCancelled}, q.State):
		return from, Errorf(Invalid, "there is no such state").WithHint("choose open, claimed, done, failed or cancelled, or leave state out for all")
	case q.Cursor == "":
		return from, nil
	}
	from, ok := parseTaskCursor(q.Cursor)
	if !ok || q.Conversation != "" && q.Conversation != from.conversation {
		return from, Errorf(Invalid, "the cursor is not one of this list").WithHint("pass the cursor of the page before, with the same conversation_id, or leave it out to begin anew")
	}
	return from, nil
}

// taskCursor says after which task a page begins.
type taskCursor struct {
	conversation ConversationID
	n            int64
}

func (c taskCursor) String() string {
	return string(c.conversation) + ":" + strconv.FormatInt(c.n, 10)
}

func parseTaskCursor(text string) (c taskCursor, ok bool) {
	id, digits, _ := strings.Cut(text, ":")
	n, err := strconv.ParseInt(digits, 10, 64)
	c = taskCursor{ConversationID(id), n}
	return c, err == nil && id != "" && c.String() == text
}

// taskPage is what one answer will hold.
type taskPage struct {
	limit int
	text  int // characters in it
	tasks []TaskView
	last  taskCursor
	more  bool // there are tasks after the last
}

// fill adds tasks of a conversation as far as there is room for them.
func (p *taskPage) fill(r *room, state TaskState, after int64) error {
	if p.more {
		return nil
	}
	tasks, err := r.tx.Tasks(r.c.ID, state, after, p.limit-len(p.tasks)+1)
	if err != nil {
		return err
	}
	for _, t := range tasks {
		v, err := r.s.taskView(r.tx, t)
		if err != nil {
			return err
		}
		size := utf8.RuneCountInString(v.Title) + utf8.RuneCountInString(v.Detail) + utf8.RuneCountInString(v.Result)
		for _, f := range v.Files {
			size += utf8.RuneCountInString(f)
		}
		if len(p.tasks) == p.limit || len(p.tasks) > 0 && p.text+size > maxBatchText {
			p.more = true
			return nil
		}
		p.text, p.tasks, p.last = p.text+size, append(p.tasks, v), taskCursor{t.Conversation, t.N}
	}
	return nil
}

// Tasks gives the tasks of a conversation with a number above after, for the person; limit 0 means all.
func (s *Service) Tasks(ctx context.Context, id ConversationID, after int64, limit int) (list []TaskView, err error) {
	err = s.store.View(ctx, func(tx Tx) error {
		list = []TaskView{}
		if _, err := tx.Conversation(id); err != nil {
			return s.noConversation(err, id)
		}
		tasks, err := tx.Tasks(id, "", after, limit)
		if err != nil {
			return err
		}
		for _, t := range tasks {
			v, err := s.taskView(tx, t)
			if err != nil {
				return err
			}
			list = append(list, v)
		}
		return nil
	})
	return list, err
}

// taskView is a task as it is shown now.
func (s *Service) taskView(tx Tx, t Task) (v TaskView, err error) {
	v = TaskView{
		ID: t.ID, Conversation: t.Conversation, Title: t.Title, Detail: t.Detail, State: t.State, Priority: t.Priority, After: t.After,
		AssignTo: t.AssignTo, Attempts: t.Attempts, Result: t.Result, Files: t.Files, AddedBy: t.AddedBy, ChangedAt: t.ChangedAt,
	}
	if t.State == TaskClaimed || t.State.Final() && t.Ended != "" {
		v.Holder = t.Holder
	}
	if t.State == TaskClaimed {
		in, err := watching(tx)
		if err != nil {
			return v, err
		}
		ends := in.counted(t.LeasedAt, tx.Now()).Add(t.Lease)
		v.LeaseExpiresAt = &ends
	}
	v.BlockedBy, err = blockedBy(tx, t)
	return v, err
}

// blockedBy finds what a task still waits for: first what will never be done.
func blockedBy(tx Tx, t Task) (list []Blocker, err error) {
	if t.Blockers == 0 || t.State.Final() {
		return nil, nil
	}
	for _, id := range t.After {
		b, err := tx.Task(t.Conversation, id)
		if err != nil {
			return nil, err
		}
		if b.State != TaskDone {
			list = append(list, Blocker{id, b.State})
		}
	}
	hopeless := func(b Blocker) int {
		if b.State.Final() {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(list, func(a, b Blocker) int { return cmp.Compare(hopeless(a), hopeless(b)) })
	return list, nil
}
