//go:build chaos

package workload_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"agentbridge/internal/workload"
)

// How much `make chaos` plays.
var (
	killed = flag.Int("kills", 60, "SIGKILLs of each of the two shapes")
	limit  = flag.Duration("within", time.Minute, "how long they may take: what is not killed by then lives")
)

// broken is the program with failpoints and seeded bugs, made once.
var broken = sync.OnceValue(func() string {
	dir, err := os.MkdirTemp("", "agentbridge-chaos")
	if err != nil {
		panic(err)
	}
	return filepath.Join(dir, "agentbridge")
})

func TestMain(m *testing.M) {
	code := m.Run()
	os.RemoveAll(filepath.Dir(broken()))
	os.Exit(code)
}

var makeBroken sync.Once

func breakable(t *testing.T) workload.Program {
	t.Helper()
	makeBroken.Do(func() {
		if err := os.Rename(buildWith(t, "failpoint,seeded"), broken()); err != nil {
			t.Fatal(err)
		}
	})
	return workload.Program{Path: broken(), Data: t.TempDir(), Stderr: t.Output()}
}

func play(t *testing.T, p workload.Program, o workload.ChaosOptions) workload.ChaosReport {
	t.Helper()
	rep, err := workload.Chaos(t.Context(), p, o, filepath.Join(t.TempDir(), "tiles"))
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, n := range rep.Kills {
		total += n
	}
	t.Logf("%d kills %v, %d fell by failpoints; %d sent in %d tries, %d refused, %d read, %d redelivered, %d tasks done, %d entries, %v; %d violations",
		total, rep.Kills, rep.Fell, rep.Sent, rep.Tries, rep.Refused, rep.Read, rep.Redelivered, rep.Done, rep.Entries, rep.Took.Round(time.Millisecond), len(rep.Violations))
	return rep
}

func spotless(t *testing.T, rep workload.ChaosReport) {
	t.Helper()
	for i, v := range rep.Violations {
		if i == 10 {
			t.Errorf("and %d more", len(rep.Violations)-i)
			break
		}
		t.Errorf("%s: %.1500s", v.Kind, v.What)
	}
}

func TestChaos_OfProcessesThatShareAStoreBreaksNoPromise(t *testing.T) {
	t.Parallel()
	p := breakable(t)
	spotless(t, play(t, p, workload.ChaosOptions{
		Writers: 3, Readers: 2, Pause: 20 * time.Millisecond, Tasks: 3 * *killed, Workers: 4, Watchdogs: 2, Kills: *killed, Within: *limit,
	}))
}

// Each bug makes the checker say what it is.
func TestChecker_FindsEachSeededBug(t *testing.T) {
	t.Parallel()
	p := breakable(t)
	talk := workload.ChaosOptions{Writers: 3, Readers: 2, Pause: 10 * time.Millisecond, Kills: 12, Sends: 400}
	patient := talk // so that somebody waits in vain to the end
	patient.Kills, patient.For = 4, 8*time.Second
	work := workload.ChaosOptions{Tasks: 60, Workers: 4, Kills: 4}
	tests := []struct {
		bug  string
		o    workload.ChaosOptions
		want []string // one of these kinds
	}{
		{"answered before its commit, which fails", talk, []string{workload.Lost, workload.NoEntry, workload.NoOrderKnown}},
		{"handed out and not marked", talk, []string{workload.Doubled}},
		{"the same lease token again", work, []string{workload.TwoHolders}},
		{"done without an entry", talk, []string{workload.NoEntry}},
		{"an entry of what was refused", talk, []string{workload.EntryAlone}},
		{"an ack forgotten", talk, []string{workload.Doubled}},
		{"the order swapped", talk, []string{workload.OutOfOrder}},
		{"a task with two holders", work, []string{workload.TwoHolders}},
		{"an entry altered", talk, []string{workload.BrokenLog}},
		{"a wake-up lost", patient, []string{workload.NotWoken}},
	}
	for i, test := range tests {
		t.Run(fmt.Sprint(i+1, " ", test.bug), func(t *testing.T) {
			t.Parallel()
			p := p
			p.Data = t.TempDir()
			p.Env = append(p.Env, fmt.Sprint("AGENTBRIDGE_SEEDED_BUG=", i+1))
			rep := play(t, p, test.o)
			kinds := map[string]int{}
			for _, v := range rep.Violations {
				kinds[v.Kind]++
			}
			t.Logf("found: %v", kinds)
			if !slices.ContainsFunc(test.want, func(kind string) bool { return kinds[kind] > 0 }) {
				t.Errorf("the checker found %v, want %q", kinds, test.want)
			}
		})
	}
}

// fates gives most processes a failpoint, before or after one of their next commits.
func fates() []string {
	where := []string{"kill-before", "kill-after"}[rand.IntN(2)]
	return []string{fmt.Sprintf("AGENTBRIDGE_FAILPOINT=%s=%d", where, 1+rand.IntN(40))}
}

func TestChaos_WithFailpointsAroundCommitsBreaksNoPromise(t *testing.T) {
	t.Parallel()
	rep := play(t, breakable(t), workload.ChaosOptions{
		Writers: 3, Readers: 2, Pause: 10 * time.Millisecond, Tasks: 150, Workers: 4, For: 6 * time.Second, Fate: fates,
	})
	spotless(t, rep)
	if rep.Fell < 10 {
		t.Errorf("%d processes fell by a failpoint: the story did not happen", rep.Fell)
	}
}

func TestChaos_OfAHubAndItsAgentsBreaksNoPromise(t *testing.T) {
	t.Parallel()
	spotless(t, play(t, breakable(t), workload.ChaosOptions{
		Writers: 3, Readers: 2, Pause: 20 * time.Millisecond, Tasks: 2 * *killed, Workers: 4, Watchdogs: 1, Kills: *killed, Every: 120 * time.Millisecond,
		Hub: true, Agents: t.TempDir(),
	}))
}
