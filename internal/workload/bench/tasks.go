package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"agentbridge/internal/bridge"
	"agentbridge/internal/workload"
)

// task compares a claim and a completion over stdio with a no-op call of the same SDK and a commit of the same rows, in turns.
func (b *bench) task(ctx context.Context) error {
	lead, worker, err := b.pair(ctx)
	if err != nil {
		return err
	}
	defer lead.Leave()
	defer worker.Leave()
	noop, err := b.playNoop(ctx)
	if err != nil {
		return err
	}
	defer noop.Leave()
	var claim, complete, call, claimed, completed workload.Sample
	var floors [2]*commits
	for round := range b.some(1200) + 1 {
		if _, err := lead.AddTask(ctx, bridge.AddTaskRequest{Title: "the next one", Detail: text}); err != nil {
			return err
		}
		var got bridge.ClaimTaskResult
		err := claim.Time(func() (err error) { got, err = worker.ClaimTask(ctx, bridge.ClaimTaskRequest{}); return err })
		if err != nil || got.Task == nil {
			return fmt.Errorf("claim %d: %w", round, errors.Join(err, errNothing(got)))
		}
		err = complete.Time(func() error {
			_, err := worker.UpdateTask(ctx, bridge.UpdateTaskRequest{Task: got.Task.ID, Action: bridge.CompleteTask, LeaseToken: got.LeaseToken, Result: text})
			return err
		})
		if err != nil {
			return err
		}
		if round == 0 { // there are rows now for the floors to write
			for i, writes := range [][]written{{newEntry, sameTask}, {newEntry, sameTask, newMessage, newDelivery}} {
				if floors[i], err = openCommits(ctx, b.program.Data, fmt.Sprint("task", i), writes...); err != nil {
					return err
				}
				defer floors[i].close()
			}
			claim, complete = nil, nil
			continue
		}
		if err := errors.Join(
			call.Time(func() error { _, err := noop.Send(ctx, text, "key"); return err }),
			claimed.Time(func() error { return floors[0].commit(ctx) }),
			completed.Time(func() error { return floors[1].commit(ctx) }),
		); err != nil {
			return err
		}
		if _, err := lead.Check(ctx, 0); err != nil { // the notice of the task that ended
			return err
		}
	}
	for _, m := range []struct {
		what          string
		took, written workload.Sample
	}{{"claim a task", claim, claimed}, {"complete a task, its adder told", complete, completed}} {
		p50, base := m.took.At(0.5), call.At(0.5)+m.written.At(0.5)
		ratio := float64(p50) / float64(base)
		b.rows = append(b.rows, row{
			m.what + ", durable, p50", fmt.Sprintf("%s (p99 %s), %.2f × the floor", ms(p50), ms(m.took.At(0.99)), ratio),
			fmt.Sprintf("%s = no-op call %s + commit %s", ms(base), ms(call.At(0.5)), ms(m.written.At(0.5))), "≤ 1.5 × the floor", ratio <= 1.5,
		})
	}
	return nil
}

func errNothing(got bridge.ClaimTaskResult) error {
	if got.Task == nil {
		return errors.New("there was nothing to do")
	}
	return nil
}

// team has 10,000 tasks done by 50 processes, some of which die and some of which hang.
func (b *bench) team(ctx context.Context) error {
	o := workload.TeamOptions{Tasks: b.some(10_000), Workers: 50, Watchdogs: 2, Kills: b.some(200), Hangs: b.some(40), Lease: 6 * time.Second}
	o.Progress = progress("%d of %d tasks are done", o.Tasks)
	rep, err := workload.Team(ctx, b.program, o)
	if err != nil {
		return err
	}
	for _, list := range [][]string{rep.Lost, rep.Doubled, rep.Violations, rep.Faults} {
		for _, what := range list {
			fmt.Fprintln(os.Stderr, "team:", what)
		}
	}
	b.rows = append(b.rows,
		row{
			fmt.Sprintf("%d tasks, %d workers, %d watchdogs, %d kills, %d hangs", o.Tasks, o.Workers, o.Watchdogs, rep.Kills, rep.Hangs),
			fmt.Sprintf("%d ended once, %d lost, %d twice, %d histories illegal, %d other faults (%d late writes refused, %d calls of unknown outcome)",
				rep.Ended, len(rep.Lost), len(rep.Doubled), len(rep.Violations), len(rep.Faults), rep.Late, rep.Unknown),
			"–", "every task ends once, one holder at a time",
			rep.Ended == o.Tasks && len(rep.Lost)+len(rep.Doubled)+len(rep.Violations)+len(rep.Faults) == 0,
		},
		row{
			"the same: throughput", fmt.Sprintf("%.0f tasks/s; claim p50 %s, complete p50 %s; a dead holder's task claimed again p50 %s",
				float64(rep.Ended)/rep.Took.Seconds(), ms(rep.Claims.At(0.5)), ms(rep.Completes.At(0.5)), ms(rep.Moved.At(0.5))), "–", "–", true,
		})
	return nil
}
