package workload_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"agentbridge/internal/workload"
)

// The hub is killed or stopped six times in twenty seconds, in which the token lives for fifteen.
func TestKeepAlive_NoticesEveryMessageAcrossRestarts(t *testing.T) {
	p := workload.Program{Path: build(t), Data: t.TempDir(), Stderr: t.Output(), Env: []string{
		"AGENTBRIDGE_LIMITS=off", "AGENTBRIDGE_LOG=error", "AGENTBRIDGE_HEARTBEAT=1s", "AGENTBRIDGE_SILENT_AFTER=3s", "AGENTBRIDGE_TOKEN_TTL=15s",
	}}
	rep, err := workload.KeepAlive(t.Context(), p, 20*time.Second, 6)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d messages, %d runs of the command, %d times read, p50 %v, slowest %v", rep.Sent, rep.Runs, rep.Reads, rep.Took.At(0.5), rep.Took.At(1))
	if rep.Kills != 3 || rep.Stops != 3 || rep.Sent < 20 || rep.Reads == 0 {
		t.Errorf("the story did not happen: %+v", rep)
	}
	if rep.Noticed != rep.Sent || len(rep.Unnoticed)+len(rep.Faults) > 0 {
		t.Errorf("%d of %d noticed, not %v; %v", rep.Noticed, rep.Sent, rep.Unnoticed, rep.Faults)
	}
	away := func(line string) bool { return strings.HasPrefix(line, "hub away (") }
	if !slices.ContainsFunc(rep.Said, away) || !strings.HasPrefix(rep.Said[0], "connected to http://127.0.0.1:") {
		t.Errorf("said %q", rep.Said)
	}
}
