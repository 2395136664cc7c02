package workload

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"agentbridge/internal/bridge"
)

// TeamOptions say how much a team has to do and what befalls it.
type TeamOptions struct {
	Tasks     int           // with random priorities, some after others
	Workers   int           // each with a process of its own
	Watchdogs int           // `agentbridge watchdog` processes beside them
	Kills     int           // SIGKILLs of workers' processes, every other one while it holds a task; each is started again
	Hangs     int           // claims after which a client calls nothing until the lease is over, while its process lives
	Lease     time.Duration // of every task
	// Mortal says that workers' processes may die by themselves, and a hub go away.
	Mortal   bool
	Fate     func() []string // further environment of workers' processes, see [Program]
	Progress func(ended int) // told now and then how many have ended; nil: nobody is
}

// TeamReport is what [Team] saw. Lost, Doubled, Violations and Faults are empty where every promise held.
type TeamReport struct {
	Ended      int      // tasks that are done
	Lost       []string // tasks that are not
	Doubled    []string // tasks that ended more than once, by the log or by the workers' record
	Violations []string // tasks whose history breaks the rules of leases
	Faults     []string // what else was not as promised

	Kills, Hangs int
	Late         int           // writes that came after their lease and were refused
	Unknown      int           // calls under way when their process was killed
	Moved        Sample        // from the death of a holder to the next claim of its task
	Claims       Sample        // of claims that got a task
	Completes    Sample        // of completions
	Took         time.Duration // from the first task added to the last one ended
}

// Team lets an orchestrator add tasks and workers do them, while workers are killed and hang. Every worker keeps its own record of
// what it was answered, and that record decides: each task must have a history that a single holder at a time explains, and one
// end. It sets the lease, and switches limits off.
func Team(ctx context.Context, p Program, o TeamOptions) (rep TeamReport, err error) {
	t := newTeam(p, o)
	err = t.play(ctx, func() error { return t.judge(ctx, &rep) })
	rep.Took = t.took
	return rep, err
}

func newTeam(p Program, o TeamOptions) *team {
	p.Env = append(slices.Clone(p.Env), teamSettings(o.Lease)...)
	return &team{p: p, o: o, history: newHistory(o.Lease)}
}

// teamSettings are what the agents of a team need, and their hub.
func teamSettings(lease time.Duration) []string {
	return []string{
		"AGENTBRIDGE_LIMITS=off", "AGENTBRIDGE_LOG=error", "AGENTBRIDGE_TASK_LEASE=" + lease.String(),
		"AGENTBRIDGE_TASK_ATTEMPTS=1000", // so that no task fails of bad luck
	}
}

// play has the team do its work, and then something while the orchestrator is still there.
func (t *team) play(ctx context.Context, then func() error) (err error) {
	if t.lead, err = t.p.Play(ctx, leadName); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.lead.Leave()) }()
	defer func() {
		for _, w := range t.workers {
			w.player.Kill() // they are many, and to leave in peace is tested elsewhere
		}
	}()
	if err := t.gather(ctx); err != nil {
		return err
	}
	stop, err := t.watch()
	defer stop()
	if err != nil {
		return err
	}
	began := time.Now()
	if err := t.work(ctx); err != nil {
		return err
	}
	t.took = time.Since(began)
	stop()
	return then()
}

// team is one run.
type team struct {
	p       Program
	o       TeamOptions
	history *history
	id      bridge.ConversationID
	lead    *Player
	workers []*worker
	took    time.Duration // from the first task added to the last one ended

	ended, kills, hangs atomic.Int64 // ended: completions, by the workers' record

	mu     sync.Mutex // guards faults
	faults []string
}

// atOnce is how many processes start, or calls of the orchestrator run, at the same time.
const atOnce = 8

