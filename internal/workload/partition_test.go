package workload_test

import (
	"testing"
	"time"

	"agentbridge/internal/workload"
)

// A story in small of what `make bench` plays at length: lines within this process, and no rights needed.
func TestPartition_LosesAndDoublesNothing(t *testing.T) {
	binary := build(t)
	program := func() workload.Program {
		return workload.Program{Path: binary, Data: t.TempDir(), Env: []string{"AGENTBRIDGE_LIMITS=off", "AGENTBRIDGE_LOG=error"}, Stderr: t.Output()}
	}
	rep, err := workload.Partition(t.Context(), workload.Partitions{
		Hub: program(), Agents: program(), Listen: workload.Anywhere, Lines: "127.0.0.1", Pairs: 2,
		Cuts: 2, Least: time.Second, Most: 3 * time.Second, Kills: 2, Delay: 20 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	if rep.Cuts != 8 || rep.Kills != 2 || rep.Acknowledged == 0 || len(rep.Lost)+len(rep.Doubled)+len(rep.Faults) > 0 {
		t.Errorf("lost %v, doubled %v, faults %v", rep.Lost, rep.Doubled, rep.Faults)
	}
	t.Logf("%d cuts, %d kills, %d acknowledged, %d refused, %d redelivered; healed within %s, restarted within %s",
		rep.Cuts, rep.Kills, rep.Acknowledged, rep.Refused, rep.Redelivered, rep.Healed.At(1), rep.Restarted.At(1))
}
