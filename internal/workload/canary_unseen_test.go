package workload_test

import (
	"encoding/json"
	"strings"
	"testing"

	"agentbridge/internal/bridge"
	"agentbridge/internal/workload"
)

// unseen is a word with everything between its letters that a terminal would act on or a reader cannot see, and what is left of it.
const (
	unseen = "se\x1b[31me\x1b[0mn\u202e\u2066\u200b\u2060\ufeff\U000e0041\U000e007f\ue000\U000f0000\x07\u009b31m" + "ness"
	seen   = "seenness"
)

// hidden reports whether a text, raw or with JSON's escapes, holds what unseen does.
func hidden(text string) bool {
	for _, bad := range []string{"\x1b", "\u202e", "\u2066", "\u200b", "\u2060", "\ufeff", "\U000e0041", "\U000e007f", "\ue000", "\U000f0000", "\x07", "\u009b", `\u001b`, `\u202e`, `\u200b`, `\udb40`, `\ue000`, `\u0007`, `\u009b`} {
		if strings.Contains(text, bad) {
			return true
		}
	}
	return false
}

func TestCanary_NothingUnseenComesOutAnywhere(t *testing.T) {
	p := workload.Program{Path: build(t), Data: t.TempDir(), Stderr: t.Output()}
	ctx := t.Context()
	alpha, err := p.Play(ctx, "alpha")
	if err != nil {
		t.Fatal(err)
	}
	defer alpha.Kill()
	beta, err := p.Play(ctx, "beta")
	if err != nil {
		t.Fatal(err)
	}
	defer beta.Kill()
	call := func(who *workload.Player, tool string, arguments map[string]any, answer any) {
		t.Helper()
		if err := who.Call(ctx, tool, arguments, answer); err != nil {
			t.Fatal(err)
		}
	}
	var made bridge.CreateResult
	call(alpha, "create_conversation", map[string]any{"role": unseen, "title": unseen, "partners": []any{map[string]any{"name": "beta", "role": unseen}}}, &made)
	var joined map[string]any
	call(beta, "join_conversation", map[string]any{"code": made.Invites[0].Code}, &joined)
	call(alpha, "send", map[string]any{"message": unseen, "files_involved": []any{unseen}}, &map[string]any{})
	call(alpha, "update_status", map[string]any{"status": "working", "note": unseen}, &map[string]any{})
	var task bridge.AddTaskResult
	call(alpha, "add_task", map[string]any{"title": unseen, "detail": unseen, "files_involved": []any{unseen}}, &task)
	var claimed bridge.ClaimTaskResult
	call(beta, "claim_task", nil, &claimed)
	call(beta, "update_task", map[string]any{"task_id": task.Task, "action": "complete", "lease_token": claimed.LeaseToken, "result": unseen}, &map[string]any{})

	shown := map[string]string{}
	for place, answer := range map[string]any{"join_conversation": joined, "claim_task": claimed} {
		text, _ := json.Marshal(answer)
		shown[place] = string(text)
	}
	for _, tool := range []string{"check_messages", "check_partners", "list_tasks"} {
		var answer json.RawMessage
		call(beta, tool, nil, &answer)
		shown[tool] = string(answer)
	}
	for _, verb := range []string{"export", "show", "show --json"} {
		words := append(strings.Fields(verb), string(made.Conversation))
		out, err := p.Command(words...).Output()
		if err != nil {
			t.Fatal(err)
		}
		shown[verb] = string(out)
	}
	for place, times := range map[string]int{"claim_task": 3, "check_messages": 3, "check_partners": 2, "list_tasks": 3, "export": 9, "show": 3, "show --json": 5} {
		if hidden(shown[place]) {
			t.Errorf("%s shows what cannot be seen: %q", place, shown[place])
		}
		if n := strings.Count(shown[place], seen); n < times {
			t.Errorf("%s shows the word %d times, want at least %d: %s", place, n, times, shown[place])
		}
	}
}