// gather starts the workers and brings them into one conversation.
func (t *team) gather(ctx context.Context) error {
	t.workers = make([]*worker, t.o.Workers)
	var wg sync.WaitGroup
	room := make(chan struct{}, atOnce)
	faults := make([]error, t.o.Workers)
	for i := range t.workers {
		w := &worker{t: t, name: workerName(i), odds: rand.New(rand.NewPCG(uint64(i), 11))}
		t.workers[i] = w
		wg.Go(func() {
			room <- struct{}{}
			defer func() { <-room }()
			w.player, faults[i] = t.p.Play(ctx, w.name)
		})
	}
	wg.Wait()
	if err := errors.Join(faults...); err != nil {
		t.workers = slices.DeleteFunc(t.workers, func(w *worker) bool { return w.player == nil })
		return err
	}
	var players []*Player
	for _, w := range t.workers {
		players = append(players, w.player)
	}
	var err error
	t.id, err = Meet(ctx, t.lead, players...)
	t.p.Fate = t.o.Fate // what is started from now on
	return err
}

// watch starts the watchdogs. That one of them does not stop as it should is a fault.
func (t *team) watch() (stop func(), err error) {
	var all []*exec.Cmd
	stop = sync.OnceFunc(func() {
		for _, w := range all {
			w.Process.Signal(os.Interrupt)
			if err := w.Wait(); err != nil {
				t.fault("a watchdog ends: %v", err)
			}
		}
	})
	for range t.o.Watchdogs {
		w := t.p.Command("watchdog")
		if err := w.Start(); err != nil {
			return stop, fmt.Errorf("start a watchdog: %w", err)
		}
		all = append(all, w)
	}
	return stop, nil
}

// work lasts until all tasks have ended.
func (t *team) work(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	working, finish := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer finish()
	must := func(fn func(context.Context) error) {
		wg.Go(func() {
			if err := fn(working); err != nil && working.Err() == nil {
				cancel(err)
			}
		})
	}
	for _, w := range t.workers {
		must(w.run)
	}
	must(t.listen)
	must(t.strike)
	if err := t.add(ctx); err != nil {
		return errors.Join(context.Cause(ctx), err)
	}
	for left := true; left; {
		t.progress()
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(200 * time.Millisecond):
		}
		left = false
		for _, state := range []bridge.TaskState{bridge.TaskOpen, bridge.TaskClaimed} {
			var page bridge.ListTasksResult
			err := t.patiently(ctx, func() error {
				return t.lead.Call(ctx, "list_tasks", map[string]any{"state": state, "limit": 1}, &page)
			})
			if err != nil {
				return errors.Join(context.Cause(ctx), err)
			}
			left = left || len(page.Tasks) > 0
		}
	}
	return nil
}

// add adds the tasks, some at once. One task in three comes after one or two that were added before.
func (t *team) add(ctx context.Context) error {
	odds := rand.New(rand.NewPCG(uint64(t.o.Tasks), 3))
	var ids []bridge.TaskID
	for len(ids) < t.o.Tasks {
		some := make([]bridge.TaskID, min(atOnce, t.o.Tasks-len(ids)))
		faults := make([]error, len(some))
		var wg sync.WaitGroup
		for i := range some {
			n := len(ids) + i
			q := bridge.AddTaskRequest{Title: fmt.Sprintf("task %d", n), Priority: odds.IntN(11) - 5, Key: fmt.Sprint(n)}
			for range odds.IntN(3) {
				if recent := ids[max(0, len(ids)-100):]; len(recent) > 0 && odds.IntN(3) == 0 {
					q.After = append(q.After, recent[odds.IntN(len(recent))])
				}
			}
			slices.Sort(q.After)
			q.After = slices.Compact(q.After)
			wg.Go(func() {
				var res bridge.AddTaskResult
				faults[i] = t.patiently(ctx, func() (err error) {
					res, err = t.lead.AddTask(ctx, q)
					return err
				})
				some[i] = res.Task
			})
		}
		wg.Wait()
		if err := errors.Join(faults...); err != nil {
			return err
		}
		ids = append(ids, some...)
		t.progress()
	}
	return nil
}

