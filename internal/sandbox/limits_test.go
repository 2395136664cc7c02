//go:build linux

package sandbox_test

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"agentbridge/internal/sandbox"
)

var timeouts = flag.Int("timeouts", 24, "commands that are ended by their time limit")

// leaveBehind starts what tries to stay: a daemon, orphans in sessions of their own, one that ignores signals and one that keeps no descriptor.
// Each holds a word in its arguments by which it can be found.
const leaveBehind = `
setsid sh -c "sh -c 'trap : TERM HUP INT; sleep 86399.%[1]s' & exec sleep 86398.%[1]s" &
(setsid setsid sleep 86397.%[1]s </dev/null >/dev/null 2>&1 &)
(trap '' TERM HUP INT; sleep 86396.%[1]s) &
nohup sleep 86395.%[1]s >/dev/null 2>&1 &
`

func TestRun_TimeoutLeavesNoSurvivor(t *testing.T) {
	s := open(t, sandbox.Options{Workspace: repository(t)})
	word := fmt.Sprint(os.Getpid())
	script := fmt.Sprintf("exec 9>lock; flock -s 9;"+leaveBehind+"echo started; wait; sleep 86400.%[1]s", word)
	var waiting sync.WaitGroup
	turns := make(chan struct{}, *timeouts)
	for range *timeouts {
		turns <- struct{}{}
	}
	close(turns)
	for range 4 {
		waiting.Go(func() {
			for range turns {
				r, err := s.Run(t.Context(), sandbox.Command{Steps: sandbox.Pipe([][]string{{"sh", "-c", script}}...), Time: 300 * time.Millisecond})
				if err != nil || r.Ending != sandbox.TimedOut || r.Exit != -1 {
					t.Errorf("Run = %s, exit status %d, %v, output %q; want it to time out", r.Ending, r.Exit, err, r.Output)
				}
			}
		})
	}
	waiting.Wait()
	if left := processes(t, "."+word); len(left) > 0 {
		t.Errorf("%d processes survived %d time-outs: %q", len(left), *timeouts, left)
	}
	wantUnlocked(t, filepath.Join(s.Workspace(), "lock"))
}

func TestRun_EndLeavesNoSurvivor(t *testing.T) {
	s := open(t, sandbox.Options{})
	word := fmt.Sprint("1", os.Getpid())
	r := run(t, s, sh(fmt.Sprintf("exec 9>lock; flock -s 9;"+leaveBehind+"echo done", word)))
	if r.Ending != sandbox.Exited || r.Exit != 0 || string(r.Output) != "done\n" {
		t.Errorf("Run = %s, exit status %d, output %q; want it to end by itself", r.Ending, r.Exit, r.Output)
	}
	if left := processes(t, "."+word); len(left) > 0 {
		t.Errorf("survivors: %q", left)
	}
	wantUnlocked(t, filepath.Join(s.Workspace(), "lock"))
}

func TestRun_EndOfContextLeavesNoSurvivor(t *testing.T) {
	s := open(t, sandbox.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	fifo := filepath.Join(s.Workspace(), "started")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	go func() {
		os.ReadFile(fifo) // until it has started
		cancel()
	}()
	word := fmt.Sprint("2", os.Getpid())
	r, err := s.Run(ctx, sh(fmt.Sprintf(leaveBehind+"echo >started; sleep 86400.%[1]s", word)))
	if err != nil || r.Ending != sandbox.Interrupted || r.Exit != -1 {
		t.Errorf("Run = %s, exit status %d, %v; want it interrupted", r.Ending, r.Exit, err)
	}
	if left := processes(t, "."+word); len(left) > 0 {
		t.Errorf("survivors: %q", left)
	}
}

// runner is what this program does as a process that runs one command and is killed meanwhile.
func runner() {
	s, err := sandbox.New(sandbox.Options{Workspace: os.Getenv("RUNNER")})
	if err == nil {
		_, err = s.Run(context.Background(), sh("exec 9>lock; flock -s 9; echo locked >started;"+fmt.Sprintf(leaveBehind, "3")+"sleep 86400"))
	}
	fmt.Println("ended", err)
}

func TestRun_DeathOfTheRunnerLeavesNoSurvivor(t *testing.T) {
	dir := workspace(t)
	fifo := filepath.Join(dir, "started")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), "RUNNER="+dir)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.ReadFile(fifo); err != nil {
		t.Fatal(err)
	}
	cmd.Process.Kill()
	cmd.Wait()
	wantUnlocked(t, filepath.Join(dir, "lock"))

	// Nobody was there to remove the placeholders. The next command does.
	if _, err := os.Lstat(filepath.Join(dir, ".claude")); err != nil {
		t.Errorf("no placeholder was left, so this test shows nothing: %v", err)
	}
	run(t, open(t, sandbox.Options{Workspace: dir}), sh("true"))
	for path := range listing(t, dir) {
		if path != "." && path != "lock" && path != "started" {
			t.Errorf("%s is left", path)
		}
	}
}

// wantUnlocked waits until nobody holds the file locked.
func wantUnlocked(t *testing.T, path string) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	free := make(chan error, 1)
	go func() { free <- unix.Flock(int(file.Fd()), unix.LOCK_EX) }()
	select {
	case err := <-free:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Errorf("a process still holds %s", path)
	}
}

// processes are the command lines of this machine that hold the word.
func processes(t *testing.T, word string) (found []string) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if line := string(bytes.ReplaceAll(text, []byte{0}, []byte(" "))); err == nil && strings.Contains(line, word) {
			found = append(found, line)
		}
	}
	return found
}

