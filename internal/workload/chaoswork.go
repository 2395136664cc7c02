package workload

import (
	"fmt"
	"os/exec"
	"strconv"

	"agentbridge/internal/audit"
	"agentbridge/internal/bridge"
)

// lease names one lease of a task.
type leaseOf struct {
	task  bridge.TaskID
	token int64
}

// tasks checks what the team's workers know of their tasks, how these stand at the end, and what the log says of them.
func (k *checker) tasks(t *team, all []bridge.TaskView) {
	log := k.tiles[string(t.id)]
	k.rep.Entries += len(log)
	claims, ends, added, unclaimed := map[leaseOf]audit.Entry{}, map[leaseOf]int{}, map[bridge.TaskID]int{}, map[leaseOf]bool{}
	for _, e := range log {
		id := leaseOf{bridge.TaskID(e.Subject), number(e, "fence")}
		switch e.Action {
		case "task_add":
			added[id.task]++
		case "task_claim":
			if _, there := claims[id]; there {
				k.find(TwoHolders, "%s was given out twice under the token %d, by the log", id.task, id.token)
			}
			claims[id] = e
		case "task_unclaim":
			unclaimed[id] = true
		case "task_complete":
			ends[id]++
		}
	}
	knownClaims, knownEnds := k.held(t, claims, ends)
	lost := t.lostClaims()
	for id, e := range claims {
		if knownClaims[id] || unclaimed[id] {
			continue
		}
		if lost[e.Facts["holder"]]--; lost[e.Facts["holder"]] < 0 {
			k.find(EntryAlone, "entry %d says that %s claimed %s, and it was never told so", e.N, e.Actor, id.task)
		}
	}
	finished := map[bridge.TaskID]int{}
	for id, n := range ends {
		finished[id.task] += n
		if !knownEnds[id] {
			k.find(EntryAlone, "the log says that %s ended under the token %d, and no worker asked for it", id.task, id.token)
		}
	}
	k.standing(t, all, added, finished)
	for _, v := range t.history.judge() {
		k.find(TwoHolders, "%s", v)
	}
}

// held holds each claim and each end that a worker was told of against the log, and gives those that are known, ends also where their
// answer got lost.
func (k *checker) held(t *team, claims map[leaseOf]audit.Entry, ends map[leaseOf]int) (knownClaims, knownEnds map[leaseOf]bool) {
	knownClaims, knownEnds = map[leaseOf]bool{}, map[leaseOf]bool{}
	tokens := map[int64]bridge.TaskID{}
	t.history.mu.Lock()
	defer t.history.mu.Unlock()
	for task, ops := range t.history.tasks {
		for _, op := range ops {
			e, how := op.Input.(event), op.Output.(outcome)
			id := leaseOf{task, e.token}
			_, logged := claims[id]
			switch {
			case e.what == claimed && how == done:
				if other, there := tokens[e.token]; there { // of a later lease the token is always greater, whichever the task
					k.find(TwoHolders, "%s and %s were given out under the same token %d", other, task, e.token)
				}
				knownClaims[id], tokens[e.token] = true, task
				if !logged && k.tiles != nil {
					k.find(NoEntry, "%s was claimed under the token %d, and the log does not know it", task, e.token)
				}
			case e.what == bridge.CompleteTask && (how == done || how == unknown):
				knownEnds[id] = true
				if how == done && ends[id] != 1 && k.tiles != nil {
					k.find(NoEntry, "%s ended under the token %d, and the log says so %d times", task, e.token, ends[id])
				}
			}
		}
	}
	return knownClaims, knownEnds
}

// standing holds the tasks as they are listed at the end against the log.
func (k *checker) standing(t *team, all []bridge.TaskView, added, finished map[bridge.TaskID]int) {
	if len(all) != t.o.Tasks {
		k.find(Misbehaved, "%d tasks were added, and %d are listed", t.o.Tasks, len(all))
	}
	for _, v := range all {
		switch n := added[v.ID]; {
		case k.tiles == nil:
		case n == 0:
			k.find(NoEntry, "%s was added, and the log does not know it", v.ID)
		case n > 1:
			k.find(EntryAlone, "the log says %d times that %s was added", n, v.ID)
		}
		delete(added, v.ID)
		switch n := finished[v.ID]; {
		case v.State != bridge.TaskDone:
			k.find(Lost, "%s is %s", v.ID, v.State)
		case n > 1:
			k.find(Doubled, "%s ended %d times, by the log", v.ID, n)
		default:
			k.rep.Done++
		}
	}
	for id := range added {
		k.find(EntryAlone, "the log says that %s was added, and nobody lists it", id)
	}
}

// dog is a watchdog's process.
type dog struct {
	p       Program
	process *exec.Cmd
}

func (d *dog) start() error {
	d.p.Stderr = nil // it says each time that it watches
	d.process = d.p.Command("watchdog")
	if err := d.process.Start(); err != nil {
		return fmt.Errorf("start a watchdog: %w", err)
	}
	return nil
}

func (d *dog) kill() {
	d.process.Process.Kill()
	d.process.Wait()
}

func workerName(i int) string { return "worker-" + strconv.Itoa(i + 101)[1:] }

const leadName = "lead"

// lostClaims counts, by worker, the claims of which it never heard how they ended.
func (t *team) lostClaims() map[string]int {
	lost := map[string]int{}
	for _, w := range t.workers {
		lost[w.name] = w.missed
	}
	return lost
}
