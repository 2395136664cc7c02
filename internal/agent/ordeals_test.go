package agent

import (
	"errors"
	"fmt"
	"time"

	"agentbridge/internal/bridge"
)

// ordeal is something that an agent does whose connection is cut at one place, and that must come out as if it had not been.
type ordeal struct {
	name string
	// try does it for the nth time, by a bridge that is cut.
	try func(w *town, n int, far *Remote) error
	// judge looks at what came of n tries, by the agents' own records.
	judge func(w *town, n int) error
}

func text(n int) string { return fmt.Sprintf("message %d", n) }

// next takes the one message that must be there.
func (w *town) next(far *Remote, n int, wait time.Duration) error {
	res, err := far.Check(w.ctx, bridge.Caller{}, bridge.CheckRequest{Ack: w.receipt, Wait: wait})
	if err != nil {
		return err
	}
	if len(res.Messages) != 1 || bare(res.Messages[0].Text) != text(n) {
		return fmt.Errorf("got %d messages, %+v; want %q", len(res.Messages), res.Messages, text(n))
	}
	w.receipt = res.Receipt
	return nil
}

func (w *town) tell(n int) error {
	_, err := w.svc.Send(w.ctx, w.alpha, bridge.SendRequest{Message: text(n)})
	return err
}

// allAcked reports whether beta acked all but the newest.
func (w *town) allAcked(int) error {
	if err := w.svc.Ack(w.ctx, w.betaFar, w.receipt, bridge.Explicit); err != nil {
		return err
	}
	res, err := w.svc.Partners(w.ctx, w.alpha, bridge.PartnersRequest{})
	for _, d := range res.Deliveries {
		if d.State != bridge.Acked {
			return fmt.Errorf("%s is %s, want acked", d.Message, d.State)
		}
	}
	return err
}

