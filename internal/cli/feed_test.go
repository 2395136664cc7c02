package cli

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"agentbridge/internal/bridge"
	"agentbridge/internal/workload"
)

func TestTail_FollowsUntilInterrupted(t *testing.T) {
	dir := dataPath(t)
	alpha, beta := connect(t, dir, "alpha"), connect(t, dir, "beta")
	meet(t, alpha, beta)
	send(t, alpha, "before")
	cmd := exec.Command(os.Args[0], "tail", "--data", dir, "--json")
	cmd.Args[0], cmd.Stderr = "agentbridge", os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	lines := bufio.NewScanner(out)
	next := func(kind string) (e event) {
		t.Helper()
		for lines.Scan() {
			e = event{}
			if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
				t.Fatalf("%q: %v", lines.Text(), err)
			}
			if e.Kind == kind {
				return e
			}
		}
		t.Fatalf("the feed ended without a %s: %v", kind, lines.Err())
		return e
	}
	if got := next("message"); got.Message.Text != "before" {
		t.Errorf("first message %q, want the one from before", got.Message.Text)
	}
	start := time.Now()
	send(t, beta, "during")
	if got := next("message"); got.Message.Text != "during" || got.Message.From != "beta" {
		t.Errorf("then %+v, want the new one", got.Message)
	}
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("the feed took %v", took)
	}
	beta.Kill()
	if got := next("problem"); got.Problem != "beta is silent" {
		t.Errorf("after kill -9 of beta: %q, want that it is silent", got.Problem)
	}
	heir := connect(t, dir, "beta")
	if got := next("solved"); got.Solved != "beta is silent" {
		t.Errorf("after its return: %q solved", got.Solved)
	}
	check(t, heir, 0)
	cmd.Process.Signal(syscall.SIGINT)
	for lines.Scan() {
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("tail after SIGINT: %v, want exit status 0", err)
	}
}

func TestCheck_InterruptedTakesNothing(t *testing.T) {
	dir := dataPath(t)
	alpha, beta := connect(t, dir, "alpha"), connect(t, dir, "beta")
	meet(t, alpha, beta)
	if err := beta.Leave(); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "check", "--data", dir, "--as", "beta", "--wait", "200s")
	cmd.Args[0], cmd.Stderr = "agentbridge", os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	for ; ; time.Sleep(20 * time.Millisecond) { // until it is there
		var seen bridge.PartnersResult
		if err := alpha.Call(t.Context(), "check_partners", map[string]any{}, &seen); err != nil {
			t.Fatal(err)
		}
		if seen.Partners[0].Liveness == bridge.Alive {
			break
		}
	}
	start := time.Now()
	cmd.Process.Signal(syscall.SIGINT)
	cmd.Wait()
	if got, took := cmd.ProcessState.ExitCode(), time.Since(start); got != 1 || took > 3*time.Second {
		t.Errorf("after SIGINT: exit status %d after %v, want 1 at once", got, took)
	}
	send(t, alpha, "later")
	if got := check(t, connect(t, dir, "beta"), 5); len(got.Messages) != 1 || got.Messages[0].Redelivered {
		t.Errorf("then beta got %+v, want the message for the first time", got.Messages)
	}
}

func TestTail_TellsHowTasksGo(t *testing.T) {
	dir := dataPath(t)
	alpha, beta := connect(t, dir, "alpha"), connect(t, dir, "beta")
	meet(t, alpha, beta)
	call := func(a *workload.Player, tool string, arguments map[string]any) (res bridge.ClaimTaskResult) {
		t.Helper()
		if err := a.Call(t.Context(), tool, arguments, &res); err != nil {
			t.Fatal(err)
		}
		return res
	}
	call(alpha, "add_task", map[string]any{"title": "over"})
	over := call(beta, "claim_task", map[string]any{})
	call(beta, "update_task", map[string]any{"task_id": over.Task.ID, "action": "complete", "lease_token": over.LeaseToken})

	cmd := exec.Command(os.Args[0], "tail", "--data", dir, "--json")
	cmd.Args[0], cmd.Stderr = "agentbridge", os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	lines := bufio.NewScanner(out)
	wants := func(title string, state bridge.TaskState, holder string) {
		t.Helper()
		for lines.Scan() {
			var e event
			if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
				t.Fatalf("%q: %v", lines.Text(), err)
			}
			if e.Kind != "task" {
				continue
			}
			if e.Task.Title != title || e.Task.State != state || e.Task.Holder != holder {
				t.Fatalf("told of %+v, want %q %s by %q", e.Task, title, state, holder)
			}
			return
		}
		t.Fatalf("the feed ended: %v", lines.Err())
	}
	call(alpha, "add_task", map[string]any{"title": "first"})
	wants("first", bridge.TaskOpen, "")
	call(alpha, "add_task", map[string]any{"title": "second"})
	wants("second", bridge.TaskOpen, "")
	for _, end := range []struct {
		title, action string
		state         bridge.TaskState
		holder        string
	}{{"first", "release", bridge.TaskOpen, ""}, {"first", "complete", bridge.TaskDone, "beta"}, {"second", "fail", bridge.TaskFailed, "beta"}} {
		got := call(beta, "claim_task", map[string]any{})
		wants(end.title, bridge.TaskClaimed, "beta")
		call(beta, "update_task", map[string]any{"task_id": got.Task.ID, "action": end.action, "lease_token": got.LeaseToken})
		wants(end.title, end.state, end.holder)
	}
}
