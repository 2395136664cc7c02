package cli

import (
	"context"
	"errors"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"agentbridge/internal/bridge"
)

// What the holder of a task does.

func (p *program) taskClaimCommand() *cobra.Command {
	var q bridge.ClaimTaskRequest
	var wait duration
	cmd := &cobra.Command{
		Use:   "claim [ID]",
		Short: "Get a task to do: that one, or the best there is",
		Long: `Get a task to do: that one, or the best there is. It is yours until its lease ends, wherever this process is; renew it before. Where the
output could not be written whole, you do not have it. Claiming by its ID what you hold gives the same lease again.`,
		Example:           "  agentbridge task claim --as beta --wait 60s",
		Args:              count(0, 1, "one task, or none for the best there is"),
		ValidArgsFunction: p.completeFirstTask,
	}
	cmd.Flags().Var(&wait, "wait", "wait for a task, up to 240s")
	p.conversationFlag(cmd, (*string)(&q.Conversation), "only of this conversation (default all of yours)")
	return p.asAgent(cmd, func(ctx context.Context, b agentBridge, c bridge.Caller, args []string) error {
		// Where nobody reads the output, writing it must fail and not end the process: see below.
		signal.Ignore(syscall.SIGPIPE)
		if len(args) == 1 {
			q.Task = bridge.TaskID(args[0])
		}
		if q.Wait = time.Duration(wait); q.Wait > 0 && isTerminal(p.stderr) {
			p.tell("waiting for a task, up to %s; Ctrl-C ends it", showDuration(q.Wait))
		}
		res, err := b.ClaimTask(ctx, c, q)
		if err != nil {
			return err
		}
		err = p.answer(res, func() {
			if res.Task == nil {
				p.tell("no task is ready")
				return
			}
			p.task(*res.Task)
			p.printf("lease token: %d\n", res.LeaseToken)
		})
		if err = errors.Join(err, p.flush()); err != nil && res.Task != nil && !res.Again {
			// Nobody saw it. The next claim shall get it at once. What it held before, another command said.
			return errors.Join(err, b.UnclaimTask(context.WithoutCancel(ctx), c, res.Task.Conversation, res.Task.ID, res.LeaseToken))
		}
		if !p.json {
			p.overlaps(res.Overlap)
		}
		p.unread(res.Unread)
		return err
	})
}

// actions are what can be done to a task, with what each is for.
var actions = []struct {
	action bridge.TaskAction
	short  string
	held   bool // it is the holder's, and needs the token of the lease
}{
	{bridge.RenewTask, "Hold a task for the time of another lease", true},
	{bridge.CompleteTask, "End a task as done, with its result", true},
	{bridge.FailTask, "End a task as failed, for good", true},
	{bridge.ReleaseTask, "Give a task back for another to claim; a task released or lost as often as task_attempts says fails", true},
	{bridge.CancelTask, "End a task that is not wanted any more; for orchestrators and who added it", false},
	{bridge.AssignTask, "Give a task to a member, or to whoever is free; for orchestrators and who added it", false},
}

func (p *program) taskUpdateCommand() *cobra.Command {
	var names []string
	for _, a := range actions {
		names = append(names, string(a.action))
	}
	var q bridge.UpdateTaskRequest
	cmd := &cobra.Command{
		Use:   "update ID ACTION",
		Short: "Change a task: " + strings.Join(names, ", "),
		Long:  "Change a task. `task renew ID` and so on are short for `task update ID renew`.",
		Args:  count(2, 2, "a task and one of "+strings.Join(names, ", ")),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 1 {
				return names, cobra.ShellCompDirectiveNoFileComp
			}
			return p.completeFirstTask(cmd, args, typed)
		},
	}
	p.resultFlag(cmd, &q)
	p.leaseTokenFlag(cmd, &q)
	p.assignToFlag(cmd, &q)
	return p.updatesTask(cmd, &q, func(args []string) error {
		q.Task, q.Action = bridge.TaskID(args[0]), bridge.TaskAction(args[1])
		for _, a := range actions {
			if a.action == q.Action {
				return wantsToken(cmd, a.held)
			}
		}
		err := bridge.Errorf(bridge.Invalid, "there is no such action on a task")
		if near := nearest(args[1], names); near != "" {
			return err.WithHint("did you mean %s?", near)
		}
		return err.WithHint("choose one of %s", strings.Join(names, ", "))
	})
}