var ordeals = []ordeal{
	{
		name: "send",
		try: func(w *town, n int, far *Remote) error {
			res, err := far.Send(w.ctx, bridge.Caller{}, bridge.SendRequest{Message: text(n)})
			if err == nil && res.Duplicate {
				return errors.New("it is called a duplicate, and was sent once")
			}
			return err
		},
		judge: func(w *town, n int) error {
			list, err := w.svc.Messages(w.ctx, w.id, 0, 0)
			for i, m := range list {
				if m.Text != text(i) {
					return fmt.Errorf("message %d is %q", i, m.Text)
				}
			}
			if len(list) != n {
				return fmt.Errorf("%d messages, want %d", len(list), n)
			}
			return err
		},
	},
	{
		name: "check", try: func(w *town, n int, far *Remote) error { return errors.Join(w.tell(n), w.next(far, n, 0)) }, judge: (*town).allAcked,
	},
	{
		// What was on its way when the agent gave up must not take what came since.
		name: "check and check", judge: (*town).allAcked,
		try: func(w *town, n int, far *Remote) error {
			err := errors.Join(w.tell(2*n), w.next(far, 2*n, 0), w.tell(2*n+1))
			time.Sleep(2 * lateBy)
			return errors.Join(err, w.next(far, 2*n+1, 0))
		},
	},
	{
		name: "wait", judge: (*town).allAcked,
		try: func(w *town, n int, far *Remote) error {
			ended := make(chan error)
			go func() { ended <- w.next(far, n, time.Minute) }()
			time.Sleep(20 * time.Second)
			return errors.Join(w.tell(n), <-ended)
		},
	},
	{
		name: "claim",
		try: func(w *town, n int, far *Remote) error {
			added, err := w.svc.AddTask(w.ctx, w.alpha, bridge.AddTaskRequest{Title: text(n)})
			if err != nil {
				return err
			}
			res, err := far.ClaimTask(w.ctx, bridge.Caller{}, bridge.ClaimTaskRequest{})
			if err != nil {
				return err
			}
			if res.Task == nil || res.Task.ID != added.Task || res.Task.Attempts != 1 || res.Again {
				return fmt.Errorf("claimed %+v, want %s, as if it had never been claimed before", res, added.Task)
			}
			q := bridge.UpdateTaskRequest{Task: res.Task.ID, Action: bridge.CompleteTask, LeaseToken: res.LeaseToken, Result: "done"}
			_, err = far.UpdateTask(w.ctx, bridge.Caller{}, q)
			return err
		},
		judge: func(w *town, n int) error {
			res, err := w.svc.ListTasks(w.ctx, w.alpha, bridge.ListTasksRequest{State: bridge.TaskDone, Limit: 100})
			if err == nil && len(res.Tasks) != min(n, 100) {
				return fmt.Errorf("%d tasks done, want %d", len(res.Tasks), n)
			}
			return err
		},
	},
	{
		name: "complete",
		try: func(w *town, n int, far *Remote) error {
			if _, err := w.svc.AddTask(w.ctx, w.alpha, bridge.AddTaskRequest{Title: text(n)}); err != nil {
				return err
			}
			lease, err := w.svc.ClaimTask(w.ctx, w.betaFar, bridge.ClaimTaskRequest{})
			if err != nil {
				return err
			}
			res, err := far.UpdateTask(w.ctx, bridge.Caller{}, bridge.UpdateTaskRequest{Task: lease.Task.ID, Action: bridge.CompleteTask, LeaseToken: lease.LeaseToken, Result: "done"})
			if err == nil && res.Task.State != bridge.TaskDone {
				return fmt.Errorf("it is %s", res.Task.State)
			}
			return err
		},
	},
	{
		name: "add a task",
		try: func(w *town, n int, far *Remote) error {
			_, err := far.AddTask(w.ctx, bridge.Caller{}, bridge.AddTaskRequest{Title: text(n)})
			return err
		},
		judge: func(w *town, n int) error {
			v, err := w.svc.Show(w.ctx, w.id)
			if err == nil && v.Tasks[bridge.TaskOpen] != n {
				return fmt.Errorf("%d tasks, want %d", v.Tasks[bridge.TaskOpen], n)
			}
			return err
		},
	},
	{
		name: "ask for a command", judge: (*town).askedOnce,
		try: func(w *town, n int, far *Remote) error {
			if n == 0 {
				w.enableCommands()
			}
			if _, err := w.svc.ServePermits(w.ctx, func(bridge.Permit) bool { return true }); err != nil {
				return err
			}
			v, err := far.RunCommand(w.ctx, bridge.Caller{}, bridge.RunCommandRequest{Command: fmt.Sprintf("cat %d", n), Reason: text(n)})
			if err == nil && v.State != bridge.CommandWaiting {
				return fmt.Errorf("it is %s", v.State)
			}
			return errors.Join(err, w.askedOnce(n))
		},
	},
	{
		name: "create",
		try: func(w *town, n int, far *Remote) error {
			res, err := far.Create(w.ctx, bridge.Caller{}, bridge.CreateRequest{Title: text(n), Partners: []bridge.Partner{{Name: "alpha"}}})
			if err != nil {
				return err
			}
			_, err = w.svc.Join(w.ctx, w.alpha, bridge.JoinRequest{Code: res.Invites[0].Code})
			return err
		},
		judge: func(w *town, n int) error {
			list, err := w.svc.List(w.ctx, true)
			if err == nil && len(list) != n+1 {
				return fmt.Errorf("%d conversations, want %d", len(list), n+1)
			}
			return err
		},
	},
	{
		name: "join",
		try: func(w *town, n int, far *Remote) error {
			made, err := w.svc.Create(w.ctx, w.alpha, bridge.CreateRequest{Title: text(n), Partners: []bridge.Partner{{Name: "beta"}}})
			if err != nil {
				return err
			}
			res, err := far.Join(w.ctx, bridge.Caller{}, bridge.JoinRequest{Code: made.Invites[0].Code})
			if err == nil && (res.Conversation != made.Conversation || res.You.Name != "beta") {
				return fmt.Errorf("joined %+v", res)
			}
			return err
		},
	},
}
