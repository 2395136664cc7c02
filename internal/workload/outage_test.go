package workload_test

import (
	"testing"
	"time"

	"agentbridge/internal/workload"
)

func TestOutage_AHubThatIsKilledLosesNothingOfAgentsFarAway(t *testing.T) {
	p := workload.Program{Path: build(t), Data: t.TempDir(), Env: []string{"AGENTBRIDGE_LIMITS=off", "AGENTBRIDGE_LOG=error"}, Stderr: t.Output()}
	rep, err := workload.Outage(t.Context(), p, t.TempDir(), 5, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d kills, %d sent, %d refused, %d unknown, %d redelivered; resumed p50 %v, max %v", rep.Kills, rep.Acknowledged, rep.Refused, rep.Unknown, rep.Redelivered, rep.Resumed.At(0.5), rep.Resumed.At(1))
	if rep.Kills < 5 || rep.Acknowledged < 20 {
		t.Errorf("the story did not happen: %+v", rep)
	}
	if len(rep.Lost)+len(rep.Doubled)+len(rep.Faults) > 0 {
		t.Errorf("%+v", rep)
	}
	if worst := rep.Resumed.At(1); worst > 3*time.Second {
		t.Errorf("messages flowed again after %v, want within 3 s", worst)
	}
}

// The killing story of one machine, with its processes at a hub instead.
func TestCrash_OfProcessesFarAwayLosesNothing(t *testing.T) {
	p := workload.Program{Path: build(t), Data: t.TempDir(), Env: []string{"AGENTBRIDGE_LIMITS=off", "AGENTBRIDGE_LOG=error"}, Stderr: t.Output()}
	hub, err := p.Serve(t.Context(), workload.Anywhere)
	if err != nil {
		t.Fatal(err)
	}
	defer hub.Kill()
	far := p.Afar(hub, t.TempDir())
	for _, name := range []string{"alpha", "beta"} {
		token, err := p.Token(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := far.Settle(name, token); err != nil {
			t.Fatal(err)
		}
	}
	rep, err := workload.Crash(t.Context(), far, 15)
	if err != nil {
		t.Fatal(err)
	}
	if rep.Kills < 15 || rep.Acknowledged == 0 || len(rep.Lost)+len(rep.Doubled)+len(rep.Faults) > 0 {
		t.Errorf("%+v", rep)
	}
}