func TestRun_OutputIsCappedAndCounted(t *testing.T) {
	s := open(t, sandbox.Options{Limits: sandbox.Limits{Output: 4000}})
	r := run(t, s, sandbox.Command{Steps: sandbox.Pipe([][]string{{"sh", "-c", "echo first; echo second >&2; exec yes"}}...), Time: time.Second})
	if r.Ending != sandbox.TimedOut || len(r.Output) != 4000 || r.Size < 1<<20 || r.Omitted != r.Size-4000 || r.Cut != 3000 {
		t.Errorf("%s after %d bytes, kept %d, omitted %d at %d; want a million and more, 4000 kept, the rest omitted at 3000", r.Ending, r.Size, len(r.Output), r.Omitted, r.Cut)
	}
	if !strings.HasPrefix(string(r.Output), "first\nsecond\ny\n") {
		t.Errorf("output begins %q", r.Output[:20])
	}
	r = run(t, s, sh("seq 100000; echo the end"))
	if !strings.HasPrefix(string(r.Output), "1\n2\n3\n") || !strings.HasSuffix(string(r.Output), "\n100000\nthe end\n") {
		t.Errorf("of long output the beginning is %q and the end is %q", r.Output[:20], r.Output[len(r.Output)-20:])
	}
}

func TestRun_OutputMayBeAnyBytes(t *testing.T) {
	r := run(t, open(t, sandbox.Options{}), sh(`printf '\000\377\376a\r\n\033[31m\000'`))
	if want := "\x00\xff\xfea\r\n\x1b[31m\x00"; string(r.Output) != want || r.Size != int64(len(want)) || r.Omitted != 0 {
		t.Errorf("output %q of %d bytes, want %q", r.Output, r.Size, want)
	}
}

func TestRun_StdinIsEmptyAndThereIsNoTerminal(t *testing.T) {
	r := run(t, open(t, sandbox.Options{}), sh("cat; read x; echo $?; (echo >/dev/tty) 2>/dev/null; echo $?; test -t 0 -o -t 1 -o -t 2; echo $?; ls /proc/self/fd | wc -l"))
	if got := string(r.Output); r.Ending != sandbox.Exited || got != "1\n2\n1\n4\n" { // 0, 1, 2 and that of ls itself
		t.Errorf("%s with %q, want no input, no terminal and no other descriptor", r.Ending, got)
	}
}

func TestRun_DiskIsNotFilled(t *testing.T) {
	s := open(t, sandbox.Options{Limits: sandbox.Limits{FileBytes: 2 << 20, TempBytes: 1 << 20}})
	r := run(t, s, sh("head -c 100000000 /dev/zero >big"))
	if info, err := os.Stat(filepath.Join(s.Workspace(), "big")); err != nil || info.Size() > 2<<20 || r.Exit != 128+int(unix.SIGXFSZ) {
		t.Errorf("the file is %v (%v), exit status %d; want at most 2 MB and death by SIGXFSZ", info, err, r.Exit)
	}
	for _, place := range []string{"/tmp", "/dev/shm", "$HOME"} {
		r = run(t, s, sh("head -c 1900000 /dev/zero >"+place+"/big; echo $?; stat -c %s "+place+"/big"))
		var status, size int
		if n, _ := fmt.Sscan(lastLines(r.Output, 2), &status, &size); n != 2 || status == 0 || size > 1<<20 {
			t.Errorf("%s takes %d bytes (%q), want at most 1 MB", place, size, r.Output)
		}
	}
	full := open(t, sandbox.Options{Limits: sandbox.Limits{FreeBytes: 1 << 62}})
	if r = run(t, full, sh("sleep 60")); r.Ending != sandbox.DiskFull || r.Exit != -1 {
		t.Errorf("Run = %s, exit status %d; want it ended before the disk is full", r.Ending, r.Exit)
	}
}

func lastLines(output []byte, n int) string {
	var lines []string
	for scanner := bufio.NewScanner(bytes.NewReader(output)); scanner.Scan(); {
		lines = append(lines, scanner.Text())
	}
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

func TestRun_ForkBombIsContained(t *testing.T) {
	s := open(t, sandbox.Options{Limits: sandbox.Limits{Processes: 40}})
	// Each child says that it lives and keeps living.
	r := run(t, s, sandbox.Command{Steps: sandbox.Pipe([][]string{{"bash", "-c", `bomb() { echo alive; bomb & bomb & wait; }; bomb 2>/dev/null; sleep 60`}}...), Time: 2 * time.Second})
	if alive := strings.Count(string(r.Output), "alive"); r.Ending != sandbox.TimedOut || alive < 5 {
		t.Errorf("Run = %s with %d alive, want a bomb that explodes until its time is over", r.Ending, alive)
	}
	r = run(t, s, sh("for i in $(seq 200); do sleep 60 & done 2>&1; ls -d /proc/[0-9]* | wc -l"))
	if !strings.Contains(strings.ToLower(string(r.Output)), "fork") {
		t.Errorf("output %q, want that no more processes can be made", r.Output)
	}
}

func TestRun_MemoryOfAProcessIsLimited(t *testing.T) {
	s := open(t, sandbox.Options{Limits: sandbox.Limits{MemoryBytes: 64 << 20}})
	r := run(t, s, sh("head -c 300000000 /dev/zero | tail -c 200000000 | wc -c"))
	if !strings.Contains(string(r.Output), "exhausted") && strings.Contains(string(r.Output), "200000000") {
		t.Errorf("output %q, want no memory for 200 MB", r.Output)
	}
}
