package daemon

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"agentbridge/internal/policy"
)

var everyPayload = flag.Int("payloads", 32, "of the policy's own corpora, run one of so many payloads in the sandbox; 1 for all of them")

const (
	nobody     = 65534
	secretText = "AGENTBRIDGE-SECRET-5b1f"
)

// Whatever the policy does not refuse in restricted and yolo mode, of its own corpora and of testdata/breakouts.txt, is run in the sandbox as
// an ordinary user, in a workspace full of hostile code. Nothing of it writes outside, reads what is not its business, reaches anybody, or
// changes what others execute later.
func TestContainment_WhatIsNotRefusedStaysInTheSandbox(t *testing.T) {
	corpora := os.Getenv("CORPORA")
	if os.Getuid() == 0 {
		asNobody(t)
		return
	}
	if corpora == "" {
		corpora = gather(t, t.TempDir())
	}
	type payload struct {
		text string
		mode policy.Mode
	}
	var payloads []payload
	for _, name := range []string{"breakouts.txt", "payloads.txt", "attempts.txt", "ordinary_restricted.txt"} {
		for i, text := range lines(t, filepath.Join(corpora, name)) {
			if name == "breakouts.txt" || i%*everyPayload == 0 {
				payloads = append(payloads, payload{text, policy.Restricted}, payload{text, policy.Yolo})
			}
		}
	}
	work := make(chan payload, len(payloads))
	for _, p := range payloads {
		work <- p
	}
	close(work)
	var ran, refused, hostile atomic.Int64
	var workers sync.WaitGroup
	before := foreign(t)
	for range 4 {
		l := newYardOfTraps(t)
		workers.Go(func() {
			for p := range work {
				outcome := l.try(t, p.mode, p.text)
				if outcome.refused {
					refused.Add(1)
				} else {
					ran.Add(1)
				}
				if outcome.hostile {
					hostile.Add(1)
				}
			}
			if n := l.reached.Load(); n != 0 {
				t.Errorf("%d connections were made to listeners outside", n)
			}
		})
	}
	workers.Wait()
	for _, path := range foreign(t) {
		if !slices.Contains(before, path) {
			t.Errorf("%s is left outside", path)
		}
	}
	t.Logf("%d payloads in each of 2 modes: %d runs in the sandbox, in %d of which the workspace's hostile code ran; %d refused by the policy", len(payloads)/2, ran.Load(), hostile.Load(), refused.Load())
	if ran.Load() < 300 || hostile.Load() < 25 {
		t.Errorf("%d payloads ran, %d of them hostile code: that proves nothing", ran.Load(), hostile.Load())
	}
}

// asNobody runs this test once more as an ordinary user: root's commands could do more than a wall shows.
func asNobody(t *testing.T) {
	t.Helper()
	dir, err := os.MkdirTemp("", "containment-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	home, corpora := filepath.Join(dir, "h"), filepath.Join(dir, "corpora")
	for _, path := range []string{home, corpora} {
		if err := os.Mkdir(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	gather(t, corpora)
	program := filepath.Join(dir, "test")
	text, err := os.ReadFile("/proc/self/exe")
	if err == nil {
		err = os.WriteFile(program, text, 0o755)
	}
	for _, err := range []error{err, os.Chmod(dir, 0o755), os.Chown(home, nobody, nobody)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), program, "-test.run=^TestContainment_", "-test.v", "-payloads="+strconv.Itoa(*everyPayload))
	cmd.Dir = home
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "TMPDIR=" + home, "CORPORA=" + corpora, "AGENTBRIDGE_VARIABLE=" + secretText}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Error(err)
	}
}

// gather puts all corpora into one directory.
func gather(t *testing.T, dir string) string {
	t.Helper()
	for _, path := range []string{"testdata/breakouts.txt", "../policy/testdata/payloads.txt", "../policy/testdata/attempts.txt", "../policy/testdata/ordinary_restricted.txt"} {
		text, err := os.ReadFile(path)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, filepath.Base(path)), text, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func lines(t *testing.T, path string) (list []string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSuffix(line, "\n"); line != "" && !strings.HasPrefix(line, "# ") {
			list = append(list, strings.NewReplacer("⏎", "\n", "␍", "\r", "␛", "\x1b").Replace(line))
		}
	}
	return list
}

// foreign are the files of this user in directories that everybody may write to, but for those of tests.
func foreign(t *testing.T) (paths []string) {
	t.Helper()
	for _, dir := range []string{"/tmp", "/var/tmp", "/dev/shm", "/run/lock"} {
		entries, _ := os.ReadDir(dir)
		for _, e := range entries {
			info, err := e.Info()
			if err != nil || strings.Contains(e.Name(), "-test-") || strings.HasPrefix(e.Name(), "Test") || strings.HasPrefix(e.Name(), "agentbridge-") {
				continue
			}
			if stat, ok := info.Sys().(*syscall.Stat_t); ok && int(stat.Uid) == os.Getuid() {
				paths = append(paths, filepath.Join(dir, e.Name()))
			}
		}
	}
	return paths
}
