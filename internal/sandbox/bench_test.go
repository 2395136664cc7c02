//go:build linux

package sandbox_test

import (
	"os/exec"
	"slices"
	"testing"
	"time"

	"agentbridge/internal/sandbox"
)

// BenchmarkLaunch says what the walls cost: the same program with and without them, in turn, so that both see the same machine. The
// middle of the differences is what counts; a mean is somebody else's load.
func BenchmarkLaunch(b *testing.B) {
	for name, cmd := range map[string]sandbox.Command{
		"writing": {Steps: sandbox.Pipe([][]string{{"/bin/true"}}...)},
		"reading": {Steps: sandbox.Pipe([][]string{{"/bin/true"}}...), ReadOnly: true},
	} {
		b.Run(name, func(b *testing.B) {
			s := open(b, sandbox.Options{Workspace: repository(b)})
			var bare, walled []time.Duration
			for b.Loop() {
				start := time.Now()
				if err := exec.Command("/bin/true").Run(); err != nil {
					b.Fatal(err)
				}
				middle := time.Now()
				if r := run(b, s, cmd); r.Exit != 0 {
					b.Fatalf("exit status %d: %s", r.Exit, r.Output)
				}
				bare, walled = append(bare, middle.Sub(start)), append(walled, time.Since(middle))
			}
			b.ReportMetric(milliseconds(bare, 50), "bare-p50-ms")
			b.ReportMetric(milliseconds(walled, 50)-milliseconds(bare, 50), "over-p50-ms")
			b.ReportMetric(milliseconds(walled, 0)-milliseconds(bare, 0), "over-min-ms")
		})
	}
}

func milliseconds(times []time.Duration, percentile int) float64 {
	slices.Sort(times)
	return times[len(times)*percentile/100].Seconds() * 1000
}
