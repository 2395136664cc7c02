package workload_test

import (
	"testing"
	"time"

	"agentbridge/internal/workload"
)

func TestTeam_EveryTaskEndsOnceWhateverDies(t *testing.T) {
	p := workload.Program{Path: build(t), Data: t.TempDir(), Env: []string{"AGENTBRIDGE_SWEEP_EVERY=1s"}, Stderr: t.Output()}
	const tasks = 200
	rep, err := workload.Team(t.Context(), p, workload.TeamOptions{Tasks: tasks, Workers: 8, Watchdogs: 2, Kills: 8, Hangs: 3, Lease: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if rep.Ended != tasks || len(rep.Lost)+len(rep.Doubled)+len(rep.Violations)+len(rep.Faults) > 0 {
		t.Errorf("%d ended; lost %q, doubled %q, violations %q, faults %q", rep.Ended, rep.Lost, rep.Doubled, rep.Violations, rep.Faults)
	}
	if rep.Kills == 0 || rep.Hangs == 0 || rep.Late == 0 {
		t.Errorf("the story did not happen: %d kills, %d hangs, %d late writes", rep.Kills, rep.Hangs, rep.Late)
	}
}