func (t *team) progress() {
	if t.o.Progress != nil {
		t.o.Progress(int(t.ended.Load()))
	}
}

// listen has the orchestrator take what the bridge tells it of tasks that ended.
func (t *team) listen(ctx context.Context) error {
	for {
		err := t.patiently(ctx, func() error { _, err := t.lead.Check(ctx, 5); return err })
		if err != nil {
			return err
		}
	}
}

// patiently makes a call again while the bridge cannot be reached, where that is to be expected.
func (t *team) patiently(ctx context.Context, call func() error) error {
	for {
		err := call()
		if !t.o.Mortal || !errors.Is(err, bridge.Unavailable) || ctx.Err() != nil {
			return err
		}
		pause(ctx, 20*time.Millisecond)
	}
}

// strike kills and hangs workers, evenly over the work.
func (t *team) strike(ctx context.Context) error {
	blows := t.o.Kills + t.o.Hangs
	odds := rand.New(rand.NewPCG(uint64(blows), 5))
	hang := make([]bool, blows)
	for i := range t.o.Hangs {
		hang[i] = true
	}
	odds.Shuffle(blows, func(i, j int) { hang[i], hang[j] = hang[j], hang[i] })
	for i, hangs := range hang {
		due := int64((i + 1) * t.o.Tasks / (blows + 1))
		for t.ended.Load() < due {
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(2 * time.Millisecond):
			}
		}
		w := t.workers[odds.IntN(len(t.workers))]
		switch {
		case hangs:
			w.fate.Store(hangNext)
		case i%2 == 0:
			w.fate.Store(dieNext)
		default:
			w.kill()
		}
	}
	return nil
}

// judge compares the workers' record with the tasks, the log and the rules.
func (t *team) judge(ctx context.Context, rep *TeamReport) error {
	all, err := t.lead.AllTasks(ctx, t.id)
	if err != nil {
		return err
	}
	logged, err := t.logged()
	if err != nil {
		return err
	}
	if rep.Faults, err = t.p.verify(); err != nil {
		return err
	}
	rep.Faults = append(rep.Faults, t.faults...)
	if len(all) != t.o.Tasks {
		rep.Faults = append(rep.Faults, fmt.Sprintf("%d tasks were added, and %d are listed", t.o.Tasks, len(all)))
	}
	rep.Kills, rep.Hangs = int(t.kills.Load()), int(t.hangs.Load())
	known := t.history.tell(rep)
	for _, k := range all {
		what := fmt.Sprintf("%s is %s; it ended %d times by the log and %d times by its workers", k.ID, k.State, logged[k.ID], known[k.ID])
		switch {
		case logged[k.ID] > 1 || known[k.ID] > 1:
			rep.Doubled = append(rep.Doubled, what)
		case k.State != bridge.TaskDone || logged[k.ID] < 1:
			rep.Lost = append(rep.Lost, what)
		default:
			rep.Ended++
		}
	}
	rep.Violations = t.history.judge()
	return nil
}

// logged counts the ends of each task in the audit log.
func (t *team) logged() (map[bridge.TaskID]int, error) {
	ends := map[bridge.TaskID]int{}
	for _, action := range []string{"task_complete", "task_fail", "task_cancel"} {
		out, err := t.p.Command("audit", "show", "--json", "--conversation", string(t.id), "--action", action).Output()
		if err != nil {
			return nil, fmt.Errorf("read the audit log: %w", err)
		}
		var shown struct {
			Entries []bridge.AuditLine `json:"entries"`
		}
		if err := json.Unmarshal(out, &shown); err != nil {
			return nil, fmt.Errorf("read the audit log: %w", err)
		}
		for _, e := range shown.Entries {
			ends[bridge.TaskID(e.Subject)]++
		}
	}
	return ends, nil
}

func (t *team) fault(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.faults = append(t.faults, fmt.Sprintf(format, args...))
}
