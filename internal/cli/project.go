package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"agentbridge/internal/bridge"
)

// step is one task of the demo's project, and what its holders did.
type step struct {
	n      int
	title  string
	after  []int
	to     string        // the member it is assigned to
	takes  time.Duration // to do it
	result string

	id     bridge.TaskID
	claims []claim
	ends   int           // completions that were taken
	ended  time.Duration // when, since the work began
	again  chan struct{} // closed with the second claim
	lostAt time.Duration // when its holder was killed, since the work began
}

// claim is one of a holder's.
type claim struct {
	who   string
	token int64
}

// project is a small one: an interpreter for a little language. The parser is cleo's, who will be killed over it, and the printer is
// ben's, whose client will hang.
func project() []*step {
	const quick, usual, long = 400 * time.Millisecond, 600 * time.Millisecond, 900 * time.Millisecond
	steps := []*step{
		{title: "write down the grammar", takes: usual, result: "doc/grammar.md, 14 rules"},
		{title: "collect sample programs", takes: usual, result: "testdata/*.calc, 30 programs"},
		{title: "set up the build", takes: quick, result: "Makefile: build, test"},
		{title: "lexer", after: []int{1, 3}, takes: usual, result: "lexer.go, positions kept for errors"},
		{title: "syntax tree printer", after: []int{1, 3}, to: "ben", takes: quick, result: "printer.go"},
		{title: "parser", after: []int{4}, to: "cleo", takes: usual, result: "parser.go, one function a rule"},
		{title: "evaluator", after: []int{6}, takes: long, result: "eval.go, integers and text"},
		{title: "error messages", after: []int{6}, takes: quick, result: "errors.go: line, column, what was expected"},
		{title: "test the parser on the samples", after: []int{2, 6}, takes: usual, result: "30 of 30 parse"},
		{title: "test the evaluator on the samples", after: []int{2, 7}, takes: usual, result: "30 of 30 as expected"},
		{title: "manual", after: []int{7, 8}, takes: usual, result: "doc/manual.md"},
		{title: "release", after: []int{5, 9, 10, 11}, takes: quick, result: "v0.1.0"},
	}
	for i, s := range steps {
		s.n, s.again = i+1, make(chan struct{})
	}
	return steps
}

func (d *demo) plan(ctx context.Context) error {
	d.tasks = project()
	for _, s := range d.tasks {
		q := bridge.AddTaskRequest{Conversation: d.id, Title: s.title, AssignTo: s.to, Key: fmt.Sprintf("%s/%d", d.id, s.n)}
		what := ""
		for _, n := range s.after {
			q.After = append(q.After, d.tasks[n-1].id)
			what += fmt.Sprintf(" %d", n)
		}
		if s.to != "" {
			q.Priority = 1
		}
		added, err := d.lead.AddTask(ctx, q)
		if err != nil {
			return err
		}
		s.id = added.Task
		d.by[s.id] = s
		if what != "" {
			what = "after" + what
		}
		if s.to != "" {
			what += ", for " + s.to
		}
		d.see("%s", strings.TrimRight(fmt.Sprintf("%2d  %s  %-34s %s", s.n, s.id, s.title, what), " "))
	}
	again, err := d.lead.AddTask(ctx, bridge.AddTaskRequest{Conversation: d.id, Title: d.tasks[0].title, Key: string(d.id) + "/1"})
	if err != nil {
		return err
	}
	d.see("the first once more under its key, as after a lost answer: the same task (duplicate %t)", again.Duplicate)
	return promise(again.Duplicate && again.Task == d.tasks[0].id, "the same key makes one task")
}

// account compares what the clients saw with what the bridge says, and shows it.
func (d *demo) account(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	all, err := d.lead.AllTasks(ctx, d.id)
	if err != nil {
		return err
	}
	if err := promise(len(all) == len(d.tasks), "%d tasks were added, and %d are listed", len(d.tasks), len(all)); err != nil {
		return err
	}
	rows := [][]string{{"   #", "TASK", "HOLDERS, BY LEASE TOKEN", "DONE", "RESULT"}}
	for _, v := range all {
		s := d.by[v.ID]
		var holders []string
		for _, c := range s.claims {
			holders = append(holders, fmt.Sprintf("%s %d", c.who, c.token))
		}
		rows = append(rows, []string{fmt.Sprintf("%4d", s.n), s.title, strings.Join(holders, " → "), fmt.Sprintf("%4.1f s", s.ended.Seconds()), line(v.Result, 40)})
		last := s.claims[len(s.claims)-1]
		if err := errors.Join(
			promise(v.State == bridge.TaskDone, "task %s is %s", v.ID, v.State),
			promise(s.ends == 1 && v.Holder == last.who, "task %s ended %d times by its holders, and the bridge says by %s", v.ID, s.ends, v.Holder),
			promise(v.Attempts == len(s.claims), "task %s was claimed %d times, and the bridge says %d", v.ID, len(s.claims), v.Attempts),
			promise(slices.IsSortedFunc(s.claims, func(a, b claim) int { return int(a.token - b.token) }), "tokens of task %s grow", v.ID),
		); err != nil {
			return err
		}
	}
	d.p.table(rows...)
	return nil
}
