package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"agentbridge/internal/bridge"
)

func (p *program) taskCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "task",
		Short: "Hand out work, and do it: add, claim, update, list",
		Long: `Hand out work, and do it. A task has one holder at a time, who has a lease and the lease's token: renew it before it ends, and complete,
fail or release the task with it. What is not renewed in time goes to another.`,
		Example: `  agentbridge task add --as alpha 'write the parser' --detail 'as doc/grammar.md says'
  agentbridge task claim --as beta --wait 60s
  agentbridge task complete --as beta task_0123456789abcdef --lease-token 1 --result 'in parser.go'`,
		Args: noCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(p.taskAddCommand(), p.taskClaimCommand(), p.taskListCommand(), p.taskUpdateCommand())
	cmd.AddCommand(p.taskActionCommands()...)
	return cmd
}

func (p *program) taskAddCommand() *cobra.Command {
	var q bridge.AddTaskRequest
	var after []string
	var reassign bool
	var lease int
	cmd := &cobra.Command{
		Use:   "add TITLE",
		Short: "Add a task for another to claim",
		Long: `Add a task for another to claim. --after names tasks that must be done before. After a failure, the same --key makes a retry safe.
--assign-to gives it to one member; should that one fall silent another gets it, a worker before the orchestrator, unless
--reassign=false.`,
		Example: "  agentbridge task add --as alpha 'write the parser' --assign-to beta --file parser.go\n  agentbridge task add --as alpha 'test the parser' --after task_0123456789abcdef --detail - <plan.txt",
		Args:    count(1, 1, "one title; put it in quotes, or give - to read it from stdin"),
	}
	flags := cmd.Flags()
	flags.StringVar(&q.Detail, "detail", "", "what whoever does it must know; - reads it from stdin")
	flags.StringVar(&q.AssignTo, "assign-to", "", "the member who shall do it (default whoever is free)")
	flags.BoolVar(&reassign, "reassign", true, "give it to another should that member fall silent")
	flags.IntVar(&q.Priority, "priority", 0, "higher first")
	flags.StringArrayVar(&after, "after", nil, "a task that must be done before; once for each")
	flags.StringArrayVar(&q.Files, "file", nil, "the path of a file that it is about; once for each")
	flags.IntVar(&lease, "lease-minutes", 0, "how long a claim holds without being renewed (default task_lease)")
	flags.StringVar(&q.Key, "key", "", "added once, however often it is tried with this key")
	cmd.RegisterFlagCompletionFunc("after", p.completeTasks)
	p.conversationFlag(cmd, (*string)(&q.Conversation), "the conversation (default the only one)")
	return p.asAgent(cmd, func(ctx context.Context, b agentBridge, c bridge.Caller, args []string) (err error) {
		if args[0] == "-" && q.Detail == "-" {
			return bridge.Errorf(bridge.Invalid, "title and --detail cannot both come from stdin").WithHint("give the title as an argument")
		}
		if q.Title, err = p.text(args[0]); err != nil {
			return err
		}
		if q.Detail, err = p.text(q.Detail); err != nil {
			return err
		}
		if cmd.Flags().Changed("reassign") {
			q.Reassign = &reassign
		}
		if cmd.Flags().Changed("lease-minutes") {
			q.LeaseMinutes = &lease
		}
		for _, id := range after {
			q.After = append(q.After, bridge.TaskID(id))
		}
		res, err := b.AddTask(ctx, c, q)
		if err != nil {
			return err
		}
		err = p.answer(res, func() {
			p.printf("%s  %s\n", res.Task, map[bool]string{false: "added", true: "was added already"}[res.Duplicate])
			p.masked(res.Redacted)
			p.overlaps(res.Overlap)
		})
		p.unread(res.Unread)
		return err
	})
}

