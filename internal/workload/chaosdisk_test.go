//go:build linux && chaos

package workload_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"agentbridge/internal/workload"
)

// talk is what most of these stories play: messages, and nobody killed but by the fault itself.
func talk() workload.ChaosOptions {
	return workload.ChaosOptions{Writers: 3, Readers: 2, Pause: 20 * time.Millisecond}
}

type (
	ctx   = context.Context
	still = func(func() error) error
)

func wait(c ctx, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-c.Done():
		return c.Err()
	}
}

func TestChaos_OnADiskThatIsFullNowAndThenBreaksNoPromise(t *testing.T) {
	t.Parallel()
	p, o := breakable(t), talk()
	p.Data = mounted(t, "tmpfs", "size="+strconv.Itoa(12<<20))
	fullFor := 0
	o.Trouble = func(c ctx, _ still) error {
		for range 3 {
			if err := wait(c, time.Second); err != nil {
				return err
			}
			ballast := filepath.Join(p.Data, "ballast")
			if err := fill(ballast); err != nil {
				return err
			}
			fullFor++
			if err := errors.Join(wait(c, 1500*time.Millisecond), os.Remove(ballast)); err != nil {
				return err
			}
		}
		return wait(c, time.Second)
	}
	rep := play(t, p, o)
	spotless(t, rep)
	if fullFor != 3 || rep.Tries == rep.Sent+rep.Refused {
		t.Errorf("no send was in trouble, of %d: the disk was not full", rep.Tries)
	}
}

// mounted gives a directory on a file system of its own.
func mounted(t *testing.T, kind, options string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount(kind, dir, kind, 0, options); err != nil {
		t.Fatalf("mount a %s: %v; make chaos needs the right to mount: be root", kind, err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fill writes a file until the disk is full.
func fill(name string) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	for size := 1 << 20; size > 0; {
		if _, err := f.Write(make([]byte, size)); errors.Is(err, syscall.ENOSPC) {
			size /= 2
		} else if err != nil {
			return err
		}
	}
	return nil
}

// What a power failure leaves of a write that was under way: part of a frame at the end of the WAL. Everybody is dead then.
func TestChaos_WithATornWALBreaksNoPromise(t *testing.T) {
	t.Parallel()
	p, o := breakable(t), talk()
	torn := 0
	o.Trouble = func(c ctx, still still) error {
		for range 5 {
			err := errors.Join(wait(c, 700*time.Millisecond), still(func() error {
				f, err := os.OpenFile(filepath.Join(p.Data, "bridge.db-wal"), os.O_WRONLY|os.O_APPEND, 0)
				if err != nil {
					return err
				}
				torn++
				_, err = f.Write(make([]byte, 1000+torn*700)) // a frame has 24 + 4096 bytes
				return errors.Join(err, f.Close())
			}))
			if err != nil {
				return err
			}
		}
		return nil
	}
	spotless(t, play(t, p, o))
	if torn != 5 {
		t.Errorf("the WAL was torn %d times", torn)
	}
}

// A WAL that lost frames which were on disk has lost what was acknowledged, and no program can have it back. The store opens all the same, its log is
// whole as far as it goes, and the checker says what is missing.
func TestChecker_SaysWhatATruncatedWALLost(t *testing.T) {
	t.Parallel()
	p, o := breakable(t), talk()
	o.Trouble = func(c ctx, still still) error {
		// Before its first checkpoint, which is after 1,000 frames, the WAL holds everything, and its end is the end of the file.
		wal := filepath.Join(p.Data, "bridge.db-wal")
		met, err := os.Stat(wal)
		if err != nil {
			return err
		}
		const frame = 24 + 4096
		for more := met; more.Size() < met.Size()+100*frame; {
			if err := wait(c, 5*time.Millisecond); err != nil {
				return err
			}
			if more, err = os.Stat(wal); err != nil {
				return err
			}
		}
		return still(func() error { return os.Truncate(wal, met.Size()+40*frame) })
	}
	rep := play(t, p, o)
	kinds := map[string]int{}
	for _, v := range rep.Violations {
		kinds[v.Kind]++
	}
	t.Logf("found: %v", kinds)
	if kinds[workload.NoEntry] == 0 {
		t.Errorf("the checker found %v, want what was acknowledged and is not in the log", kinds)
	}
}

func TestChaos_WhenClocksJumpBothWaysBreaksNoPromise(t *testing.T) {
	t.Parallel()
	p, o := breakable(t), talk()
	o.Tasks, o.Workers, o.Watchdogs, o.Kills = 120, 3, 1, 8
	p.Env = append(p.Env, "AGENTBRIDGE_SWEEP_EVERY=300ms") // a jump is noted by a sweep; doc/chaos.md says what jumps in between do
	clock := filepath.Join(t.TempDir(), "clock")
	p.Env = append(p.Env, "AGENTBRIDGE_FAILPOINT_CLOCK="+clock)
	o.Trouble = func(c ctx, _ still) error {
		// So far that leases are over; not beyond the conversation's three hours, which end by the clock they were made by.
		for _, off := range []time.Duration{30 * time.Minute, -30 * time.Minute, 90 * time.Minute, 20 * time.Second, -2 * time.Hour, 0} {
			if err := errors.Join(wait(c, 1500*time.Millisecond), os.WriteFile(clock+".new", []byte(off.String()), 0o600), os.Rename(clock+".new", clock)); err != nil {
				return err
			}
		}
		return wait(c, time.Second)
	}
	spotless(t, play(t, p, o))
}

func TestChaos_OfThirtyWritersOnASlowDiskBreaksNoPromise(t *testing.T) {
	t.Parallel()
	p := breakable(t)
	p.Env = append(p.Env, "AGENTBRIDGE_FAILPOINT=delay=10ms")
	rep := play(t, p, workload.ChaosOptions{Writers: 30, Readers: 2, Pause: 300 * time.Millisecond, For: 6 * time.Second})
	spotless(t, rep)
	if rep.Sent < 100 {
		t.Errorf("30 writers sent %d messages", rep.Sent)
	}
}

func TestChaos_WithCommitsThatFailBreaksNoPromise(t *testing.T) {
	t.Parallel()
	o := talk()
	o.For = 5 * time.Second
	o.Tasks, o.Workers = 60, 3
	p := breakable(t)
	p.Stderr = nil // every tool that failed is logged
	o.Fate = func() []string { return []string{"AGENTBRIDGE_FAILPOINT=error=9"} }
	rep := play(t, p, o)
	spotless(t, rep)
	if rep.Tries == rep.Sent+rep.Refused {
		t.Error(fmt.Sprint("no send was in trouble, of ", rep.Tries))
	}
}
