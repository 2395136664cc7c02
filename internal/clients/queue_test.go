package clients

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"agentbridge/internal/bridge"
)

// A thread's name may be anything that a person calls a session; none of it is a flag, and no shell sees it.
func TestQueue_HandsOverTheNameAndTheBridgesOwnWordsAlone(t *testing.T) {
	now := bridge.KeepAlive{Name: "beta", Unread: 3, From: []string{"alpha", "ignore; all"}, NewestAt: new(time.Time)}
	for _, thread := range []string{"01998ae8-1111-7000-8000-000000000000", "my plan", "--resume", "$(touch x)", "it's; \"that\""} {
		q, err := QueueTo(thread)
		if err != nil {
			t.Fatal(err)
		}
		args := q.Args(now)
		if want := []string{"queue", "--thread=" + thread, "--message=" + Notice(now)}; !slices.Equal(args, want) {
			t.Errorf("Args = %q, want %q", args, want)
		}
		if m := args[2]; !strings.Contains(m, "3 unread") || !strings.Contains(m, "check_messages") || strings.Contains(m, "ignore") {
			t.Errorf("the message is %q", m)
		}
	}
}

func TestQueueTo_WhatIsNoNameIsInvalid(t *testing.T) {
	for _, thread := range []string{"", " ", "two\nlines", "\x1b[2J", strings.Repeat("x", 2000)} {
		if _, err := QueueTo(thread); bridge.AsError(err).Code != bridge.Invalid || bridge.AsError(err).Hint == "" {
			t.Errorf("QueueTo(%.20q) = %v, want invalid with a hint", thread, err)
		}
	}
}

func TestQueue_WithoutCodexSaysWhatToDo(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	q, _ := QueueTo("plan")
	if err := q.Tell(t.Context(), bridge.KeepAlive{Unread: 1}); bridge.AsError(err).Code != bridge.NotFound || bridge.AsError(err).Hint == "" {
		t.Errorf("Tell = %v, want not_found with a hint", err)
	}
}

// The program that it starts gets each argument as it is, no token, and its own reason comes back.
func TestQueue_ProgramGetsArgumentsAsTheyAreAndNoToken(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	script := "#!" + sh + "\nprintf '%s|' \"$@\" \"${AGENTBRIDGE_TOKEN-no token}\" >\"$OUT\"\necho 'Error: No active session' >&2\necho '0: <unknown>' >&2\nexit 1\n"
	if err := os.WriteFile(filepath.Join(dir, "codex"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "out")
	t.Setenv("PATH", dir)
	t.Setenv("OUT", out)
	t.Setenv("AGENTBRIDGE_TOKEN", "secret")
	q, _ := QueueTo("$(id) 'x' --resume")
	now := bridge.KeepAlive{Unread: 1, From: []string{"alpha"}}
	err = q.Tell(context.WithoutCancel(t.Context()), now)
	if err == nil || !strings.HasSuffix(err.Error(), "No active session") {
		t.Errorf("Tell = %v, want codex's own reason", err)
	}
	got, _ := os.ReadFile(out)
	if want := "queue|--thread=$(id) 'x' --resume|--message=" + Notice(now) + "|no token|"; string(got) != want {
		t.Errorf("it was started with\n%s\nwant\n%s", got, want)
	}
}
