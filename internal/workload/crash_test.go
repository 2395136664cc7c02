package workload_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"agentbridge/internal/workload"
)

// build makes the program that these tests kill.
func build(t *testing.T) string { return buildWith(t, "") }

// buildWith makes it with build tags.
func buildWith(t *testing.T, tags string) string {
	t.Helper()
	// What the program is made of is looked at here, because the cache of test results knows only files that a test looked at.
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(path) == ".go" {
			_, err = os.Stat(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "agentbridge")
	cmd := exec.Command("go", "build", "-buildvcs=false", "-tags", tags, "-o", path, "agentbridge/cmd/agentbridge")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return path
}

func TestCrash_LosesNothingAndBringsNothingBack(t *testing.T) {
	p := workload.Program{Path: build(t), Data: t.TempDir(), Env: []string{"AGENTBRIDGE_LIMITS=off", "AGENTBRIDGE_LOG=error"}, Stderr: t.Output()}
	rep, err := workload.Crash(t.Context(), p, 15)
	if err != nil {
		t.Fatal(err)
	}
	if rep.Kills < 15 || rep.Acknowledged == 0 {
		t.Errorf("the story did not happen: %+v", rep)
	}
	if len(rep.Lost)+len(rep.Doubled)+len(rep.Faults) > 0 {
		t.Errorf("%+v", rep)
	}
}

func TestSample_AtIsTheShareThatDoesNotExceedIt(t *testing.T) {
	var s workload.Sample
	if s.At(0.5) != 0 {
		t.Error("an empty sample has a median")
	}
	for i := range 100 {
		s = append(s, time.Duration(100-i))
	}
	for q, want := range map[float64]time.Duration{0: 1, 0.5: 51, 0.99: 100, 1: 100} {
		if got := s.At(q); got != want {
			t.Errorf("At(%v) = %d, want %d", q, got, want)
		}
	}
}