// taskActionCommands are the short forms of task update.
func (p *program) taskActionCommands() (list []*cobra.Command) {
	for _, a := range actions {
		var q bridge.UpdateTaskRequest
		cmd := &cobra.Command{
			Use:               string(a.action) + " ID",
			Short:             a.short,
			Args:              count(1, 1, "one task"),
			ValidArgsFunction: p.completeFirstTask,
		}
		if a.held {
			cmd.Use += " --lease-token N"
			p.leaseTokenFlag(cmd, &q)
		}
		if a.action != bridge.RenewTask && a.action != bridge.AssignTask {
			p.resultFlag(cmd, &q)
		}
		if a.action == bridge.AssignTask {
			p.assignToFlag(cmd, &q)
		}
		list = append(list, p.updatesTask(cmd, &q, func(args []string) error {
			q.Task, q.Action = bridge.TaskID(args[0]), a.action
			return wantsToken(cmd, a.held)
		}))
	}
	return list
}

func (p *program) leaseTokenFlag(cmd *cobra.Command, q *bridge.UpdateTaskRequest) {
	cmd.Flags().Int64Var(&q.LeaseToken, "lease-token", 0, "the token that claiming it gave")
}

func (p *program) resultFlag(cmd *cobra.Command, q *bridge.UpdateTaskRequest) {
	cmd.Flags().StringVar(&q.Result, "result", "", "how it went, or what the next one must know; - reads it from stdin")
}

func (p *program) assignToFlag(cmd *cobra.Command, q *bridge.UpdateTaskRequest) {
	cmd.Flags().StringVar(&q.AssignTo, "assign-to", "", "who shall do it (default whoever is free)")
}

// wantsToken refuses what only the holder may do where it does not show that it is the holder.
func wantsToken(cmd *cobra.Command, held bool) error {
	if !held || cmd.Flags().Changed("lease-token") {
		return nil
	}
	return bridge.Errorf(bridge.Invalid, "--lease-token is missing").
		WithHint("claiming the task gave it; agentbridge task claim ID gives it again to who holds the task")
}

// updatesTask makes a command that changes a task, as prepare says.
func (p *program) updatesTask(cmd *cobra.Command, q *bridge.UpdateTaskRequest, prepare func(args []string) error) *cobra.Command {
	p.conversationFlag(cmd, (*string)(&q.Conversation), "the conversation (default the only one)")
	return p.asAgent(cmd, func(ctx context.Context, b agentBridge, c bridge.Caller, args []string) (err error) {
		if err := prepare(args); err != nil {
			return err
		}
		if q.Result, err = p.text(q.Result); err != nil {
			return err
		}
		res, err := b.UpdateTask(ctx, c, *q)
		if err != nil {
			return err
		}
		err = p.answer(res, func() {
			p.printf("%s\n", taskFacts(res.Task))
			p.masked(res.Redacted)
		})
		p.unread(res.Unread)
		return err
	})
}

// taskFacts is what the bridge knows of a task, in a line; nothing in it was written by an agent.
func taskFacts(t bridge.TaskView) string {
	facts := string(t.ID) + "  " + taskState(t)
	if who := taskWho(t); who != "" {
		facts += "  " + who
	}
	if t.LeaseExpiresAt != nil {
		facts += "  until " + when(*t.LeaseExpiresAt)
	}
	return facts
}

// task shows one task whole. What agents wrote of it is framed: who reads this may be a model.
func (p *program) task(t bridge.TaskView) {
	p.printf("%s  %s\n%s\n", p.style(bold, taskFacts(t)), t.Conversation, bridge.FrameTask(t))
}
