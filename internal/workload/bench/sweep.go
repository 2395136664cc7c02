package main

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"agentbridge/internal/bridge"
	"agentbridge/internal/workload"
)

// sweep has a hub sweep a store on disk again and again: with no tasks, with 10,000 open ones, and with 50,000 finished ones beside
// them. What a sweep took is what the hub itself says at /metrics.
func (b *bench) sweep(ctx context.Context) error {
	open, finished, holds := b.some(10_000), b.some(50_000), 50
	lead, worker, err := b.pair(ctx)
	if err != nil {
		return err
	}
	defer lead.Leave()
	defer worker.Leave()
	floor, err := b.swept(ctx)
	if err != nil {
		return err
	}
	// One is done: the like of those 50,000.
	if err := b.addTasks(ctx, lead, 1); err != nil {
		return err
	}
	got, err := worker.ClaimTask(ctx, bridge.ClaimTaskRequest{})
	if err := errors.Join(err, errNothing(got)); err != nil {
		return err
	}
	if _, err := worker.UpdateTask(ctx, bridge.UpdateTaskRequest{Task: got.Task.ID, Action: bridge.CompleteTask, LeaseToken: got.LeaseToken, Result: text}); err != nil {
		return err
	}
	if err := b.addTasks(ctx, lead, open); err != nil {
		return err
	}
	for range holds {
		if _, err := worker.ClaimTask(ctx, bridge.ClaimTaskRequest{}); err != nil {
			return err
		}
	}
	few, err := b.swept(ctx)
	if err != nil {
		return err
	}
	if err := b.finish(ctx, got.Task.ID, finished); err != nil {
		return err
	}
	many, err := b.swept(ctx)
	if err != nil {
		return err
	}
	b.rows = append(b.rows, row{
		fmt.Sprintf("a sweep over %d open tasks, %d of them held; beside 0 and %d finished", open, holds, finished),
		fmt.Sprintf("%s and %s (means of %d and %d; none above %g and %g ms)", ms(few.mean), ms(many.mean), few.n, many.n, few.most*1000, many.most*1000),
		fmt.Sprintf("no tasks: %s", ms(floor.mean)), "≤ 50 ms, not growing", few.most <= .05 && many.most <= .05 && many.mean <= few.mean*3/2+time.Millisecond,
	})
	return nil
}

// addTasks adds some, several at once.
func (b *bench) addTasks(ctx context.Context, lead *workload.Player, n int) error {
	var wg sync.WaitGroup
	const atOnce = 16
	faults := make([]error, atOnce)
	for k := range atOnce {
		wg.Go(func() {
			for i := k; i < n && faults[k] == nil; i += atOnce {
				_, faults[k] = lead.AddTask(ctx, bridge.AddTaskRequest{Title: fmt.Sprintf("task %d", i), Detail: text})
			}
		})
	}
	wg.Wait()
	return errors.Join(faults...)
}

// finish puts rows of tasks into the store that are like one that is done: to do so many would take long and show nothing else.
func (b *bench) finish(ctx context.Context, done bridge.TaskID, n int) error {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(b.program.Data, "bridge.db")+"?_pragma=busy_timeout(10000)")
	if err != nil {
		return err
	}
	defer db.Close()
	rows, err := db.QueryContext(ctx, "SELECT name FROM pragma_table_info('tasks')")
	if err != nil {
		return err
	}
	var columns, values []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return err
		}
		value := "t." + name
		switch name {
		case "n":
			value = "i + (SELECT max(n) FROM tasks)"
		case "id":
			value = "printf('task_%016x', i)"
		}
		columns, values = append(columns, name), append(values, value)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, `WITH RECURSIVE count(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM count WHERE i < ?)
		INSERT INTO tasks (`+strings.Join(columns, ", ")+`) SELECT `+strings.Join(values, ", ")+` FROM count, tasks t WHERE t.id = ?`, n, string(done))
	return err
}

// sweeps is what a hub says of its sweeps.
type sweeps struct {
	n    int
	mean time.Duration
	most float64 // seconds: the bound of the hub's histogram that none was above
}

// swept runs a hub for a while and reads what it says.
func (b *bench) swept(ctx context.Context) (s sweeps, err error) {
	p := b.program
	p.Env = append([]string{"AGENTBRIDGE_SWEEP_EVERY=50ms"}, p.Env...)
	hub, err := p.Serve(ctx, workload.Anywhere)
	if err != nil {
		return s, err
	}
	defer hub.Stop()
	time.Sleep(time.Duration(b.some(10)) * time.Second)
	res, err := http.Get(hub.URL("/metrics"))
	if err != nil {
		return s, err
	}
	defer res.Body.Close()
	const name = "agentbridge_sweep_duration_seconds"
	var sum, count float64
	bounds := map[float64]float64{} // how many sweeps took at most so long
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		key, value, _ := strings.Cut(lines.Text(), " ")
		v, err := strconv.ParseFloat(value, 64)
		if err != nil {
			continue
		}
		switch {
		case key == name+"_sum":
			sum = v
		case key == name+"_count":
			count = v
		case strings.HasPrefix(key, name+`_bucket{le="`):
			if le, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimPrefix(key, name+`_bucket{le="`), `"}`), 64); err == nil {
				bounds[le] = v
			}
		}
	}
	if count == 0 {
		return s, fmt.Errorf("the hub says nothing of its sweeps: %s", res.Status)
	}
	s = sweeps{n: int(count), mean: time.Duration(sum / count * float64(time.Second)), most: 1e9}
	for le, n := range bounds {
		if n == count {
			s.most = min(s.most, le)
		}
	}
	return s, nil
}