func (p *program) taskListCommand() *cobra.Command {
	var q bridge.ListTasksRequest
	var all bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the tasks, in the order of adding",
		Args:  count(0, 0, "none"),
	}
	flags := cmd.Flags()
	flags.StringVar((*string)(&q.State), "state", "", "only those that are open, claimed, done, failed or cancelled")
	flags.IntVar(&q.Limit, "limit", 0, "at most so many at once, up to 100 (default 20)")
	flags.StringVar(&q.Cursor, "cursor", "", "go on where a list ended that gave this")
	flags.BoolVar(&all, "all", false, "to the end of the list")
	cmd.MarkFlagsMutuallyExclusive("all", "cursor")
	cmd.RegisterFlagCompletionFunc("state", cobra.FixedCompletions([]string{"open", "claimed", "done", "failed", "cancelled"}, cobra.ShellCompDirectiveNoFileComp))
	p.conversationFlag(cmd, (*string)(&q.Conversation), "only of this conversation (default all of yours)")
	return p.asAgent(cmd, func(ctx context.Context, b agentBridge, c bridge.Caller, _ []string) error {
		if all && q.Limit == 0 {
			q.Limit = 100
		}
		res, err := b.ListTasks(ctx, c, q)
		for err == nil && all && res.Cursor != "" {
			var next bridge.ListTasksResult
			q.Cursor = res.Cursor
			next, err = b.ListTasks(ctx, c, q)
			next.Tasks = append(res.Tasks, next.Tasks...)
			res = next
		}
		if err != nil {
			return err
		}
		err = p.answer(res, func() {
			if len(res.Tasks) == 0 {
				p.tell("no tasks")
				return
			}
			p.tasks(res.Tasks)
			if res.Cursor != "" {
				p.tell("there are more: --all, or --cursor %s", res.Cursor)
			}
		})
		p.unread(res.Unread)
		return err
	})
}

// tasks shows tasks, a line each.
func (p *program) tasks(list []bridge.TaskView) {
	rows := [][]string{{"TASK", "STATE", "WHO", "PRIORITY", "TRIES", "UNTIL", "TITLE"}}
	for _, t := range list {
		until := "-"
		if t.LeaseExpiresAt != nil {
			until = clock(*t.LeaseExpiresAt)
		}
		rows = append(rows, []string{
			string(t.ID), taskState(t), dash(taskWho(t)), strconv.Itoa(t.Priority), strconv.Itoa(t.Attempts), until, dash(line(t.Title, 40)),
		})
	}
	p.table(rows...)
}

// taskState is the state of a task, and of an open one whether it can be claimed.
func taskState(t bridge.TaskView) string {
	if t.State == bridge.TaskOpen && len(t.BlockedBy) > 0 {
		return fmt.Sprintf("waits for %d", len(t.BlockedBy))
	}
	return string(t.State)
}

// taskWho is who holds a task, ended it, or is to do it.
func taskWho(t bridge.TaskView) string {
	if t.State == bridge.TaskOpen {
		if t.AssignTo != "" {
			return "for " + t.AssignTo
		}
		return ""
	}
	return t.Holder
}

// masked tells how many secrets a text had.
func (p *program) masked(n int) {
	if n > 0 {
		p.tell("%s masked before it was stored", some(n, "secret was", "secrets were"))
	}
}

// overlaps tells who else is at the same files.
func (p *program) overlaps(list []bridge.Overlap) {
	for _, v := range list {
		if v.Task != "" {
			p.tell("%s is at %s, too, with %s", v.From, v.File, v.Task)
		} else {
			p.tell("%s wrote about %s, too, in %s", v.From, v.File, v.Message)
		}
	}
}

// completeTasks offers the ids of tasks that are open or claimed, with their titles.
func (p *program) completeTasks(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	o, err := p.open(cmd.Context(), existing)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	defer o.close()
	only, _ := cmd.Flags().GetString("conversation-id")
	list, err := o.svc.List(cmd.Context(), false)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var ids []string
	for _, c := range list {
		if only != "" && only != string(c.Conversation) {
			continue
		}
		v, err := o.svc.Show(cmd.Context(), c.Conversation)
		if err != nil {
			continue
		}
		for _, t := range v.LiveTasks {
			ids = append(ids, cobra.CompletionWithDesc(string(t.ID), strings.TrimSpace(taskWho(t)+" "+line(t.Title, 60))))
		}
	}
	return ids, cobra.ShellCompDirectiveNoFileComp
}

// completeFirstTask is completeTasks for commands whose first argument is a task.
func (p *program) completeFirstTask(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return p.completeTasks(cmd, args, typed)
}
