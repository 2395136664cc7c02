package sqlite

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"

	"agentbridge/internal/bridge"
)

// smallDisk gives a directory on a file system of its own of so many bytes, or "" where this user may not mount one.
func smallDisk(t testing.TB, size int) string {
	t.Helper()
	dir := t.TempDir()
	err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "mode=700,size="+strconv.Itoa(size))
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) {
		return ""
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// TestUpdate_SurvivesAFullDisk fills a real disk, where the log cannot grow any more, and where that cannot be had the limit that
// the engine itself knows (see also TestGroup_FullDiskFailsOnlyWhoFilledIt).
func TestUpdate_SurvivesAFullDisk(t *testing.T) {
	dir := smallDisk(t, 2<<20)
	var ballast string
	if dir != "" {
		ballast = filepath.Join(dir, "ballast")
	} else {
		dir = t.TempDir()
		t.Log("this user may not mount a small disk: the engine's own limit stands in for it")
	}
	s := start(t, filepath.Join(dir, "bridge.db"), Options{})
	if ballast == "" {
		if err := s.writer.script("PRAGMA max_page_count = 100"); err != nil {
			t.Fatal(err)
		}
	} else if err := os.WriteFile(ballast, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}

	confirmed := 0
	for full := false; !full; {
		err := s.Update(t.Context(), bridge.Deployment, func(tx bridge.Tx) error {
			return tx.PutMeta(fmt.Sprint("n", confirmed), bytes.Repeat([]byte{1}, 10_000))
		})
		switch full = errors.Is(err, bridge.Unavailable); {
		case err == nil:
			confirmed++
		case !full:
			t.Fatalf("Update on a full disk = %v, want unavailable", err)
		}
		if confirmed > 1000 {
			t.Fatal("the disk never got full")
		}
	}
	var group sync.WaitGroup
	for i := range 20 { // in groups, too
		group.Go(func() {
			if err := s.Update(t.Context(), bridge.Deployment, func(tx bridge.Tx) error {
				return tx.PutMeta(fmt.Sprint("g", i), make([]byte, 100_000))
			}); !errors.Is(err, bridge.Unavailable) {
				t.Errorf("Update in a group on a full disk = %v, want unavailable", err)
			}
		})
	}
	group.Wait()
	there := func() (n int) {
		if err := s.View(t.Context(), func(tx bridge.Tx) error {
			for n = 0; ; n++ {
				if v, err := tx.Meta(fmt.Sprint("n", n)); errors.Is(err, bridge.NotFound) {
					return nil
				} else if err != nil || len(v) != 10_000 {
					return fmt.Errorf("row %d: %d bytes, %w", n, len(v), err)
				}
			}
		}); err != nil {
			t.Errorf("View on a full disk = %v", err)
		}
		return n
	}
	if got := there(); got != confirmed || confirmed == 0 {
		t.Errorf("%d updates are there on the full disk, %d were confirmed", got, confirmed)
	}

	if ballast == "" {
		if err := s.writer.script("PRAGMA max_page_count = 10000"); err != nil {
			t.Fatal(err)
		}
	} else if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if err := s.Update(t.Context(), bridge.Deployment, func(tx bridge.Tx) error {
			return tx.PutMeta(fmt.Sprint("n", confirmed), bytes.Repeat([]byte{1}, 10_000))
		}); err != nil {
			t.Fatalf("Update with space again = %v", err)
		}
		confirmed++
	}
	if got := there(); got != confirmed {
		t.Errorf("%d updates are there with space again, %d were confirmed", got, confirmed)
	}
}
