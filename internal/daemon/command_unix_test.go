//go:build unix

package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestRunCommand_GivesStdinAndEnvAndWithholdsOurSecrets(t *testing.T) {
	for _, name := range []string{"AGENTBRIDGE_TOKEN", "AGENTBRIDGE_ALERT_SECRET", "AGENTBRIDGE_ALERT_WEBHOOK"} {
		t.Setenv(name, "keep this to yourself")
	}
	t.Setenv("AGENTBRIDGE_TOKEN_TTL", "3h")
	seen := filepath.Join(t.TempDir(), "seen")
	err := RunCommand(t.Context(), `cat > "$SEEN"; env >> "$SEEN"`, []byte("{\"unread\":3}\n"), "SEEN="+seen, "UNREAD=3")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(seen)
	if err != nil {
		t.Fatal(err)
	}
	got := string(text)
	if !strings.HasPrefix(got, "{\"unread\":3}\n") || !strings.Contains(got, "\nUNREAD=3\n") || !strings.Contains(got, "\nAGENTBRIDGE_TOKEN_TTL=3h\n") {
		t.Errorf("the command saw %q, want its stdin, then our environment with UNREAD", got)
	}
	if strings.Contains(got, "keep this to yourself") {
		t.Errorf("the command saw a secret of ours: %q", got)
	}
}

func TestRunCommand_FailsWithTheEndOfItsOutputApart(t *testing.T) {
	for _, tt := range []struct{ command, why, output string }{
		{"echo no; echo way >&2; exit 3", "exit status 3", "no\nway\n"},
		{"kill -9 $$", "signal: killed", ""},
		{"yes | head -c 1000000; printf END; exit 1", "exit status 1", "END"},
		{"no-such-program-here", "exit status 127", "not found"},
		{"printf '\\377\\376done'; exit 1", "exit status 1", "done"},
	} {
		err := RunCommand(t.Context(), tt.command, []byte("unread"))
		failed, ok := errors.AsType[*CommandError](err)
		if !ok || failed.Why != tt.why || !strings.Contains(failed.Output, tt.output) || len(failed.Output) > commandTail {
			t.Errorf("%s: %#v, want %s and the end of the output, %q", tt.command, err, tt.why, tt.output)
		}
		if err != nil && tt.output != "" && strings.Contains(err.Error(), strings.TrimSpace(tt.output)) {
			t.Errorf("%s: %q shows the output", tt.command, err)
		}
	}
}

// A command that hangs is killed with what it started, whether its time is over or ours.
func TestRunCommand_KillsTheWholeGroup(t *testing.T) {
	for name, limit := range map[string]time.Duration{"killed after 200ms": 200 * time.Millisecond, "agentbridge is ending": commandTime} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			done := make(chan error)
			start := time.Now()
			go func() {
				done <- runCommand(ctx, limit, `sleep 1000 & echo $! > "$DIR/child"; wait`, nil, "DIR="+dir)
			}()
			pid := readPid(t, filepath.Join(dir, "child"))
			if limit == commandTime {
				cancel()
			}
			if err := <-done; err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("a command that hangs: %v, want %q", err, name)
			}
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("it took %v", took)
			}
			eventually(t, "the command's child is gone", func() bool { return dead(pid) })
		})
	}
}

func TestRunCommand_WhatItLeavesInTheBackgroundIsNoFailureAndGoesOn(t *testing.T) {
	dir := t.TempDir()
	start := time.Now()
	if err := RunCommand(t.Context(), `sleep 1000 & echo $! > "$DIR/child"`, nil, "DIR="+dir); err != nil {
		t.Errorf("a command that ended well: %v", err)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("it took %v, want no waiting for what is in the background", took)
	}
	pid := readPid(t, filepath.Join(dir, "child"))
	if dead(pid) {
		t.Error("what was left in the background was killed")
	}
	syscall.Kill(pid, syscall.SIGKILL)
}

func TestRunCommand_DoesNotWaitForOneThatReadsNothing(t *testing.T) {
	if err := RunCommand(t.Context(), "true", make([]byte, 1<<20)); err != nil {
		t.Errorf("a command that reads nothing: %v", err)
	}
}

func TestCommandSink_GivesTheAlertAsALineOfJSON(t *testing.T) {
	out := filepath.Join(t.TempDir(), "alert")
	mask := func(s string) string { return strings.ReplaceAll(s, "hunter2", "[REDACTED]") }
	if err := Command("cat > '"+out+"'", mask).Send(t.Context(), anAlert); err != nil {
		t.Fatal(err)
	}
	want, _ := json.Marshal(anAlert)
	if got, err := os.ReadFile(out); err != nil || string(got) != string(want)+"\n" {
		t.Errorf("the command read %q, %v; want %q and a newline", got, err, want)
	}
	err := Command("echo my password is; echo hunter2 >&2; exit 7", mask).Send(t.Context(), anAlert)
	if _, ok := errors.AsType[*CommandError](err); !ok || !strings.Contains(err.Error(), `exit status 7; it wrote "my password is [REDACTED]"`) {
		t.Errorf("a failing command: %v, want its status and the end of its output, redacted", err)
	}
	err = Command("yes hunter2 | head -c 100000; exit 1", mask).Send(t.Context(), anAlert)
	if err == nil || len(err.Error()) > 400 {
		t.Errorf("a talkative command: %d bytes of error", len(err.Error()))
	}
}

// dead reports whether a process is gone, or only waits for somebody to take note of it.
func dead(pid int) bool {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err == nil {
		_, rest, _ := strings.Cut(string(stat), ") ")
		return strings.HasPrefix(rest, "Z")
	}
	return syscall.Kill(pid, 0) != nil
}
